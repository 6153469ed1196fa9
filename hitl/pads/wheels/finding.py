"""Finds out which axis of a wheel is which: the player turns it and presses each pedal, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from data.errors import InputFileError
from hitl.pads.mapping import LEAST_TRAVEL, Axis, PadMap

Ranges = Mapping[str, tuple[float, float]]
"""The least and the most that was seen of each axis; one that had said nothing yet is not in it."""
ASIDE = 0.05  # so far from the middle of its axis a wheel may rest without a word
ASKED = (
    ("right", "Turn the wheel to the right, as far as it goes, and let it go"),
    ("left", "Now to the left, and let it go"),
    ("gas", "Press the gas, all the way, and let it go"),
    ("brake", "Press the brake, all the way, and let it go"),
)


@dataclass(frozen=True, slots=True)
class FoundAxes:
    """What was found. ``combined``: both pedals are on one axis, so that neither counts while both are pressed."""

    map: PadMap
    combined: bool
    aside: float = 0.0  # raw reading of the wheel at rest, where that is not the middle of its axis

    @property
    def said(self) -> str:
        """What to tell the player."""
        made, also = self.map, ""
        if self.aside:
            also = (
                f" Straight ahead is where the wheel stood at the beginning, at {self.aside:+.2f}, which is not the middle of "
                "its axis: if it did not stand straight, type `hitl pads --find` again."
            )
        if self.combined:
            return (
                f"The wheel is {made.steer.source}; both pedals are on {made.gas.source}, each on its half, so that together "
                f"they cancel each other out. The wheel's own driver can separate them: then type `hitl pads --find` again.{also}"
            )
        return f"The wheel is {made.steer.source}, the gas {made.gas.source}, the brake {made.brake.source}.{also}"


def ask(look: Callable[[], Ranges], rest: Mapping[str, float], say: Callable[[str], None]) -> dict[str, Ranges]:
    """Ask for each control in turn; ``look`` returns what the axes did in the next seconds. Raises InputFileError.

    ``rest``: of each axis, hands off.
    """
    seen = {}
    for what, sentence in ASKED:
        say(f"{sentence} ...")
        seen[what] = look()
        if _farthest(seen[what], rest)[1] < LEAST_TRAVEL:
            raise InputFileError(f"Nothing moved far enough ({what}). Begin again, and move each control to its end when asked.")
    return seen


def found(
    usual: PadMap, rest: Mapping[str, float], seen: Mapping[str, Ranges], woken: Mapping[str, float] | None = None
) -> FoundAxes:
    """Return the mapping that follows from what was seen when each control was asked for. Raises InputFileError.

    ``woken``: where those rest that had said nothing yet when ``rest`` was measured.
    """
    first, rest = rest, {**rest, **(woken or {})}
    steer, _ = _farthest(seen["right"], rest)
    rest[steer] = first[steer]  # a wheel without a motor stays where it was let go
    right = _end(seen["right"], steer, rest)
    low, high = seen["left"].get(steer, (rest[steer], rest[steer]))
    left = low if right > rest[steer] else high
    if abs(right - rest[steer]) < LEAST_TRAVEL or abs(left - rest[steer]) < LEAST_TRAVEL:
        raise InputFileError("The wheel went the same way twice. Begin again: right when asked for right, then left.")
    pedals = {}
    for name in ("gas", "brake"):
        others = {source: ends for source, ends in seen[name].items() if source != steer}
        source, travel = _farthest(others, rest)
        if travel < LEAST_TRAVEL:
            raise InputFileError(f"Only the wheel moved when the {name} was asked for. Begin again.")
        pedals[name] = Axis(source, round(rest[source], 4), round(rest[source], 4), round(_end(others, source, rest), 4), 0.05)
    gas, brake = pedals["gas"], pedals["brake"]
    combined = gas.source == brake.source
    if combined and (gas.high - gas.low) * (brake.high - brake.low) > 0.0:
        raise InputFileError("The same pedal was pressed twice. Begin again: the gas when asked for gas, then the brake.")
    ends = round(left, 4), round(rest[steer], 4), round(right, 4)
    wheel = replace(usual.steer, source=steer, low=ends[0], centre=ends[1], high=ends[2])
    taken = {steer, gas.source, brake.source}
    buttons = {meaning: tuple(s for s in sources if s not in taken) for meaning, sources in usual.buttons.items()}
    aside = rest[steer] if abs(rest[steer]) > ASIDE else 0.0
    return FoundAxes(replace(usual, steer=wheel, gas=gas, brake=brake, buttons=buttons), combined, aside)


def _farthest(ranges: Ranges, rest: Mapping[str, float]) -> tuple[str, float]:
    """Return the axis that went farthest from its rest, and how far."""
    ways = ((source, max(high - rest[source], rest[source] - low)) for source, (low, high) in ranges.items())
    return max(ways, key=lambda one: one[1], default=("", 0.0))


def _end(ranges: Ranges, source: str, rest: Mapping[str, float]) -> float:
    low, high = ranges[source]
    return high if high - rest[source] >= rest[source] - low else low
