"""Laps that were imported and live driving are learned from together: against the stand-in game, in either order."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from data.exchange.player_runs import ACTIONS
from data.reading.follow import Follower
from data.reading.layouts import apart
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN, SessionInfo, StepRow
from data.store import Store
from hitl.cli import main
from hitl.games.tmrl.env import open_tmrl
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.task.driving_task import TaskSettings
from tests.data.exchange.test_player_runs import drive_old, save
from tests.hitl.games.tmrl import test_tmrl as tmrl
from tests.support.batches import TINY
from tests.support.places import MODULES
from tests.support.stand_in_game import StandIn, stand_in_track
from trainer.daemon.daemon import Daemon
from trainer.daemon.wish import Wish
from trainer.replay.replay import Replay

SMALL = TINY.with_values(warmup_steps=10)
pytestmark = [pytest.mark.realtime, pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")]
game, home = tmrl.game, tmrl.home  # tmrl's real environment on the stand-in


def turns(home: Home, until, seconds: float = 60.0) -> Daemon:
    """Let a trainer look at the home until it is content."""
    daemon = Daemon(home.root, Wish(SMALL))
    end = time.monotonic() + seconds

    def stop() -> bool:
        assert time.monotonic() < end, daemon.beat
        return daemon.training is not None and until(daemon)

    daemon.stop = stop
    daemon.run()
    return daemon


def idle(daemon: Daemon) -> bool:
    return daemon.beat.state in ("idle", "waiting")


def drive(home: Home, env: str, steps: int = 25) -> None:
    with SessionSetup(home, SessionOptions(env=env, real_time=True, task=TaskSettings(max_seconds=60.0))) as rig:
        rig.session.stop = lambda: rig.session._result.steps >= steps
        assert rig.session.episode("drive", seed=0).steps == steps


def imported(home: Home) -> list[tuple[int, int]]:
    with sqlite3.connect(home.store_path) as db:
        return db.execute(
            "SELECT p.episode_id, p.t FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id "
            "WHERE s.kind = 'import' ORDER BY 1, 2"
        ).fetchall()


def assert_one_batch(home: Home, driven: int) -> None:
    """Every imported step is a row of a demo, every driven one is online, and nothing is left out."""
    with Follower(home.store_path) as follower:
        new = follower.poll()
        assert new.left_out == {}
        layout = follower.layout
    replay = Replay(len(layout[0]), len(layout[1]), SMALL)
    replay.add(new)
    steps = imported(home)
    demo = new.driver == HUMAN
    assert sorted(zip(new.episode_id[demo].tolist(), new.t[demo].tolist(), strict=True)) == steps
    assert (replay.demo_rows, replay.online_steps) == (len(steps), driven)
    rows = np.unique(replay.demo_table.slots.numpy())
    assert len(rows) == len(steps)
    daemon = turns(home, lambda d: d.training is not None and d.training.learner.updates >= 8)
    assert daemon.training.replay.demo_rows == len(steps)
    assert daemon.training.watch.left_out == set()
    with Store(home.store_path) as store:
        assert apart(store.conn) == {}
        assert not store.db.execute("SELECT message FROM events WHERE kind = 'layout'").fetchall()


WRITTEN: dict[tuple[bytes, int], bytes] = {}
"""Files of laps by what their line is and which lap it is: driven once, and each test gets them anew."""


def laps(folder: Path, line: Path, count: int = 2) -> Path:
    folder.mkdir(exist_ok=True)
    for k in range(count):
        name, key = f"20261120_18300{k}_0000000{k}.pkl", (line.read_bytes(), k)
        if key not in WRITTEN:
            samples, _ = drive_old(line, 12.0 + k, finish=True)
            WRITTEN[key] = save(folder, samples, name, run_id=f"r{k}").read_bytes()
        (folder / name).write_bytes(WRITTEN[key])
    return folder


ORDERS = ("import first", "drive first", "a checkpoint between")


class TestTrackMania:
    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        home = Home(tmp_path / "home").create()
        with StandIn(layout=20, countdown=0.1) as game:
            monkeypatch.setenv("STAND_IN_PORT", str(game.port))
            track = stand_in_track()
            home.line.write_text("\n".join(f"{x},{y}" for x, y in track.line.points.tolist()))
            (home.root / "settings.toml").write_text(f"[trackmania]\nport = {game.port}\nsettle_s = 0.15\n")
            monkeypatch.syspath_prepend(str(MODULES))
            monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
            yield home
        sys.modules.pop("vgamepad", None)

    @pytest.fixture
    def line(self, tmp_path):
        line = stand_in_track().line
        x, y, _ = np.array([line.at(s) for s in np.arange(0.0, line.length, 0.35)]).T
        path = tmp_path / "reward.pkl"
        path.write_bytes(pickle.dumps(np.stack([x, np.full(len(x), 10.0), -y], axis=1)))
        return path

    @pytest.mark.parametrize("order", ORDERS)
    def test_in_either_order(self, home, line, tmp_path, order, capsys):
        runs = laps(tmp_path / "runs", line)
        take = ["import", "--home", str(home.root), str(runs), "--track", str(line)]
        if order == "drive first":
            drive(home, "trackmania")
            assert main(take) == 0
        else:
            assert main(take) == 0
            if order == "a checkpoint between":
                turns(home, idle)
                assert list(home.checkpoints.glob("*.safetensors"))
            drive(home, "trackmania")
        assert "left out" not in capsys.readouterr().out
        assert_one_batch(home, driven=25)

    def test_the_pending_action_is_the_one_that_leads_to_what_is_seen_next(self, home, line, tmp_path):
        runs = laps(tmp_path / "runs", line, 1)
        assert main(["import", "--home", str(home.root), str(runs), "--track", str(line)]) == 0
        samples, _ = drive_old(line, 12.0, finish=True)
        acts = np.stack([s[0] for s in samples])
        with Follower(home.store_path) as follower:
            new = follower.poll()
            names = follower.layout[0]
        pending = new.observation[:, [names.index(f"pending_{a}") for a in ACTIONS]]
        now = new.observation[:, [names.index(n) for n in ("gas", "brake", "steer")]]
        np.testing.assert_array_equal(now, acts[:-1])  # what the game obeyed when it looked like this
        np.testing.assert_array_equal(pending, acts[1:])  # what it obeyed on the way to the next
        np.testing.assert_array_equal(new.executed[:-1], acts[2:])  # decided one tick earlier, as live
        np.testing.assert_array_equal(new.executed[-1], acts[-1])

    @pytest.mark.parametrize("trained", [False, True])
    def test_laps_that_an_earlier_version_imported(self, home, line, tmp_path, trained, monkeypatch):
        """They have no pending action; a checkpoint that was made for them has learned nothing."""
        runs = laps(tmp_path / "runs", line)
        with monkeypatch.context() as earlier:
            earlier.setattr("hitl.player_runs.rebuild.add_pending", lambda data: None)
            earlier.setattr("data.exchange.relayout.rebuild_said", lambda store: [])
            earlier.setattr("hitl.task.driving_task.DrivingTask.names", lambda self, actions: tuple(self.observer.names))
            assert main(["import", "--home", str(home.root), str(runs), "--track", str(line)]) == 0
            if trained:
                earlier.setattr("trainer.daemon.daemon.rebuild_said", lambda store: [])
                turns(home, idle)
        before = stored(home)
        assert {len(seen) // 4 for seen, _ in before} == {43}
        drive(home, "trackmania")
        if not trained:
            with Store(home.store_path) as store:
                (text,) = apart(store.conn).values()
            assert "hitl store rebuild" in text
            assert "pending_gas, pending_brake, pending_steer" in text
            assert main(["store", "check", "--home", str(home.root)]) == 1
            assert main(["store", "rebuild", "--home", str(home.root)]) == 0
            assert main(["store", "check", "--home", str(home.root)]) == 0
        else:
            turns(home, lambda d: d.training is not None and d.training.learner.updates >= 8)  # a trainer does it by itself
        assert_one_batch(home, driven=25)
        # Nothing is lost: what was an action is pending now, and the whole can be turned back.
        assert [(seen[: 43 * 4], seen[43 * 4 :]) for seen, _ in stored(home)] == before
        assert main(["import", "--home", str(home.root), str(runs), "--track", str(line)]) == 0
        assert len(imported(home)) == len(before)  # and nothing comes in twice


def stored(home: Home) -> list[tuple[bytes, bytes]]:
    with sqlite3.connect(home.store_path) as db:
        return db.execute(
            "SELECT p.observation, p.executed FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = "
            "e.session_id WHERE s.kind = 'import' ORDER BY p.episode_id, p.t"
        ).fetchall()


@tmrl.installed
class TestTmrl:
    samples: ClassVar[list[tuple[Any, ...]]] = []  # as they were driven, once for all orders

    def record(self, folder: Path, game: StandIn, runs: Path) -> Path:
        """Drive tmrl's own environment and write what its preprocessor shows, as its recorders do."""
        if not self.samples:
            self.samples.extend(self.driven(folder, game))
        save(runs, self.samples)
        return runs

    def driven(self, folder: Path, game: StandIn) -> list[tuple[Any, ...]]:
        env = open_tmrl(folder, port=game.port)
        inner, see = env._env, env._see
        observation, _ = inner.reset()
        samples, total = [], 0.0
        for k in range(40):
            act = np.array([0.8, 0.0, 0.1 * np.sin(k)], np.float32)
            observation, reward, terminated, truncated, _ = inner.step(act)
            total += reward
            samples.append((act, see(observation), reward, terminated, truncated, {"reward_sum": total}))
        env.close()
        return samples

    @pytest.mark.parametrize("order", ORDERS)
    def test_kept_observations_in_either_order(self, home, game, folder, tmp_path, order):
        runs = self.record(folder, game, tmp_path / "runs")
        take = ["import", "--home", str(home.root), str(runs), "--keep-observations"]
        if order == "drive first":
            drive(home, "tmrl")
            assert main(take) == 0
        else:
            assert main(take) == 0
            if order == "a checkpoint between":
                turns(home, idle)
            drive(home, "tmrl")
        with sqlite3.connect(home.store_path) as db:
            assert len(db.execute("SELECT DISTINCT observation_names, frame_shape FROM sessions").fetchall()) == 1
            mean = (
                "SELECT p.observation FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id"
            )
            ours, theirs = (
                np.mean([np.frombuffer(r[0], "<f4") for r in db.execute(f"{mean} WHERE s.kind {which} 'import'")], axis=0)
                for which in ("!=", "=")
            )
        assert abs(ours[9:].mean() - theirs[9:].mean()) < 0.5  # both pictures from 0 to 1, behind the numbers
        assert 0.0 < theirs[9:].max() <= 1.0
        assert_one_batch(home, driven=25)


