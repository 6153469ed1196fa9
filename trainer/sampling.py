"""What share of a batch is demos, and drawing them by weight at a cost that does not grow with their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainer.config import TrainConfig


def one_replay_weight(config: TrainConfig, held: int) -> float:
    """Return how much likelier a demo step is drawn from one replay that holds so many samples (the reference recipe)."""
    c = config
    return c.demo_weight + (1 - c.demo_weight) * min(1.0, held / max(1, c.demo_weight_decay))


def demo_count(
    config: TrainConfig,
    online: int,
    demos: int,
    batch_size: int,
    generator: torch.Generator | None = None,
    length: int = 1,
) -> int:
    """Return how many rows of a batch come from ``demos`` rows of demos beside ``online`` others.

    ``length``: steps that come with each row, itself included. Half and half is symmetric sampling (Ball et al. 2023, 4.1).
    """
    c = config
    if not demos:
        return 0
    if not online:
        return batch_size
    if c.one_replay:
        mass = one_replay_weight(c, online + demos) * demos * c.demo_repeat
        share = min(max(mass / (mass + online), c.demo_min_fraction), c.demo_max_fraction)
        return int(share * batch_size + float(torch.rand((), generator=generator)))  # right on average
    return min(round(batch_size * c.demo_fraction), int(c.demo_copies * demos / length))


class DemoTable:
    """Stretches of rows, each with a weight for each of its rows: a stretch is drawn by weight times length."""

    def __init__(self) -> None:
        self.rows = 0
        self.kinds: dict[str, int] = {}
        """Rows of each kind of segment."""
        self.rebuild([])

    def rebuild(self, parts: Sequence[tuple[str, float, np.ndarray]]) -> None:
        """Replace all stretches by (kind, weight of a row, rows)."""
        self.kinds = {}
        for kind, _, rows in parts:
            self.kinds[kind] = self.kinds.get(kind, 0) + len(rows)
        lengths = np.array([len(rows) for _, _, rows in parts], np.int64)
        weights = np.array([weight for _, weight, _ in parts], np.float64)
        self.rows = int(lengths.sum())
        self._total = float((lengths * weights).sum())
        self.slots = torch.from_numpy(np.concatenate([r for _, _, r in parts]) if parts else np.empty(0, np.int64))
        upper = np.cumsum(lengths * weights)
        self._upper = torch.from_numpy(upper)
        self._lower = torch.from_numpy(upper - lengths * weights)
        self._weights = torch.from_numpy(weights)
        self._starts = torch.from_numpy(np.cumsum(lengths) - lengths)
        self._lengths = torch.from_numpy(lengths)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
        """Return row numbers, int64 of ``shape``."""
        u = torch.rand(shape, generator=generator, dtype=torch.float64).mul_(self._total)
        which = torch.searchsorted(self._upper, u, right=True).clamp_(max=len(self._weights) - 1)
        offset = ((u - self._lower[which]) / self._weights[which]).to(torch.int64)
        offset = torch.minimum(offset.clamp_(min=0), self._lengths[which] - 1)
        return self.slots[self._starts[which] + offset]
