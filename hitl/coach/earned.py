"""What help earned where there is no road: the one thing that tells there whether a takeover went well."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

NEWEST = 20
"""So many drives of each kind are compared: the agent that is compared with is the one of today."""

StillEarned = NDArray[np.float64]
"""What a drive was still to earn, by step (T,)."""


@dataclass
class _Help:
    start: int
    """Steps of its episode before it."""
    ahead: StillEarned
    alone: tuple[StillEarned, ...]
    """The agent's drives before it."""
    number: int | None
    outcome: str = "unclear"


class Earned:
    """Judges takeovers that lasted to the end of their episode.

    Such a takeover gains what it earned beyond what the agent, alone, usually earns from that moment of its drives on (their
    median). It went well if that is more than nothing, and at least half of what the best drive with help gained from the same
    moment on. So it does not matter how much there is to be earned, nor how much the agent had earned before.
    """

    def __init__(self) -> None:
        self._alone: deque[StillEarned] = deque(maxlen=NEWEST)
        self._helped: deque[_Help] = deque(maxlen=NEWEST)

    def alone(self, rewards: Sequence[float]) -> None:
        """The agent has driven an episode to its end alone; what it was paid for each step."""
        ahead = _ahead(rewards)
        if np.isfinite(ahead).all():
            self._alone.append(ahead)

    def helped(self, start: int, rewards: Sequence[float], number: int | None = None) -> str:
        """Return the outcome of a takeover from step ``start`` to the end: ``cleared``, ``failed``, or ``unclear``.

        Nothing is known of it before the agent has driven alone.
        """
        ahead = _ahead(rewards)
        if not np.isfinite(ahead).all():
            return "unclear"
        self._helped.append(_Help(start, ahead, tuple(self._alone), number))
        self._helped[-1].outcome = outcome = self._judge(self._helped[-1])
        return outcome

    def again(self) -> list[tuple[int, str]]:
        """Return the numbers of earlier takeovers with another outcome, now that better help or the agent alone was seen."""
        changed = []
        for one in self._helped:
            if one.number is not None and one.outcome != "failed" and (outcome := self._judge(one)) != one.outcome:
                one.outcome = outcome
                changed.append((one.number, outcome))
        return changed

    def _judge(self, one: _Help) -> str:
        alone = one.alone or tuple(self._alone)
        if not alone:
            return "unclear"
        usual = median(_from(ahead, one.start) for ahead in alone)
        gain = _from(one.ahead, one.start) - usual
        most = max(_from(other.ahead, one.start) for other in self._helped) - usual
        return "failed" if gain <= 0 or gain < most / 2 else "cleared"


def _ahead(rewards: Sequence[float]) -> StillEarned:
    return np.cumsum(np.asarray(rewards, np.float64)[::-1])[::-1]


def _from(ahead: StillEarned, start: int) -> float:
    """Return what a drive earned from that step on; nothing where it was over by then."""
    return float(ahead[start]) if start < len(ahead) else 0.0
