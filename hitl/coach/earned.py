"""What help earned where there is no road: the one thing that tells there whether a takeover went well."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

NEWEST = 20
"""So many drives of each kind are compared: the agent that is compared with is the one of today."""


class Earned:
    """Judges takeovers that lasted to the end of their episode.

    Such a takeover gains what it earned beyond what the agent, alone, usually earns from that moment of its drives on (their
    median). It went well if that is at least half of the most that help gained, and more than nothing. So it does not matter how
    much there is to be earned, nor how much the agent had earned before.
    """

    def __init__(self) -> None:
        self._ahead: deque[NDArray[np.float64]] = deque(maxlen=NEWEST)  # of drives alone: what was still to be earned, by step
        self._helped: deque[tuple[int, float]] = deque(maxlen=NEWEST)  # where takeovers began, and what was earned from there

    def alone(self, rewards: Sequence[float]) -> None:
        """The agent has driven an episode to its end alone; what it was paid for each step."""
        ahead = np.cumsum(np.asarray(rewards, np.float64)[::-1])[::-1]
        if np.isfinite(ahead).all():
            self._ahead.append(ahead)

    def helped(self, start: int, rewards: Sequence[float]) -> str:
        """Return the outcome of a takeover from step ``start`` to the end: ``cleared``, ``failed``, or ``unclear``.

        Nothing is known of it before the agent has driven alone.
        """
        total = float(np.sum(rewards[start:]))
        if not math.isfinite(total):
            return "unclear"
        self._helped.append((start, total))
        if not self._ahead:
            return "unclear"
        gains = [earned - self._usual(begun) for begun, earned in self._helped]
        return "failed" if gains[-1] <= 0 or gains[-1] < max(gains) / 2 else "cleared"

    def _usual(self, start: int) -> float:
        """Return what the agent usually earns alone from that step on; nothing where its drives are over by then."""
        return median(float(ahead[start]) if start < len(ahead) else 0.0 for ahead in self._ahead)
