"""The unit that rewards are learned in (``scale_rewards``), so that a game may pay in thousandths or in thousands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from trainer.config import Times
from trainer.learner.schedule import Scalar
from trainer.replay.batch import Batch

PAID_SPAN = 10_000  # updates that the usual reward spans at most


class RewardUnit:
    """What rewards are divided by: a power of two, 1 where they are not scaled. It lies on the learner's device."""

    def __init__(self, device: torch.device) -> None:
        self.value = torch.ones((), device=device)
        self.largest = torch.zeros((), device=device)
        """Largest reward (of n steps, absolute, in this unit) in the batches that were looked at closely."""
        self.mean_square = torch.zeros((), device=device)
        """Running mean square of the rewards, in the game's unit."""
        self.batches = 0
        """Batches that it has seen."""
        self.known = torch.zeros((), dtype=torch.bool, device=device)
        """Whether the critics have learned in this unit."""

    def count(self) -> None:
        """Count a batch whose rewards are to be noted."""
        self.batches += 1

    @property
    def step(self) -> float:
        """How far what is usually paid goes towards the batch that was counted last."""
        return 1 / min(max(1, self.batches), PAID_SPAN)

    def of(self, batch: Batch) -> Batch:
        """Return the batch with rewards in this unit."""
        bound = None if batch.return_bound is None else batch.return_bound / self.value
        return replace(batch, reward=batch.reward / self.value, return_bound=bound)

    @torch.no_grad()
    def note(self, batch: Batch, share: Scalar, times: Times, may_change: bool) -> Tensor | None:
        """Follow what a step usually pays; where the unit ``may_change``, return what Q is to be multiplied by (0-d).

        ``times``: as for a game of 20 steps a second; how far the returns of this game reach is told by their discounts. The unit
        becomes another one only when it is wrong by more than two. All of it without asking the device: the factor is 1 where
        nothing changes.
        """
        self.mean_square.lerp_(batch.reward.square().mean(), share)
        if not may_change:
            return None
        usual, seen = self.mean_square.sqrt() / _reach(batch, times), self.mean_square > 0
        off = (usual > 2 * self.value) | (seen & (usual < 0.5 * self.value))
        factor = self.change(torch.where(off, usual.log2().round().exp2(), self.value))
        self.known |= seen
        return factor

    def change(self, unit: Tensor) -> Tensor:
        """Take another unit (0-d); return what Q is to be multiplied by (0-d): 1 where the critics have seen no reward yet."""
        factor = torch.where(self.known, self.value / unit, 1.0)
        self.value.copy_(unit)
        self.largest.mul_(factor)
        return factor

    def forget(self) -> None:
        """What is paid from here on is another matter than before."""
        self.mean_square.zero_()
        self.batches = 0

    def numbers(self) -> dict[str, float]:
        """Return what a resume needs."""
        return {
            "reward_scale": float(self.largest), "reward_unit": float(self.value), "paid": float(self.mean_square),
            "paid_batches": self.batches, "unit_known": float(self.known),
        }  # fmt: skip

    def load(self, numbers: Mapping[str, float], has_learned: bool) -> None:
        """Take back what ``numbers`` gave; older checkpoints have less of it. Raises ValueError when it makes no sense."""
        self.largest.fill_(float(numbers.get("reward_scale", 0.0)))
        unit, paid = float(numbers.get("reward_unit", 1.0)), float(numbers.get("paid", 0.0))
        if not (0 < unit < math.inf and 0 <= paid < math.inf):
            raise ValueError("its unit of rewards is no unit")
        self.value.fill_(unit)
        self.mean_square.fill_(paid)
        self.batches = int(numbers.get("paid_batches", 0))
        known = bool(numbers.get("unit_known", 0.0)) or not self.batches  # a run without units has learned in 1
        self.known.fill_(known and has_learned)


def _reach(batch: Batch, times: Times) -> Tensor:
    """Return over how many steps a return usually sums (0-d), by what of it is left to the bootstrap; one at least."""
    if times.gamma == 1:
        return torch.tensor(float(times.n_step), device=batch.discount.device)
    goes_on = batch.discount > 0
    steps = torch.where(goes_on, batch.discount, 1.0).log() / math.log(max(times.gamma, 1e-6))
    return (steps.sum() / goes_on.sum().clamp(min=1)).clamp(min=1)
