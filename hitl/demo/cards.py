"""What the demo says in words: before it begins, when it is the player's turn, when they fail, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from takeover_ui.view import Card

if TYPE_CHECKING:
    from hitl.demo.demo import DemoResult, Measurement

NEXT = (
    "hitl play: let it drive on, and take over where you like",
    "hitl review: look at your takeovers against the agent",
    "hitl corners: how each corner goes",
)
"""Three commands that go on from here."""


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
        f"{before.passes} of {len(before.results)} laps came through the {corner}.",
        f"Take the wheel shortly before the {corner}: press an arrow key, or move the stick.",
        "The bar turns orange: you drive. Let go behind the corner: the agent drives again.",
        "It learns from what you showed it, while you go on.",
        watch,
    )
    return Card("Your turn.", tuple(line for line in lines if line), keys="Enter: I drive    Esc: leave")


def practice_card(corner: str, failed: int, advice: str, tries: int) -> Card:
    """Return the card for a player who fails: advice from the recorded drives, and an offer to practise."""
    return Card(
        f"{failed} of your tries at the {corner} ended off the road.",
        tuple(line for line in (advice, f"Practise? {tries} tries, each begun just before the {corner}.") if line),
        keys="Enter: practise    anything else: go on as before    Esc: leave",
    )


def unfinished(result: DemoResult) -> str:
    """Return a sentence about laps that were not finished after the corner was passed; "" where most were."""
    after = result.after
    if not after.complete or after.finished >= after.passes / 2:
        return ""
    return (
        f"It gets through the {result.corner.name} {after.passes} times of {len(after.results)}, and finishes "
        f"{after.finished or 'none'} of these laps: it fails elsewhere now. `hitl train` goes on from here, beside `hitl play`."
    )


def helped(result: DemoResult) -> str:
    """Return who helped, and for how long."""
    if not result.takeovers:
        return "No one took over."
    mine, driver = result.takeover_seconds - result.stand_in_seconds, result.stand_in_seconds
    parts = [f"you {mine:.1f} s" if mine > 0 else "", f"the scripted driver {driver:.1f} s" if driver > 0 else ""]
    takeovers = f"{result.takeovers} takeover{'' if result.takeovers == 1 else 's'}"
    return f"{takeovers}: {', '.join(part for part in parts if part)}. {result.updates:,} updates."


def compared(result: DemoResult) -> tuple[tuple[str, str, str], ...]:
    """Return the table of before and after, its heads first; "–" is what was not measured."""

    def of(m: Measurement, count: int) -> str:
        return f"{count} of {len(m.results)}" if m.results else "–"

    def lap(m: Measurement) -> str:
        best = m.best_lap(result.hz)
        return f"{best:.1f} s" if best is not None else "–"

    sides = result.before, result.after
    return (
        ("", "before", "after"),
        (f"{result.corner.name} passed", *(of(m, m.passes) for m in sides)),  # type: ignore[arg-type]
        ("laps finished", *(of(m, m.finished) for m in sides)),  # type: ignore[arg-type]
        ("best lap", *(lap(m) for m in sides)),  # type: ignore[arg-type]
        ("mean return", *(f"{m.return_mean:.1f}" if m.results else "–" for m in sides)),  # type: ignore[arg-type]
    )


def outcome_card(result: DemoResult, report: Path | None = None) -> Card:
    """Return the last card. ``report``: the page, once it is written."""
    before, after = result.before, result.after
    if after.results:
        title = f"{result.corner.name}: {before.passes} of {len(before.results)} before, {after.passes} of {len(after.results)} after"
    else:
        title = "You left before it was measured again, so there is nothing to compare (–)."
    lines = [line for line in (helped(result), unfinished(result)) if line]
    lines += ["Next:", *NEXT] if report is not None else ["Writing down what was learned ..."]
    keys = "Enter: open the report    Esc: close" if report is not None else "Esc: close"
    return Card(title, tuple(lines), compared(result), keys, closes=True)
