"""The updates that are owed for what was driven, in the order in which they are made: the daemon's, and a script's."""

from __future__ import annotations

import torch

from trainer.daemon.update_budget import LapsFirst, UpdateBudget
from trainer.learner.learner import Learner
from trainer.replay.batch import Batch
from trainer.replay.replay import Replay

CHUNK = 8  # updates between two looks at the store; a fixed number, so that a resumed run draws as an uninterrupted one
SLOW = frozenset({"cnn", "recurrent"})  # networks whose eight updates may take seconds: a verdict must not wait for them


class OwedUpdates:
    """What a learner is to be shown, and how often. ``generator`` is what batches are drawn by."""

    def __init__(self, learner: Learner, replay: Replay, budget: UpdateBudget, generator: torch.Generator) -> None:
        self.learner, self.replay, self.budget, self.generator = learner, replay, budget, generator
        self._env_base = learner.env_steps - budget.online
        self.laps = LapsFirst(learner, replay, budget)
        self.count()

    def count(self) -> None:
        """Count what was driven."""
        self.budget.steps(self.replay.online_steps)
        self.laps.count()
        self.learner.env_steps = self._env_base + self.budget.online

    @property
    def due(self) -> int:
        """How many updates are to be made before the next look at the store; 0 where none is owed, or nothing can be drawn."""
        due = self.budget.due
        if not due or (not len(self.replay) and not self.replay.demo_rows):
            return 0
        count = min(1 if self.learner.config.network in SLOW else CHUNK, due)
        return min(count, self.laps.left) if self.laps.active else count

    def draw(self, count: int) -> list[Batch]:
        """Return the next ``count`` batches."""
        return self.replay.sample_many(count, self.learner.config.batch_size, self.generator)
