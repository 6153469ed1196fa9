"""Small faulty and sound runs, really trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from planted import Fifo

from tests.support.places import REFERENCE
from trainer.config import BARE, TrainConfig
from trainer.diagnosis import probe
from trainer.diagnosis.case import Case
from trainer.diagnosis.finding import Diagnosis
from trainer.diagnosis.history import from_rows
from trainer.diagnosis.recipe import from_settings
from trainer.diagnosis.run import diagnose
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch
from trainer.replay.from_arrays import finished_episode
from trainer.replay.replay import Replay

OBS, ACT = 3, 2
needs_reference = pytest.mark.skipif(not REFERENCE.exists(), reason="the reference data lies beside the checkout only")
CONFIG = BARE.with_values(
    hidden=32, layers=2, batch_size=64, metrics_every=10, quantiles=9, drop_per_critic=1, warmup_steps=0, gamma=0.9, polyak=0.95,
    lr_actor=1e-3, lr_critic=2e-3,
)  # fmt: skip


def world_episode(
    id_: int, rng: np.random.Generator, n: int = 60, human: bool = False, random: bool = True, skill: float | None = None
):
    """A point on a road: state (offset, its speed, progress share), actions (gas, steer); gas pays, drifting off ends it."""
    x, v, s = rng.normal(0, 0.2), 0.0, 0.0
    seen, done, paid = [], [], []
    terminated = False
    for _ in range(n):
        seen.append((x, v, s))
        steer = -1.5 * x - v if human or not random else rng.uniform(-1, 1)
        gas = 0.9 if human else rng.uniform(-1, 1)
        if skill is not None:  # 0 is no better than chance, 1 as good as a human
            steer = skill * (-1.5 * x - v) + (1 - skill) * rng.uniform(-1, 1)
            gas = skill * 0.9 + (1 - skill) * rng.uniform(-1, 1)
        action = np.clip((gas, steer), -1, 1)
        v = 0.8 * v + 0.1 * action[1] + 0.02 * rng.normal()
        x += v
        s += (action[0] + 1) / 2 / n
        done.append(action)
        paid.append((action[0] + 1) / 2 - abs(x))
        if abs(x) > 1:
            terminated = True
            paid[-1] -= 2
            break
    seen.append((x, v, s))
    return finished_episode(
        id_, np.array(seen), np.array(done), np.array(paid), terminated=terminated, purpose="lap" if human else "drive"
    )


Run = tuple[TQC, list[dict[str, float]], Batch]
"""A learner, its rows of metrics, and a batch of it."""


def train(
    updates: int = 700,
    config: TrainConfig = CONFIG,
    batch_fault: Callable[[TQC, Batch], None] | None = None,
    after: Callable[[TQC], None] | None = None,
    laps: int = 3,
    seed: int = 0,
    begin: Callable[[TQC], None] | None = None,
    fifo: int | None = None,
    skill: Callable[[float], float] | None = None,
) -> Run:
    """Train on the little road while episodes come in; return the learner, its rows of metrics, and a batch of it.

    ``fifo``: rows of a memory without a half of its own for demos. ``skill``: of the driver, over the share of the run.
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    config = config.with_values(seed=seed)
    learner, replay = TQC(OBS, ACT, config), (Fifo if fifo else Replay)(OBS, ACT, config)
    if isinstance(replay, Fifo):
        replay.limit = fifo or 0
    if begin:
        begin(learner)
    g = torch.Generator().manual_seed(seed)
    id_ = 0
    for _ in range(laps):
        replay.add(world_episode(id_, rng, human=True))
        id_ += 1
    rows: list[dict[str, float]] = []
    while learner.updates < updates:
        driven = world_episode(id_, rng, skill=skill(learner.updates / updates) if skill else None)
        replay.add(driven)
        id_ += 1
        for batch in replay.sample_many(10, config.batch_size, g):
            if fifo:
                batch.demo = batch.human
            if batch_fault:
                batch_fault(learner, batch)
            learner.update(batch)
            if after:
                after(learner)
        told = {"memory_len": float(len(replay)), "updates": float(learner.updates)}
        rows.append({**learner.metrics(), **told, "return_train": float(driven.reward.sum())})
    return learner, rows, replay.sample(512, g)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.01  # every look at it takes a hundredth
        return self.now


def report(
    learner: TQC, rows: list[dict[str, float]], batch: Batch, *, ours: bool = True, ratio: bool = False
) -> Diagnosis:
    """What the diagnosis says of a trained learner; ``ratio``: its updates for each step are looked at, too."""
    recipe = from_settings(learner.config.to_dict(), None, 20.0, None)
    if not ratio:
        recipe.utd = None  # the little road counts no ratio
    return diagnose([Case(from_rows(rows, ours=ours), recipe, probe=probe.look(learner, batch))])


def faults(found: Diagnosis) -> list[str]:
    return [f.fault for f in found.above_notes]
