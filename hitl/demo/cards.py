"""What the demo says in words: before it begins, when it is the player's turn, when they fail, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from data.words import number_of
from takeover_ui.view import Card

if TYPE_CHECKING:
    from hitl.demo.demo import DemoResult, Measurement
    from takeover_ui.report.contents import Report, Score

NEXT = (
    "hitl play: let it drive on, and take over where you like",
    "hitl review: look at your takeovers against the agent",
    "hitl corners: how each corner goes",
)
"""Three commands that go on from here."""

LEFT = "You left before it was measured again, so there is nothing to compare (–)."


def intro_card(corner: str, failed: int) -> Card:
    """Return the first card, shown while the rest is loaded. ``failed``: evaluation laps in which the agent failed there."""
    return Card(
        f"This agent fails at the {corner}, {failed} times of {failed}.",
        ("First it shows you. Then it is your turn.", "Loading ..."),
        keys="Esc: leave",
        closes=True,
    )


def turn_card(corner: str, before: Measurement, *, stand_in: bool) -> Card:
    """Return the card that gives the wheel to the player."""
    watch = "Nothing pressed: a scripted driver takes over in your place, and you watch." if stand_in else ""
    lines = (
        f"{before.passes} of {number_of(len(before.results), 'lap')} came through the {corner}.",
        f"Take the wheel shortly before the {corner}: press an arrow key, or move the stick.",
        "The bar turns orange: you drive. Let go behind the corner: the agent drives again.",
        "It learns from what you showed it, while you go on.",
        watch,
    )
    return Card("Your turn.", tuple(line for line in lines if line), keys="Enter: I drive    Esc: leave")


def practice_card(corner: str, failed: int, advice: str, tries: int) -> Card:
    """Return the card for a player who fails: advice from the recorded drives, and an offer to practise."""
    return Card(
        f"{number_of(failed, 'try', 'tries')} of yours at the {corner} ended off the road.",
        tuple(line for line in (advice, f"Practise? {tries} tries, each begun just before the {corner}.") if line),
        keys="Enter: practise    anything else: go on as before    Esc: leave",
    )


def unfinished(report: Report) -> str:
    """Return a sentence about laps that were not finished after the corner was passed; "" where most were."""
    after, corner = report.after, report.corner
    if after is None or corner is None or not sum(after.passed) or after.finished >= sum(after.passed) / 2:
        return ""
    return (
        f"It gets through the {corner.name} {number_of(sum(after.passed), 'time')} of {len(after.passed)}, and finishes "
        f"{after.finished or 'none'} of these laps: it fails elsewhere now. `hitl train` goes on from here, beside `hitl play`."
    )


def helped(result: DemoResult) -> str:
    """Return who helped, and for how long."""
    if not result.takeovers:
        return "No one took over."
    mine, driver = result.takeover_seconds - result.stand_in_seconds, result.stand_in_seconds
    parts = [f"you {mine:.1f} s" if mine > 0.05 else "", f"the scripted driver {driver:.1f} s" if driver > 0 else ""]
    who = ", ".join(part for part in parts if part)
    return f"{number_of(result.takeovers, 'takeover')}: {who}. {number_of(result.updates, 'update')}."


def compared(result: DemoResult, report: Report) -> tuple[tuple[str, str, str], ...]:
    """Return the table of before and after as the report has it, its heads first; "–" is what was not measured."""
    measured = result.before.complete
    sides = (report.before, report.after) if measured else (None, None)

    def row(name: str, figure: Callable[[Score], str]) -> tuple[str, str, str]:
        before, after = ("–" if score is None else figure(score) for score in sides)
        return name, before, after

    return (
        ("", "before", "after"),
        row(f"{result.corner.name} passed", lambda s: s.passed_text),
        row("laps finished", lambda s: f"{s.finished} of {len(s.passed)}"),
        row("best lap", lambda s: "–" if s.best_lap is None else f"{s.best_lap:.1f} s"),
        row("mean return", lambda s: f"{s.return_mean:.1f}"),
    )


def closing_card() -> Card:
    """Return the card for the seconds in which the trainer ends and the report is written."""
    return Card("Writing down what was learned ...", keys="Esc: close", closes=True)


def outcome_card(result: DemoResult, report: Report) -> Card:
    """Return the last card: before and after, who helped, and what to do next."""
    table = compared(result, report)
    lines = [helped(result), unfinished(report), "Next:", *NEXT]
    keys = "Enter: open the report    Esc: close"
    before, after = table[1][1:]
    title = f"{result.corner.name}: {before} before, {after} after" if after != "–" else LEFT
    return Card(title, tuple(line for line in lines if line), table, keys, closes=True)
