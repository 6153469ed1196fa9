import time
from pathlib import Path

import pytest

from tests.support.daemon_runs import drive, train
from trainer.daemon.heartbeat import read_heartbeat


def test_a_jump_of_the_clock_makes_no_trainer_old_or_young(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(tmp_path / "store.sqlite")
    train(tmp_path, 30)
    real = time.time
    for jump in (0.0, 86_400.0, -86_400.0):
        monkeypatch.setattr("time.time", lambda jump=jump: real() + jump)
        beat = read_heartbeat(tmp_path)
        assert beat is not None
        assert 0.0 <= beat.age_s < 30.0
        assert beat.checkpoint_age_s is not None
        assert beat.age_s <= beat.checkpoint_age_s < 30.0
    monkeypatch.undo()
    beat.ticks = time.monotonic() + 1e6  # the machine was started since: its monotonic clock began anew
    beat.at = time.time() - 500.0
    assert 499.0 < beat.age_s < 530.0
