"""What came of a session, as a card and in the terminal: where the player helped, what the agent learned, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data.demos import Why
from hitl.coach.learned import NEWEST
from hitl.coach.observer import Coaching, Looking
from hitl.coach.rules import FAILURES, Ended
from takeover_ui.language import ENGLISH, Words
from takeover_ui.reasons import why_text
from takeover_ui.view import Card
from trainer.daemon.heartbeat import SILENT_S, Heartbeat


def table(coaching: Coaching, words: Words) -> tuple[tuple[str, ...], ...]:
    """Return a row for each corner at which the player helped or the agent tried, the heads first; empty where none is."""
    rows = []
    for corner in coaching.corners:
        mine = [t for t in coaching.takeovers if t.corner == corner.name and t.reason is None]
        now = coaching.coach.learned(corner.name)
        if now is None or not (mine or now.of):
            continue
        seconds = words.say("seconds", value=sum(t.seconds for t in mine))
        cleared = sum(t.outcome == "cleared" for t in mine)
        before, of = coaching.before.get(corner.name, (0, 0))
        rows.append(
            (
                corner.name,
                f"{len(mine)} × {seconds}" if mine else "–",
                words.say("end_of", n=cleared, of=len(mine)) if mine else "–",
                words.say("end_of", n=before, of=of) if of else "–",
                words.say("end_of", n=now.passes, of=now.of) if now.of else "–",
            )
        )
    heads = tuple(words[f"end_{name}"] for name in ("corner", "helped", "cleared", "before", "after"))
    return (heads, *rows) if rows else ()


def lines(
    coaching: Coaching, looking: Looking, beat: Heartbeat | None, words: Words, elsewhere: bool = False, works: bool = False
) -> list[str]:
    """Return what is said below the table. ``elsewhere``: another machine trains, and how it does is not known here.

    ``works``: a trainer has this home to itself, whatever is heard of it: one on a full disk may be silent, or it just starts.
    """
    said = [*_uncounted(coaching, words)] if coaching.helped else [words["end_nothing"]]
    if looking.failed_noisy and not looking.failed:
        said.append(words.say("end_uncalled", n=looking.failed_noisy))
    if looking.looked_s >= 1.0:
        said.append(words.say("end_looked", looked=looking.looked_s, drove=looking.drove_s))
    if elsewhere:
        pass
    elif beat is None or beat.state in ("stopped", "failed") or beat.age_s >= SILENT_S:
        said.append(words["end_trainer" if works else "end_lost" if coaching.lost else "end_no_trainer"])
    elif beat.owed_updates > 0 and beat.updates_per_second > 0:
        said.append(words.say("end_trained", n=max(1, round(beat.owed_updates / beat.updates_per_second / 60))))
    practised = looking.practised[0] if looking.practised is not None else ""
    said.append(following(coaching, words, called=looking.called, practised=practised, elsewhere=elsewhere))
    return [line for line in said if line]


def _uncounted(coaching: Coaching, words: Words) -> Iterator[str]:
    """Yield a sentence for each reason for which takeovers did not count, which is why the table lacks them."""
    by_reason: dict[Why, list[Ended]] = {}
    for takeover in coaching.takeovers:
        if takeover.reason is not None:
            by_reason.setdefault(takeover.reason.why, []).append(takeover)
    for why, these in by_reason.items():
        seconds = words.say("seconds", value=sum(t.seconds for t in these))
        yield words.say("end_uncounted", n=len(these), seconds=seconds, why=words[why_text(why)])


def following(
    coaching: Coaching, words: Words, *, called: bool = False, practised: str = "", elsewhere: bool = False
) -> str:
    """Return what to do next time; "" before the agent has tried anything alone, or where it is what was just done.

    ``called``: the agent called in this session; ``practised``: the corner that was practised in it; ``elsewhere``: another
    machine trains, so that `hitl play` here would teach no one.
    """
    of = "_worker" if elsewhere else ""
    hardest = coaching.coach.hardest
    if hardest is None:
        return ""
    if hardest.share >= 1.0:
        failed = coaching.failed
        return words.say("end_next_failed", failed=failed, n=coaching.drives) if failed else words["end_next_free"]
    if coaching.coach.enough(hardest.corner):
        return words.say("end_next_enough", corner=hardest.corner)
    if _mostly_fails(coaching, hardest.corner):
        return words.say(f"end_next_slower{of}", corner=hardest.corner)
    if hardest.passes * 2 < min(hardest.of, NEWEST):
        return words.say(f"end_next_practice{of}", corner=hardest.corner) if hardest.corner != practised else ""
    return "" if called else words[f"end_next_call{of}"]


def _mostly_fails(coaching: Coaching, corner: str) -> bool:
    """Whether most of the player's takeovers there failed, by the rule of the diagnosis, which gives the same advice."""
    known = [t.outcome for t in coaching.takeovers if t.corner == corner and t.outcome != "unclear"]
    failed = known.count("failed")
    return failed >= FAILURES and 2 * failed > len(known)


def card(
    coaching: Coaching, looking: Looking, beat: Heartbeat | None, words: Words, elsewhere: bool = False, works: bool = False
) -> Card:
    """Return the last card of a session."""
    said = lines(coaching, looking, beat, words, elsewhere, works)
    if looking.practised is not None:  # the terminal counts the tries anyway
        corner, passed, of = looking.practised
        said.insert(0, words.say("practice_so_far", corner=corner, passed=passed, of=of))
    return Card(words["end_title"], tuple(said), table(coaching, words), words["end_keys"], closes=True)


def printed(
    coaching: Coaching, looking: Looking, beat: Heartbeat | None, elsewhere: bool = False, works: bool = False
) -> str:
    """Return the same for the terminal."""
    return "\n".join([*_columns(table(coaching, ENGLISH)), *lines(coaching, looking, beat, ENGLISH, elsewhere, works)])


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
