"""Asking the critic itself: does it tell one action from another, and are the critics two?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.records import HUMAN
from trainer.diagnosis.drives import Drives
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
    policy_spread: float
    """Mean over states of the deviation of the policy's own noise, largest control."""
    saturated: float
    """Share of greedy actions with every control at a limit."""
    name: str = "critic"


@torch.no_grad()
def look(learner: Learner, batch: Batch, name: str = "critic", generator: torch.Generator | None = None) -> Probe:
    """Ask the critics about a batch: their value of what was executed, of random actions, of other rows' actions.

    The learner's own random stream is left as it was. Costs about six forward passes of the batch.
    """
    n = len(batch)
    g = generator or torch.Generator().manual_seed(learner.updates)
    device = batch.reward.device

    def value(action: Tensor) -> tuple[Tensor, Tensor]:
        each = learner.critics(beside(batch.observation, action)).mean(2)
        return each.mean(0), each

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g).to(device)

    executed, each = value(batch.action)
    others = torch.stack([value(random(*batch.action.shape) * 2 - 1)[0] for _ in range(OTHERS)])
    deviation = float(executed.std().clamp_min(1e-9))
    state = learner.generator.get_state()
    alpha = float(learner.log_alpha.exp()) if learner.config.learn_alpha else learner.config.alpha
    target = learner.target(batch, alpha).mean(1)
    learner.generator.set_state(state)
    # Centred: while Q still grows towards its targets, any action with a larger Q would look like the better explanation.
    right, wrong = target - executed, target - others
    right = (right - right.mean()).square()
    wrong = (wrong - wrong.mean(1, keepdim=True)).square().mean(0)
    noise = g if device.type == "cpu" else None
    samples = torch.stack([learner.actor.act(batch.observation, False, noise) for _ in range(4)])
    greedy = learner.actor.act(batch.observation, True)
    return Probe(
        rows=n,
        updates=learner.updates,
        spread=float(others.std(0).mean()) / deviation,
        gain=1.0 - float(right.mean()) / max(1e-12, float(wrong.mean())),
        twins=float((each[0] - each[1]).abs().mean()) / deviation if len(each) > 1 else math.nan,
        policy_spread=float(samples.std(0).mean(0).max()),
        saturated=float((greedy.abs() > 0.985).all(1).float().mean()),
        name=name,
    )


def learner_of(path: Path, sha256: str | None = None) -> Learner:
    """Return the learner of a checkpoint file, as it was. Raises CheckpointError."""
    from data.errors import CheckpointError
    from trainer.checkpoints.files import load
    from trainer.config import TrainConfig

    tensors, meta = load(path, sha256)
    learner = make_learner(len(meta.observation_names), len(meta.action_names), TrainConfig.from_dict(meta.config))
    try:
        learner.load(tensors, meta.numbers)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"The checkpoint '{path.name}' does not fit the network it names: choose another."
        ) from error
    return learner


def batch_of(drives: Drives, gamma: float, rows: int = ROWS, seed: int = 0) -> Batch | None:
    """Return rows of recorded driving, spread over all of it, as a batch of one-step returns; None for too few steps.

    Half of them are demos where there are any, as in training.
    """
    after = np.arange(1, len(drives))
    joined = (drives.episode[after] == drives.episode[after - 1]) & (drives.t[after] == drives.t[after - 1] + 1)
    usable = np.flatnonzero(joined)
    demos, others = usable[drives.demo[usable]], usable[~drives.demo[usable]]
    if len(usable) < 100:
        return None
    rng = np.random.default_rng(seed)
    half = min(rows // 2, len(demos))
    index = np.concatenate((rng.permutation(demos)[:half], rng.permutation(others)[: rows - half]))
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
    )
