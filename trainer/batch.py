"""What an update learns from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(slots=True)
class Batch:
    """B rows as float32 tensors (flags as bool)."""

    pair: Tensor
    """(B, O + A): observation and executed action side by side."""
    observation: Tensor
    """(B, O)"""
    action: Tensor
    """(B, A): what the game received, whoever drove."""
    proposed: Tensor
    """(B, A): what the agent would have done."""
    reward: Tensor
    """(B,): discounted sum of the rewards of the next steps, up to ``n_step``."""
    discount: Tensor
    """(B,): gamma to the power of those steps; 0 where the episode terminated."""
    next_observation: Tensor
    """(B, O): what followed the last of those steps."""
    human: Tensor
    """(B,) bool: the human drove."""
    takeover: Tensor
    """(B,) bool: the row is of a takeover segment's kind (human inside an agent's episode)."""
    before_takeover: Tensor
    """(B,) bool: the last agent step before a takeover."""
    demo: Tensor
    """(B,) bool: the row was drawn for the demo half."""

    def __len__(self) -> int:
        return self.reward.shape[0]
