"""Writing checkpoints, forgetting old ones, and going back to one when training has exploded."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import torch

from data.errors import CheckpointError, StoreError, TrainingError
from data.files import held
from data.store import Store
from data.tables.checkpoints import CheckpointRecord
from trainer.checkpoints.files import load, save
from trainer.checkpoints.meta import CheckpointMeta, taught_by, zone_numbers
from trainer.daemon.intake import Intake
from trainer.daemon.reporting import Reporter
from trainer.daemon.resume import KIND, LearnerStart
from trainer.device import for_device
from trainer.learner.make import make_learner
from trainer.updates.update_budget import UpdateBudget


class CheckpointWriter:
    """Writes what a run has learned, and when."""

    def __init__(
        self,
        root: Path,
        start: LearnerStart,
        intake: Intake,
        budget: UpdateBudget,
        generator: torch.Generator,
        report: Reporter,
    ) -> None:
        self._store_path, self._folder = root / "store.sqlite", root / "checkpoints"
        self._start, self._learner, self._config = start, start.learner, start.config
        self._intake, self._budget, self._generator, self._report = intake, budget, generator, report
        self._began = self._saved_at = time.monotonic()
        self._saved_updates = self._learner.updates if start.own else -1
        self._tried = False
        self._failing = ""
        """Why the last one could not be written."""
        if start.own and start.path is not None:
            report.beat.checkpoint = start.path.name

    @property
    def due(self) -> bool:
        """Whether it is time for the next one: the longer a run, the rarer."""
        config, now = self._config, time.monotonic()
        if config.checkpoint_updates is not None:
            return self._learner.updates - self._saved_updates >= config.checkpoint_updates
        pause = max(config.checkpoint_seconds, 0.02 * (now - self._began))
        return now - self._saved_at >= min(pause, config.checkpoint_seconds_max)

    @property
    def any_yet(self) -> bool:
        """Whether this run has one: written here, or gone on from."""
        return self._saved_updates >= 0

    @property
    def first_due(self) -> bool:
        """Whether it is time for this run's first one, or to try that again."""
        return not self.any_yet and (not self._tried or self.due)

    @property
    def behind(self) -> bool:
        """Whether something was learned since the last one."""
        return self._learner.updates != self._saved_updates

    @property
    def unsaved(self) -> int:
        """Updates since the last one."""
        return max(0, self._learner.updates - max(0, self._saved_updates))

    def write(self) -> bool:
        """Write a checkpoint and its row; False when there is no room, and what is learned stays in memory until there is.

        Raises StoreGoneError or StoreReplacedError, and writes nothing, where the store that was learned from is no longer there.
        """
        self._intake.follower.check_place()
        learner, beat, name = self._learner, self._report.beat, ""
        numbers = {**self._budget.numbers(), "last_step": self._intake.follower.last_step}
        before, teacher = self._start.meta, ""
        if (gates := self._intake.replay.demos.gates) is not None:
            numbers |= zone_numbers(gates.zones)
            teacher = taught_by(gates.teacher, before)
        learned_on = before.tracks if before is not None else {}
        learned_on = learned_on | self._intake.watch.digests(self._store_path, self._intake.replay.tracks)
        meta = CheckpointMeta.of(
            learner, *self._intake.names, kind=KIND, numbers=numbers, tracks=learned_on, teacher=teacher
        )
        self._saved_at, self._tried = time.monotonic(), True
        try:
            name, sha256 = save(self._folder, learner, meta, {"rng.replay": self._generator.get_state()})
            with Store(self._store_path, create=False) as store:
                self._start.parent = store.add_checkpoint(
                    name, sha256, learner.updates, learner.env_steps, KIND, self._config.to_dict(), self._start.parent
                )
        except (CheckpointError, StoreError) as error:
            if name:  # no one asks for a file without a row, and such files could fill the disk
                with contextlib.suppress(OSError):
                    held.unlink(self._folder / name)
            self._fail(str(error))
            return False
        self._recover(name)
        self._saved_updates, self._saved_at = learner.updates, time.monotonic()
        beat.problem, beat.checkpoint = "", name
        beat.checkpoint_at, beat.checkpoint_ticks = time.time(), self._saved_at
        self._forget_old()
        return True

    def _fail(self, why: str) -> None:
        """Note why no checkpoint can be written; it is said and stored once, not at each try."""
        self._report.beat.problem = why
        if not self._failing:
            self._report.event("checkpoint", f"{why} Training goes on meanwhile, and tries it again.", "warning")
        self._failing = why

    def _recover(self, name: str) -> None:
        """Say that checkpoints are written again. On a full disk there was no room for the event of why they were not."""
        if self._failing:
            self._report.event("checkpoint", f"Checkpoints are written again ({name}). Before: {self._failing}")
        self._failing = ""

    def _forget_old(self) -> None:
        """Delete the files of old checkpoints of ours; the newest, the best and evaluated ones stay. All rows stay."""
        keep, watch = self._config.keep_checkpoints, self._intake.watch
        try:
            ours = watch.checkpoints(self._store_path, KIND, keep + 50)
        except StoreError:
            return  # locked: next time
        for record in ours[keep:]:
            if not record.best and record.id not in watch.seen:
                with contextlib.suppress(OSError):
                    held.unlink(self._folder / record.name)

    def roll_back(self) -> str:
        """Go back to the last good checkpoint, with lower learning rates the first time; return its name.

        A run without one begins anew. Raises TrainingError the second time, or when no checkpoint is good.
        """
        if self._learner.lr_scale < 1.0:
            at = "at its last good checkpoint" if self.any_yet else "before its first checkpoint"
            raise TrainingError(
                f"Training has exploded again with lower learning rates, so it stops {at}: set lr_critic and lr_actor lower, "
                "or grad_clip_critic=1."
            )
        if not self.any_yet and self._start.path is None:
            return self._begin_anew()
        for record in self._intake.watch.checkpoints(self._store_path, KIND, self._config.keep_checkpoints):
            with contextlib.suppress(CheckpointError):
                self._take_back(record)
                if self._learner.healthy():
                    self._learner.lr_scale = 0.5
                    return record.name
        raise TrainingError("Training has exploded and there is no good checkpoint to go back to.")

    def _begin_anew(self) -> str:
        """Make the learner what it was before the first update, with lower learning rates; return what to call that."""
        learner, budget, c = self._learner, self._budget, self._config
        budget.owed = min(budget.owed + learner.updates, budget.limit)
        anew = make_learner(learner.observation_size, learner.action_size, c, learner.device)
        learner.load(anew.tensors(), anew.numbers() | {"clones_until": learner.clones_until, "lr_scale": 0.5})
        learner.generator.manual_seed(c.seed + 7)
        learner.forget_metrics()
        return "the start"

    def _take_back(self, record: CheckpointRecord) -> None:
        """Make the learner what it was at a checkpoint, optimisers and all. Raises CheckpointError; then nothing has changed."""
        learner, budget = self._learner, self._budget
        tensors, meta = load(self._folder / record.name, record.sha256)
        numbers, now = meta.numbers, (learner.tensors(), learner.numbers())
        kept = {name: value.clone() for name, value in now[0].items()}
        try:
            learner.load(for_device(tensors, learner), numbers)
            online, owed = numbers["online_steps"], numbers["owed_updates"]
        except (KeyError, RuntimeError) as error:
            learner.load(kept, now[1])
            raise CheckpointError(f"The checkpoint '{record.name}' is not of this run: training goes on as it is.") from error
        learner.forget_metrics()
        # The updates that were lost are owed again.
        budget.owed = min(owed + self._config.utd * (budget.online - online), budget.limit)
        budget.last_lap = int(numbers.get("last_lap", budget.last_lap))
        learner.generator.manual_seed(self._config.seed + learner.updates + 7)  # other batches than the last time
        self._start.parent = record.id
