"""A copy of the replay's table on another device, so that drawing a batch there moves nothing but row numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class DeviceCopy:
    """Follows a table (R, W) and the pointers to what followed (R,), row by row as they change."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.table = torch.empty((0, 0), device=device)
        self.following = torch.empty(0, dtype=torch.int64, device=device)
        self._changed: list[np.ndarray] = []

    def note(self, rows: np.ndarray) -> None:
        """Say that these rows have changed."""
        self._changed.append(rows)

    def catch_up(self, table: Tensor, following: Tensor) -> None:
        """Bring what has changed over; all of it when the table has grown."""
        if self.table.shape != table.shape:
            self.table, self.following = table.to(self.device, copy=True), following.to(self.device, copy=True)
        elif self._changed:
            rows = torch.from_numpy(np.unique(np.concatenate(self._changed)))
            there = rows.to(self.device, non_blocking=True)
            self.table.index_copy_(0, there, table.index_select(0, rows).to(self.device, non_blocking=True))
            self.following.index_copy_(0, there, following.index_select(0, rows).to(self.device, non_blocking=True))
        self._changed = []

    def read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows (n, W) and the rows that followed them (n, W), on the device; ``rows`` (n,) int64, from anywhere."""
        there = rows.to(self.device, non_blocking=True)
        return self.table.index_select(0, there), self.table.index_select(0, self.following.index_select(0, there))
