"""The rows that the online half of a batch is drawn from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class OnlineRows:
    """Row numbers in the order of driving, drawn uniformly, a share of them from the newest alone."""

    def __init__(self) -> None:
        self._array = np.empty(16_384, np.int64)
        self.count = 0
        self.drops = 0
        """How often rows were taken out; between two times they only become more."""
        self._tensor = torch.from_numpy(self._array)

    @property
    def rows(self) -> np.ndarray:
        """The row numbers (count,), oldest first."""
        return self._array[: self.count]

    @property
    def room(self) -> int:
        """For how many row numbers there is memory."""
        return len(self._array)

    def add(self, rows: np.ndarray) -> None:
        """Let these be drawn from now on."""
        need = self.count + len(rows)
        if need > len(self._array):
            self._array = np.concatenate((self._array, np.empty(max(need, len(self._array)), np.int64)))
            self._tensor = torch.from_numpy(self._array)
        self._array[self.count : need] = rows
        self.count = need

    def drop(self, leaves: np.ndarray) -> None:
        """Take out the rows that are true in ``leaves`` (R,)."""
        left = self.rows[~leaves[self.rows]]
        self._array[: len(left)] = left
        self.count, self.drops = len(left), self.drops + 1

    def draw(
        self, shape: tuple[int, int], generator: torch.Generator | None, fresh: int, newest: int
    ) -> Tensor:
        """Return row numbers, int64 of ``shape`` (C, N): of each N, ``fresh`` from the ``newest`` rows alone."""
        # 2^53 steps of resolution: no visible bias at ten million rows.
        u = torch.rand(shape, generator=generator, dtype=torch.float64)
        u[:, :fresh].mul_(newest)
        u[:, fresh:].mul_(self.count)
        at = u.to(torch.int64)
        at[:, :fresh].add_(self.count - newest)
        return self._tensor[at]
