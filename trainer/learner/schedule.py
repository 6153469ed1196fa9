"""What one update is made with beside its batch: which parts it has, and the numbers that change from update to update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

Scalar = float | Tensor
"""A number, or a tensor (0-d) that holds it on the learner's device."""


class Scalars(NamedTuple):
    """The numbers of an update: plain ones, or tensors where updates are recorded once and replayed (``DeviceUpdates``)."""

    lr_actor: Scalar
    lr_critic: Scalar
    lr_alpha: Scalar
    q_weight: Scalar
    """Weight of Q, and of the entropy, in the actor's loss."""
    bc_weight: Scalar
    average_step: Scalar
    """How far the averaged actor goes towards the actor, 0 to 1."""
    target_step: Scalar
    """How far the target critics go towards the critics, 0 to 1."""
    reward_step: Scalar
    """How far the usual reward goes towards the batch's, 0 to 1."""


class UpdateKind(NamedTuple):
    """Which parts an update has."""

    detailed: bool
    """It is looked at closely: metrics."""
    moves_actor: bool


@dataclass(frozen=True)
class UpdateStep:
    """One update that has been counted and is now to be made."""

    kind: UpdateKind
    scalars: Scalars
