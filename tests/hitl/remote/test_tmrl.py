"""tmrl's own programs and ours at one server."""

import importlib.util
import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest

from data.exchange.importing import EpisodeRefusedError
from hitl.home import Home
from hitl.remote.link import free_port
from hitl.remote.tmrl_samples import TmrlSamples, drives, unfolded
from hitl.remote.wire import Unreadable, WorkerGreeting, pack, unpack
from hitl.road.track import load_track
from tests.hitl.remote.test_processes import CARRY_ON, SMALL, count, ended, start, steps, until  # noqa: F401 (a fixture)
from tests.support.places import ROOT
from tests.support.tmrl_data import prepare
from tests.support.tmrl_roles import STEPS

installed = pytest.mark.skipif(
    importlib.util.find_spec("tmrl") is None, reason="tmrl is not installed: .ci/install-tmrl does it"
)


def samples(ends=(5, 9), more=2, size=4, seed=0):
    """Return samples as a RolloutWorker collects them: each episode begins with what was seen at its reset."""
    rng, made = np.random.default_rng(seed), []
    for number, end in enumerate((*ends, more)):
        for k in range(end + 1):
            action = rng.uniform(-1, 1, 3).astype(np.float32) if k else np.zeros(3, np.float32)
            seen = (np.array([k], np.float32), rng.normal(size=size - 1).astype(np.float32))
            over = k == end and number < len(ends)
            made.append((action, seen, np.float32(k), over and number == 0, over and number == 1, {}))
    return made


class TestSamples:
    def test_each_episode_is_one_and_none_runs_into_the_next(self):
        made = samples()
        first, second, open_one = drives(made)
        assert [len(d) for d in (first, second, open_one)] == [5, 9, 2]
        assert first.terminated[-1]
        assert second.truncated[-1]
        assert (open_one.end, open_one.reason) == ("truncated", "recording_ended")
        assert first.observation[:, 0].tolist() == [0, 1, 2, 3, 4]
        assert first.last_observation[0] == 5
        assert first.reward.tolist() == [1, 2, 3, 4, 5]  # what the action of the step has led to
        np.testing.assert_array_equal(first.executed, [s[0] for s in made[1:6]])
        assert first.driver == 0
        assert first.purpose == "drive"
        assert not first.segments

    def test_the_first_sample_of_an_episode_may_have_no_action(self):
        made = samples(ends=(3,), more=0)
        made[0] = (None, *made[0][1:])
        assert [len(d) for d in drives(made)] == [3]

    def test_lidar_is_unfolded_to_what_the_environment_shows(self):
        rng = np.random.default_rng(0)
        rays = rng.uniform(0, 1, (6, 19)).astype(np.float32)
        actions = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
        made = [(actions[k], (np.array([k], np.float32), rays[k]), 0.0, False, False, {}) for k in range(6)]
        seen = unfolded(actions, made)
        assert seen.shape == (6, 1 + 4 * 19 + 2 * 3)
        np.testing.assert_array_equal(seen[5], np.concatenate([[5], *rays[2:6], actions[4], actions[5]]).astype(np.float32))
        np.testing.assert_array_equal(seen[1], np.concatenate([[1], *rays[[0, 0, 0, 1]], *actions[[0, 1]]]).astype(np.float32))
        assert unfolded(actions, samples(ends=(), more=5)) is None

    @pytest.mark.parametrize("made", [None, [1, 2], [(np.zeros(3), "text", 0.0, False, False, {})] * 3])
    def test_what_is_no_sample_is_refused(self, made):
        with pytest.raises(EpisodeRefusedError):
            drives(made)

    def test_what_comes_twice_is_stored_once(self, tmp_path):
        home, said = Home(tmp_path).create(), []
        taker = TmrlSamples(home)
        for _ in range(2):
            taker.take({"memory": samples()}, said.append)
        taker.take({"memory": samples(seed=1)}, said.append)
        taker.take({"memory": [(np.full(3, 7.0), (np.zeros(2),), 0.0, False, False, {})] * 4}, said.append)
        taker.close()
        assert (taker.steps, taker.again) == (32, 3)
        assert "leave the range" in said[-1]
        with sqlite3.connect(home.store_path) as db:
            assert db.execute("SELECT count(*), count(DISTINCT episode_id) FROM steps").fetchone() == (32, 6)
            assert db.execute("SELECT env, source, status FROM sessions").fetchall() == [("tmrl", "tmrl worker", "ended")]
            names = json.loads(db.execute("SELECT action_names FROM sessions").fetchone()[0])
        assert names == ["gas", "brake", "steer"]


