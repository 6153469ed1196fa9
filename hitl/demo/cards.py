"""What the demo says in words: before it begins, when it is the player's turn, when they fail, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from takeover_ui.language import ENGLISH, Words
from takeover_ui.view import Card

if TYPE_CHECKING:
    from hitl.demo.demo import DemoResult, Measurement
    from takeover_ui.report.contents import Report, Score


def next_steps(words: Words = ENGLISH, *, takeovers: bool = True) -> tuple[str, ...]:
    """Return the commands that go on from here, under their heading. ``takeovers``: there are some to look at."""
    return tuple(words[name] for name in ("next", "next_play", *(("next_review",) if takeovers else ()), "next_corners"))


def intro_card(corner: str, failed: int, words: Words = ENGLISH) -> Card:
    """Return the first card, shown while the rest is loaded. ``failed``: evaluation laps in which the agent failed there."""
    title = words.say("intro_title", corner=corner, n=failed)
    return Card(title, (words["intro_line"], words["loading"]), keys=words["key_leave"], closes=True)


def turn_card(corner: str, before: Measurement, drive: str, *, stand_in: bool, words: Words = ENGLISH) -> Card:
    """Return the card that gives the wheel to the player. ``drive``: the keys that they drive with."""
    lines = (
        words.say("turn_passed", corner=corner, passes=before.passes, n=len(before.results)),
        words.say("turn_take", corner=corner, drive=drive),
        words["turn_bar"],
        words["turn_learns"],
        words["turn_watch"] if stand_in else "",
    )
    return Card(words["turn_title"], tuple(line for line in lines if line), keys=words["turn_keys"])


def practice_card(corner: str, failed: int, advice: str, tries: int, words: Words = ENGLISH) -> Card:
    """Return the card for a player who fails: advice from the recorded drives, and an offer to practise."""
    lines = (advice, words.say("practice_ask", n=tries, corner=corner))
    title = words.say("practice_title", n=failed, corner=corner)
    return Card(title, tuple(line for line in lines if line), keys=words["practice_keys"])


def unfinished(report: Report, words: Words = ENGLISH) -> str:
    """Return a sentence about laps that were not finished after the corner was passed; "" where most were."""
    after, corner = report.after, report.corner
    if after is None or corner is None or not sum(after.passed) or after.finished >= sum(after.passed) / 2:
        return ""
    finished = str(after.finished) if after.finished else words["none"]
    return words.say(
        "unfinished", corner=corner.name, n=sum(after.passed), of=len(after.passed), finished=finished
    )


def helped(result: DemoResult, report: Report, words: Words = ENGLISH) -> str:
    """Return who helped, for how long, and what was learned since, counted as in the report."""
    if not result.takeovers:
        return words["helped_not"]
    mine, driver = result.takeover_seconds - result.stand_in_seconds, result.stand_in_seconds
    parts = [
        words.say("helped_you", seconds=mine) if mine > 0.05 else "",
        words.say("helped_driver", seconds=driver) if driver > 0 else "",
    ]
    return words.say(
        "helped",
        takeovers=words.say("count_takeovers", n=result.takeovers),
        who=", ".join(part for part in parts if part),
        updates=words.say("count_updates", n=report.updates),
    )


def compared(result: DemoResult, report: Report, words: Words = ENGLISH) -> tuple[tuple[str, str, str], ...]:
    """Return the table of before and after as the report has it, its heads first; "–" is what was not measured."""
    measured = result.before.complete
    sides = (report.before, report.after) if measured else (None, None)

    def row(name: str, figure: Callable[[Score], str]) -> tuple[str, str, str]:
        before, after = ("–" if score is None else figure(score) for score in sides)
        return name, before, after

    def of(count: int, score: Score) -> str:
        return words.say("of", passed=count, of=len(score.passed))

    return (
        ("", words["before"], words["after"]),
        row(words.say("row_passed", corner=result.corner.name), lambda s: of(sum(s.passed), s)),
        row(words["row_finished"], lambda s: of(s.finished, s)),
        row(words["row_best"], lambda s: "–" if s.best_lap is None else words.say("seconds", value=s.best_lap)),
        row(words["row_return"], lambda s: words.say("number", value=s.return_mean)),
    )


def closing_card(words: Words = ENGLISH) -> Card:
    """Return the card for the seconds in which the trainer ends and the report is written."""
    return Card(words["closing"], keys=words["key_close"], closes=True)


def outcome_card(result: DemoResult, report: Report, words: Words = ENGLISH) -> Card:
    """Return the last card: before and after, who helped, and what to do next."""
    table = compared(result, report, words)
    lines = [helped(result, report, words), unfinished(report, words), *next_steps(words, takeovers=result.takeovers > 0)]
    before, after = table[1][1:]
    title = words["outcome_left"]
    if after != "–":
        title = words.say("outcome_title", corner=result.corner.name, before=before, after=after)
    return Card(title, tuple(line for line in lines if line), table, words["outcome_keys"], closes=True)
