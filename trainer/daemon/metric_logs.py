"""Metrics to where people look at them: TensorBoard files and Weights & Biases, when asked. The store has them always.

Both packages are extras. What is sent: the metrics and the training settings, nothing else (no paths, no names of people).
Training never waits for them, and never ends because of them.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from data.errors import StoreError
from data.store import Store
from trainer.config import TrainConfig
from trainer.daemon.intake import Intake
from trainer.daemon.reporting import Reporter
from trainer.daemon.wish import read_logs
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.live import LiveChecks
from trainer.learner.learner import Learner
from trainer.replay.batch import Batch
from trainer.replay.replay import Replay

ROWS = 1_000  # that wait for a sink which is behind; what comes then is left out
CLOSE_S = 10.0  # s that the end of training waits for a sink

_NOTHING_ELSE = {
    "DISABLE_GIT": "true",
    "DISABLE_CODE": "true",
    "CONSOLE": "off",
    "X_DISABLE_META": "true",
    "X_DISABLE_MACHINE_INFO": "true",
    "X_DISABLE_STATS": "true",
    "X_SAVE_REQUIREMENTS": "false",
}
"""What keeps wandb from sending anything of this machine: its command line, paths, packages, loads."""


class Sink(NamedTuple):
    """Takes rows of metrics."""

    add: Callable[[int, Mapping[str, float]], None]
    """Takes the metrics of an update."""
    close: Callable[[], None]
    """Writes out what is left."""


def _tensorboard(folder: Path) -> Sink:
    """Write event files in ``folder``."""
    writer: Any = importlib.import_module("torch.utils.tensorboard").SummaryWriter(str(folder))

    def add(update: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, update)

    return Sink(add, writer.close)


def _wandb(folder: Path, project: str, settings: Mapping[str, Any]) -> Sink:
    """Begin a run of Weights & Biases: offline (files in ``folder``, for ``wandb sync``) unless ``WANDB_MODE`` says otherwise."""
    wandb: Any = importlib.import_module("wandb")
    logging.raiseExceptions = False  # on a full disk its log file cannot be written, which is of no use to the player
    folder.mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE", "offline")
    added = {f"WANDB_{name}": value for name, value in _NOTHING_ELSE.items() if f"WANDB_{name}" not in os.environ}
    os.environ.update(added)
    run = wandb.init(project=project, dir=str(folder), mode=mode, config=dict(settings))

    def finish() -> None:
        try:
            run.finish()
        finally:  # a script that trained in its own process may have a run of its own
            for name in added:
                os.environ.pop(name, None)

    return Sink(lambda update, values: run.log(dict(values), step=update), finish)


class Aside:
    """A sink on a thread of its own: a server that cannot be reached costs its metrics, and nothing else.

    ``make`` returns the sink, on that thread. ``say`` is told once when it fails.
    """

    def __init__(self, name: str, make: Callable[[], Sink], say: Callable[[str], None]) -> None:
        self._name, self._make, self._say = name, make, say
        self._rows: queue.Queue[tuple[int, Mapping[str, float]] | None] = queue.Queue(ROWS)
        self._failed = False
        self._thread = threading.Thread(target=self._run, name=f"metrics-{name}", daemon=True)
        self._thread.start()

    def add(self, update: int, values: Mapping[str, float]) -> None:
        """Take the metrics of an update; returns at once."""
        if not self._failed:
            try:
                self._rows.put_nowait((update, dict(values)))
            except queue.Full:
                self._fail("it does not take them fast enough")

    def close(self) -> None:
        """Let the sink write out what is left; wait at most ``CLOSE_S`` for it."""
        if not self._failed:
            try:
                self._rows.put(None, timeout=CLOSE_S)
            except queue.Full:
                return
            self._thread.join(CLOSE_S)

    @property
    def stuck(self) -> bool:
        """Whether it has failed or does not answer: its package may then keep the process from ending, too."""
        return self._failed or self._thread.is_alive()

    def _run(self) -> None:
        try:
            sink = self._make()
            while (row := self._rows.get()) is not None:
                sink.add(*row)
            sink.close()
        except Exception as error:  # such a package may raise anything
            self._fail(str(error) or type(error).__name__)

    def _fail(self, why: str) -> None:
        if not self._failed:
            self._failed = True
            words = " ".join(why.split())[:200].rstrip(". ")
            self._say(f"Metrics do not go to {self._name} any more ({words}). Training goes on; the store has them all.")


def sinks(
    root: Path, names: tuple[str, ...], settings: Mapping[str, Any], say: Callable[[str], None] = lambda _: None
) -> list[Aside]:
    """Return the sinks asked for by name: ``tensorboard``, ``wandb`` or ``wandb:PROJECT``. Raises UsageError.

    ``say`` takes a sentence, from another thread, when one of them has failed.
    """
    made = []
    for kind, project in read_logs(names):
        if kind == "tensorboard":
            made.append(Aside("TensorBoard", partial(_tensorboard, root / "tensorboard"), say))
        else:
            made.append(Aside("Weights & Biases", partial(_wandb, root, project or "hitl", settings), say))
    return made


class MetricRows:
    """Writes rows, and tells what the checks find in them. ``logs`` names where they go besides the store."""

    def __init__(self, root: Path, config: TrainConfig, logs: tuple[str, ...], report: Reporter) -> None:
        self._store_path, self._report = root / "store.sqlite", report
        self._said: list[str] = []  # by sinks, on their threads
        self._sinks = sinks(root, logs, config.to_dict(), self._said.append)
        self._checks = LiveChecks(config)
        self._drawn = 0, 0  # of demos, and in all, when the last row was written
        self.written_at = time.monotonic()

    @property
    def stuck(self) -> bool:
        """Whether a package that metrics went to may keep this process from ending."""
        return any(sink.stuck for sink in self._sinks)

    def close(self) -> None:
        """Close every package, also when one of them fails."""
        with contextlib.ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)

    def _demo_share(self, replay: Replay) -> float:
        """Return the share of demos among the rows that were drawn since the last row of metrics."""
        before, self._drawn = self._drawn, (replay.demo_rows_drawn, replay.rows_drawn)
        demo, drawn = (now - then for now, then in zip(self._drawn, before, strict=True))
        return demo / drawn if drawn > 0 else replay.fractions()["demo"]

    def write(self, learner: Learner, intake: Intake, batch: Batch | None) -> None:
        """Write one row; ``batch`` was just learned from."""
        now, replay, report = time.monotonic(), intake.replay, self._report
        values = {**learner.metrics(), **intake.watch.metrics(now - self.written_at)}
        values["memory_len"] = float(len(replay))
        values["debug/demo_fraction_in_batch"] = self._demo_share(replay)
        values["debug/demo_sampling_weight"] = replay.demo_sampling_weight()
        self.written_at = now
        intake.watch.newest = values
        with contextlib.suppress(StoreError), Store(self._store_path, create=False) as store:
            store.add_metrics(learner.updates, values)
        if batch is not None:
            for finding in self._checks.look(learner, batch, values, intake.terminated, replay.rates):
                report.event("diagnosis", f"{finding.sentence} {finding.advice}", "warning", {"fault": finding.fault})
            for fault in self._checks.gone():
                report.event("diagnosis", f"No longer so: {FAULTS[fault].title}.", "info", {"fault": fault})
            report.beat.finding, report.beat.finding_title = self._checks.sentence, self._checks.title
        for sink in self._sinks:
            sink.add(learner.updates, values)
        while self._said:
            report.event("metrics", self._said.pop(0), "warning")
