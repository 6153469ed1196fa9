"""How far a corner is learned, by the agent's newest attempts alone: a share, its interval, and about how long it still takes.

Pure. A corner counts as learned after five passes in a row from nothing, which puts the lower end of the 95 % interval at 57 %;
the share is how near that end has come, over the newest attempts that show most: an agent that learns is not what it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from data.statistics import wilson

IN_A_ROW = 5  # passes alone from which it has the corner
NEWEST = 10  # attempts that are looked at: today's agent is another one than yesterday's
GOAL = wilson(IN_A_ROW, IN_A_ROW)[0]
TREND_FROM = 4  # attempts of this session that a trend needs
TREND_OF = 12  # attempts of which it is the trend
LONGEST_S = 3600.0  # s beyond which an estimate says nothing


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of one corner: ``passes`` of ``of`` alone, their 95 % interval, and how far that is, 0 to 1."""

    corner: str
    passes: int = 0
    of: int = 0
    low: float = 0.0
    high: float = 1.0
    share: float = 0.0
    left_s: float | None = None
    """Seconds of driving that it may still take; None where there is no upward trend, or too little of one to tell."""

    @property
    def has_it(self) -> bool:
        """Whether it passed each of the last five times."""
        return self.share >= 1.0


class Attempts:
    """Follows the attempts of the agent alone at one corner."""

    def __init__(self, corner: str, known: Iterable[bool] = ()) -> None:
        """``known``: attempts before this session, oldest first."""
        self.corner = corner
        self._tries: deque[bool] = deque(known, maxlen=NEWEST)
        self._shares: deque[tuple[float, float]] = deque(maxlen=TREND_OF)  # (s of driving, share) after each attempt

    def tried(self, passed: bool, time_s: float) -> None:
        """The agent drove the corner alone, after that many seconds of driving in this session."""
        self._tries.append(passed)
        self._shares.append((time_s, self.now().share))

    @property
    def row(self) -> int:
        """Passes in a row up to now."""
        failed = next((k for k, passed in enumerate(reversed(self._tries)) if not passed), None)
        return len(self._tries) if failed is None else failed

    @property
    def failures(self) -> tuple[int, int]:
        """Failures among the newest attempts, and how many these are."""
        return sum(not passed for passed in self._tries), len(self._tries)

    def now(self) -> Learned:
        """Return how far it is."""
        tries = list(self._tries)
        passes = sum(tries)
        low, high = wilson(passes, len(tries))
        newest = (wilson(sum(tries[k:]), len(tries) - k)[0] for k in range(len(tries)))
        share = 1.0 if self.row >= IN_A_ROW else min(0.99, max(newest, default=0.0) / GOAL)
        return Learned(self.corner, passes, len(tries), low, high, share, self._left(share))

    def _left(self, share: float) -> float | None:
        if share >= 1.0:
            return 0.0
        if len(self._shares) < TREND_FROM:
            return None
        times, shares = np.array(self._shares).T
        spread = times - times.mean()
        if not spread.any():
            return None
        slope = float((spread * (shares - shares.mean())).sum() / (spread * spread).sum())
        left = (1.0 - share) / slope if slope > 0.0 else LONGEST_S
        return left if left < LONGEST_S else None
