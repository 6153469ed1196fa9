"""What the daemon does with what was driven."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import StoreGoneError
from data.recording.recorder import Recorder
from data.records import StepRow
from data.store import Store
from tests.support.daemon_runs import ACTIONS, NAMES, SMALL, drive, info, newest, train, wait_for
from trainer.checkpoints.files import load_policy
from trainer.daemon import control
from trainer.daemon.daemon import Daemon
from trainer.daemon.heartbeat import read_heartbeat
from trainer.daemon.wish import Wish
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch


def test_trains_within_the_ratio_and_leaves_checkpoints(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    daemon = train(tmp_path, None)
    assert daemon.training.learner.updates == 200 - 20  # utd 1, 200 steps, 20 of warm-up
    drive(tmp_path / "store.sqlite", 50, 1)
    drive(tmp_path / "store.sqlite", 50, 1, purpose="lap", takeover=False)  # a lap is no online step
    daemon = train(tmp_path, None)
    assert daemon.training.learner.updates == 180 + 50
    with Store(tmp_path / "store.sqlite") as store:
        records = store.checkpoints()
        assert records[0].updates == 230
        assert records[0].env_steps == 250
        assert records[0].parent == records[1].id
        actor, meta = load_policy(tmp_path / "checkpoints" / records[0].name)
        assert (meta.observation_names, meta.action_names, meta.updates) == (NAMES, ACTIONS, 230)
        assert actor.act(torch.zeros(1, 3)).shape == (1, 2)
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert (beat.state, beat.updates, beat.owed_updates, beat.online_steps) == ("stopped", 230, 0, 250)


def test_a_step_that_cannot_be_learned_from_is_told_of_once_and_training_goes_on(tmp_path: Path) -> None:
    """One number of a store that an older version recorded: it made every start explode, and the learning rates were blamed."""
    path = tmp_path / "store.sqlite"

    def spoil(t: int, value: float) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            with np.errstate(over="ignore"):
                bad = np.array([0.0, value, 0.0], "<f4").tobytes()
            db.execute("UPDATE steps SET observation = ? WHERE t = ?", (bad, t))

    drive(path)
    for t, value in ((5, np.nan), (15, np.inf), (99, 1e30)):
        spoil(t, value)
    daemon = train(tmp_path, None)
    assert daemon.training.replay.online_steps == 200 - 6
    assert daemon.training.learner.updates == 194 - 20
    assert daemon.training.learner.healthy()
    drive(path, 50, 1)
    spoil(7, np.nan)
    daemon = train(tmp_path, None)
    assert daemon.training.learner.healthy()
    with Store(path) as store:
        events = store.conn.execute("SELECT level, message FROM events WHERE kind = 'numbers'").fetchall()
        kinds = {kind for (kind,) in store.conn.execute("SELECT kind FROM events")}
    assert len(events) == 2  # one for each start
    assert events[0][1].startswith("6 steps hold numbers that cannot be learned from (b in 6)")
    assert "rollback" not in kinds


def test_what_comes_while_it_trains_is_told_of_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    drive(path)
    said: list[str] = []
    daemon = Daemon(tmp_path, Wish(SMALL), say=said.append)
    polls = 0

    def stop() -> bool:
        nonlocal polls
        if daemon.beat.state == "idle":
            polls += 1
            if polls > 4:
                return True
            before = daemon.training.intake.follower.last_step
            drive(path, 30, 1)
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("UPDATE steps SET reward = 1e300 WHERE id > ? AND t % 10 = 3", (before,))
            daemon.beat.state = ""
        return False

    daemon.stop = stop
    daemon.run()
    assert daemon.training.replay.online_steps == 200 + 4 * 27
    assert len([text for text in said if "the reward in 3" in text]) == 1
    assert len([text for text in said if "cannot be learned from" in text]) == 1


@pytest.mark.realtime
def test_idle_it_looks_up_now_and_then_and_lets_others_go_first(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    turns: list[float] = []
    nice: list[int] = []
    daemon = Daemon(tmp_path, Wish(SMALL))

    def stop() -> bool:
        if daemon.beat.state == "idle":
            turns.append(time.thread_time())
            nice.append(os.nice(0) if sys.platform != "win32" else 5)
        return bool(turns) and len(turns) > 20

    daemon.stop = stop
    began = time.monotonic()
    daemon.run()
    assert nice[-1] >= 5
    assert time.monotonic() - began > 20 * 0.03
    assert (turns[-1] - turns[0]) / 20 < 0.3 * 0.03  # s of processor for each look: far below a core (measured: 1 %)


@pytest.mark.realtime
@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux with groups for terminals")
def test_in_the_background_all_of_its_group_lets_others_go_first() -> None:
    program = (
        "import os; from trainer.daemon.process_tuning import AUTOGROUP, be_nice; child = os.fork()\n"
        "os.wait() if child else be_nice()\n"
        "print(AUTOGROUP.read_text().split()[-1], flush=True)\n"
        "if child: be_nice(); print(AUTOGROUP.read_text().split()[-1])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, start_new_session=True)
    # One that a terminal started leaves its group, which is the terminal's, as it is.
    assert run.stdout.split() == ["0", "0", "5"]


def test_pause_and_stop_files(tmp_path: Path) -> None:
    drive(tmp_path / "store.sqlite")
    control.ask(tmp_path, control.PAUSE)
    control.ask(tmp_path, control.STOP)  # a stale one from before is no order
    daemon = Daemon(tmp_path, Wish(SMALL))
    thread = threading.Thread(target=daemon.run)
    thread.start()
    wait_for(lambda: daemon.beat.state == "paused")
    assert daemon.training.learner.updates == 0
    control.withdraw(tmp_path, control.PAUSE)
    wait_for(lambda: daemon.training.learner.updates > 0)
    control.ask(tmp_path, control.STOP)
    thread.join(20)
    assert not thread.is_alive()
    assert newest(tmp_path).updates == daemon.training.learner.updates


@pytest.mark.realtime
def test_a_takeover_is_drawn_from_within_two_seconds_of_its_end(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    drive(path, 200, 5, takeover=False)
    daemon = Daemon(tmp_path, Wish(SMALL.with_values(utd=50.0)))  # busy all the time
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        wait_for(lambda: daemon.beat.state == "training")
        recorder = Recorder(path, info())
        recorder.begin_episode("drive")
        number = recorder.begin_segment("takeover")
        row = StepRow(np.ones(3, np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32), 1, 0.0)
        for _ in range(30):
            recorder.step(row)
        recorder.end_segment(number, "cleared")
        ended = time.monotonic()
        agent = StepRow(np.ones(3, np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32), 0, 0.0)
        while daemon.training.replay.demo_rows_drawn == 0:
            recorder.step(agent)  # the episode goes on
            time.sleep(0.02)
            assert time.monotonic() - ended < 2.0
        recorder.close()
        assert daemon.beat.state == "training"
    finally:
        control.ask(tmp_path, control.STOP)
        thread.join(20)
    assert daemon.training.learner.human_rows_known == daemon.training.replay.human_rows > 0
    assert daemon.training.learner.helped_at > 0  # the average that drives follows closely from here


@pytest.mark.parametrize(("network", "update_s"), [("mlp", 0.0), ("recurrent", 0.3)])
@pytest.mark.realtime
def test_every_judgement_is_in_force_within_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, update_s: float
) -> None:
    path = tmp_path / "store.sqlite"
    drive(path, 200, 3)
    learn = TQC.update

    def update(learner: TQC, batch: Batch) -> None:  # as long as one takes with a large network
        time.sleep(update_s)
        learn(learner, batch)

    monkeypatch.setattr(TQC, "update", update)
    config = SMALL.with_values(utd=50.0, bc_weight=1.0, network=network, rnn_size=4, sequence=4, burn_in=2, batch_size=8)
    daemon = Daemon(tmp_path, Wish(config))
    thread = threading.Thread(target=daemon.run)
    thread.start()

    def in_force() -> tuple[int, int]:
        table = daemon.training.replay.table
        return daemon.training.replay.demo_rows, int(table.array[:, table.columns.cloned].sum())

    def soon(rows: int) -> None:
        began = time.monotonic()
        while in_force() != (rows, rows):
            time.sleep(0.02)
            assert time.monotonic() - began < 2.0, (in_force(), rows)

    try:
        wait_for(lambda: daemon.beat.state == "training")
        with Store(path) as store:
            first, second, third = (s.id for s in store.segments())
            soon(30)
            store.label([first], verdict="bad")
            soon(20)
            store.label([second], trim=(2, 3))
            soon(15)
            store.label([third], priority=0.0)
            soon(5)
            store.undo()
            soon(15)
            store.undo([second])  # the trim
            soon(20)
            store.undo([first])
            soon(30)
        assert daemon.beat.state == "training"
    finally:
        control.ask(tmp_path, control.STOP)
        thread.join(20)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
def test_a_store_that_is_replaced_by_its_copy_is_learned_from_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.daemon.daemon.SETTLE_S", 0.05)
    path, copy = tmp_path / "store.sqlite", tmp_path / "copy.sqlite"
    drive(path)
    shutil.copy(path, copy)
    said: list[str] = []
    daemon, began, replaced = Daemon(tmp_path, Wish(SMALL), say=said.append), time.monotonic(), False

    def stop() -> bool:
        nonlocal replaced
        assert time.monotonic() - began < 60
        if daemon.beat.state == "idle" and not replaced:
            assert daemon.training.learner.updates == 180
            copy.replace(path)
            for beside in ("-wal", "-shm"):
                path.with_name(path.name + beside).unlink(missing_ok=True)
            drive(path, 50, 1)
            replaced = True
            daemon.beat.state = ""
        return replaced and daemon.training is not None and daemon.beat.state == "idle"

    daemon.stop = stop
    daemon.run()
    assert len([text for text in said if "was replaced by another file" in text]) == 1
    assert daemon.training.replay.online_steps == 250
    assert daemon.training.learner.updates == 230
    with Store(path) as store:
        assert store.latest_checkpoint().updates == 230
        assert "replaced" in {kind for (kind,) in store.conn.execute("SELECT kind FROM events")}
        assert store.check() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("when", ["idle", "training", "trial", "waiting"])
@pytest.mark.parametrize("moved", [True, False])
def test_a_home_that_is_moved_or_deleted_ends_it_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, moved: bool
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    if when != "waiting":
        drive(home / "store.sqlite")
    # Checkpoints by updates: all of these may be done in less time than lies between two by time, and then none has a trial.
    daemon, began = Daemon(home, Wish(SMALL.with_values(checkpoint_updates=20))), time.monotonic()

    def go() -> None:
        if home.exists():
            if moved:
                home.rename(elsewhere)
            else:
                shutil.rmtree(home)

    def stop() -> bool:
        assert time.monotonic() - began < 60
        if daemon.beat.state == when and (when != "training" or daemon.beat.updates > 40):
            go()
        return False

    daemon.stop = stop
    if when == "trial":  # between the look at the store and the checkpoint
        monkeypatch.setattr("trainer.daemon.training.Training._prove", lambda self, offer: go() if self.learner.updates else None)
    with pytest.raises(StoreGoneError, match=r"no longer .*there|no longer at its place") as gone:
        daemon.run()
    assert "--home DIR" in str(gone.value)
    assert not home.exists()
    if moved and when != "waiting":
        newest(elsewhere)
