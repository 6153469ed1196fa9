"""What share of a batch is demos, and drawing them by weight at a cost that does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainer.config import TrainConfig

FADES_BY = 200_000
"""Samples in the one replay at which ``demo_weight`` has fallen to 1."""


Part = tuple[str, float, np.ndarray]
"""Kind, weight of a row, and rows of a stretch of demos."""


def one_replay_weight(config: TrainConfig, held: int) -> float:
    """Return how much likelier a demo step is drawn from one replay that holds so many samples (the reference recipe)."""
    c = config
    return c.demo_weight + (1 - c.demo_weight) * min(1.0, held / FADES_BY)


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
        mass = one_replay_weight(c, online + demos) * demos
        return int(mass / (mass + online) * batch_size + float(torch.rand((), generator=generator)))  # right on average
    return min(round(batch_size * c.demo_fraction), int(c.demo_copies * demos / length))


def takeover_floor(config: TrainConfig, takeovers: int, demos: int, batch_size: int, length: int = 1) -> int:
    """Return how many of the ``demos`` rows of a batch come from takeovers whatever else is a demo.

    ``takeovers``: rows of takeovers there are; ``length``: steps that come with each row drawn, itself included. A batch holds no
    more than one copy of each takeover step on average by this rule alone: a takeover of a second is twenty rows, and is not
    worn out by laps of hours.
    """
    wanted = math.ceil(batch_size * config.takeover_fraction)
    return min(wanted, math.ceil(takeovers / length), demos)


def balanced(parts: Sequence[Part], least: float) -> list[Part]:
    """Return the parts with other weights: laps (with what was kept), and own finishes, make each at least this share of both."""
    mass: dict[str, float] = {}
    half = {"kept": "lap"}
    for kind, weight, rows in parts:
        if kind != "takeover":
            mass[half.get(kind, kind)] = mass.get(half.get(kind, kind), 0.0) + weight * len(rows)
    if len(mass) != 2 or not 0 < min(mass.values()) < least * sum(mass.values()):
        return list(parts)
    small, large = sorted(mass, key=mass.__getitem__)
    factor = least / (1 - least) * mass[large] / mass[small]
    return [(kind, weight * factor if half.get(kind, kind) == small else weight, rows) for kind, weight, rows in parts]


class Masses(NamedTuple):
    """What a batch's demos are drawn by, each by a place in the weight of all rows, takeovers in front of the others.

    The first ``floor`` of a batch lie in the takeovers. Of the others a ``share`` does: for a uniform u, the place grows linearly
    from 0 at 0 to ``takeovers`` at ``share``, and on to ``takeovers + others`` at 1.
    """

    floor: int
    share: float
    takeovers: float
    others: float


class DemoTable:
    """Stretches of rows, each with a weight for each of its rows: a stretch is drawn by weight times length.

    Takeovers lie in front, so that some rows of a batch can be drawn from them alone.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.kinds: dict[str, int] = {}
        """Rows of each kind of segment."""
        self.built = 0
        """How often it was built anew."""
        self.rebuild([])

    def rebuild(self, parts: Sequence[Part]) -> None:
        """Replace all stretches by (kind, weight of a row, rows)."""
        self.kinds, self.built = {}, self.built + 1
        parts = sorted(parts, key=lambda part: part[0] != "takeover")
        for kind, _, rows in parts:
            self.kinds[kind] = self.kinds.get(kind, 0) + len(rows)
        lengths = np.array([len(rows) for _, _, rows in parts], np.int64)
        weights = np.array([weight for _, weight, _ in parts], np.float64)
        self.rows = int(lengths.sum())
        self.slots = torch.from_numpy(np.concatenate([r for _, _, r in parts]) if parts else np.empty(0, np.int64))
        upper = np.cumsum(lengths * weights)
        of_takeovers = sum(kind == "takeover" for kind, _, _ in parts)
        self.takeovers = float(upper[of_takeovers - 1]) if of_takeovers else 0.0
        self._total = float(upper[-1]) if parts else 0.0
        self.upper = torch.from_numpy(upper)
        self.lower = torch.from_numpy(upper - lengths * weights)
        self.weights = torch.from_numpy(weights)
        self.starts = torch.from_numpy(np.cumsum(lengths) - lengths)
        self.lengths = torch.from_numpy(lengths)

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None = None, floor: int = 0) -> Tensor:
        """Return row numbers, int64 of ``shape`` (C, D); the first ``floor`` of each D are of takeovers.

        What the takeovers weigh beyond that share comes with the others, so that where they weigh enough the floor changes
        nothing on average.
        """
        u = torch.rand(shape, generator=generator, dtype=torch.float64)
        m = self.masses(shape[1], floor)
        u[:, : m.floor].mul_(self.takeovers)
        rest = u.numpy()[:, m.floor :]
        rest[:] = np.interp(rest, (0.0, m.share, 1.0), (0.0, m.takeovers, m.takeovers + m.others))
        which = torch.searchsorted(self.upper, u, right=True).clamp_(max=len(self.weights) - 1)
        offset = ((u - self.lower[which]) / self.weights[which]).to(torch.int64)
        offset = torch.minimum(offset.clamp_(min=0), self.lengths[which] - 1)
        return self.slots[self.starts[which] + offset]

    def masses(self, demos: int, floor: int) -> Masses:
        """Return what so many demos of a batch are drawn by, ``floor`` of them from takeovers."""
        others, wanted = self._total - self.takeovers, self.takeovers / self._total if self._total else 0.0
        if not (floor and self.takeovers and others):
            return Masses(0, wanted, self.takeovers, others)
        return Masses(floor, max(0.0, demos * wanted - floor) / max(1, demos - floor), self.takeovers, others)
