"""The wall's clock for environments that wait for us: a tick begins when the time of the last one is over."""

from __future__ import annotations

import gc
import time
from typing import Any

from hitl.timing.clocks import Lateness


class PacedClock:
    """Twenty ticks a second (or ``hz``), each due one time-step after the last; a long delay begins a new rhythm."""

    def __init__(self, hz: float) -> None:
        self._dt = 1.0 / hz
        self._due: float | None = None
        self.lateness = Lateness()

    @property
    def late(self) -> int:
        """Ticks whose action was sent late."""
        return self.lateness.late

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.perf_counter()

    def wait_for_send(self) -> None:
        """Return when the running time-step ends."""
        now = time.perf_counter()
        if self._due is None:
            self._due = now
        elif now < self._due:
            time.sleep(self._due - now)
            now = time.perf_counter()
        self.lateness.note(now - self._due, self._dt)
        self._due = (self._due if now - self._due < self._dt else now) + self._dt

    def send(self, action: Any) -> None:
        """The environment's own step sends."""

    def hold(self) -> None:
        """In a pause no time passes: let a tick of real time go by and begin a new rhythm."""
        time.sleep(self._dt)
        self._due = None

    def rest(self) -> None:
        """Between two episodes there is no rhythm to keep."""
        self.lost()
        gc.collect(1)

    def lost(self) -> None:
        """Begin a new rhythm with the next tick."""
        self._due = None