def drive_tmrl(home: Home, steps: int = 12) -> None:
    """What a session in a tmrl of 81 numbers records."""
    names = tuple(f"observation_{k}" for k in range(81))
    info = SessionInfo(kind="play", env="tmrl", track="tmrl", hz=20.0, observation_names=names, action_names=ACTIONS)
    seen, did = np.full(81, 0.5, np.float32), np.full(3, 0.25, np.float32)
    with Recorder(home.store_path, info) as recorder:
        recorder.begin_episode("drive")
        for _ in range(steps):
            recorder.step(StepRow(seen, did, did, AGENT, 0.5))
        recorder.end_episode("truncated", "time_limit", seen)


@pytest.fixture(scope="module")
def met(tmp_path_factory):
    """Laps seen as on our roads, and driving in a tmrl of 81 numbers: a folder that each test gets a copy of."""
    folder = tmp_path_factory.mktemp("met")
    home = Home(folder / "home").create()
    at = np.arange(0, 700, 0.35)
    course = 0.8 * np.sin(at / 40) + 0.9 * np.sin(at / 97 + 1) + at / 300
    x, y = np.cumsum(np.cos(course)) * 0.35 + 500, np.cumsum(np.sin(course)) * 0.35 + 300
    line = folder / "reward.pkl"
    line.write_bytes(pickle.dumps(np.stack([x, np.full(len(x), 9.0), -y], axis=1)))
    runs = laps(folder / "runs", line, 1)
    assert main(["import", "--home", str(home.root), str(runs), "--track", str(line)]) == 0
    drive_tmrl(home)
    return folder


