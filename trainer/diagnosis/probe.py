"""Asking the critic itself: does it tell one action from another, and are the critics two?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.records import HUMAN
from trainer.replay.batch import Batch, beside
from trainer.diagnosis.case import Answer, Case, Check
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.finding import Finding, Lacking, Sound
from trainer.learner.tqc import TQC

ROWS = 512
OTHERS = 4
BLIND = 0.01  # spread of Q over actions below which a critic sees none
DIM = (
    0.05  # the same for one that explains nothing; a sound one spreads by 0.1 within a thousand updates, and 0.25 later
)
EXPLAINS = 0.5  # share of the error; a trained critic explains nine tenths, one that is fed other actions a fifth at most
SOME = 0.2  # a critic that explains this much, and is not yet sound, may only need more updates
LEAST_UPDATES = 600
"""Before that a sound critic may still know nothing of actions."""


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
def look(learner: TQC, batch: Batch, name: str = "critic", generator: torch.Generator | None = None) -> Probe:
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


def distinguishes(case: Case) -> Answer:
    """Q of the executed action against Q of other actions in the same states."""
    name, probe = "critic-ignores-actions", case.probe
    if probe is None:
        return None
    text = (
        f"over random actions in one state Q varies by {probe.spread:.1%} of its deviation over states",
        f"the executed action explains {max(0.0, probe.gain):.0%} of the error that random actions leave "
        f"({probe.rows} rows, {probe.updates:,} updates)",
    )
    if probe.gain > EXPLAINS and probe.spread > BLIND:
        return Sound(name, "; ".join(text), probe.name)
    if probe.updates < LEAST_UPDATES or probe.rows < 100:
        return Lacking(name, f"{LEAST_UPDATES} updates and 100 rows", probe.name)
    if probe.spread < DIM and (probe.gain <= SOME or probe.spread < BLIND):
        sentence = (
            "The critic does not tell the executed action from a random one, so nothing that is driven, takeovers included, "
            "can teach the agent."
        )
        sure = 0.95 if probe.spread < BLIND else 0.85
        return Finding(name, sentence, text, sure, source=probe.name)
    return Lacking(name, "more updates: the critic does not yet explain what it is asked for", probe.name)


def twins(case: Case) -> Answer:
    """The critics as functions."""
    name, probe = "twin-critics-identical", case.probe
    if probe is None or math.isnan(probe.twins):
        return None
    text = f"the first two critics differ by {probe.twins:.2%} of Q's deviation"
    if probe.twins < 1e-4:
        sentence = "The critics are the same function, so they are no check on each other."
        return Finding(name, sentence, (text,), 0.97, source=probe.name)
    return Sound(name, text, probe.name)


def stuck(case: Case) -> Answer:
    """Greedy actions that are all at their limits."""
    name, probe = "actions-saturated", case.probe
    if probe is None:
        return None
    text = f"in {probe.saturated:.0%} of {probe.rows} states every control of the greedy action lies at a limit"
    if probe.saturated > 0.85:
        sentence = "Whatever it sees, the policy asks for full lock and full pedal."
        return Finding(name, sentence, (text,), 0.9, source=probe.name)
    return Sound(name, text, probe.name)


def learner_of(path: Path, sha256: str | None = None) -> TQC:
    """Return the learner of a checkpoint file, as it was. Raises CheckpointError."""
    from data.errors import CheckpointError
    from trainer.checkpoints.files import load
    from trainer.config import TrainConfig

    tensors, meta = load(path, sha256)
    learner = TQC(len(meta.observation_names), len(meta.action_names), TrainConfig.from_dict(meta.config))
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


CHECKS: tuple[Check, ...] = (distinguishes, twins, stuck)
