"""Attempts as they are driven: which corners an episode has decided, and at which of them a human helped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from data.reading.attempts import approaches, outcome
from data.records import Corner


class Following:
    """Follows an episode along the corners, by the rule of :mod:`data.reading.attempts`."""

    def __init__(self, corners: Iterable[Corner]) -> None:
        self._corners = tuple(corners)
        self._approaches = approaches(self._corners)
        self.begin(0.0)

    def begin(self, progress: float) -> None:
        """An episode begins at that metre."""
        self._began_m, self._helped = progress, set[str]()

    def step(self, progress: float, *, human: bool) -> None:
        """The car is there (m)."""
        if human:
            self._helped |= {c.name for c in self._corners if self._approaches[c.name] <= progress < c.to_m}

    def end(self, farthest_m: float, reason: str) -> Iterator[tuple[Corner, bool, bool]]:
        """Yield each corner that was attempted, whether it was passed, and whether the agent did it alone."""
        for corner in self._corners:
            passed = outcome(corner, self._began_m, farthest_m, reason)
            if passed is not None:
                yield corner, passed, corner.name not in self._helped