class TestWire:
    @pytest.mark.parametrize(
        "value", [(3, "OBJ", {"trainers": 1}, b"\x80x"), (1, "HELLO", None, ("workers",)), b"weights", None, {"kind": "state"}]
    )
    def test_envelopes_and_messages_come_back(self, value):
        assert unpack(pack(value)) == value

    def test_a_pickle_that_calls_something_is_not_read(self):
        class Evil:
            def __reduce__(self):
                return print, ("run",)

        assert isinstance(unpack(pickle.dumps({"kind": "data", "x": Evil()})), Unreadable)
        assert isinstance(unpack(b"neither"), Unreadable)

    def test_a_worker_greets_with_what_is_an_empty_buffer_to_tmrl(self):
        assert unpack(pack(WorkerGreeting("an id", "a name"))) == WorkerGreeting("an id", "a name")

    def test_so_it_is_to_tmrl(self, monkeypatch):
        class Buffer:
            def __init__(self):
                raise AssertionError("pickle does not call it")

        networking = types.ModuleType("tmrl.networking")
        networking.Buffer, Buffer.__module__, Buffer.__qualname__ = Buffer, "tmrl.networking", "Buffer"
        monkeypatch.setitem(sys.modules, "tmrl", types.ModuleType("tmrl"))
        monkeypatch.setitem(sys.modules, "tmrl.networking", networking)
        heard = pickle.loads(pack(WorkerGreeting("an id", "a name")))
        assert type(heard) is Buffer
        assert (heard.memory, heard.stat_train_return, heard.stat_test_steps) == ([], 0.0, 0)
        sent = object.__new__(Buffer)
        sent.memory, sent.maxlen = samples(), 10
        for protocol in (2, 4, 5):
            read = unpack(pickle.dumps(sent, protocol))
            assert len(read.state["memory"]) == 19
            np.testing.assert_array_equal(read.state["memory"][3][1][1], sent.memory[3][1][1])


@pytest.fixture
def tmrl_role(tmp_path):
    """Return a function that starts one of tmrl's own programs; at the end it and its children are gone."""
    running = []

    def begin(role, port, password):
        log = (tmp_path / f"tmrl-{role}.log").open("wb")
        command = [sys.executable, "-u", "-m", "tests.support.tmrl_roles", role, str(port), password, str(tmp_path / "tmrl")]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        process.log = tmp_path / f"tmrl-{role}.log"
        running.append(process)
        return process

    yield begin
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)  # tlspyo's child would hold the port
        process.wait()


@installed
@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended by signals here")
@pytest.mark.realtime
def test_tmrls_server_and_worker_with_our_worker_and_trainer(tmp_path, start, tmrl_role, monkeypatch):  # noqa: F811
    password, port = "a password for both", free_port()
    monkeypatch.setenv("HITL_PASSWORD", password)
    trainer, worker = Home(tmp_path / "t"), Home(tmp_path / "w")
    theirs = tmrl_role("server", port, password)
    assert until(lambda: b"listens" in theirs.log.read_bytes())
    training = start("train", "--from-server", "--tmrl-weights", "--home", trainer.root, "--port", port, *SMALL, name="train")
    assert until(lambda: "Connected" in training.log.read_text()), training.log.read_text()
    driving = tmrl_role("worker", port, password)
    assert until(lambda: "heard True" in driving.log.read_text(), 60.0), driving.log.read_text()
    joined = "steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id"
    whole = f"SELECT count(*) FROM {joined} WHERE s.env"
    assert until(lambda: count(trainer, f"{whole} = 'tmrl' AND e.length = {STEPS}") >= 2 * STEPS)  # it drives on
    playing = start("worker", "--home", worker.root, "--port", port, *CARRY_ON, "--episodes", 1, name="w")
    assert playing.wait(60) == 0, playing.log.read_text()
    assert "steps have arrived at the trainer" in playing.log.read_text()
    before = driving.log.read_text().count("heard")
    assert until(lambda: driving.log.read_text().count("heard") > before + 2)  # what our worker was told did no harm
    assert ended(training, signal.SIGINT) == 0, training.log.read_text()
    ours = steps(worker)
    assert ours == ours & steps(trainer) != set()
    assert count(trainer, f"{whole} != 'tmrl'") == count(worker)


LOADED_TWICE = """
    import logging, sys
    from pathlib import Path
    import gymnasium
    from hitl.remote.tmrl_actor import HitlActor
    from trainer.checkpoints.files import save
    from trainer.checkpoints.meta import CheckpointMeta
    from trainer.config import TrainConfig
    from trainer.learner.make import make_learner
    folder = Path(sys.argv[1])
    box = gymnasium.spaces.Box
    for network in ("recurrent", "mlp"):
        print("with", network, flush=True)
        learner = make_learner(3, 2, TrainConfig(network=network, hidden=8, rnn_size=4))
        name, _ = save(folder, learner, CheckpointMeta.of(learner, ("a", "b", "c"), ("gas", "steer"), "train"))
        actor = HitlActor(box(-1, 1, (3,)), box(-1, 1, (2,)))
        for _ in range(2):
            actor.load(folder / name, "cpu")
"""


@pytest.mark.realtime
@installed
def test_a_worker_of_tmrls_says_once_that_it_asks_without_a_memory(tmp_path):
    prepare(tmp_path, load_track("default"))
    line = [sys.executable, "-c", textwrap.dedent(LOADED_TWICE), str(tmp_path)]
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(line, env=os.environ | home, timeout=60, check=True, **both)
    with_memory, without = done.stdout.split("with recurrent")[1].split("with mlp")
    assert with_memory.count("These weights remember an episode") == 1
    assert "These weights remember an episode" not in without
