"""Asking the critic itself: does it tell one action from another, and are the critics two?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.errors import CheckpointError
from data.records import HUMAN
from trainer.checkpoints.files import load
from trainer.config import TrainConfig
from trainer.diagnosis.drives import AT_LIMIT, Drives
from trainer.learner.learner import Learner
from trainer.learner.make import make_learner
from trainer.replay.batch import Batch, beside

ROWS = 512
OTHERS = 4


@dataclass(slots=True)
class Probe:
    """Figures of one look at the critics, on rows of real driving."""

    rows: int
    updates: int
    spread: float
    """Mean over states of the deviation of Q over random actions, over the deviation of Q over states."""
    gain: float
    """Share of the TD error (its variance, with random actions) that the executed action takes away."""
    twins: float
    """Mean absolute difference of the first two critics over the deviation of Q; NaN with one critic."""
    saturated: float
    """Share of greedy actions with every control at a limit."""
    shown: float = 0.0
    """The same share of what it clones from an agent that teaches it; 0 where none does."""
    name: str = "critic"
    paid: bool = True
    """Whether any of the rows was paid anything: else Q is what the critics do not know yet, and varies by chance alone."""


@torch.no_grad()
def look(learner: Learner, batch: Batch, name: str = "critic") -> Probe:
    """Ask the critics about a batch: their value of what was executed, of random actions, of other rows' actions.

    The learner's own random stream is left as it was. It costs about as much as six forward passes of the batch.
    """
    generator = torch.Generator().manual_seed(learner.updates)

    def values(action: Tensor) -> Tensor:
        """Return each critic's value (E, B) of actions (B, A)."""
        return learner.critics(beside(batch.observation, action)).mean(2)

    each = values(batch.action)
    executed = each.mean(0)
    random = torch.rand(OTHERS, *batch.action.shape, generator=generator).to(batch.action.device) * 2 - 1
    others = torch.stack([values(action).mean(0) for action in random])
    deviation = float(executed.std().clamp_min(1e-9))
    state = learner.generator.get_state()
    alpha = float(learner.log_alpha.exp()) if learner.config.learn_alpha else learner.config.alpha
    target = learner.target(learner.in_reward_units(batch), alpha).mean(1)
    learner.generator.set_state(state)
    # Centred: while Q still grows towards its targets, any action with a larger Q would look like the better explanation.
    right, wrong = target - executed, target - others
    right = (right - right.mean()).square()
    wrong = (wrong - wrong.mean(1, keepdim=True)).square().mean(0)
    greedy = learner.actor.act(batch.observation)
    return Probe(
        rows=len(batch),
        updates=learner.updates,
        spread=float(others.std(0).mean()) / deviation,
        gain=1.0 - float(right.mean()) / max(1e-12, float(wrong.mean())),
        twins=float((each[0] - each[1]).abs().mean()) / deviation if len(each) > 1 else math.nan,
        saturated=_at_limit(greedy),
        shown=_at_limit(batch.answer[batch.cloned]) if learner.config.taught and bool(batch.cloned.any()) else 0.0,
        name=name,
        paid=bool((batch.reward != 0).any()),
    )


def _at_limit(actions: Tensor) -> float:
    return float((actions.abs() > AT_LIMIT).all(1).float().mean())


def learner_of(path: Path, sha256: str | None = None) -> Learner:
    """Return the learner of a checkpoint file, as it was. Raises CheckpointError."""
    tensors, meta = load(path, sha256)
    learner = make_learner(len(meta.observation_names), len(meta.action_names), TrainConfig.from_dict(meta.config))
    try:
        learner.load(tensors, meta.numbers)
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"The checkpoint '{path.name}' does not fit the network it names: choose another.") from error
    return learner


def batch_of(drives: Drives, gamma: float) -> Batch | None:
    """Return rows of recorded driving, spread over all of it, as a batch of one-step returns; None for too few steps.

    Half of them are demos where there are any, as in training.
    """
    usable = np.flatnonzero(drives.joined)
    if len(usable) < 100:
        return None
    demos, others = usable[drives.demo[usable]], usable[~drives.demo[usable]]
    rng = np.random.default_rng(0)
    half = min(ROWS // 2, len(demos))
    index = np.concatenate((rng.permutation(demos)[:half], rng.permutation(others)[: ROWS - half]))
    observation = torch.from_numpy(drives.observation[index].copy())
    action = torch.from_numpy(drives.executed[index].copy())
    n, human = len(index), torch.from_numpy(drives.driver[index] == HUMAN)
    return Batch(
        pair=torch.cat((observation, action), 1),
        observation=observation,
        action=action,
        proposed=torch.from_numpy(drives.proposed[index].copy()),
        reward=torch.from_numpy(drives.reward[index].astype(np.float32)),
        discount=torch.full((n,), gamma),
        next_observation=torch.from_numpy(drives.observation[index + 1].copy()),
        human=human,
        takeover=human,
        before_takeover=torch.zeros(n, dtype=torch.bool),
        cloned=torch.from_numpy(drives.demo[index]),
        demo=torch.from_numpy(drives.demo[index]),
        answer=action,
    )
