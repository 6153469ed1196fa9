"""Consecutive steps as columns: what the screens draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Consecutive steps of one episode as columns (n,); NaN where a value is not known."""

    episode_id: int
    t: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    heading: NDArray[np.float64]
    progress: NDArray[np.float64]
    speed: NDArray[np.float64]
    risk: NDArray[np.float64]
    human: NDArray[np.bool_]
    executed: NDArray[np.float32]
    """(n, A)"""
    proposed: NDArray[np.float32]
    """(n, A)"""

    def __len__(self) -> int:
        return len(self.t)

    @property
    def points(self) -> NDArray[np.float64]:
        """Positions (n, 2), metres."""
        return np.stack([self.x, self.y], axis=1)
