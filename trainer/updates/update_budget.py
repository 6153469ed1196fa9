"""How many updates are owed for the steps that came in, and those on laps, which come before the first drive.

The daemon and scripts make them in one order, ``OwedUpdates``; ``hitl.session.lockstep`` in another, and says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from data.words import number_of
from trainer.learner.learner import Learner
from trainer.learner.teaching import Teaching
from trainer.replay.batch import Batch
from trainer.replay.replay import Replay

CHUNK = 8  # updates between two looks at the store; a fixed number, so that a resumed run draws as an uninterrupted one
SLOW = frozenset({"cnn", "recurrent"})  # networks whose eight updates may take seconds: a verdict must not wait for them

@dataclass
class UpdateBudget:
    """Keeps ``utd`` updates for each online step, whatever the machine's speed.

    Steps below ``warmup`` owe nothing. At most ``limit`` updates are owed at once: a trainer that was started late does not
    train for days on what is long past. Each step of a lap owes ``lap_utd`` updates, before anything is driven, too.
    """

    utd: float
    warmup: int = 0
    limit: float = math.inf
    online: int = 0
    """Online steps counted so far."""
    owed: float = 0.0
    lap_utd: float = 0.0
    last_lap: int = 0
    """Number of the newest lap that was counted."""
    held_out: tuple[int, int] = (0, 0)
    """One in ten of the laps from behind the first number to the second is held out while the others are learned from."""
    forgiven: float = 0.0
    """Online steps for which nothing is owed, because more than ``limit`` would have been."""

    def count_steps(self, online: int) -> None:
        """Count up to ``online`` steps in all."""
        new = max(0, online - max(self.online, self.warmup))
        self.online = max(self.online, online)
        asked = self.owed + self.utd * new
        self.owed = min(asked, self.limit)
        if asked > self.owed:
            self.forgiven += (asked - self.owed) / self.utd

    def count_laps(self, rows: Mapping[int, int]) -> int:
        """Count new laps, by their numbers and steps; return how many more updates may be done for them."""
        before = self.due
        self.owed = min(self.owed + self.lap_utd * sum(rows.values()), self.limit)
        self.last_lap = max(self.last_lap, *rows) if rows else self.last_lap
        return self.due - before

    @property
    def due(self) -> int:
        """Whole updates that may be done now."""
        return int(self.owed + 1e-9)

    def numbers(self) -> dict[str, float]:
        """Return what a checkpoint keeps of it."""
        return {
            "online_steps": self.online, "owed_updates": self.owed, "last_lap": self.last_lap, "held_from": self.held_out[0],
            "held_to": self.held_out[1], "forgiven_steps": self.forgiven,
        }  # fmt: skip

    def pay(self, updates: int) -> None:
        """Take updates that were done from those owed."""
        self.owed -= updates


class LapsFirst:
    """The time in which an agent that knows nothing learns what laps show, before anything else and before it drives."""

    def __init__(self, learner: Learner, replay: Replay, budget: UpdateBudget) -> None:
        self._learner, self._replay, self._budget = learner, replay, budget
        self._told = 0  # laps, the last time that something was said of them
        if self.active:  # it was stopped in that time
            first, last = budget.held_out
            replay.hold_laps_out(id_ for id_ in replay.new_laps(first) if id_ <= last)
        self._was_active = self.active

    @property
    def active(self) -> bool:
        """Whether it is that time."""
        return self._learner.updates < self._learner.clones_until

    @property
    def wanted(self) -> bool:
        """Whether laps are learned from like this at all."""
        return self._learner.config.lap_utd > 0 and self._learner.config.bc_weight > 0

    @property
    def left(self) -> int:
        """Updates until it is over."""
        return self._learner.clones_until - self._learner.updates

    @property
    def share(self) -> float:
        """How much of it is over, 0 to 1."""
        until = self._learner.clones_until
        return min(1.0, self._learner.updates / until) if until else 0.0

    def count(self) -> None:
        """Count laps that are new, and those that no longer count."""
        learner, replay, budget = self._learner, self._replay, self._budget
        last, before = budget.last_lap, self.active
        new = replay.new_laps(last)
        learner.clone_first(budget.count_laps(new))
        if self.active and not before:
            budget.held_out = last, budget.last_lap
            replay.hold_laps_out(new)
        elif before and not (self.wanted and replay.new_laps(0)):
            budget.pay(min(self.left, budget.due))  # none counts any more: what they owe is dropped
            learner.clones_until = learner.updates
        if self.active:
            learner.clones_until = min(learner.clones_until, learner.updates + budget.due)

    def just_ended(self) -> bool:
        """Whether it has ended since this was last asked: True once."""
        before, self._was_active = self._was_active, self.active
        return before and not self._was_active

    @torch.no_grad()
    def finish(self) -> str:
        """Learn from all laps again; return what to say of what was learned, empty where there is nothing new to say."""
        learner, laps, held_out = self._learner, self._replay.lap_count, self._replay.held_out()
        self._replay.release_laps()
        if not laps or laps < 2 * self._told:  # they come in one by one
            return ""
        self._told = laps
        text = f"It has learned from {number_of(laps, 'lap')}"
        text += f" ({number_of(learner.updates, 'update')}), and can drive: `hitl play`."
        if held_out is not None:
            seen, did = held_out
            error = (learner.newest.act(seen, True) - did).abs().mean()
            constant = (did - did.mean(0)).abs().mean()
            text += (
                f" Where you drove laps that it has not seen, its steering and pedals are {error:.2f} from yours on average "
                f"(1 is full; always the same action: {constant:.2f})."
            )
        return text


class OwedUpdates:
    """What a learner is to be shown, and how often. ``generator`` is what batches are drawn by."""

    def __init__(self, learner: Learner, replay: Replay, budget: UpdateBudget, generator: torch.Generator) -> None:
        self.learner, self.replay, self.budget, self.generator = learner, replay, budget, generator
        self._env_base = learner.env_steps - budget.online
        self.laps_first, self.teaching = LapsFirst(learner, replay, budget), Teaching(learner, replay)
        self._out: tuple[Batch, int] | None = None  # a batch that was handed out and is not paid yet; the updates until then
        self.count()

    def count(self) -> None:
        """Count what was driven."""
        self.budget.count_steps(self.replay.online_steps)
        self.laps_first.count()
        self.learner.env_steps = self._env_base + self.budget.online

    @property
    def due(self) -> int:
        """How many updates are to be made before the next look at the store; 0 where none is owed, or nothing can be drawn."""
        due = self.budget.due
        if not due or (not len(self.replay) and not self.replay.demo_rows):
            return 0
        count = min(1 if self.learner.config.network in SLOW else CHUNK, due)
        return min(count, self.laps_first.left) if self.laps_first.active else count

    def draw(self, count: int) -> list[Batch]:
        """Return the next ``count`` batches."""
        return self.replay.sample_many(count, self.learner.config.batch_size, self.generator)

    def hand_out(self, count: int) -> Iterator[Batch]:
        """Yield the next ``count`` batches.

        One is paid as soon as the learner has been updated, or the next is asked for. A loop that ends before leaves it owed.
        """
        for batch in self.draw(count):
            self.settle(asked=True)
            out = self._out = batch, self.learner.updates
            asked = False
            try:
                yield batch
                asked = True
            finally:
                if self._out is out:
                    self.settle(asked)
                    self._out = None

    def settle(self, asked: bool = False) -> None:
        """Note the batch that is handed out as paid where the learner was updated since; ``asked``: whether it was or not."""
        if self._out is not None and (asked or self.learner.updates != self._out[1]):
            self.budget.pay(1)
            self._out = None
