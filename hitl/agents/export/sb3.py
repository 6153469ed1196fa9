"""An agent that came as an archive of Stable-Baselines3 goes back into it: its network learns to do what ours does.

On the observations that were recorded here, the archive's own network is trained to give the actions of our actor (distillation,
Hinton et al. 2015, with actions in place of logits). Everything else of the archive stays as it is, so ``SAC.load(path)`` and the
user's own programs take it as one of theirs.
"""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError, UsageError
from data.files.replacing import refuse_present
from data.words import number_of
from hitl.agents.actions import Continuous
from hitl.agents.agent import Agent
from hitl.agents.archives import read_whole, unzipped
from hitl.agents.export.programs import write_new
from hitl.agents.formats.sb3 import POLICY, Sb3Model, read
from hitl.agents.layers import TorchNetwork

if TYPE_CHECKING:
    from torch import nn

Floats = NDArray[np.float32]
STEPS, BATCH, RATE = 4000, 256, 1e-3
HELD_OUT_EVERY = 10  # every so manieth episode is only measured on
LEAST = 200  # observations


@dataclass(frozen=True)
class Remaining:
    """How far the archive's network is from ours on episodes that it has not learned from, in actions from -1 to 1."""

    mean: float
    p95: float
    most: float
    steps: int
    """Observations that it was taught with."""


def distill(
    agent: Agent,
    archive: Path,
    episodes: Iterable[tuple[Floats, NDArray[np.bool_]]],
    ours: Callable[[Floats], Floats],
    out: Path,
    seed: int = 0,
) -> Remaining:
    """Write a copy of ``archive`` whose network does what ``ours`` does, and where ours does not drive what it did before.

    ``agent``: the archive, opened for the session; ``episodes``: of each the observations (T, O), and where ours drives (T,);
    ``ours``: actions (T, A) along an episode.

    Raises UsageError for an agent that chooses from a table, for too few observations, and when ``out`` exists.
    """
    data = read_whole(archive)
    model = read(data, archive.name)
    actions, network = agent.actions, agent.network
    if not isinstance(actions, Continuous) or not isinstance(network, TorchNetwork):
        raise UsageError(
            f"'{archive.name}' chooses one of several actions, and our actor's are numbers: export it as TorchScript (a "
            "file .pt)."
        )
    refuse_present(out)
    shown, wanted, target = _lessons(agent, actions, episodes, ours)
    kept = np.zeros(len(shown), bool)
    kept[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY] = True
    if not kept.any():
        kept[-1] = len(kept) > 1
    learned = [k for k in range(len(shown)) if not kept[k]]
    count = sum(len(shown[k]) for k in learned)
    if count < LEAST:
        raise UsageError(
            f"Only {number_of(count, 'step')} of this game can be taught from here (some episodes are held out to measure by), "
            f"and it takes {LEAST}: drive a few episodes first (`hitl play`)."
        )
    student = copy.deepcopy(network.module).requires_grad_(True)
    _teach(student, np.concatenate([shown[k] for k in learned]), np.concatenate([wanted[k] for k in learned]), actions, seed)
    measured = np.flatnonzero(kept) if kept.any() else np.arange(len(shown))
    student.requires_grad_(False).eval()
    done = actions(TorchNetwork(student, None)(np.concatenate([shown[k] for k in measured])))
    apart = np.abs(done - np.concatenate([target[k] for k in measured]))
    write_new(out, _repacked(data, archive.name, model, student))
    return Remaining(float(apart.mean()), float(np.quantile(apart, 0.95)), float(apart.max()), count)


def _lessons(
    agent: Agent,
    actions: Continuous,
    episodes: Iterable[tuple[Floats, NDArray[np.bool_]]],
    ours: Callable[[Floats], Floats],
) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """Return, by episode, what the archive's network is shown, what it should give, and our actions."""
    shown, wanted, target = [], [], []
    for seen, inside in episodes:
        theirs = agent.follow(seen)
        agent.reset()
        shown.append(np.stack([agent.shown(observation) for observation in seen]))
        target.append(np.where(inside[:, None], ours(seen), theirs))
        wanted.append(actions.wanted(target[-1]))
    agent.reset()
    return shown, wanted, target


def _teach(student: nn.Module, shown: Floats, wanted: Floats, actions: Continuous, seed: int) -> None:
    """Train the network towards the wanted outputs (N, A), each in units of half its range."""
    import torch

    inputs, outputs = torch.from_numpy(shown), torch.from_numpy(wanted)
    half = torch.ones(wanted.shape[1])
    if not actions.squashed:
        half = torch.from_numpy(((actions.high - actions.low) / 2).astype(np.float32))
    picks = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(student.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS, RATE / 100)
    for _ in range(STEPS):
        rows = torch.randint(len(inputs), (BATCH,), generator=picks)
        loss = ((student(inputs[rows]) - outputs[rows]) / half).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _repacked(data: bytes, name: str, model: Sb3Model, student: nn.Module) -> bytes:
    """Return the archive with the network's numbers replaced, and nothing else."""
    import torch

    entries = unzipped(data, name)
    weights = dict(torch.load(io.BytesIO(entries[POLICY]), map_location="cpu", weights_only=True))
    ours = dict(student.named_parameters())
    for mine, theirs in model.names.items():
        if mine not in ours:  # the last activation of a body has none
            continue
        for key in (theirs, theirs.replace("actor.", "actor_target.", 1)):
            if key in weights:
                if weights[key].shape != ours[mine].shape:
                    raise InputFileError(f"'{name}': '{key}' has another shape than its network.")
                weights[key] = ours[mine].detach().to(weights[key].dtype)
    made, policy = io.BytesIO(), io.BytesIO()
    torch.save(weights, policy)
    with zipfile.ZipFile(made, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, policy.getvalue() if entry == POLICY else content)
    return made.getvalue()
