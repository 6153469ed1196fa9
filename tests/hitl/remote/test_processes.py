"""Server, trainer and workers as real processes on this machine."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.recording.recorder import Recorder
from hitl.cli import main
from hitl.home import Home
from hitl.remote.child import Child
from hitl.remote.link import Access, free_port
from tests.support import paced
from tests.support.workers import INFO, row

pytestmark = [pytest.mark.realtime, pytest.mark.skipif(sys.platform == "win32", reason="processes are ended by signals here")]
CARRY_ON = ["--headless", "--pad", "scripted"]
SMALL = [word for pair in ("utd=0.02", "hidden=32", "quantiles=5", "batch_size=16") for word in ("--set", pair)]


@contextlib.contextmanager
def starting(folder):
    """Give a function that starts `hitl …` with a log in the folder; at the end all are gone, and so are their children."""
    running = []

    def begin(*args, name="log"):
        log = (folder / f"{name}.log").open("wb")
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        hitl = [paced.__file__] if args[0] == "worker" else ["-m", "hitl"]
        process = subprocess.Popen(
            [sys.executable, *hitl, *map(str, args)], stdout=log, stderr=subprocess.STDOUT, env=env,
            start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        running.append(process)
        process.log = Path(log.name)
        return process

    try:
        yield begin
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def start(tmp_path):
    with starting(tmp_path) as begin:
        yield begin


def until(wanted, timeout=40.0):
    end = time.monotonic() + timeout
    while not wanted() and time.monotonic() < end:
        time.sleep(0.02)
    return wanted()


def ended(process, how=signal.SIGTERM, timeout=40.0):
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(timeout)


def steps(home, driven_at=None):
    """Return what is stored of each step; ``driven_at``: only of the sessions that this other home has, too."""
    if driven_at is not None:
        sessions = {uuid for uuid, *_ in steps(driven_at)}
        return {row for row in steps(home) if row[0] in sessions}
    if not home.store_path.exists():
        return set()
    with sqlite3.connect(home.store_path, timeout=10) as db:
        return set(
            db.execute(
                "SELECT s.uuid, e.number, p.t, p.driver, p.reward, p.executed FROM steps p JOIN episodes e ON e.id = "
                "p.episode_id JOIN sessions s ON s.id = e.session_id"
            )
        )


def count(home, sql="SELECT count(*) FROM steps"):
    if not home.store_path.exists():
        return 0
    with sqlite3.connect(home.store_path, timeout=10) as db:
        try:
            return db.execute(sql).fetchone()[0]
        except sqlite3.OperationalError:  # it is being made
            return 0


def children_of(port):
    """Return the command lines of processes that were started for this port."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if "hitl.remote.child" in line or f"--port {port}" in line:
            found.append(line)
    return found


@pytest.fixture(scope="module")
def at_work(tmp_path_factory):
    """Give the port of a server and the home of a trainer that is connected to it: one pair for several tests."""
    folder, port = tmp_path_factory.mktemp("at_work"), free_port()
    trainer, others = Home(folder / "t"), len(children_of(port))
    with starting(folder) as start:
        server = start("server", "--home", folder / "s", "--port", port, name="server")
        training = start("train", "--from-server", "--home", trainer.root, "--port", port, *SMALL, name="train")
        assert until(lambda: "Connected" in training.log.read_text())
        yield port, trainer
        assert ended(training, signal.SIGINT) == 0, training.log.read_text()
        assert ended(server) == 0
        assert until(lambda: len(children_of(port)) <= others, 20.0), children_of(port)


def test_two_workers_one_trainer_and_a_server_that_is_killed(tmp_path, start):
    port = free_port()
    trainer, workers = Home(tmp_path / "t"), [Home(tmp_path / f"w{k}") for k in range(2)]
    others = len(children_of(port))
    server = start("server", "--home", tmp_path / "s", "--port", port, name="server")
    assert until(lambda: "listens" in server.log.read_text())
    training = start("train", "--from-server", "--home", trainer.root, "--port", port, *SMALL, name="train")
    assert until(lambda: "Connected" in training.log.read_text())
    playing = [
        start("worker", "--home", home.root, "--port", port, "--name", f"w{k}", *CARRY_ON, "--seed", k, name=f"w{k}")
        for k, home in enumerate(workers)
    ]
    assert until(lambda: count(trainer, "SELECT count(*) FROM sessions") == 2)
    server.kill()
    server.wait()
    before = [count(home) for home in workers]
    assert until(
        lambda: all(count(home) > b + 100 for home, b in zip(workers, before, strict=True))
    )  # nobody waits for it
    again = start("server", "--home", tmp_path / "s", "--port", port, name="server again")
    assert until(lambda: "listens" in again.log.read_text()), "a dead server still holds its port"
    missing = count(trainer)
    assert until(lambda: count(trainer) > missing + 100)
    assert [ended(p) for p in playing] == [0, 0], playing[0].log.read_text()
    assert steps(trainer) == steps(workers[0]) | steps(workers[1])
    assert count(trainer) == sum(map(count, workers))  # and no step twice
    statuses = "SELECT group_concat(DISTINCT status) FROM sessions"
    assert count(trainer, statuses) == "ended"
    assert count(trainer, "SELECT count(*) FROM segments") == sum(
        count(home, "SELECT count(*) FROM segments") for home in workers
    )
    assert ended(training, signal.SIGINT) == 0, training.log.read_text()
    assert ended(again) == 0
    assert until(lambda: len(children_of(port)) <= others, 10.0), children_of(port)


