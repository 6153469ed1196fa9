"""What the game makes of the stick by its own settings: measured once, kept in the home folder, and undone before sending."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from data.errors import InputFileError
from data.files import held
from data.files.text_files import read_toml
from data.numbers import is_number
from hitl.games.trackmania.frames import Frame
from hitl.timing.clocks import PacedClock

if TYPE_CHECKING:
    from hitl.games.trackmania.telemetry import Telemetry
    from hitl.games.trackmania.virtual_pad import VirtualPad

NAME = "game-curve.toml"
HZ = 20.0
STICK = tuple(round(k / 15, 4) for k in range(-15, 16))
HOLD_S = 0.5  # each of them
STRAIGHT = 0.01  # of steering that counts as none
MOST_DEAD = 0.15  # of the stick that may do nothing
HALF = 0.2  # of steering that half of the stick must bring
FULL = 0.95  # of steering that the whole stick must bring


@dataclass(frozen=True)
class StickCurve:
    """``sent`` (rising, -1 to 1) and what the game ``applied`` for each."""

    sent: tuple[float, ...]
    applied: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raises ValueError for what is no curve of a stick."""
        sent, applied = np.array(self.sent), np.array(self.applied)
        if len(sent) != len(applied) or len(sent) < 5 or not (np.diff(sent) > 0).all() or np.abs(sent).max() > 1.0:
            raise ValueError("it needs five pairs at least, of stick values that rise from -1 to 1")
        if np.abs(applied).max() > 1.01 or (np.diff(applied) < -0.05).any() or applied[-1] < 0.3 or applied[0] > -0.3:
            raise ValueError("the steering does not follow the stick")

    def gives(self, sent: float) -> float:
        """Return what the game makes of a stick value."""
        return float(np.interp(sent, self.sent, self.applied))

    def stick_for(self, steering: float) -> float:
        """Return the stick value that makes the game steer so (-1 to 1), the nearest where it cannot."""
        if steering == 0.0:
            return 0.0
        side = [(abs(s), abs(a)) for s, a in zip(self.sent, self.applied, strict=True) if s * steering > 0.0]
        dead = max((s for s, a in side if a <= STRAIGHT), default=0.0)
        working = sorted((s, a) for s, a in side if a > STRAIGHT)
        wanted = [0.0, *np.maximum.accumulate([a for _, a in working])]
        return float(np.copysign(np.interp(abs(steering), wanted, [dead, *(s for s, _ in working)]), steering))

    @property
    def dead(self) -> float:
        """The part of the stick that does nothing, from its middle."""
        return max((abs(s) for s, a in zip(self.sent, self.applied, strict=True) if abs(a) <= STRAIGHT), default=0.0)

    @property
    def unfit(self) -> str:
        """Return why it is bad to drive with, and which setting of the game to change; "" where it is good."""
        half = min(abs(self.gives(0.5)), abs(self.gives(-0.5)))
        if half < HALF or self.dead > MOST_DEAD:
            return (
                f"The first {self.dead:.0%} of the stick do nothing, and half of it steers {half:.0%}: an agent cannot steer "
                "finely so. In TrackMania's settings for this pad, set Analog Sensitivity to 1.0 and Analog Dead Zone to 0, then "
                "measure again."
            )
        if min(abs(self.gives(1.0)), abs(self.gives(-1.0))) < FULL:
            return "The whole stick does not steer fully: set Analog Sensitivity to 1.0 in TrackMania, and measure again."
        return ""


def kept_curve(home: Path) -> StickCurve | None:
    """Return the curve that a home folder keeps, None where none was measured. Raises InputFileError for a damaged file."""
    path = home / NAME
    if not path.is_file():
        return None
    table = read_toml(path)
    try:
        columns = [table.get(name) for name in ("sent", "applied")]
        if any(not isinstance(c, list) or not all(is_number(v) for v in c) for c in columns):
            raise ValueError("it holds no two lists of numbers")
        return StickCurve(*(tuple(float(v) for v in column) for column in columns))  # type: ignore[union-attr]
    except ValueError as error:
        raise InputFileError(f"{NAME} cannot be used: {error}. Measure it again with `hitl pads --game-curve`.") from error


def keep_curve(home: Path, curve: StickCurve) -> None:
    """Write a curve into a home folder. Raises InputFileError."""
    columns = {"sent": curve.sent, "applied": curve.applied}
    rows = (f"{name} = {[round(float(v), 4) for v in values]}" for name, values in columns.items())
    try:
        held.write_whole(home / NAME, "\n".join(["# What TrackMania makes of the stick: `hitl pads --game-curve`", *rows]) + "\n")
    except OSError as error:
        raise InputFileError(f"{NAME} cannot be written {held.why(error, 'check the home folder')}.") from error


def hold(
    pad: VirtualPad, telemetry: Telemetry, stick: float, seconds: float = HOLD_S
) -> tuple[float | None, float | None]:
    """Send one value; return (the median steering of the second half, ms until the steering first changed), None if not seen."""
    clock, frames = PacedClock(HZ), list[Frame]()
    newest = telemetry.newest()
    before, began = newest.steer if newest is not None else 0.0, time.perf_counter()
    for _ in range(round(seconds * HZ)):
        clock.wait_for_send()
        clock.sending()
        pad.send(0.0, 0.0, stick)
        last = frames[-1].received if frames else began
        frames += [frame for frame in telemetry.recent() if frame.received > last]
    late = [frame.steer for frame in frames if frame.received > began + seconds / 2]
    moved = next((1000 * (frame.received - began) for frame in frames if abs(frame.steer - before) > 0.01), None)
    return (median(late) if late else None), moved


def measure(
    pad: VirtualPad, telemetry: Telemetry, stick: Sequence[float] = STICK, told: Callable[[float], None] = lambda done: None
) -> StickCurve:
    """Return what the game makes of each value of the stick, the car standing. Raises ValueError where the game does not follow.

    ``told`` is called with the share that is done.
    """
    found = []
    for k, value in enumerate(stick):
        steering, _ = hold(pad, telemetry, value)
        if steering is None:
            raise ValueError("no telemetry came meanwhile")
        found.append(steering)
        told((k + 1) / len(stick))
    return StickCurve(tuple(stick), tuple(found))
