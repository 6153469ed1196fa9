"""Rows of metrics: into the store, to the packages that draw them, and before the diagnosis."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from data.errors import StoreError
from data.store import Store
from trainer.config import TrainConfig
from trainer.daemon.intake import Intake
from trainer.daemon.metric_logs import Sink, sinks
from trainer.daemon.reporting import Reporter
from trainer.diagnosis.catalogue import title
from trainer.diagnosis.live import LiveChecks
from trainer.learner.learner import Learner
from trainer.replay.batch import Batch


class MetricRows:
    """Writes rows, and tells what the checks find in them. ``logs`` names where they go beside the store."""

    def __init__(self, root: Path, config: TrainConfig, logs: tuple[str, ...], report: Reporter) -> None:
        self._store_path, self._report = root / "store.sqlite", report
        self._said: list[str] = []  # by sinks, on their threads
        self._sinks: list[Sink] = sinks(root, logs, config.to_dict(), self._said.append)
        self._checks = LiveChecks(config)
        self.written_at = time.monotonic()

    @property
    def stuck(self) -> bool:
        """Whether a package that metrics went to may keep this process from ending."""
        return any(getattr(sink, "stuck", False) for sink in self._sinks)

    def close(self) -> None:
        """Close every package, also when one of them fails."""
        with contextlib.ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)

    def write(self, learner: Learner, intake: Intake, batch: Batch | None) -> None:
        """Write one row; ``batch`` was just learned from."""
        now, replay, report = time.monotonic(), intake.replay, self._report
        values = {**learner.metrics(), **intake.watch.metrics(now - self.written_at)}
        values["memory_len"] = float(len(replay))
        values["debug/demo_fraction_in_batch"] = replay.fractions()["demo"]
        values["debug/demo_sampling_weight"] = replay.demo_sampling_weight()
        self.written_at = now
        intake.watch.newest = values
        with contextlib.suppress(StoreError), Store(self._store_path) as store:
            store.add_metrics(learner.updates, values)
        if batch is not None:
            for finding in self._checks.look(learner, batch, values, intake.terminated):
                report.event("diagnosis", f"{finding.sentence} {finding.advice}", "warning", {"fault": finding.fault})
            for fault in self._checks.gone():
                report.event("diagnosis", f"No longer so: {title(fault)}.", "info", {"fault": fault})
            report.beat.finding, report.beat.finding_title = self._checks.sentence, self._checks.title
        for sink in self._sinks:
            sink.add(learner.updates, values)
        while self._said:
            report.event("metrics", self._said.pop(0), "warning")
