"""What a trainer does for a session that waits for it, and what it chooses where there is no road."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.records import AGENT, StepRow
from data.store import Store
from tests.support.daemon_runs import SMALL, drive, info, newest
from trainer.daemon import control
from trainer.daemon.daemon import Daemon
from trainer.daemon.wish import Wish
from trainer.presets import PRESETS


def run_until_caught_up(root: Path, wish: Wish) -> Daemon:
    control.ask(root, f"{control.CATCH_UP}1")
    daemon = Daemon(root, wish)
    daemon.stop = lambda: not control.catch_ups(root)
    daemon.run()
    return daemon


@pytest.mark.parametrize("warmup", [20, 1000])
def test_it_says_so_once_all_is_learned_and_a_checkpoint_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warmup: int
) -> None:
    drive(tmp_path / "store.sqlite")
    found: list[tuple[int, int]] = []
    withdraw = control.withdraw

    def look(root: Path, name: str) -> None:
        if name.startswith(control.CATCH_UP):
            if len(found) == 0:
                control.ask(root, f"{control.CATCH_UP}2")  # another session, while the first is answered
            found.append((newest(tmp_path).updates, daemon.training.budget.due if daemon.training else -1))
        withdraw(root, name)

    monkeypatch.setattr(control, "withdraw", look)
    control.ask(tmp_path, f"{control.CATCH_UP}1")
    daemon = Daemon(tmp_path, Wish(SMALL.with_values(warmup_steps=warmup, checkpoint_seconds=1e6, checkpoint_seconds_max=1e6)))
    daemon.stop = lambda: not control.catch_ups(tmp_path)
    daemon.run()
    assert found == [(180 if warmup == 20 else 0, 0)] * 2, "each request is answered by itself"


def test_where_nothing_was_driven_it_is_said_at_once(tmp_path: Path) -> None:
    assert run_until_caught_up(tmp_path, Wish(SMALL)).training is None


@pytest.mark.parametrize(("env", "preset"), [("gym:Pendulum-v1", "plain"), ("box2d", "hitl"), ("tmrl", "hitl")])
def test_the_preset_follows_from_what_is_driven(tmp_path: Path, env: str, preset: str) -> None:
    with Recorder(tmp_path / "store.sqlite", dataclasses.replace(info(), env=env)) as recorder:
        recorder.begin_episode("drive")
        row = StepRow(np.zeros(3, np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32), AGENT, 1.0)
        for _ in range(5):
            recorder.step(row)
        recorder.end_episode("truncated", "time_limit", row.observation)
        assert recorder.flush(20)
    small = {"hidden": 16, "quantiles": 5}
    assert run_until_caught_up(tmp_path, Wish.of(small)).training.config == PRESETS[preset].with_values(**small)
    path = next((tmp_path / "checkpoints").glob("*.safetensors"))
    shutil.copytree(tmp_path, tmp_path / "other", ignore=shutil.ignore_patterns("other", "checkpoints"))
    with Store(tmp_path / "other" / "store.sqlite") as store:
        store.db.execute("DELETE FROM checkpoints")
    begun = run_until_caught_up(tmp_path / "other", Wish.of(small, init=path)).training
    assert begun.config == PRESETS[preset].with_values(**small), "also of a run that begins with a checkpoint from elsewhere"
    named = Wish.of({"preset": "rlpd", "quantiles": 1, "hidden": 16}, fresh=True)
    assert run_until_caught_up(tmp_path, named).training.config == PRESETS["rlpd"].with_values(hidden=16)
