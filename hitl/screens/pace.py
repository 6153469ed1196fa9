"""The pace of a lap: when it was where. Against it, each moment of the running lap is ahead or behind."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Pace:
    """When a lap came to each metre of the line for the first time."""

    def __init__(self, metres: NDArray[np.float64], seconds: NDArray[np.float64]) -> None:
        """``metres``, ``seconds``: (N,) of its moments, from the start on."""
        farthest = np.maximum.accumulate(metres)
        first = np.flatnonzero(np.diff(farthest, prepend=-np.inf) > 0.0)
        self._metres, self._seconds = farthest[first], seconds[first]

    def delta(self, metre: float, seconds: float) -> float:
        """Return how many seconds later than this lap (below 0: earlier) a car is that comes to that metre after ``seconds``."""
        return seconds - float(np.interp(metre, self._metres, self._seconds))


class RunningPace:
    """The moments of the lap that is being driven."""

    def __init__(self, from_start: bool) -> None:
        """``from_start``: it begins at the line's beginning. Else its time says nothing."""
        self.from_start = from_start
        self.farthest = 0.0  # m
        self.seconds = 0.0
        self._moments: list[tuple[float, float]] = []

    def step(self, metre: float, seconds: float) -> None:
        """The car is at that metre, so many seconds after the start."""
        self.farthest, self.seconds = max(self.farthest, metre), seconds
        self._moments.append((metre, seconds))

    def back_to(self, seconds: float) -> None:
        """Go on from an earlier moment of the same lap: what came after it was not driven."""
        self._moments = [moment for moment in self._moments if moment[1] < seconds]
        self.farthest = max((metre for metre, _ in self._moments), default=0.0)

    def finished(self) -> Pace | None:
        """Return the pace of the whole lap; None where it did not begin at the start."""
        return pace_of(self._moments) if self.from_start else None

    def delta(self, lap: Pace | None) -> float | None:
        """Return the seconds behind a lap at this place; None where there is nothing to compare.

        A car that stands or goes backwards loses: it is compared at the farthest metre that it reached.
        """
        if lap is None or not self.from_start or not self._moments:
            return None
        return lap.delta(self.farthest, self.seconds)


def pace_of(moments: Iterable[tuple[float, float]]) -> Pace | None:
    """Return the pace of (metre, seconds); None for fewer than two that are known."""
    known = np.array([moment for moment in moments if np.isfinite(moment).all()], np.float64).reshape(-1, 2)
    return Pace(known[:, 0], known[:, 1]) if len(known) > 1 else None