class TestWhatCannotMeet:
    @pytest.fixture
    def home(self, met, tmp_path):
        shutil.copytree(met, tmp_path / "met")
        self.line, self.runs = tmp_path / "met" / "reward.pkl", tmp_path / "met" / "runs"
        return Home(tmp_path / "met" / "home")

    def test_it_is_said_everywhere_with_what_to_do(self, home, capsys):
        capsys.readouterr()
        assert main(["store", "check", "--home", str(home.root)]) == 1
        said = " ".join(capsys.readouterr().out.split())
        assert "imported steps (1 lap) of trackmania have 46 numbers in each observation where this run has 81" in said
        assert "hitl import PATH --keep-observations" in said
        assert main(["diagnose", "--home", str(home.root), "--json"]) == 1
        assert "46 numbers in each observation where this run has 81" in capsys.readouterr().out
        assert main(["play", "--env", "box2d", "--home", str(home.root), "--headless", "--pad", "none", "--episodes", "1"]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "imported steps (1 lap) of trackmania have 46 numbers in each observation where this session has 45" in said
        assert "driven steps of tmrl have 81 numbers" in said
        with sqlite3.connect(home.store_path) as db:  # forget that drive in another game
            db.execute("UPDATE sessions SET kind = 'import' WHERE env = 'box2d'")
        daemon = turns(home, idle)
        assert len(daemon.training.intake.names[0]) == 81  # what is driven is learned, not what was imported
        with Store(home.store_path) as store:
            said = " ".join(m for (m,) in store.db.execute("SELECT message FROM events WHERE kind = 'layout'").fetchall())
        assert "46 numbers" in said

    def test_and_it_helps(self, home, capsys):
        assert main(["import", "--home", str(home.root), str(self.runs), "--keep-observations"]) == 0
        with Follower(home.store_path) as follower:
            new = follower.poll()
        assert len(follower.layout[0]) == 81
        assert int((new.driver == HUMAN).sum()) >= 239

    def test_a_trainer_that_began_with_the_laps_turns_to_what_is_driven(self, home, tmp_path):
        """While nothing else was there it was made for the laps; it has learned nothing from them alone."""
        other = Home(tmp_path / "other").create()
        assert main(["import", "--home", str(other.root), str(self.runs), "--track", str(self.line)]) == 0
        sizes = []

        def content(daemon: Daemon) -> bool:
            if daemon.training is None:
                return False
            size = len(daemon.training.intake.names[0])
            if not sizes and idle(daemon):
                assert size == 46
                sizes.append(size)
                drive_tmrl(other)
            return size == 81 and daemon.training.replay.online_steps == 12

        daemon = turns(other, content)
        assert daemon.training.learner.observation_size == 81
