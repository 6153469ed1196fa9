"""Measures a pad: where its controls rest, how far they go, how often they change; and calibrates it by that."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from data.errors import DeviceError
from hitl.pads.base import Pad, PadState
from hitl.pads.calibration.rest import is_plain, unspoken
from hitl.pads.mapping import PadMap, calibrated

if TYPE_CHECKING:
    from hitl.pads.sdl import SdlPad

Read = Callable[[], float]
LOOKS = 50
SILENT = 1e-3  # so far a control may be from where it reads before it first moves


def averages(pad: Pad, controls: Mapping[str, Read]) -> dict[str, float]:
    """Return what each control reads on average over half a second: its rest, with hands off."""
    values: dict[str, list[float]] = {name: [] for name in controls}
    for _ in range(LOOKS):
        pad.read()
        for name, read in controls.items():
            values[name].append(read())
        time.sleep(0.01)
    return {name: fmean(seen) for name, seen in values.items()}


@dataclass(frozen=True)
class Sweep:
    """``ranges``: the least and the most of each control. ``changed``: seconds from the beginning at which anything changed."""

    ranges: dict[str, tuple[float, float]]
    states: tuple[PadState, ...]  # each time that anything changed
    changed: tuple[float, ...]
    looks: int
    seconds: float


def sweep(pad: Pad, controls: Mapping[str, Read], rest: Mapping[str, float], seconds: float, pause_s: float = 0.005) -> Sweep:
    """Look at the controls for so long, while the player moves them. Raises DeviceError when the pad is unplugged.

    ``rest``: where each is at the beginning. One that is not in it has said nothing yet: its first real reading begins it.
    """
    ranges = {name: (value, value) for name, value in rest.items()}
    newest: dict[str, float] = {}
    states, changed, looks = [], [], 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        state = pad.read()
        if not state.connected:
            raise DeviceError(f"{pad.name} was unplugged in the middle, so nothing was measured.")
        looks += 1
        now = {name: read() for name, read in controls.items()}
        if newest and now != newest:
            states.append(state)
            changed.append(passed)
        newest = now
        ranges |= _further(ranges, now)
        time.sleep(pause_s)
    return Sweep(ranges, tuple(states), tuple(changed), looks, seconds)


def is_silent(source: str, value: float) -> bool:
    """Tell whether a control reads what it does before it first moves."""
    return abs(value - unspoken(source)) < SILENT


def _further(ranges: Mapping[str, tuple[float, float]], now: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return the ranges of what has said something by now, with the newest readings in them."""
    spoken = {name: value for name, value in now.items() if name in ranges or not is_silent(name, value)}
    before = {name: ranges.get(name, (value, value)) for name, value in spoken.items()}
    return {name: (min(before[name][0], value), max(before[name][1], value)) for name, value in spoken.items()}


MeasurePhase = Literal["hands_off", "move", "hands_off_again", "done"]
REST_S = 0.5  # s over which a rest is measured


class Calibration:
    """Measures the rest and the ends of a pad's axes, look by look, so that a window can go on drawing meanwhile.

    First hands off, then all axes to their ends, then, for axes that had sent nothing yet, hands off once more. ``settle_s``: how
    long the hands have to let go, ``seconds``: how long to move.
    """

    def __init__(self, pad: SdlPad, seconds: float = 6.0, settle_s: float = 0.0) -> None:
        self._pad, self._seconds, self._settle_s = pad, seconds, settle_s
        made = pad.map
        buttons = {s for sources in made.buttons.values() for s in sources if is_plain(s)}
        self._sources = sorted({axis.source for axis in (made.steer, made.gas, made.brake) if axis.source} | buttons)
        self._readers = {source: partial(pad.raw, source) for source in self._sources}
        self._rest: dict[str, float] = {}
        self._ranges: dict[str, tuple[float, float]] = {}
        self._values: dict[str, list[float]] = {source: [] for source in self._sources}
        self._until = 0.0  # s: when the phase ends
        self.phase: MeasurePhase = "hands_off"

    def look(self, now: float) -> float:
        """Read the pad once and go on; returns how many seconds the phase still takes. ``now``: seconds.

        Raises DeviceError when the pad is unplugged in the middle.
        """
        if not self._pad.read().connected:
            raise DeviceError(f"{self._pad.name} was unplugged in the middle, so nothing was measured.")
        self._until = self._until or now + self._settle_s + REST_S
        values = {source: read() for source, read in self._readers.items()}
        if self.phase == "move":
            self._ranges |= _further(self._ranges, values)
        elif now >= self._until - REST_S:
            for source, value in values.items():
                self._values[source].append(value)
        if now >= self._until:
            self._next(now)
        return max(0.0, self._until - now)

    def result(self) -> PadMap:
        """Return the pad's mapping as measured. Raises InputFileError for an axis that hardly moved."""
        still = {source: (at, at) for source, at in self._rest.items()}
        return calibrated(self._pad.map, self._rest, still | self._ranges)

    def _next(self, now: float) -> None:
        made = self._pad.map
        if self.phase == "hands_off":
            self._rest = {source: fmean(seen) for source, seen in self._values.items()}
            self._ranges = {s: (at, at) for s, at in self._rest.items() if s == made.steer.source or not is_silent(s, at)}
            self.phase, self._until = "move", now + self._seconds
            return
        # Perhaps they had sent nothing yet when their rest was measured.
        silent = [s for s in self._sources if s != made.steer.source and is_silent(s, self._rest[s])]
        if self.phase == "move" and silent:
            self._values = {source: [] for source in self._sources}
            self.phase, self._until = "hands_off_again", now + max(self._settle_s, REST_S) + REST_S
            return
        if self.phase == "hands_off_again":
            self._rest |= {source: fmean(self._values[source]) for source in silent}
        self.phase = "done"