def weights_used(home):
    """Return which session drove by which checkpoints."""
    with sqlite3.connect(home.store_path, timeout=10) as db:
        return set(
            db.execute(
                "SELECT DISTINCT s.uuid, c.name FROM steps p JOIN checkpoints c ON c.id = p.checkpoint_id "
                "JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id"
            )
        )


def test_weights_come_back_and_steps_know_them_on_either_machine(tmp_path, start, at_work):
    (port, trainer), worker = at_work, Home(tmp_path / "w")
    playing = start("worker", "--home", worker.root, "--port", port, *CARRY_ON, "--seed", "5", name="w")
    assert until(lambda: count(worker, "SELECT count(*) FROM checkpoints") >= 1)
    name = count(worker, "SELECT name FROM checkpoints LIMIT 1")
    assert (worker.checkpoints / name).is_file()
    assert until(lambda: count(worker, "SELECT count(*) FROM steps WHERE checkpoint_id IS NOT NULL"))
    assert ended(playing) == 0, playing.log.read_text()
    used = weights_used(worker)
    sessions = {uuid for uuid, _ in used}
    assert {(uuid, name) for uuid, name in weights_used(trainer) if uuid in sessions} == used != set()


def test_a_takeover_arrives_within_a_second_of_its_end(tmp_path, at_work):
    (port, trainer), worker = at_work, Home(tmp_path / "w").create()
    finished = "SELECT count(*) FROM segments WHERE stop IS NOT NULL"
    before = count(trainer, finished)
    said = []
    child = Child("forward", worker.root, Access(port=port), said.append, name="w", everything=False)
    assert until(lambda: any("answers" in text for text in said))
    recorder = Recorder(worker.store_path, INFO)
    recorder.begin_episode()
    took = []
    for k in range(12):
        number = recorder.begin_segment("takeover", "pad")
        for j in range(10):  # at the pace of a live session
            recorder.step(row(j, 1))
            time.sleep(0.02)
        recorder.end_segment(number)
        began = time.monotonic()
        assert until(lambda k=k: count(trainer, finished) == before + k + 1, 10.0)
        took.append(time.monotonic() - began)
    recorder.close()
    child.close()
    assert child.process.returncode == 0
    assert steps(worker) == steps(trainer, driven_at=worker)
    assert sorted(took)[-2] <= 1.0, took


def test_tls_with_our_keys_and_a_wrong_password_gets_nothing(tmp_path, start):
    port = free_port()
    keys = tmp_path / "keys"
    assert main(["keys", "--out", str(keys)]) == 0
    server = start(
        "server", "--home", tmp_path / "s", "--server", "0.0.0.0", "--port", port, "--keys", keys, name="server"
    )
    assert until(lambda: "encrypted" in server.log.read_text())
    trainer, worker = Home(tmp_path / "t"), Home(tmp_path / "w")
    at = ("--port", port, "--keys", keys)
    training = start("train", "--from-server", "--home", trainer.root, *at, *SMALL, name="train")
    assert until(lambda: "Connected" in training.log.read_text())
    others = tmp_path / "others"
    others.mkdir()
    (others / "certificate.pem").write_bytes((keys / "certificate.pem").read_bytes())
    (others / "password.txt").write_text("a password that is long and wrong")
    with Recorder(Home(tmp_path / "x").create().store_path, INFO) as recorder:
        recorder.begin_episode()
        recorder.step(row(0, 0))
    stranger = start("worker", "--home", tmp_path / "x", "--port", port, "--keys", others, "--send-only", "--all", name="x")
    playing = start("worker", "--home", worker.root, *at, *CARRY_ON, "--episodes", 1, name="w")
    assert playing.wait(60) == 0
    assert steps(worker) == steps(trainer) != set()
    assert stranger.wait(60) == 6
    assert "refuses the password" in stranger.log.read_text()
    again = f"`hitl worker --send-only --port {port} --keys {others} --home {tmp_path / 'x'}`"
    assert f"1 step waits here: {again} sends the rest" in stranger.log.read_text()
    assert ended(training, signal.SIGINT) == 0
    assert ended(server) == 0


def test_a_killed_worker_leaves_no_process_and_loses_nothing(tmp_path, start, at_work):
    (port, trainer), worker = at_work, Home(tmp_path / "w")
    others, before = len(children_of(port)), count(trainer)
    at = ("--home", worker.root, "--port", port)
    playing = start("worker", *at, *CARRY_ON, name="w")
    assert until(lambda: count(trainer) > before + 100)
    playing.kill()
    playing.wait()
    done = start("worker", *at, *CARRY_ON, "--episodes", 1, name="w again")
    assert done.wait(60) == 0, done.log.read_text()
    assert steps(worker) == steps(trainer, driven_at=worker)
    assert until(lambda: len(children_of(port)) <= others, 20.0), children_of(port)
