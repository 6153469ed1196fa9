"""Steps of another layout that come while a trainer is at work: it says at once that they are left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.reading.layouts import unlike
from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from tests.support.daemon_runs import SMALL, drive
from trainer.daemon.daemon import Daemon
from trainer.daemon.wish import Wish


def drive_another(path: Path, poll: Callable[[], object], steps: int = 40) -> None:
    info = SessionInfo(
        kind="play", env="gym:Other-v1", track="Other-v1", hz=20.0, observation_names=("x", "y"), action_names=("a",)
    )
    with Recorder(path, info) as recorder:
        recorder.begin_episode()
        for t in range(steps):
            one, two = np.zeros(1, np.float32), np.zeros(2, np.float32)
            recorder.step(StepRow(two, one, one, 0, 0.0, progress=float(t)))
            if t == steps // 2:
                assert recorder.flush()
                poll()
        recorder.end_episode("truncated", "time", np.zeros(2, np.float32))


def test_steps_of_another_layout_are_told_of_when_they_come(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish(SMALL), say=said.append)
    began, driven = time.monotonic(), False

    def stop() -> bool:
        nonlocal driven
        assert time.monotonic() - began < 60
        if daemon.training is None or daemon.beat.state != "idle":
            return False
        if not driven:
            driven = True
            drive_another(tmp_path / "store.sqlite", daemon.training.intake.poll)
        return any("left out" in text for text in said) or time.monotonic() - began > 15

    daemon.stop = stop
    daemon.run()
    assert [text for text in said if "left out of training" in text], said


def test_a_worker_is_not_told_to_begin_a_run_on_its_own_machine() -> None:
    other, learned = (("x",), ("a",)), (("x", "y"), ("a",))
    assert "hitl train --fresh" in unlike(other, learned)
    said = unlike(other, learned, elsewhere=True)
    assert "the trainer on the other machine cannot learn from it" in said
    assert "`" not in said, "a command would be typed on the wrong machine"
