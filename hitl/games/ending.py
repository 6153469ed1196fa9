"""Why an episode ended, judged by what was seen of the car: an environment itself only says that it is over."""

from __future__ import annotations

import math
from collections import deque

from data.reading.standing import STANDS
from hitl.games.base import VehicleState

STOOD_S = 0.25  # s of standing that make an end a stall


class Ending:
    """Looks on for an episode and says at its end what it was.

    ``finish`` and ``time_limit``; ``stalled``: the car stood; ``off_road``: it moved and was given up all the same, because it
    flew off, turned round or hit something; ``over``: the car was not seen, so it is not known.
    """

    def __init__(self, hz: float) -> None:
        self._standing: deque[bool] = deque(maxlen=max(2, round(STOOD_S * hz)))
        self._before: VehicleState | None = None

    def begin(self) -> None:
        """An episode begins."""
        self._standing.clear()
        self._before = None

    def step(self, state: VehicleState | None) -> None:
        """Take the state after a step; None when the car was not seen."""
        if state is None:
            self.begin()
            return
        before, falling = self._before, 0.0
        if before is not None and state.time > before.time:
            falling = (state.z - before.z) / (state.time - before.time)
        self._standing.append(math.hypot(state.speed, falling) < STANDS)
        self._before = state

    def reason(self, terminated: bool, truncated: bool, finished: bool) -> str | None:
        """Return why the episode is over with the newest step, None when it is not."""
        if not terminated:
            return "time_limit" if truncated else None
        if finished:
            return "finish"
        if not self._standing:
            return "over"
        return "stalled" if len(self._standing) == self._standing.maxlen and all(self._standing) else "off_road"
