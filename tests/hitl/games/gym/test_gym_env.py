import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import gymnasium
import numpy as np
import pytest

from data.errors import DeviceError, InputFileError
from data.store import Store
from hitl import cli
from hitl.arbiter import GatingSettings
from hitl.coach.first_touch import FirstTouch
from hitl.drivers.human import HumanDriver
from hitl.games.gym.env import GymEnv, open_gym
from hitl.games.hang_guard import EnvironmentLost
from hitl.home import Home
from hitl.pads.base import PadState, to_action
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import load
from tests.support.places import ROOT


class Fixed:
    """A pad that is at rest for a moment, and then always pressed the same way."""

    name = "fixed"

    def __init__(self, state):
        self.state, self.reads = state, 0

    def read(self):
        self.reads += 1
        return self.state if self.reads > 1 else PadState()

    def rumble(self, *how):
        pass


class Moody(gymnasium.Env):
    """Raises or hangs on demand, in its fifth step."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, mood):
        self.mood, self.done, self.closed = mood, threading.Event(), False

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 5 and self.mood == "raise":
            raise ZeroDivisionError("the wheel fell off")
        if self.steps == 5 and self.mood == "hang":
            self.done.wait(20)
        return np.full(3, self.steps / 100, np.float32), 1.0, False, self.steps == 8, {}

    def close(self):
        self.closed = True


def rows(home, sql):
    with sqlite3.connect(home.store_path) as db:
        return db.execute(sql).fetchall()


class TestActions:
    def test_zero_is_rest_and_the_ends_are_the_ends(self):
        env = open_gym("CarRacing-v3")
        np.testing.assert_allclose(env.scaled(np.array([0, 0, 0], np.float32)), [0, 0, 0])
        np.testing.assert_allclose(env.scaled(np.array([-1, -1, 0.5], np.float32)), [-1, 0, 0.5])
        assert env.scaled(np.ones(3, np.float32)).dtype == np.float32
        assert env.hz == 50.0
        env.close()
        env = open_gym("Pendulum-v1")
        np.testing.assert_allclose(env.scaled(np.array([-0.5], np.float32)), [-1.0])
        env.close()

    def test_controls_may_be_reversed_and_left_out(self):
        pad = PadState(steer=0.5, gas=1.0)
        np.testing.assert_allclose(to_action(pad, ("-steer", "none", "gas")), [-0.5, 0.0, 1.0])
        with pytest.raises(ValueError, match="no control"):
            to_action(pad, ("-wings",))


class TestSight:
    def test_images_become_grey_points_with_the_one_before(self):
        env = open_gym("CarRacing-v3")
        first, _ = env.reset(seed=1)
        assert first.shape == (2 * 24 * 24,) == (len(env.observation_names),)
        assert 0.0 <= first.min() < first.max() <= 1.0
        np.testing.assert_array_equal(first[:576], first[576:])
        second, *_ = env.step(np.array([0, 1, 0], np.float32))
        np.testing.assert_array_equal(second[:576], first[576:])
        env.close()

    def test_what_cannot_be_driven_is_refused_in_a_sentence(self):
        with pytest.raises(DeviceError, match="only environments with a plain vector"):
            open_gym("CartPole-v1")
        with pytest.raises(DeviceError, match="knows no environment 'Nowhere-v0'"):
            open_gym("Nowhere-v0")


@pytest.mark.parametrize("name", ["Pendulum-v1", "CarRacing-v3"])
def test_a_session_in_lock_step_records_whole_episodes(tmp_path, name):
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions(env=f"gym:{name}", seed=3)) as rig:
        rig.session.stop = lambda: rig.session._result.steps >= 30
        result = rig.session.episode("drive", seed=0)
    assert result.steps == 30
    assert rows(home, "SELECT env, track FROM sessions") == [(f"gym:{name}", name)]
    size = rows(home, "SELECT DISTINCT length(observation) / 4, length(executed) / 4 FROM steps")
    assert size == [(3, 1)] if name == "Pendulum-v1" else size == [(1152, 3)]


@pytest.mark.realtime
def test_a_takeover_in_real_time_moves_the_right_numbers_at_the_games_own_pace(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "settings.toml").write_text('[controls]\n"Pendulum-v1" = ["steer"]\n')
    pad = Fixed(PadState(steer=0.75, buttons=frozenset({"takeover"})))
    with SessionSetup(home, SessionOptions(env="gym:Pendulum-v1", real_time=True), human=lambda track: HumanDriver(pad)) as rig:
        rig.session.stop = lambda: rig.session._result.steps >= 20
        began = time.perf_counter()
        result = rig.session.episode("drive", seed=0)
        took = time.perf_counter() - began
    assert result.human_steps == 19
    assert took == pytest.approx(20 / 30, abs=0.15)
    assert rows(home, "SELECT hz FROM sessions") == [(30.0,)]
    driven = rows(home, "SELECT executed FROM steps WHERE driver = 1")
    assert {np.frombuffer(r[0], np.float32)[0] for r in driven} == {0.75}


@pytest.mark.parametrize("mood", ["raise", "hang"])
@pytest.mark.realtime
def test_an_environment_that_fails_costs_its_episode_and_no_more(tmp_path, mood, monkeypatch):
    monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.1,))
    monkeypatch.setattr("hitl.games.gym.env.HANG_S", 0.2)
    home, made, told = Home(tmp_path), [], []
    with SessionSetup(home, SessionOptions(env="gym:Pendulum-v1", real_time=True), tell=lambda *what: told.append(what)) as rig:
        rig.world.env.close()

        def make():
            made.append(Moody(mood if not made else ""))
            return made[-1]

        rig.session.environment.env = GymEnv(make, in_real_time=True)
        began = time.perf_counter()
        first = rig.session.episode("drive", seed=0)
        took = time.perf_counter() - began
        threading.Timer(0.6, made[0].done.set).start()
        second = rig.session.episode("drive", seed=1)
        rig.session.environment.env.close()
    assert (first.reason, first.steps) == ("env_lost", 4)
    assert took < 4 * 0.05 + 0.2 + 1.0  # and not for as long as it hangs
    assert (second.reason, second.steps) == ("time_limit", 8)
    assert made[0].closed  # before the second one was made
    ends = rows(home, 'SELECT "end", reason, length FROM episodes ORDER BY id')
    assert ends == [("interrupted", "env_lost", 4), ("truncated", "time_limit", 8)]
    last = rows(home, "SELECT last_observation FROM episodes ORDER BY id LIMIT 1")[0][0]
    np.testing.assert_allclose(np.frombuffer(last, np.float32), 0.04)  # what followed the last recorded step
    assert rows(home, "SELECT count(*) FROM events WHERE kind = 'env_lost'")[0][0] >= 1
    assert told
    assert told[0][0] == "warning"


class Drawing(Moody):
    """Notes which threads are inside; some of its steps take long, as on a busy machine."""

    inside, most, threads = 0, 0, set()

    def _enter(self, seconds):
        cls = Drawing
        cls.threads.add(threading.get_ident())
        cls.inside += 1
        cls.most = max(cls.most, cls.inside)
        time.sleep(seconds)
        cls.inside -= 1

    def __init__(self):
        super().__init__("")
        self._enter(0.01)

    def reset(self, **kwargs):
        self._enter(0.01)
        return super().reset(**kwargs)

    def step(self, action):
        self._enter(0.4 if self.steps in (2, 5) else 0.001)
        return super().step(action)

    def close(self):
        self._enter(0.01)


@pytest.mark.realtime
def test_no_second_thread_ever_enters_an_environment(tmp_path, monkeypatch):
    """Whatever draws must be made, stepped and closed by one thread, also when a step takes so long that it is given up."""
    monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.05,))
    monkeypatch.setattr("hitl.session.environment.MOST_FAILURES", 4)
    monkeypatch.setattr("hitl.games.gym.env.HANG_S", 0.1)
    Drawing.most, Drawing.threads = 0, set()
    with SessionSetup(Home(tmp_path), SessionOptions(env="gym:Pendulum-v1", real_time=True)) as rig:
        rig.world.env.close()
        rig.session.environment.env = GymEnv(Drawing, in_real_time=True)
        assert [rig.session.episode("drive", seed=k).reason for k in range(3)] == ["env_lost"] * 3
        with pytest.raises(EnvironmentLost, match="4 episodes in a row"):
            rig.session.episode("drive", seed=3)
        rig.session.environment.env.close()
    assert Drawing.most == 1
    assert len(Drawing.threads) == 1
    assert threading.get_ident() not in Drawing.threads


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl+C for one process alone")
@pytest.mark.realtime
def test_a_player_may_leave_an_environment_that_hangs_for_ever_and_all_is_kept(tmp_path):
    """In a process of its own, because that has to end while the environment's thread still hangs."""
    (tmp_path / "hanging.py").write_text(HANGING)
    line = "import sys; from hitl.cli import main; sys.exit(main(sys.argv[1:]))"
    play = ["play", "--home", "home", "--env", "gym:hanging:Hangs-v0", "--headless", "--pad", "keyboard"]
    env = os.environ | {"SDL_VIDEODRIVER": "dummy", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", line, *play], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert any("hangs" in line for line in iter(process.stdout.readline, ""))
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert time.monotonic() - began < 10
    assert "taken down" not in out  # by a library's own atexit, which would crash while it is in use
    assert rows(Home(tmp_path / "home"), "SELECT status FROM sessions") == [("ended",)]
    assert rows(Home(tmp_path / "home"), "SELECT count(*) FROM steps") == [(30,)]


HANGING = """
import atexit, time, gymnasium, numpy as np
atexit.register(print, "taken down")
class Hangs(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    def reset(self, *, seed=None, options=None):
        self.n = 0
        return np.zeros(2, np.float32), {}
    def step(self, action):
        self.n += 1
        if self.n > 30:
            time.sleep(1e6)
        return np.zeros(2, np.float32), 1.0, False, False, {}
gymnasium.register(id="Hangs-v0", entry_point=Hangs)
"""


def test_an_environment_that_cannot_begin_is_tried_until_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.01,))
    with SessionSetup(Home(tmp_path), SessionOptions(env="gym:Pendulum-v1")) as rig:
        real, tries = rig.session.environment.env.reset, []

        def reset(**kwargs):
            tries.append(1)
            if len(tries) < 4:
                raise OSError("not now")
            return real(**kwargs)

        rig.session.environment.env.reset = reset
        rig.session.stop = lambda: len(tries) >= 4 and rig.session._result.steps >= 3
        assert rig.session.episode("drive", seed=0).steps == 3
        rig.session.environment.env.reset = lambda **kwargs: 1 / 0
        rig.session.stop = lambda: True
        assert rig.session.episode("drive", seed=0).reason == "stopped"  # leaving is always possible
    kinds = [r[0] for r in rows(Home(tmp_path), "SELECT kind FROM events ORDER BY id")]
    assert kinds[:2] == ["env_lost", "env_back"]


