"""How a run goes on after an end, a kill, or from another run's checkpoint."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from data.errors import CheckpointError, TrainingError, UsageError
from data.reading import step_cache
from data.recording.session_lock import live_path
from data.store import Store
from tests.support.daemon_runs import ACTIONS, NAMES, SMALL, die, drive, ended, newest, state, train, wait_for
from trainer.checkpoints.files import save
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import TrainConfig
from trainer.daemon import control
from trainer.daemon.daemon import CACHE, Daemon
from trainer.daemon.heartbeat import read_heartbeat
from trainer.daemon.wish import Wish
from trainer.learner.tqc import TQC
from trainer.retired import RETIRED


def test_interrupted_and_uninterrupted_agree_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_cache, "LEAST_ROWS", 1)  # those that begin again take what they can from there
    config = SMALL.with_values(
        bc_weight=3.0, learn_alpha=True, critics=3, target_critics=2, actor_average=0.9, actor_average_growth=0.25,
        utd=2.0, recent_fraction=0.5, recent_steps=40, log_std_max=-1.0
    )
    results = []
    for cuts in ([], [50, 51, 90], [-60, -90]):
        root = tmp_path / f"home{len(cuts)}"
        root.mkdir()
        drive(root / "store.sqlite", 40, 2)
        for cut in cuts:
            if cut > 0:
                train(root, cut, config)
            else:
                die(root, -cut, config)
        results.append(train(root, None, config))
    assert len(list((tmp_path / "home2" / "checkpoints").iterdir())) > 3
    assert list((tmp_path / "home2" / CACHE).iterdir())
    one, *others = results
    assert one.training.learner.human_rows_known == one.training.replay.human_rows > 0
    for other in others:
        assert one.training.learner.updates == other.training.learner.updates == 2 * 60
        for name, value in state(one).items():
            assert torch.equal(value, state(other)[name]), name


def test_a_home_that_cannot_be_written_has_no_other_trainer(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 40, 1)
    live_path(tmp_path / "store.sqlite", "trainer").mkdir()  # in the place of the lock
    with pytest.raises(TrainingError, match="cannot write into the home folder"):
        train(tmp_path, 1)


@pytest.mark.realtime
def test_killed_without_warning_it_goes_on(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite", 400, 5)
    args = [sys.executable, "-m", "hitl", "train", "--home", str(tmp_path), "--quiet", "--seed", "1"]
    for key in ("hidden=16", "quantiles=5", "batch_size=16", "checkpoint_seconds=0.05", "utd=20", "warmup_steps=20"):
        args += ["--set", key]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(args, env=environment) as process, ended(process):
        wait_for(lambda: (b := read_heartbeat(tmp_path)) is not None and b.updates > 100)
        with pytest.raises(TrainingError, match="Another trainer"):
            train(tmp_path, 1)
        process.kill()
    assert not control.running(tmp_path / "store.sqlite")
    before = newest(tmp_path).updates
    with subprocess.Popen(args, env=environment) as process, ended(process):
        wait_for(
            lambda: (b := read_heartbeat(tmp_path)) is not None and b.pid == process.pid and b.updates > before + 20
        )
        if sys.platform == "win32":
            control.ask(tmp_path, control.STOP)
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.state == "stopped"
    assert newest(tmp_path).updates == beat.updates > before


@pytest.mark.realtime
@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
@pytest.mark.parametrize("stays", [False, True])
def test_a_closed_terminal_ends_it_in_order_and_nohup_keeps_it(tmp_path: Path, stays: bool) -> None:
    import pty

    drive(tmp_path / "store.sqlite", 400, 5)
    args = ["nohup"] * stays + [sys.executable, "-m", "hitl", "train", "--home", str(tmp_path), "--seed", "1"]
    for key in ("hidden=16", "quantiles=5", "batch_size=16", "checkpoint_seconds=60", "utd=200", "warmup_steps=20"):
        args += ["--set", key]
    terminal, theirs = pty.openpty()
    os.set_blocking(terminal, False)
    takes = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", takes, *args], env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
        stdin=theirs, stdout=(tmp_path / "nohup.out").open("w") if stays else theirs, stderr=theirs,
    )  # fmt: skip
    with process, ended(process):
        os.close(theirs)

        def learns() -> bool:
            with contextlib.suppress(OSError):  # nothing there now, or nohup has let go of the terminal
                os.read(terminal, 1 << 16)
            return (beat := read_heartbeat(tmp_path)) is not None and beat.updates > 100

        wait_for(learns)
        os.close(terminal)
        if stays:
            time.sleep(1.0)
            assert process.poll() is None
            control.ask(tmp_path, control.STOP)
        assert process.wait(30) == 0
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.state == "stopped"
    assert newest(tmp_path).updates == beat.updates > 100


def test_begins_from_another_run_with_its_whole_state(tmp_path: Path) -> None:
    learner = TQC(3, 2, SMALL.with_values(hidden=8))
    learner.updates, learner.env_steps = 500, 1000
    (tmp_path / "home").mkdir()
    name, _ = save(tmp_path, learner, CheckpointMeta.of(learner, NAMES, ACTIONS, "stall"))
    drive(tmp_path / "home" / "store.sqlite", 30, 1)
    said: list[str] = []
    daemon = Daemon(tmp_path / "home", Wish(SMALL, init=tmp_path / name), say=said.append)
    seen: list[int] = []
    began = time.monotonic()

    def stop() -> bool:
        assert time.monotonic() - began < 30
        if daemon.beat.state == "idle" and not seen:
            seen.append(daemon.training.learner.updates)
            drive(tmp_path / "home" / "store.sqlite", 40, 1)
        return daemon.beat.state == "idle" and daemon.training.learner.updates == 540

    daemon.stop = stop
    daemon.run()
    assert seen == [500]  # what it was trained on is not paid for again, and there is no warm-up
    assert daemon.training.learner.updates == 540
    assert daemon.training.config.hidden == 8
    assert any("keep the shape" in text for text in said)
    with pytest.raises(UsageError, match="hidden = 8"):
        train(tmp_path / "home", 1, SMALL.with_values(hidden=32), insisted=frozenset({"hidden"}))


@pytest.mark.parametrize(
    ("seen", "done", "told"),
    [
        (("a", "b"), ACTIONS, "2 observation numbers, and what was driven here last has 3,"),
        (("a", "b", "other"), ACTIONS, "3 observation numbers, and what was driven here last has 3, with other names,"),
        (NAMES, ("steer",), "1 action number, and what was driven here last has 2,"),
    ],
)
def test_a_file_that_cannot_learn_from_what_was_driven_is_no_beginning(
    tmp_path: Path, seen: tuple[str, ...], done: tuple[str, ...], told: str
) -> None:
    learner = TQC(len(seen), len(done), SMALL)
    name, _ = save(tmp_path, learner, CheckpointMeta.of(learner, seen, done, "train"))
    home = tmp_path / "home"
    home.mkdir()
    drive(home / "store.sqlite", 30, 1)
    for fresh in (False, True):
        with pytest.raises(CheckpointError, match=told):
            train(home, None, init=tmp_path / name, fresh=fresh)
    with Store(home / "store.sqlite") as store:
        assert store.checkpoints() == []
    (tmp_path / "empty").mkdir()
    Store(tmp_path / "empty" / "store.sqlite").close()  # nothing is driven yet, so it may be what is to be driven
    train(tmp_path / "empty", 0, init=tmp_path / name)
    assert newest(tmp_path / "empty").updates == 0


def test_settings_of_a_checkpoint_that_are_not_known_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(tmp_path / "store.sqlite", 40, 1)
    plain = TrainConfig.to_dict
    monkeypatch.setattr(TrainConfig, "to_dict", lambda config: plain(config) | {"dream_horizon": 15})  # a later version
    train(tmp_path, None)
    monkeypatch.undo()
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish.of({}), stop=lambda: daemon.beat.state in ("idle", "waiting"), say=said.append)
    daemon.run()
    with Store(tmp_path / "store.sqlite") as store:
        events = store.conn.execute("SELECT level, message FROM events WHERE kind = 'settings'").fetchall()
    assert len(events) == 1
    assert events[0][0] == "warning"
    assert "dream_horizon = 15" in events[0][1]
    assert events[0][1] in said
    assert daemon.training.config == SMALL  # and all that is known goes on


def test_settings_of_a_checkpoint_that_are_no_more_are_told_where_they_did_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(tmp_path / "store.sqlite", 40, 1)
    plain = TrainConfig.to_dict
    earlier = {name: usual for name, (usual, _) in RETIRED.items()} | {"bc_loss": "nll"}
    monkeypatch.setattr(TrainConfig, "to_dict", lambda config: plain(config) | earlier)  # an earlier version
    train(tmp_path, None)
    monkeypatch.undo()
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish.of({}), stop=lambda: daemon.beat.state in ("idle", "waiting"), say=said.append)
    daemon.run()
    (text,) = (text for text in said if "does not know" in text)
    assert '(bc_loss = "nll")' in text
    assert daemon.training.config == SMALL


def test_a_start_on_a_pruned_or_a_large_store_owes_what_was_driven_since_and_no_more(tmp_path: Path) -> None:
    config = SMALL.with_values(capacity=40)
    path = tmp_path / "store.sqlite"
    drive(path, 40, 3)
    assert train(tmp_path, None, config).training.learner.updates == 120 - 20
    drive(path, 30, 1)  # while no trainer is there
    with Store(path) as store:
        (newest,) = store.conn.execute("SELECT max(started) FROM episodes").fetchone()
        assert store.prune(newest) > 60
    daemon = train(tmp_path, None, config)
    assert daemon.training.learner.updates == 120 - 20 + 30
    drive(path, 40, 1)
    daemon = train(tmp_path, None, config)
    assert daemon.training.learner.updates == 120 - 20 + 30 + 40
    assert daemon.training.intake.follower.skipped  # what is older than the capacity was not read
    assert daemon.training.replay.demo_seconds() == 5 * 10 / 20  # every takeover is still learned from
    fresh = train(tmp_path, None, config, fresh=True)
    assert fresh.training.learner.updates > 0
    assert fresh.training.budget.online > 120
