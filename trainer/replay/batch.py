"""What an update learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(slots=True)
class Sequences:
    """S stretches of consecutive steps, each of one episode and without a gap, as recurrent networks read them.

    A step's input is its observation with the action executed before it, zeros where the episode begins: (O + A) numbers.
    """

    burn_in: Tensor
    """(W, S, O + A): steps before, which only bring the memory to where it was; the first ``lengths`` of each count."""
    lengths: Tensor
    """(S,) int64, on the CPU, 0 to W: 0 where a sequence begins with its episode, with an empty memory."""
    steps: Tensor
    """(T, S, O + A): what is learned from and, behind it, what followed."""


@dataclass(slots=True)
class Moments:
    """B steps of sequences, each with its past; what a recurrent network takes for observations."""

    sequences: Sequences
    index: Tensor
    """(B,) int64: place in ``steps`` laid flat, t * S + s."""
    observation: Tensor
    """(B, O): what was seen then."""
    action: Tensor | None = None
    """(B, A) beside each, for a critic."""

    def __getitem__(self, rows: slice) -> Moments:
        """Return some of the steps, of the same sequences."""
        action = None if self.action is None else self.action[rows]
        return Moments(self.sequences, self.index[rows], self.observation[rows], action)


Sight = Tensor | Moments
"""What a network looks at: observations (B, O), or steps with their past."""


def beside(sight: Sight, action: Tensor) -> Sight:
    """Return observations with actions (B, A) at their side, as critics take them."""
    if isinstance(sight, Moments):
        return replace(sight, action=action)
    return torch.cat((sight, action), 1)


@dataclass(slots=True)
class Batch:
    """B rows as float32 tensors (flags as bool); for recurrent networks the observations are ``Moments``."""

    pair: Sight
    """(B, O + A): observation and executed action side by side."""
    observation: Sight
    """(B, O)"""
    action: Tensor
    """(B, A): what the game received, whoever drove."""
    proposed: Tensor
    """(B, A): what the agent would have done."""
    reward: Tensor
    """(B,): discounted sum of the rewards of the next steps, up to ``n_step``."""
    discount: Tensor
    """(B,): gamma to the power of those steps; 0 where the episode terminated."""
    next_observation: Sight
    """(B, O): what followed the last of those steps."""
    human: Tensor
    """(B,) bool: the human drove."""
    takeover: Tensor
    """(B,) bool: the row is of a takeover segment's kind (human inside an agent's episode)."""
    before_takeover: Tensor
    """(B,) bool: the last agent step before a takeover."""
    cloned: Tensor
    """(B,) bool: the actor is drawn towards ``answer``: in the human's demos, in what the player kept, in the agent's own
    finishes and farthest drives, and where a frozen agent drove, or was asked what it would do."""
    demo: Tensor
    """(B,) bool: the row was drawn for the demo half."""
    answer: Tensor
    """(B, A): what the actor is drawn towards, where it is: ``action``, a human's a little later (``hand_delay_s``), or what the
    agent that teaches would do (``frozen_teaches``)."""

    helped: Tensor | None = None
    """(B,) bool: the human helped here, or around this place (``trainer.replay.halves.gates``); None without a frozen agent
    (``frozen_agent``). There this agent drives in its place, and where that teaches, either everywhere or nowhere."""
    next_helped: Tensor | None = None
    """(B,) bool: the same for ``next_observation``."""
    next_action: Tensor | None = None
    """(B, A): what was done there."""
    return_bound: Tensor | None = None
    """(B,): what was earned from here to the episode's end, below which no target's mean lies; -inf where the episode has no end,
    None where that is not kept."""
    past_actions: Tensor | None = None
    """(O,) bool: which numbers of an observation are past actions; None where none are known."""
    shown: Sight | None = None
    """(B, O): what the actor is shown, where that is not the observation (``trainer.replay.past_actions``)."""

    def __len__(self) -> int:
        return self.reward.shape[0]

    @property
    def actor_sees(self) -> Sight:
        """What the actor is shown (B, O)."""
        return self.observation if self.shown is None else self.shown