def test_settings_that_mean_nothing_are_named(tmp_path):
    (tmp_path / "settings.toml").write_text('[controls]\n"Pendulum-v1" = ["wings"]\n')
    with pytest.raises(InputFileError, match="Pendulum-v1"):
        load(Home(tmp_path))
    (tmp_path / "settings.toml").write_text('[controls]\n"Pendulum-v1" = ["steer", "gas"]\n')
    with pytest.raises(DeviceError, match="gives 2 controls"):
        SessionSetup(Home(tmp_path), SessionOptions(env="gym:Pendulum-v1"))


class Legs(gymnasium.Env):
    """Four numbers to move, as BipedalWalker has."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, {}


def test_what_moves_more_than_a_car_has_is_told_unless_it_was_chosen(tmp_path):
    gymnasium.register("Legs-v0", Legs, max_episode_steps=20)
    told = []

    def told_by(human):
        told.clear()
        with SessionSetup(Home(tmp_path), SessionOptions(env="gym:Legs-v0"), human=human, tell=lambda _, text: told.append(text)):
            return [text for text in told if "While you drive" in text]

    try:
        [said] = told_by(lambda track: HumanDriver(Fixed(PadState())))
        assert said == (
            "While you drive, you also move action_2: right_x (F, H); action_3: right_y (G, T). To choose otherwise, write this "
            "line as you want it below [controls] in settings.toml: "
            '"Legs-v0" = ["steer", "gas_brake", "right_x", "right_y"].'
        )
        assert told_by(None) == []
        (tmp_path / "settings.toml").write_text(f"[controls]\n{said.partition('settings.toml: ')[2].rstrip('.')}\n")
        assert told_by(lambda track: HumanDriver(Fixed(PadState()))) == [], "the line can be pasted as it is"
    finally:
        del gymnasium.registry["Legs-v0"]


class Free(Legs):
    """States no bounds for two of its numbers."""

    metadata = {"render_modes": []}  # noqa: RUF012
    action_space = gymnasium.spaces.Box(np.float32([-np.inf, -1, 0]), np.float32([np.inf, 1, np.inf]), dtype=np.float32)


def test_whoever_drives_it_is_said_what_is_taken_where_there_are_no_bounds(tmp_path):
    gymnasium.register("Free-v0", Free, max_episode_steps=5)
    told = []
    try:
        with SessionSetup(Home(tmp_path), SessionOptions(env="gym:Free-v0"), tell=lambda kind, text: told.append((kind, text))):
            pass
    finally:
        del gymnasium.registry["Free-v0"]
    ((kind, text),) = told
    assert kind == "warning"
    assert text.startswith("'Free-v0' states no bounds for action_0 and action_2, so -1 to 1 or 0 to 1 is taken: what lies")
    assert text.endswith("lambda action: action, gymnasium.spaces.Box(LOW, HIGH)).")
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        assert db.execute("SELECT message FROM events WHERE kind = 'notice'").fetchall() == [(text,)]


def test_the_command_plays_and_evaluates_it(tmp_path, capsys):
    base = ["--home", str(tmp_path), "--env", "gym:Pendulum-v1"]
    assert cli.main(["play", *base, "--headless", "--pad", "none", "--episodes", "2"]) == 0
    assert "2 episodes, 400 steps" in capsys.readouterr().out
    assert cli.main(["play", *base, "--headless", "--pad", "scripted", "--episodes", "1"]) == 2
    assert "knows roads only" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["lost", "closed"])
def test_what_is_lost_or_closed_takes_no_step_before_a_reset(how):
    env = GymEnv(lambda: Moody("raise"))
    env.reset(seed=0)
    if how == "closed":
        env.close()
    else:
        for _ in range(4):
            env.step(np.zeros(1, np.float32))
        with pytest.raises(EnvironmentLost):
            env.step(np.zeros(1, np.float32))
    with pytest.raises(RuntimeError, match="call reset first"):
        env.step(np.zeros(1, np.float32))
    env.close()


class Arm(Legs):
    """Seven numbers to move."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (7,), np.float32)


