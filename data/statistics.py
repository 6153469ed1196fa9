"""What counts of passed and failed episodes tell: intervals, and how many episodes are enough. Stretches of steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH = 20
"""Episodes before a checkpoint may be called the best."""
ALIKE = 0.2
"""How alike the drives of one evaluation are (intraclass correlation): the same policy drives almost the same way from starts
two metres apart, and one of its decisions (to brake here or not) makes all of them pass or none. Measured over policies whose
weights differ by 2 %: their passes of 20 vary five times as much as those of 20 independent drives would
(docs/results_tables.md)."""
Z_95 = 1.959964  # quantile of the normal distribution for 95 %, two-sided


def wilson(passes: float, episodes: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson 1927); (0, 1) for no episodes.

    It stays within 0..1 and holds for few episodes, too.
    """
    if episodes <= 0:
        return 0.0, 1.0
    share, z2 = passes / episodes, Z_95 * Z_95
    scale = 1 + z2 / episodes
    middle = (share + z2 / (2 * episodes)) / scale
    half = Z_95 / scale * math.sqrt(share * (1 - share) / episodes + z2 / (4 * episodes * episodes))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if passes <= 0 else low), (1.0 if passes >= episodes else high)


def independent(episodes: int, distinct: int | None = None) -> float:
    """Return how many independent drives these drives of one policy are worth (Kish 1965: n / (1 + (n - 1) rho)): 20 are worth 4.

    ``distinct``: how many of them differ at all; a drive that is another's copy to the last digit says nothing new.
    """
    worth = episodes / (1 + (episodes - 1) * ALIKE) if episodes > 0 else 0.0
    return worth if distinct is None else min(worth, float(distinct))


def bootstrap(values: Sequence[float], of: Callable[..., Any], times: int = 2000) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval (Efron 1979) of a figure of these values, of which there is one at least.

    ``of``: takes an array and an ``axis``. The same values always give the same interval.
    """
    known = np.asarray(values, np.float64)
    drawn = known[np.random.default_rng(0).integers(0, len(known), (times, len(known)))]
    low, high = np.percentile(of(drawn, axis=1), [2.5, 97.5])
    return float(low), float(high)


def stretches(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return ``[start, stop)`` of every stretch in which a mask (n,) is True without a break."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
