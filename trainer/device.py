"""On which device a run learns: asked for, or measured.

For small networks a processor is faster than a graphics card, which spends most of an update on starting its many small steps,
and which the game needs as well. So ``auto`` takes CUDA only where the processor does not do what the run asks for with room to
spare, and where CUDA was faster in a short measurement.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.errors import shown
from trainer.config import TrainConfig
from trainer.device_check import CPU, CUDA, check_device
from trainer.learner.learner import Learner
from trainer.learner.make import make_learner
from trainer.replay.from_arrays import finished_episode
from trainer.replay.replay import Replay
from trainer.torch_threads import use_threads
from trainer.updates.device_updates import TOGETHER
from trainer.updates.updates import make_updates

HZ = 20.0  # driven steps a second, for which updates are owed
ENOUGH = 2.0  # times the updates that are owed: then the processor is fast enough
MANY = 50.0  # updates a second from which a recipe is worth a measurement and a sentence
FASTER = 1.25  # times the processor's updates, from which CUDA is worth its memory
MEASURE_S, MOST = 0.4, 200
_EPISODE, _EPISODES = 250, 4
_RANDOM_STATES = {5056, 16}  # bytes of a generator's state: the CPU's and CUDA's


@dataclass(frozen=True)
class ComputeDevice:
    """What a run learns on, and why, in a sentence; none where there was nothing to choose from."""

    name: str
    why: str


def updates_needed(config: TrainConfig) -> float:
    """Return how many updates a second of driving asks for."""
    return HZ * config.utd


@functools.lru_cache(maxsize=8)
def pace(device: str, observations: int, actions: int, config: TrainConfig) -> str:
    """Return a sentence where a recipe asks for more updates than a usual one: what it wants, and what this device gives.

    Measured for less than a second; empty where nothing needs to be said.
    """
    needed = updates_needed(config)
    if needed <= MANY:
        return ""
    given = updates_per_second(device, observations, actions, config)
    where = "one core" if device == CPU else device
    text = f"This recipe wants {needed:.0f} updates a second at {HZ:.0f} Hz, {where} gives {given:.0f}."
    if given >= needed:
        return text
    return f"{text} What is owed is made up for when no one drives, {needed / given:.0f} s for each second of driving."


@functools.lru_cache(maxsize=8)
def choose(asked: str, observations: int, actions: int, config: TrainConfig) -> ComputeDevice:
    """Return the device for a learner of these sizes; one measurement for each. Raises UsageError, as `check_device`."""
    check_device(asked)
    if asked != "auto":
        return ComputeDevice(asked, "" if asked == CPU else f"It learns on {asked}, as asked for.")
    if not torch.cuda.is_available():
        return ComputeDevice(CPU, "")
    needed = updates_needed(config)
    on_cpu = updates_per_second(CPU, observations, actions, config)
    if on_cpu >= ENOUGH * needed:
        return ComputeDevice(CPU, f"It learns on the CPU, which does {on_cpu:.0f} updates a second; {needed:.0f} are needed.")
    try:
        on_cuda = updates_per_second(CUDA, observations, actions, config)
    except Exception as error:  # a driver of another version, no memory left beside the game
        return ComputeDevice(CPU, f"It learns on the CPU: CUDA fails here ({shown(error, 80)}).")
    name = CUDA if on_cuda >= FASTER * on_cpu else CPU
    where = torch.cuda.get_device_name(0) if name == CUDA else "the CPU"
    return ComputeDevice(name, f"It learns on {where}: {on_cpu:.0f} updates a second on the CPU, {on_cuda:.0f} with CUDA.")


def for_device(tensors: dict[str, Tensor], learner: Learner) -> dict[str, Tensor]:
    """Return a checkpoint's tensors; where they come from another kind of device, with this learner's random numbers.

    CUDA's generator takes no state of the CPU's, and the other way round.
    """
    stored, own = tensors.get("rng.learner"), learner.generator.get_state()
    if stored is None or {stored.numel(), own.numel()} != _RANDOM_STATES:
        return tensors
    return {**tensors, "rng.learner": own}


def updates_per_second(device: str, observations: int, actions: int, config: TrainConfig) -> float:
    """Measure, for less than a second or for three updates, how fast made-up experience is learned from."""
    use_threads(config.threads)
    rng = np.random.default_rng(0)
    config = config.with_values(capacity=min(config.capacity, 2 * _EPISODE * _EPISODES))
    replay = Replay(observations, actions, config, device=torch.device(device))
    for number in range(_EPISODES):
        seen = rng.random((_EPISODE + 1, observations), np.float32)
        acted = rng.uniform(-0.9, 0.9, (_EPISODE, actions))
        replay.add(finished_episode(number + 1, seen, acted, rng.random(_EPISODE), terminated=False))
    learner = make_learner(observations, actions, config, device)
    updates = make_updates(learner, replay, torch.Generator().manual_seed(0))

    def update(count: int) -> None:
        updates.make(count)
        if learner.device.type == CUDA:
            torch.cuda.synchronize()

    # The first ones reserve memory; on a GPU those after them are recorded, and then made together.
    together = TOGETHER if learner.device.type == CUDA else 1
    for _ in range(3 if together > 1 else 1):
        update(together)
    began, done = time.perf_counter(), 0
    while done < 2 or (done < MOST and time.perf_counter() - began < MEASURE_S):
        update(together)
        done += together
    return done / (time.perf_counter() - began)
