"""Running normalisation of observations (RSNorm in SimBa, Lee et al. 2025): whatever units a game sees in, networks see alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LIMIT = 10.0
"""What is farther than so many deviations from the mean looks as if it were so far."""
_LONGEST = 10_000  # batches that mean and variance span at most


class RunningNorm(nn.Module):
    """Mean and variance of the observations seen so far, and observations in these units.

    One is shared by actor, critics and targets. It is in the state of each, so that an actor alone can drive.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("batches", torch.zeros(()))

    @torch.no_grad()
    def note(self, observation: Tensor) -> None:
        """Take in a batch (B, O)."""
        self.batches.add_(1).clamp_(max=_LONGEST)
        share = self.batches.reciprocal()
        apart = observation.mean(0) - self.mean
        self.mean.add_(share * apart)
        # The variance of all that was seen is that within batches and that of their means.
        self.variance.lerp_(observation.var(0, unbiased=False) + (1 - share) * apart.square(), share)

    def __call__(self, seen: Tensor) -> Tensor:
        """Return observations (B, O), or with actions at their side (B, O + A), with the observations normalised."""
        size = len(self.mean)
        normal = (seen[:, :size] - self.mean).mul_((self.variance + 1e-12).rsqrt()).clamp_(-LIMIT, LIMIT)
        return normal if seen.shape[1] == size else torch.cat((normal, seen[:, size:]), 1)
