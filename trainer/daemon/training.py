"""One run of training: takes in what is new, does the updates that are owed, writes checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from data.errors import StoreError
from data.reading.new_steps import Layout
from data.words import number_of
from trainer.daemon import control
from trainer.daemon.checkpointing import CheckpointWriter
from trainer.daemon.intake import Intake
from trainer.daemon.metric_logs import MetricRows
from trainer.daemon.proving import PATIENCE, Proving, Trial, TrialLeftError
from trainer.daemon.reporting import Reporter
from trainer.daemon.resume import LearnerStart
from trainer.updates.update_budget import OwedUpdates
from trainer.updates.updates import make_updates

IDLE_S = 0.03  # s between two looks when there is nothing to do
SLOW_TRIAL_S = 2.0  # s of a trial after which it is said that one goes on
TRIES = "(tries the newest weights in a copy of the game, and learns on after that)"
METRICS_S = 2.0  # s between two rows of metrics at the start; grows like the pause between checkpoints


class Training:
    """A learner at work on a store that was read to its end."""

    def __init__(
        self,
        root: Path,
        start: LearnerStart,
        intake: Intake,
        rows: MetricRows,
        report: Reporter,
        trials: Callable[[Layout], Trial | None] = lambda names: None,
    ) -> None:
        """``trials``: returns what tries an actor in the game that is driven; None where it cannot be copied."""
        self._root, self._start, self.intake, self._rows, self._report = root, start, intake, rows, report
        self.learner, self.config = start.learner, start.config
        self.replay, self.watch = intake.replay, intake.watch
        self.budget = start.budget(self.replay.online_steps, max(self.replay.new_laps(0), default=0))
        self.generator = start.generator()
        self._checkpoints = CheckpointWriter(root, start, intake, self.budget, self.generator, report)
        self._updates_at_start = self.learner.updates
        self._online_at_start = max(self.budget.online, self.budget.warmup)
        self._began = time.monotonic()
        self._rate = (self._began, self.learner.updates)
        self._updates, self._told_of_trouble = make_updates(self.learner, self.replay, self.generator), False
        self._trials, self._proving = trials, Proving(self.learner)
        self._trial_began, self._in_trial, self._told_of_trial = 0.0, False, False
        self.owed = OwedUpdates(self.learner, self.replay, self.budget, self.generator)
        self.laps_first = self.owed.laps_first

    def run(self, stop: Callable[[], bool]) -> bool:
        """Train until asked to stop; True when something else is driven here than the learner was made for: begin anew."""
        while not stop():
            if self._checkpoints.first_due and self._may_drive:
                self._checkpoint()  # something to go back to, and something to drive with
            self._turn()
            if self.intake.made_for_another:
                return True
        if self._checkpoints.behind and self.learner.healthy() and (self.learner.updates or self._may_drive):
            self._write_metrics()
            self._checkpoint(last=True)
        return False

    @property
    def _may_drive(self) -> bool:
        """Whether the weights in force are worth a checkpoint: random ones are not while laps are on their way."""
        return not self.laps_first.active and bool(self.learner.updates or self.replay.online_steps or not self.laps_first.wanted)

    def _turn(self) -> None:
        """Take in what is new and do a chunk of the updates that are owed."""
        began = time.monotonic()
        asked = control.catch_ups(self._root)  # before the store is read: for all that is in it now
        new = self.intake.poll()
        if new.anything:
            self.owed.count()
        if self.laps_first.just_ended():
            self._end_laps()
        self.watch.spent("following", time.monotonic() - began)
        if self.watch.evaluated:
            self._judge()
        if control.asked(self._root, control.PAUSE):
            self._rest("paused")
            return
        count = 0 if new.more else self.owed.due
        if not count:
            if asked and not new.more:
                self._caught_up(asked)
            self._look_at_teaching()  # what was driven last may be what it takes to know
            waiting, self._report.beat.detail = self._waits()
            self._rest("waiting" if waiting else "idle")
            return
        laps = self.laps_first
        self._report.beat.detail = f"on your laps, before the first drive: {laps.share:.0%}" if laps.active else ""
        if self.owed.teaching.active:
            self._report.beat.detail = f"what your agent does: {self.owed.teaching.state}"
        self._learn(count)
        self._beat_if_due("training")

    def _look_at_teaching(self) -> None:
        """Find out whether ours does by now what the agent does that teaches it: from here on it drives."""
        if self.owed.teaching.try_to_end():
            self._report.event("taught", self.owed.teaching.result)
            self._checkpoint()
        if text := self.owed.teaching.stuck():
            self._report.event("taught", text, "warning")

    def _waits(self) -> tuple[bool, str]:
        """Return whether too little was driven to learn from, and what is waited for."""
        missing = self.budget.warmup - self.budget.online
        if missing > 0:
            goes_on = "goes on" if self.learner.updates else "begins"
            text = f"for {number_of(missing, 'more driven step')}: learning {goes_on} after {self.budget.warmup:,} (warmup_steps)"
            failed = self.replay.failed_lap_count
            if failed and not self.replay.lap_count:
                laps = number_of(failed, "unfinished lap of yours is", "unfinished laps of yours are")
                text += f". {laps} not learned from: a lap counts when it is finished"
            return True, text
        if not self.replay.online_rows:
            return True, f"for the first driven steps: {self._report.source}"
        teaching = f", of what your agent does: {self.owed.teaching.state}" if self.owed.teaching.active else ""
        return False, f"(every update for what was driven is done){teaching}"

    def _learn(self, count: int) -> None:
        c, began = self.config, time.monotonic()
        drawn = self._updates.drawing_s
        self._updates.make(count)
        drawing = self._updates.drawing_s - drawn
        self.budget.pay(count)
        self._look_at_teaching()
        now = time.monotonic()
        self.watch.spent("sampling", drawing)
        self.watch.spent("training", now - began - drawing, count)
        if (trouble := self._updates.trouble) and not self._told_of_trouble:
            self._told_of_trouble = True
            self._report.event("graphs", trouble, "warning")
        if self.learner.updates % c.metrics_every < count and not self.learner.healthy():
            self._roll_back()
            return
        if now - self._rows.written_at >= min(METRICS_S + 0.02 * (now - self._began), c.checkpoint_seconds_max):
            self._write_metrics()
        if self._checkpoints.due and not self.laps_first.active:
            self._checkpoint()

    def _caught_up(self, asked: list[str]) -> None:
        """Tell the sessions that wait for it that the newest checkpoint has learned from all that they drove."""
        if self._checkpoints.behind and self.learner.updates and self._may_drive and self.learner.healthy():
            self._checkpoint()
        for name in asked:
            control.withdraw(self._root, name)

    def _end_laps(self) -> None:
        """All laps are learned from: a checkpoint may drive."""
        text = self.laps_first.finish()
        if self.learner.updates and (not self._checkpoints.behind or self._checkpoint()) and text:
            self._report.event("laps", text)

    def _roll_back(self) -> None:
        """Go back to the last good checkpoint. Raises TrainingError when that does not help."""
        name = self._checkpoints.roll_back()
        self.owed.count()
        text = f"Training exploded: back to {name}, with half the learning rates."
        self._report.event("rollback", text, "warning")
        if self._may_drive:
            self._checkpoint()

    def _judge(self) -> None:
        """Learn from new evaluations: the best checkpoint, and whether training has collapsed."""
        try:
            events = self.watch.judge(self._root / "store.sqlite", self.config)
        except StoreError as error:
            self._report.beat.problem = str(error)
            return
        for kind, text, level in events:
            self._report.event(kind, text, level)

    def _checkpoint(self, *, last: bool = False) -> bool:
        """Write a checkpoint, and try its weights if it is time to; False when there is no room for it.

        ``last``: the run ends, and whoever ends it does not wait for a trial.
        """
        self._prove(offer=not last)
        written = self._checkpoints.write()
        if written:
            self._write_heartbeat(self._report.beat.state)
        return written

    def during_trial(self) -> None:
        """Say that a trial goes on, once it takes long: nothing is learned meanwhile. Those after the first are no news."""
        self._in_trial, self._report.beat.detail = True, TRIES
        if not self._told_of_trial and time.monotonic() - self._trial_began > SLOW_TRIAL_S:
            self._told_of_trial = True
            self._report.say("Trying the newest weights in a copy of the game: learning goes on when that is done.")

    def _prove(self, offer: bool) -> None:
        self._trial_began = time.monotonic()
        # An agent that ours drives beside is not known in a trial.
        untried = self.config.frozen_agent and not self.learner.drives_everywhere
        self._proving.use(None if untried else self._trials(self.intake.names))
        if offer and self._proving.due and self.learner.healthy() and self._offer() and self._proving.gave_up:
            text = f"For {PATIENCE:,} updates new weights came less far in trials: learning goes on from those that drive."
            self._report.event("given_up", text)
        self._report.beat.held_back = self._proving.state
        if self._in_trial:
            self._in_trial, self._report.beat.detail = False, ""
        # How fast it learns is not how long a trial took.
        self._rate = (self._rate[0] + time.monotonic() - self._trial_began, self._rate[1])

    def _offer(self) -> bool:
        """Try the newest weights; False where that cannot be done. It is an aid, and training goes on without."""
        try:
            self._proving.offer()
        except TrialLeftError:
            return False
        except Exception as error:  # of a game, whatever it may be
            self._report.event("trials", f"Weights cannot be tried here ({type(error).__name__}): the newest drive.", "warning")
            self._trials = lambda names: None
            self._proving.use(None)
            return False
        return True

    def _write_metrics(self) -> None:
        self._rows.write(self.learner, self.intake, self._updates.newest_batch())

    def _rest(self, state: str) -> None:
        self._beat_if_due(state)
        began = time.monotonic()
        time.sleep(IDLE_S)
        self.watch.spent("idle", time.monotonic() - began)

    def _beat_if_due(self, state: str) -> None:
        if self._report.due(state, self.budget.online, self.learner.updates):
            self._write_heartbeat(state)

    def _write_heartbeat(self, state: str) -> None:
        self.fill_heartbeat()
        self._report.write(state, self.watch)

    def fill_heartbeat(self) -> None:
        """Put the run's numbers into the heartbeat."""
        beat, budget, now = self._report.beat, self.budget, time.monotonic()
        beat.updates, beat.env_steps = self.learner.updates, self.learner.env_steps
        beat.unsaved, beat.laps_learned = self._checkpoints.unsaved, self.laps_first.share
        beat.online_steps, beat.owed_updates = budget.online, budget.due
        beat.steps_missing = max(0, budget.warmup - budget.online)
        beat.steps_behind = 0 if self.laps_first.active else int(budget.due / self.config.utd)
        beat.steps_forgiven, beat.hz = round(budget.forgiven), self.replay.hz
        driven_on = budget.online - self._online_at_start
        on_drives = self.learner.updates - max(self._updates_at_start, self.learner.clones_until)
        beat.utd = max(0, on_drives) / driven_on if driven_on > 0 else 0.0
        beat.utd_wanted = self.config.utd
        beat.demo_rows, beat.takeover_seconds = self.replay.demo_rows, self.replay.demo_seconds()
        beat.bc_weight, beat.below_best = self.config.bc_weight, self.watch.below
        if now - self._rate[0] >= 1.0 and not self._in_trial:
            beat.updates_per_second = (self.learner.updates - self._rate[1]) / (now - self._rate[0])
            self._rate = (now, self.learner.updates)
