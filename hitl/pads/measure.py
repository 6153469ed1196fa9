"""Measures a pad: where its controls rest, how far they go, how often they change."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

from data.errors import DeviceError
from hitl.pads.base import Pad, PadState

Read = Callable[[], float]
LOOKS = 50


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
    """Look at the controls for so long, while the player moves them. Raises DeviceError when the pad is unplugged."""
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
        ranges = {name: (min(low, now[name]), max(high, now[name])) for name, (low, high) in ranges.items()}
        time.sleep(pause_s)
    return Sweep(ranges, tuple(states), tuple(changed), looks, seconds)
