"""Units of observations: numbers of any size come to the networks as numbers of about 1.

Running normalisation (as in SimBa, Lee et al. 2025) does so too, but changes what a network sees at every update, and costs where
the numbers are good as they are (docs/results_tables.md). Here a unit stays until it is wrong by more than ``WRONG``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WRONG = 4.0
"""A number whose deviation is within this factor of its unit, and whose mean is within so many of zero, is left as it is."""
LIMIT = 40.0
"""What is farther than so many units away looks as if it were so far."""
_LONGEST = 10_000  # batches that mean and variance span at most


class ObservationUnits(nn.Module):
    """Mean and deviation of each number seen so far, and observations in units that follow from them.

    One is shared by actor, critics and targets. It is in the state of each, so that an actor alone can drive.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor
    zero: Tensor
    unit: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        for name, values in (("mean", torch.zeros(size)), ("variance", torch.zeros(size)), ("batches", torch.zeros(()))):
            self.register_buffer(name, values)
        self.register_buffer("zero", torch.zeros(size))
        self.register_buffer("unit", torch.ones(size))

    @torch.no_grad()
    def note(self, observation: Tensor) -> None:
        """Take in a batch (B, O)."""
        self.batches.add_(1).clamp_(max=_LONGEST)
        share = self.batches.reciprocal()
        apart = observation.mean(0) - self.mean
        self.mean.add_(share * apart)
        # The variance of all that was seen is that within batches and that of their means.
        self.variance.lerp_(observation.var(0, unbiased=False) + (1 - share) * apart.square(), share)
        spread = self.variance.sqrt()
        spread = torch.where(spread > 1e-5 * self.mean.abs(), spread, 0.0)  # a number that does not change, but for rounding
        beside = (self.mean - self.zero).abs() > WRONG * torch.maximum(spread, self.unit)
        off = beside | (spread > WRONG * self.unit) | ((spread > 0) & (spread < self.unit / WRONG))
        power = torch.where(spread > 0, spread, self.unit).log2().round().exp2()
        self.unit.copy_(torch.where(off, power, self.unit))
        far = self.mean.abs() > WRONG * self.unit
        self.zero.copy_(torch.where(off, torch.where(far, self.mean, 0.0), self.zero))

    def __call__(self, seen: Tensor) -> Tensor:
        """Return observations (B, O), or with actions at their side (B, O + A), with the observations in their units."""
        size = len(self.mean)
        scaled = (seen[:, :size] - self.zero).div_(self.unit).clamp_(-LIMIT, LIMIT)
        return scaled if seen.shape[1] == size else torch.cat((scaled, seen[:, size:]), 1)
