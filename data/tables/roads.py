"""The shape of a road: which lines are the same one, and what was driven on it. No I/O."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

SAME_M = 0.5  # between two lines of one road: written with other decimals, or with points at other places
MOST_POINTS = 4096  # of a line that are kept
MOST_STORED = 2**20  # bytes of a line in a store, which may be another program's; ours has 32 KiB at most
_COMPARED = 2048  # places along two lines
_BESIDE_M = 4.0  # beyond half the road's width, where drives are recorded that leave it
_LEAST = 5  # positions that say anything


class Road:
    """The shape of a track's line. ``points``: (N, 2) metres, evenly spaced; ``half_width``: m."""

    def __init__(self, points: ArrayLike, half_width: float) -> None:
        line = np.asarray(points, np.float64)
        arc = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
        self.length, self.half_width = float(arc[-1]), float(half_width)
        at = np.linspace(0.0, self.length, min(len(line), MOST_POINTS))
        self.points: NDArray[np.float32] = np.stack([np.interp(at, arc, line[:, k]) for k in range(2)], axis=1).astype("<f4")

    def at(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (…, 2) positions at shares (0 to 1) of the length."""
        grid = np.linspace(0.0, 1.0, len(self.points))
        return np.stack([np.interp(share, grid, self.points[:, k]) for k in range(2)], axis=-1)

    @property
    def digest(self) -> str:
        """A short name for the line, the same on every machine that reads the same file."""
        places = np.round(self.at(np.linspace(0.0, 1.0, 256)) * 100.0).astype("<i8")
        return hashlib.sha256(places.tobytes()).hexdigest()[:16]

    def same(self, other: Road) -> bool:
        """Tell whether another line is this one: nowhere more than ``SAME_M`` away, whatever its decimals and points."""
        if abs(self.length - other.length) > max(SAME_M, 0.002 * self.length):
            return False
        share = np.linspace(0.0, 1.0, _COMPARED)
        return bool(np.hypot(*(self.at(share) - other.at(share)).T).max() <= SAME_M)

    def carries(self, progress: NDArray[np.float64], places: NDArray[np.float64]) -> bool | None:
        """Tell whether (n,) progress (m) and (n, 2) positions were driven on it; None for too few to tell."""
        if len(progress) < _LEAST:
            return None
        off = np.hypot(*(self.at(progress / self.length) - places).T)
        near = off <= self.half_width + _BESIDE_M
        return bool(near.mean() >= 0.95 and progress.max() <= self.length + 1.0)
