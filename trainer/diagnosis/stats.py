"""Small statistics that the checks share; all take arrays with NaN for what is not known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def correlation(a: Array, b: Array) -> float:
    """Return Pearson's correlation of the pairs of which both are known; NaN for fewer than 8, or when one does not vary."""
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 8 or a.std() < 1e-12 or b.std() < 1e-12:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def trend(a: Array) -> float:
    """Return Spearman's rank correlation with time, -1 to 1; NaN for fewer than 8 values."""
    a = a[np.isfinite(a)]
    if len(a) < 8 or np.ptp(a) < 1e-12:
        return float("nan") if len(a) < 8 else 0.0
    _, inverse, counts = np.unique(a, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[inverse]  # ties by their mean
    return correlation(ranks, np.arange(len(a), dtype=np.float64))


def part(a: Array, begin: float, end: float = 1.0) -> Array:
    """Return the known values between two shares of the run."""
    n = len(a)
    piece = a[int(begin * n) : max(int(begin * n) + 1, round(end * n))]
    return piece[np.isfinite(piece)]


def middle(a: Array) -> float:
    """Return the median of the known values; NaN for none."""
    a = a[np.isfinite(a)]
    return float(np.median(a)) if len(a) else float("nan")


def held_for(values: Array) -> int:
    """Return for how many rows a value is usually held: an evaluation stands in every row until the next."""
    edges = np.flatnonzero(np.concatenate(([True], np.diff(values) != 0, [True])))
    return max(1, int(np.median(np.diff(edges)))) if len(values) else 1


def slope(some: Array) -> tuple[float, float]:
    """Return the rise over all of the values, and its standard error; single extremes are cut to what is usual."""
    if len(some) < 3:
        return 0.0, float("inf")
    time = np.arange(len(some)) / (len(some) - 1) - 0.5
    low, high = np.quantile(some, (0.02, 0.98))
    some = np.clip(some, low, high)
    gain = float(np.sum(time * (some - some.mean())) / np.sum(time * time))
    return gain, float(np.std(some - gain * time)) * (12.0 / len(some)) ** 0.5


def bar_chart(values: Array, low: float = 0.0, high: float | None = None) -> str:
    """Draw values as a row of bars, a blank for what is not known."""
    known = values[np.isfinite(values)]
    top = high if high is not None else (float(known.max()) if len(known) else 1.0)
    marks = "▁▂▃▄▅▆▇█"
    scale = (len(marks) - 1) / max(top - low, 1e-12)
    return "".join(
        marks[int(np.clip((v - low) * scale + 0.5, 0, len(marks) - 1))] if np.isfinite(v) else " " for v in values
    )
