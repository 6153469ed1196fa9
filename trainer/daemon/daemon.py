"""The trainer's daemon: follows the store, learns within its budget, writes checkpoints, and can be killed at any moment.

It needs no session and no game. What it knows is in the store; what it has learned is in its newest checkpoint; after a kill it
reads both and goes on. The budget: ``utd`` updates for each step of a live session, never more, however fast the machine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch

from data.checkpoints import CheckpointRecord
from data.errors import CheckpointError, StoreError, TrainingError
from data.exchange.relayout import rebuild_said
from data.reading.follow import Follower, Update
from data.reading.layouts import Layout, apart, driven_layout
from data.store import Store
from trainer.checkpoints.files import load, save, sweep
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import TrainConfig
from trainer.daemon import control
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat, write_heartbeat
from trainer.daemon.metric_logs import Sink, sinks
from trainer.daemon.process_tuning import flushing_denormals, tune_malloc
from trainer.daemon.resume import KIND, Start, begin
from trainer.daemon.update_budget import UpdateBudget
from trainer.daemon.wish import Wish
from trainer.diagnosis.catalogue import title
from trainer.diagnosis.live import LiveChecks
from trainer.learner.make import make_learner
from trainer.replay.batch import Batch
from trainer.replay.pixels import with_image
from trainer.replay.replay import Replay, around_demos

CHUNK = 8  # updates between two looks at the store; a fixed number, so that a resumed run draws as an uninterrupted one
SLOW = frozenset({"cnn", "recurrent"})  # networks whose eight updates may take seconds: a verdict must not wait for them
IDLE_S = 0.03  # s between two looks when there is nothing to do
BEAT_S = 0.5  # s between two heartbeats when nothing changes
METRICS_S = 2.0  # s between two rows of metrics at the start; grows like the pause between checkpoints


class Daemon:
    """One trainer on one home folder (``root``, with ``store.sqlite`` and ``checkpoints/`` in it).

    ``stop`` is asked between chunks; ``say`` takes sentences for the player; ``show`` gets every heartbeat and the newest
    metrics; ``logs`` names where metrics go beside the store (``trainer.daemon.metric_logs``). Raises TrainingError when another
    trainer is at work here or training cannot go on, CheckpointError when no checkpoint can be used.
    """

    def __init__(
        self,
        root: Path,
        wish: Wish,
        *,
        stop: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda _: None,
        show: Callable[[Heartbeat, Watch], None] = lambda *_: None,
        logs: tuple[str, ...] = (),
    ) -> None:
        self.root, self.wish, self.logs = root, wish, logs
        self._sinks: list[Sink] = []
        self._said: list[str] = []  # by sinks, on their threads
        self.store_path, self.folder = root / "store.sqlite", root / "checkpoints"
        self.stop, self.say, self.show = stop, say, show
        self.beat = Heartbeat(pid=os.getpid())
        self.watch = Watch()
        self._made_for_another = False
        self._began = self._beat_at = self._metrics_at = self._saved_at = time.monotonic()
        self._saved_updates = -1
        self._updates_at_start = self._online_at_start = 0
        self._rate = (time.monotonic(), 0)
        self._last_batch: Batch | None = None
        self._terminated = 0

    # The whole of it

    def run(self) -> None:
        """Train until asked to stop; the last thing done is a checkpoint."""
        tune_malloc()
        self.root.mkdir(parents=True, exist_ok=True)
        with control.TrainerLock(self.store_path), flushing_denormals():
            control.withdraw(self.root, control.STOP)
            sweep(self.folder)
            try:
                self._run()
            except BaseException as error:
                self._beat("failed", problem=str(error) or type(error).__name__)
                raise
            self._beat("stopped")

    @property
    def stuck(self) -> bool:
        """Whether a package that metrics went to may keep this process from ending."""
        return any(getattr(sink, "stuck", False) for sink in self._sinks)

    def _asked_to_stop(self) -> bool:
        return self.stop() or control.asked(self.root, control.STOP)

    def _run(self) -> None:
        self._rebuild_imports()
        while not self._asked_to_stop():
            start = self._start()
            if start is not None and not self._go_on(start):
                return

    def _go_on(self, start: Start) -> bool:
        """Train until asked to stop; True when something else is driven here than the learner was made for: begin anew."""
        self.watch, self._made_for_another = Watch(), False
        self.beat.state, self.beat.detail = "starting", ""
        self.start, self.learner, self.config = start, start.learner, start.config
        self.checks = LiveChecks(self.config)
        torch.set_num_threads(self.config.threads)
        _be_nice()
        with contextlib.ExitStack() as stack:
            stack.callback(self.follower.close)
            self._sinks = sinks(self.root, self.logs, self.config.to_dict(), self._said.append)
            for sink in self._sinks:
                stack.callback(sink.close)
            if not self._catch_up(start):
                return False
            if not start.own:
                self._checkpoint()  # something to go back to, and something to drive with
            while not self._asked_to_stop():
                self._turn()
                if self._made_for_another:
                    return True
            if self.learner.updates != self._saved_updates and self.learner.healthy():
                self._metrics(time.monotonic())
                self._checkpoint()
        return False

    def _rebuild_imports(self) -> None:
        """Give what earlier versions imported the layout of today."""
        if not self.store_path.exists():
            return
        with contextlib.suppress(StoreError), Store.open(self.store_path, create=False) as store:
            for text in rebuild_said(store):
                self.say(text)

    def _start(self) -> Start | None:
        """Make or take up the learner; None (after a short rest) while there is nothing to begin with."""
        records, driven = [], None
        if self.store_path.exists():
            with Store.open(self.store_path, create=False) as store:
                records, driven = store.checkpoints(), driven_layout(store.conn, live=True)
        start = begin(self.wish, records, self.folder, self.say)
        if start is not None and start.own and start.meta is not None and not start.meta.updates:
            # One that was made while the home held nothing but laps of another layout has learned nothing, and is no loss.
            fits = driven in (None, (start.meta.observation_names, start.meta.action_names))
            start = start if fits else None
        if start is not None and start.unknown and self.store_path.exists():
            self._event("settings", start.unknown, "warning")
        if start is not None and start.meta is not None and self.store_path.exists():
            self.names = (start.meta.observation_names, start.meta.action_names)
            self.follower = Follower(self.store_path, *self.names, **_newest(start.config))
            self._first = Update.empty(len(self.names[0]), len(self.names[1]))
            return start
        if self.store_path.exists():
            follower = Follower(self.store_path, **_newest(self.wish.config))
            self._first = follower.poll()
            if follower.layout is not None:
                self.follower, self.names = follower, follower.layout
                config = with_image(self.wish.config, self.names[0])
                learner = make_learner(len(self.names[0]), len(self.names[1]), config, self.wish.device)
                return Start(learner, config)
            follower.close()
        self.beat.detail = "for the first steps: `hitl play` drives, `hitl import` brings laps"
        self._beat("waiting")
        time.sleep(0.2)
        return None

    def _catch_up(self, start: Start) -> bool:
        """Read all that the store holds, then take up the account of updates; False when asked to stop meanwhile."""
        sizes = len(self.names[0]), len(self.names[1])
        self.replay = Replay(*sizes, self.config, device=self.learner.device)
        update = self._first
        while True:
            self._take_in(update)
            if self._asked_to_stop():
                return False
            update = self.follower.poll()
            if not (update.news or update.more):
                break
        self._tell_unusable()
        self._count_skipped(start)
        self.learner.note_demo_count(self.replay.human_rows)
        self.budget: UpdateBudget = start.budget(self.replay.online_steps)
        self.generator = start.generator()
        self._env_base = self.learner.env_steps - self.budget.online
        self._updates_at_start = self.learner.updates
        self._online_at_start = max(self.budget.online, self.budget.warmup)
        self._count()
        if start.own:
            self._saved_updates = self.learner.updates
            self.beat.checkpoint = start.path.name if start.path else ""
        if start.path is not None:
            self.say(f"Goes on from {start.path.name} ({self.learner.updates:,} updates).")
        self._began = self._saved_at = time.monotonic()
        return True

    def _count_skipped(self, start: Start) -> None:
        """Count the steps of the store that were not read, or are pruned by now: the ratio is to all that was driven."""
        for purpose, steps in self.follower.skipped.items():
            if self.replay.counts(purpose):
                self.replay.online_steps += steps
        self.watch.evaluated = self.watch.evaluated or "evaluation" in self.follower.skipped
        numbers = start.meta.numbers if start.own and start.meta is not None else {}
        if "last_step" in numbers:
            # What came since the checkpoint is known to a step, however much of what was before has been deleted meanwhile.
            with Store.open(self.store_path, read_only=True) as store:
                since = store.steps_between(int(numbers["last_step"]), self.follower.last_step, *self.names)
            new = sum(steps for purpose, steps in since.items() if self.replay.counts(purpose))
            self.replay.online_steps = int(numbers["online_steps"]) + new

    def _take_in(self, update: Update) -> None:
        self.replay.add(update)
        self._terminated += int(update.terminated.sum())
        self.watch.follow(update)
        if new := update.left_out.keys() - self.watch.left_out:
            self.watch.left_out |= new
            self._tell_left_out(new)

    def _tell_left_out(self, layouts: Collection[Layout]) -> None:
        """Say what cannot be learned from, or find that it is this learner, who knows nothing yet, that does not fit."""
        texts: dict[Layout, str] = {}
        with contextlib.suppress(StoreError), Store.open(self.store_path, read_only=True) as store:
            texts, driven = apart(store.conn, self.names), driven_layout(store.conn, live=True)
            own = self.start.own or self.start.meta is None
            empty = not self.learner.updates and not self.replay.online_steps
            self._made_for_another = own and empty and driven in layouts
        for layout in () if self._made_for_another else layouts:
            if layout in texts:
                self._event("layout", texts[layout], "warning")

    def _tell_unusable(self) -> None:
        if (text := self.watch.left_out_numbers()) is not None:
            self._event("numbers", text, "warning")

    def _count(self) -> None:
        self.budget.steps(self.replay.online_steps)
        self.learner.env_steps = self._env_base + self.budget.online

    def _turn(self) -> None:
        """Take in what is new and do a chunk of the updates that are owed."""
        began = time.monotonic()
        update = self.follower.poll()
        if update.news:
            self._take_in(update)
            self._tell_unusable()
            self.learner.note_demo_count(self.replay.human_rows)
            self._count()
        self.watch.spent("following", time.monotonic() - began)
        if self.watch.evaluated:
            self._judge()
        if control.asked(self.root, control.PAUSE):
            self._rest("paused")
            return
        due = 0 if update.more else self.budget.due
        if not due or (not len(self.replay) and not self.replay.demo_rows):
            waiting, self.beat.detail = self._waits()
            self._rest("waiting" if waiting else "idle")
            return
        self._learn(min(1 if self.config.network in SLOW else CHUNK, due))
        self._beat_sometimes("training")

    def _waits(self) -> tuple[bool, str]:
        """Return whether too little was driven to learn from, and what is waited for."""
        missing = self.budget.warmup - self.budget.online
        if missing > 0:
            return True, f"for {missing:,} more driven steps: learning begins after {self.budget.warmup:,} (warmup_steps)"
        if not self.replay.online_rows:
            return True, "for the first driven steps: `hitl play`"
        return False, "(every update for what was driven is done)"

    def _learn(self, count: int) -> None:
        c, began = self.config, time.monotonic()
        batches = self.replay.sample_many(count, c.batch_size, self.generator)
        drawn = time.monotonic()
        for batch in batches:
            self.learner.update(batch)
        self.budget.paid(count)
        self._last_batch = batches[-1]
        now = time.monotonic()
        self.watch.spent("sampling", drawn - began)
        self.watch.spent("training", now - drawn, count)
        if self.learner.updates % c.metrics_every < count and not self.learner.healthy():
            self._roll_back()
            return
        if now - self._metrics_at >= min(METRICS_S + 0.02 * (now - self._began), c.checkpoint_seconds_max):
            self._metrics(now)
        pause = min(max(c.checkpoint_seconds, 0.02 * (now - self._began)), c.checkpoint_seconds_max)
        since = self.learner.updates - self._saved_updates
        if since >= c.checkpoint_updates if c.checkpoint_updates is not None else now - self._saved_at >= pause:
            self._checkpoint()

    # Checkpoints

    def _checkpoint(self) -> None:
        learner = self.learner
        numbers = {
            "online_steps": self.budget.online,
            "owed_updates": self.budget.owed,
            "last_step": self.follower.last_step,
        }
        before = self.start.meta.tracks if self.start.meta is not None else {}
        learned_on = before | self.watch.digests(self.store_path, self.replay.tracks)
        meta = CheckpointMeta.of(learner, *self.names, kind=KIND, numbers=numbers, tracks=learned_on)
        name = ""
        try:
            name, sha256 = save(self.folder, learner, meta, {"rng.replay": self.generator.get_state()})
            with Store.open(self.store_path) as store:
                self.start.parent = store.add_checkpoint(
                    name, sha256, learner.updates, learner.env_steps, KIND, self.config.to_dict(), self.start.parent
                )
        except (CheckpointError, StoreError) as error:
            if name:  # nobody will ever ask for a file without a row, and the disk may be full of the like
                with contextlib.suppress(OSError):
                    (self.folder / name).unlink()
            self.beat.problem = str(error)  # a full disk: what is learned stays in memory until there is room
            self._saved_at = time.monotonic()
            return
        self.beat.problem = ""
        self._saved_updates, self._saved_at = learner.updates, time.monotonic()
        self.beat.checkpoint, self.beat.checkpoint_at = name, time.time()
        self.beat.checkpoint_ticks = time.monotonic()
        self._forget_old()
        self._beat(self.beat.state)

    def _forget_old(self) -> None:
        """Delete the files of old checkpoints of ours; the newest, the best and evaluated ones stay. Rows stay all."""
        keep = self.config.keep_checkpoints
        try:
            ours = self.watch.checkpoints(self.store_path, KIND, keep + 50)
        except StoreError:
            return  # locked: next time
        for record in ours[keep:]:
            if not record.best and record.id not in self.watch.seen:
                with contextlib.suppress(OSError):
                    (self.folder / record.name).unlink(missing_ok=True)

    def _roll_back(self) -> None:
        """Go back to the last good checkpoint, with lower learning rates the first time; the second time, give up."""
        if self.learner.lr_scale < 1.0:
            raise TrainingError(
                "Training has exploded again with lower learning rates, so it stops at its last good checkpoint: set "
                "lr_critic and lr_actor lower, or grad_clip_critic=1."
            )
        for record in self.watch.checkpoints(self.store_path, KIND, self.config.keep_checkpoints):
            with contextlib.suppress(CheckpointError):
                self._take_back(record)
                if self.learner.healthy():
                    break
        else:
            raise TrainingError("Training has exploded and there is no good checkpoint to go back to.")
        self.learner.lr_scale = 0.5
        text = f"Training exploded: back to {record.name}, with half the learning rates."
        self._event("rollback", text, "warning")
        self._checkpoint()

    def _take_back(self, record: CheckpointRecord) -> None:
        """Make the learner what it was at a checkpoint, optimisers and all. Raises CheckpointError; then nothing has changed."""
        tensors, meta = load(self.folder / record.name, record.sha256)
        numbers, now = meta.numbers, (self.learner.tensors(), self.learner.numbers())
        kept = {name: value.clone() for name, value in now[0].items()}
        try:
            self.learner.load(tensors, numbers)
            online, owed = numbers["online_steps"], numbers["owed_updates"]
        except (KeyError, RuntimeError) as error:
            self.learner.load(kept, now[1])
            raise CheckpointError(f"The checkpoint '{record.name}' is not of this run: training goes on as it is.") from error
        self.learner.forget_metrics()
        # The updates that were lost are owed again.
        self.budget.owed = min(owed + self.config.utd * (self.budget.online - online), self.budget.limit)
        self.learner.generator.manual_seed(self.config.seed + self.learner.updates + 7)  # not the same road again
        self.start.parent = record.id
        self._count()

    # Evaluations

    def _judge(self) -> None:
        """Learn from new evaluations: the best checkpoint, and whether training has collapsed."""
        try:
            events = self.watch.judge(self.store_path, self.config)
        except StoreError as error:
            self.beat.problem = str(error)
            return
        for kind, text, level in events:
            self._event(kind, text, level)

    # Telling

    def _metrics(self, now: float) -> None:
        values = {**self.learner.metrics(), **self.watch.metrics(now - self._metrics_at)}
        values["memory_len"] = float(len(self.replay))
        values["debug/demo_fraction_in_batch"] = self.replay.fractions()["demo"]
        values["debug/demo_sampling_weight"] = self.replay.demo_sampling_weight()
        self._metrics_at = now
        self.watch.newest = values
        with contextlib.suppress(StoreError), Store.open(self.store_path) as store:
            store.add_metrics(self.learner.updates, values)
        if self._last_batch is not None:
            for finding in self.checks.look(self.learner, self._last_batch, values, self._terminated):
                self._event("diagnosis", f"{finding.sentence} {finding.advice}", "warning", {"fault": finding.fault})
            for fault in self.checks.gone():
                self._event("diagnosis", f"No longer so: {title(fault)}.", "info", {"fault": fault})
            self.beat.finding, self.beat.finding_title = self.checks.sentence, self.checks.title
        for sink in self._sinks:
            sink.add(self.learner.updates, values)
        while self._said:
            self._event("metrics", self._said.pop(0), "warning")

    def _event(self, kind: str, text: str, level: str = "info", data: dict[str, str] | None = None) -> None:
        self.say(text)
        with contextlib.suppress(StoreError), Store.open(self.store_path) as store:
            store.add_event(kind, text, level, data=data)

    def _rest(self, state: str) -> None:
        self._beat_sometimes(state)
        began = time.monotonic()
        time.sleep(IDLE_S)
        self.watch.spent("idle", time.monotonic() - began)

    def _beat_sometimes(self, state: str) -> None:
        due = BEAT_S
        if state != self.beat.state or self.budget.online != self.beat.online_steps:
            due = 0.0
        elif self.learner.updates != self.beat.updates:
            due = 0.1
        if time.monotonic() - self._beat_at >= due:
            self._beat(state)

    def _beat(self, state: str, problem: str | None = None) -> None:
        beat, now = self.beat, time.monotonic()
        beat.state, beat.at, beat.ticks, self._beat_at = state, time.time(), now, now
        if state not in ("waiting", "idle"):
            beat.detail = ""
        if problem is not None:
            beat.problem = problem
        if hasattr(self, "budget"):
            beat.updates, beat.env_steps = self.learner.updates, self.learner.env_steps
            beat.online_steps, beat.owed_updates = self.budget.online, self.budget.due
            beat.steps_behind = int(self.budget.due / self.config.utd)
            new = self.budget.online - self._online_at_start
            beat.utd = (self.learner.updates - self._updates_at_start) / new if new > 0 else 0.0
            beat.demo_rows, beat.takeover_seconds = self.replay.demo_rows, self.replay.demo_seconds()
            beat.bc_weight, beat.below_best = self.config.bc_weight, self.watch.below
            if now - self._rate[0] >= 1.0:
                beat.updates_per_second = (self.learner.updates - self._rate[1]) / (now - self._rate[0])
                self._rate = (now, self.learner.updates)
        write_heartbeat(self.root, beat)
        self.show(beat, self.watch)


def _newest(config: TrainConfig) -> Any:
    """Return what a follower is to begin with: what the replay can hold, and every demo."""
    return {"newest": config.capacity, "around": around_demos(config)}


def _be_nice() -> None:
    """Let a session on the same machine go first."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            import psutil

            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            os.nice(max(0, 5 - os.nice(0)))
