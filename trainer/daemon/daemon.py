"""The trainer's daemon: follows the store, learns within its budget, writes checkpoints, and can be killed at any moment.

It needs no session and no game. What it knows is in the store; what it has learned is in its newest checkpoint; after a kill it
reads both and goes on. The budget: ``utd`` updates for each step of a live session, never more, however fast the machine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.errors import InputFileError, NoStoreError, StoreError, StoreGoneError, StoreReplacedError
from data.exchange.relayout import rebuild_said
from data.reading.follow import Follower
from data.reading.layouts import driven_layout, has_road
from data.reading.new_steps import Layout, NewSteps
from data.reading.step_cache import StepCache
from data.store import Store
from data.words import number_of
from trainer.checkpoints.files import sweep
from trainer.config import TrainConfig
from trainer.daemon import control
from trainer.daemon.evaluations import Watch
from trainer.daemon.heartbeat import Heartbeat
from trainer.daemon.intake import Intake, Opened
from trainer.daemon.metric_logs import MetricRows
from trainer.daemon.process_tuning import be_nice, flushing_denormals, free_memory, memory_advice, tune_malloc
from trainer.daemon.proving import Trial, TrialLeftError
from trainer.daemon.reporting import HERE, Reporter
from trainer.daemon.resume import LearnerStart, begin
from trainer.daemon.training import Training
from trainer.daemon.wish import Wish
from trainer.device import choose, pace
from trainer.learner.make import make_learner
from trainer.replay.halves.gates import Teacher
from trainer.replay.pixels import with_image
from trainer.replay.replay import around_demos
from trainer.torch_threads import use_threads

ALONE = (
    "The recurrent network can learn nothing from the agent that drives here, nor beside it: what is learned here will drive "
    'alone. For the other, set network="mlp" and begin anew with `hitl train --fresh`.'
)
REPLACED = "The store was replaced by another file while the trainer was at work: it goes on with what is in that one."
SETTLE_S = 2.0
CACHE = "steps-cache"
"""The folder in the home for what was read of the store, to be taken from there at the next start."""


class Daemon:
    """One trainer on one home folder (``root``, with ``store.sqlite`` and ``checkpoints/`` in it).

    ``stop`` is asked between chunks; ``say`` takes sentences for the player; ``show`` gets every heartbeat and the newest
    metrics; ``logs`` names where metrics go besides the store (``trainer.daemon.metric_logs``); ``trials`` gives what tries
    new weights (``trainer.daemon.proving``); ``teacher_of`` gives the agent that drives here, to be asked (``frozen_teaches``);
    ``steps_back``: whether this process lets other programs go first, which cannot be taken back.
    Raises TrainingError when another trainer is at work here or training cannot go on,
    CheckpointError when no checkpoint can be used.
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
        source: str = HERE,
        trials: Callable[[Layout], Trial | None] = lambda names: None,
        teacher_of: Callable[[Layout], Teacher | None] = lambda names: None,
        steps_back: bool = True,
    ) -> None:
        self.teacher_of, self._steps_back = teacher_of, steps_back
        self.root, self.wish, self.logs, self.stop, self._trials = root, wish, logs, stop, trials
        self.store_path, self.folder = root / "store.sqlite", root / "checkpoints"
        self._report = Reporter(root, say, show, source)
        self.beat = self._report.beat
        self.training: Training | None = None
        """The run, from when the store has been read to its end."""
        self._rows: MetricRows | None = None

    def run(self) -> None:
        """Train until asked to stop; the last thing done is a checkpoint."""
        tune_malloc()
        self.root.mkdir(parents=True, exist_ok=True)
        with control.trainer_lock(self.store_path), flushing_denormals():
            control.withdraw(self.root, control.STOP)
            sweep(self.folder)
            try:
                self._run()
            except BaseException as error:
                self._write_heartbeat("failed", problem=str(error) or type(error).__name__)
                raise
            self._write_heartbeat("stopped")

    @property
    def stuck(self) -> bool:
        """Whether a package that metrics went to may keep this process from ending."""
        return self._rows is not None and self._rows.stuck

    def during_trial(self) -> None:
        """Show that it is at work; a trial that takes long calls this. Raises TrialLeftError when it is asked to stop."""
        if self._asked_to_stop():
            raise TrialLeftError
        if self.training is not None:
            self.training.during_trial()
        if self._report.due("training", self.beat.online_steps, self.beat.updates):
            self._write_heartbeat("training")

    def _asked_to_stop(self) -> bool:
        return self.stop() or control.asked(self.root, control.STOP)

    def _run(self) -> None:
        self._rebuild_imports()
        while not self._asked_to_stop():
            if not self.root.is_dir():  # nor is one made: where it was moved, what is learned would be in two places
                raise StoreGoneError("The home folder is no longer there: if it was moved, name its new place with --home DIR.")
            try:
                opened = self._open()
            except NoStoreError:  # a session is just making it
                time.sleep(0.05)
                continue
            try:
                if opened is not None and not self._train(opened):
                    return
            except StoreReplacedError:
                self._begin_again()

    def _begin_again(self) -> None:
        """Wait until whoever replaces the store is through with the files beside it, too; what is there now is learned from."""
        self.training, until = None, time.monotonic() + SETTLE_S
        while time.monotonic() < until and not self._asked_to_stop():
            time.sleep(0.05)
        self._report.event("replaced", REPLACED, "warning")

    def _train(self, opened: Opened) -> bool:
        """Train until asked to stop; True when something else is driven here than the learner was made for: begin anew."""
        start, self.training = opened.start, None
        self._write_heartbeat("starting")  # reading a large store takes a while
        use_threads(start.config.threads)
        if self._steps_back:
            be_nice()
        with contextlib.ExitStack() as stack:
            stack.callback(opened.follower.close)
            self._rows = MetricRows(self.root, start.config, self.logs, self._report)
            stack.callback(self._rows.close)
            intake = Intake(self.store_path, opened, self._report, self.teacher_of)
            if advice := memory_advice(start.config.capacity, intake.replay.table.row_bytes, free_memory()):
                self._report.event("memory", advice, "warning")
            if not intake.catch_up(self._asked_to_stop):
                return False
            self.training = Training(self.root, start, intake, self._rows, self._report, self._trials)
            sizes = [len(names) for names in intake.names]
            device = choose(self.wish.device, *sizes, start.config)
            for sentence in (device.why, pace(device.name, *sizes, start.config)):
                if sentence:
                    self._report.say(sentence)
            if start.path is not None:
                self._report.say(f"Goes on from {start.path.name} ({number_of(start.learner.updates, 'update')}).")
            return self.training.run(self._asked_to_stop)

    def _rebuild_imports(self) -> None:
        """Give what earlier versions imported the layout of today."""
        if not self.store_path.exists():
            return
        with contextlib.suppress(StoreError), Store(self.store_path, create=False) as store:
            for text in rebuild_said(store):
                self._report.say(text)

    def _open(self) -> Opened | None:
        """Make or take up the learner; None (after a short rest) while there is nothing to begin with."""
        records, driven, road, stored = [], None, True, self.store_path.exists()
        if stored:
            with Store(self.store_path, create=False) as store:
                records, driven, road = store.checkpoints(), driven_layout(store.conn, live=True), has_road(store.conn)
        start = begin(self.wish, records, self.folder, self._report.say, road=road, driven=driven)
        if stored and start is not None and start.meta is not None:
            names = start.meta.observation_names, start.meta.action_names
            # A learner made while the home held only laps of another layout is of no use: begin without it.
            if not start.own or start.meta.env_steps or driven in (None, names):
                if start.unknown:
                    self._report.event("settings", start.unknown, "warning")
                follower = Follower(self.store_path, *names, **self._newest(start.config))
                return Opened(start, follower, names, NewSteps.empty(len(names[0]), len(names[1])))
        if stored:
            follower = Follower(self.store_path, **self._newest(self.wish.config))
            first = follower.poll()
            if follower.layout is not None:
                names = follower.layout
                with Store(self.store_path, create=False) as store:
                    road = has_road(store.conn)  # again: the first session may just have begun
                    beside, strangers = store.newest_agent() is not None, len(store.imported_checkpoints())
                if strangers and not records:
                    many = number_of(strangers, "checkpoint")
                    self._report.say(f"Others drove with {many} whose weights are not here, so a run of this home's own begins.")
                config = self.wish.config_where(road, beside)
                if beside and config.frozen_agent:
                    config = self.wish.config_where(road, beside, self._can_be_asked(names))
                elif beside:
                    self._report.event("beside", ALONE, "warning")
                config = with_image(config, names[0])
                device = choose(self.wish.device, len(names[0]), len(names[1]), config)
                learner = make_learner(len(names[0]), len(names[1]), config, device.name)
                return Opened(LearnerStart(learner, config), follower, names, first)
            follower.close()
        for name in control.catch_ups(self.root):  # there is nothing to learn from
            control.withdraw(self.root, name)
        self.beat.detail = f"for the first steps: {self._report.source}, `hitl import` brings laps"
        self._write_heartbeat("waiting")
        time.sleep(0.2)
        return None

    def _newest(self, config: TrainConfig) -> Any:
        """Return what a follower is to begin with: what the replay can hold, and every demo; read before where it was."""
        return {"newest": config.capacity, "around": around_demos(config), "cache": StepCache(self.root / CACHE)}

    def _can_be_asked(self, names: Layout) -> bool:
        """Tell whether the agent that drives here says what it would do elsewhere."""
        try:
            return self.teacher_of(names) is not None
        except InputFileError as error:
            self._report.event("beside", f"{error} Without it, what is learned here takes over from it in places.")
            return False

    def _write_heartbeat(self, state: str, problem: str | None = None) -> None:
        if self.training is not None:
            self.training.fill_heartbeat()
        self._report.write(state, self.training.watch if self.training is not None else Watch(), problem)