@pytest.mark.parametrize("mode", ["hold", "touch"])
def test_an_arm_is_driven_by_both_sticks(tmp_path, mode):
    """What moves them takes the wheel in the mode `touch`, and begins a lap."""
    gymnasium.register("Arm-v0", Arm, max_episode_steps=20)
    more = (("right_x", 0.5), ("right_y", -1.0), ("stick_y", 0.25), ("cross_x", 1.0))
    pad = Fixed(PadState(more=more, buttons=frozenset({"takeover"} if mode == "hold" else ())))
    options = SessionOptions(env="gym:Arm-v0", gating=GatingSettings(mode=mode))
    try:
        with SessionSetup(Home(tmp_path), options, human=lambda track: HumanDriver(pad)) as rig:
            assert rig.session.episode(seed=0).human_steps > 10
            lap = rig.session.episode("lap", seed=1, awaits=FirstTouch(lambda waits: None))
            assert lap.human_steps == 20
    finally:
        del gymnasium.registry["Arm-v0"]
    driven = rows(Home(tmp_path), "SELECT executed FROM steps WHERE driver = 1")
    assert {tuple(np.frombuffer(a, np.float32).tolist()) for (a,) in driven[-5:]} == {(0.0, 0.0, 0.5, -1.0, 0.25, 1.0, 0.0)}
    with Store(Home(tmp_path).store_path) as store:
        assert all(store.rule().judge(segment).counts for segment in store.segments(kind="lap"))


def test_what_no_action_is_moved_by_is_ignored(tmp_path):
    pad = Fixed(PadState(more=(("right_x", 1.0),)))
    options = SessionOptions(env="gym:Pendulum-v1", gating=GatingSettings(mode="touch"))
    with SessionSetup(Home(tmp_path), options, human=lambda track: HumanDriver(pad), stop=lambda: pad.reads > 30) as rig:
        assert rig.session.episode(seed=0).human_steps == 0
