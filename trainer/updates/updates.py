"""Updates from a replay: batches that are drawn, then learned from one by one; on a GPU both at once (``device_updates``)."""

from __future__ import annotations

import time
from typing import Protocol

import torch

from trainer.learner.learner import Learner
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch
from trainer.replay.replay import Replay
from trainer.updates.device_updates import CudaGraphs, DeviceUpdates


class Updates(Protocol):
    """Draws from a replay and learns from what it has drawn."""

    drawing_s: float
    """Seconds that drawing has taken in all; 0 where it is a part of the update."""
    trouble: str
    """Why updates are slower than they could be, in a sentence; empty where they are not."""

    def make(self, count: int) -> None:
        """Make the next ``count`` updates. Raises ValueError when there is nothing to draw from."""

    def newest_batch(self) -> Batch | None:
        """Return a batch of those that were learned from last; None where none was."""


class HostUpdates:
    """Batches are drawn by Python, and learned from step by step."""

    trouble = ""

    def __init__(self, learner: Learner, replay: Replay, generator: torch.Generator) -> None:
        self._learner, self._replay, self._generator = learner, replay, generator
        self.drawing_s = 0.0
        self._newest: Batch | None = None

    def make(self, count: int) -> None:
        """See ``Updates.make``."""
        began = time.monotonic()
        batches = self._replay.sample_many(count, self._learner.config.batch_size, self._generator)
        self.drawing_s += time.monotonic() - began
        for batch in batches:
            self._learner.update(batch)
        self._newest = batches[-1]

    def newest_batch(self) -> Batch | None:
        """See ``Updates.newest_batch``."""
        return self._newest


def make_updates(learner: Learner, replay: Replay, generator: torch.Generator) -> Updates:
    """Return what makes the updates; ``generator``, of the CPU, is what batches are drawn by, or what that is seeded by.

    On a GPU they stay there if they can: those of our fast learner on plain vectors.
    """
    if learner.device.type == "cuda" and type(learner) is TQC and replay.table.device_copy is not None:
        return DeviceUpdates(learner, replay, generator, CudaGraphs())
    return HostUpdates(learner, replay, generator)
