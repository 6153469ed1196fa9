import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.errors import DeviceError, InputFileError
from hitl import cli
from hitl.drivers.human import HumanDriver
from hitl.games.gym_env import GymEnv, open_gym
from hitl.games.hang_guard import EnvironmentLost, Worker
from hitl.games.ranges import ActionRange
from hitl.home import Home
from hitl.pads.base import PadState, to_action
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import load


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
        env.close()
        env = open_gym("Pendulum-v1")
        np.testing.assert_allclose(env.scaled(np.array([-0.5], np.float32)), [-1.0])
        env.close()

    @given(st.data())
    def test_what_is_given_lies_in_the_space_and_rests_at_zero(self, data):
        """For bounds of any kind, in the environment's own type, to the last bit."""
        dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64]))
        whole = np.issubdtype(dtype, np.integer)
        info = np.iinfo(dtype) if whole else np.finfo(dtype)
        ends = st.integers(max(int(info.min), -(10**6)), min(int(info.max), 10**6))
        if not whole:
            ends = ends | st.floats(-1e4, 1e4) | st.sampled_from([-np.inf, np.inf, float(info.min), float(info.max), 0.0])
        pairs = [
            sorted(data.draw(st.tuples(ends, ends).filter(lambda p: p[0] != np.inf and p[1] != -np.inf))) for _ in range(3)
        ]
        # A range that lies beyond every number that can be learned from is refused elsewhere, by the first step.
        assume(all(low <= 1e9 and high >= -1e9 for low, high in pairs))
        low, high = (np.array([pair[k] for pair in pairs], dtype) for k in (0, 1))
        space = gymnasium.spaces.Box(low, high, dtype=dtype)
        scaled = ActionRange(space)
        action = np.array(data.draw(st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=3)), np.float32)
        for ours in (action, -np.ones(3, np.float32), np.ones(3, np.float32), np.zeros(3, np.float32)):
            given = scaled(ours)
            assert given.dtype == space.dtype
            assert space.contains(given), (space, ours, given)
            assert (np.abs(given.astype(np.float64)) <= 1.1e9).all()
        around = (low <= 0) & (high >= 0)
        assert (scaled(np.zeros(3, np.float32))[around] == 0).all()
        stated = np.isfinite(low.astype(float)) & (np.abs(low.astype(float)) <= 1e9)
        np.testing.assert_array_equal(scaled(-np.ones(3, np.float32))[stated], low[stated])
        stated = np.isfinite(high.astype(float)) & (np.abs(high.astype(float)) <= 1e9)
        np.testing.assert_array_equal(scaled(np.ones(3, np.float32))[stated], high[stated])

    @pytest.mark.parametrize(
        ("low", "high", "lower", "rest", "upper"),
        [
            (-5.0, 0.0, -5.0, 0.0, 0.0),
            (0.0, 255.0, 0.0, 0.0, 255.0),
            (-0.001, 3.0, -0.001, 0.0, 3.0),
            (2.0, 6.0, 2.0, 4.0, 6.0),
            (-6.0, -2.0, -6.0, -4.0, -2.0),
            (0.3, 0.3, 0.3, 0.3, 0.3),
            (-np.inf, np.inf, -1.0, 0.0, 1.0),
            (-np.inf, 5.0, -1.0, 0.0, 5.0),
            (0.0, np.inf, 0.0, 0.0, 1.0),
            (2.0, np.inf, 2.0, 2.5, 3.0),
            (-np.inf, -4.0, -5.0, -4.5, -4.0),
            (-np.finfo(np.float64).max, np.finfo(np.float64).max, -1.0, 0.0, 1.0),
        ],
    )
    def test_ranges_of_each_kind(self, low, high, lower, rest, upper):
        scaled = ActionRange(gymnasium.spaces.Box(np.array([low]), np.array([high]), dtype=np.float64))
        found = [float(scaled(np.array([x], np.float32))[0]) for x in (-1, 0, 1)]
        np.testing.assert_allclose(found, [lower, rest, upper])

    def test_a_range_in_which_nothing_lies_is_refused(self):
        space = gymnasium.spaces.Box(np.zeros(2), np.ones(2), dtype=np.float64)
        space.low[1] = 3.0
        with pytest.raises(DeviceError, match="action number 1 is from 3 to 1"):
            ActionRange(space)

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


def test_a_takeover_in_real_time_moves_the_right_numbers_at_twenty_hertz(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "settings.toml").write_text('[controls]\n"Pendulum-v1" = ["steer"]\n')
    pad = Fixed(PadState(steer=0.75, buttons=frozenset({"takeover"})))
    with SessionSetup(home, SessionOptions(env="gym:Pendulum-v1", real_time=True), human=lambda track: HumanDriver(pad)) as rig:
        rig.session.stop = lambda: rig.session._result.steps >= 20
        began = time.perf_counter()
        result = rig.session.episode("drive", seed=0)
        took = time.perf_counter() - began
    assert result.human_steps == 19
    assert took == pytest.approx(20 * 0.05, abs=0.15)
    driven = rows(home, "SELECT executed FROM steps WHERE driver = 1")
    assert {np.frombuffer(r[0], np.float32)[0] for r in driven} == {0.75}


@pytest.mark.parametrize("mood", ["raise", "hang"])
def test_an_environment_that_fails_costs_its_episode_and_no_more(tmp_path, mood, monkeypatch):
    monkeypatch.setattr("hitl.session.session.RETRY_S", (0.1,))
    monkeypatch.setattr("hitl.games.gym_env.HANG_S", 0.2)
    home, made, told = Home(tmp_path), [], []
    with SessionSetup(home, SessionOptions(env="gym:Pendulum-v1", real_time=True), tell=lambda *what: told.append(what)) as rig:
        rig.world.env.close()

        def make():
            made.append(Moody(mood if not made else ""))
            return made[-1]

        rig.session.env = GymEnv(make, hz=20.0)
        began = time.perf_counter()
        first = rig.session.episode("drive", seed=0)
        took = time.perf_counter() - began
        threading.Timer(0.6, made[0].done.set).start()
        second = rig.session.episode("drive", seed=1)
        rig.session.env.close()
    assert (first.reason, first.steps) == ("env_lost", 4)
    assert took < 4 * 0.05 + 0.2 + 0.15
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


def test_no_second_thread_ever_enters_an_environment(tmp_path, monkeypatch):
    """Whatever draws must be made, stepped and closed by one thread, also when a step takes so long that it is given up."""
    monkeypatch.setattr("hitl.session.session.RETRY_S", (0.05,))
    monkeypatch.setattr("hitl.session.session.MOST_FAILURES", 4)
    monkeypatch.setattr("hitl.games.gym_env.HANG_S", 0.1)
    Drawing.most, Drawing.threads = 0, set()
    with SessionSetup(Home(tmp_path), SessionOptions(env="gym:Pendulum-v1", real_time=True)) as rig:
        rig.world.env.close()
        rig.session.env = GymEnv(Drawing, hz=20.0)
        assert [rig.session.episode("drive", seed=k).reason for k in range(3)] == ["env_lost"] * 3
        with pytest.raises(EnvironmentLost, match="4 episodes in a row"):
            rig.session.episode("drive", seed=3)
        rig.session.env.close()
    assert Drawing.most == 1
    assert len(Drawing.threads) == 1
    assert threading.get_ident() not in Drawing.threads


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl+C for one process alone")
def test_a_player_may_leave_an_environment_that_hangs_for_ever_and_all_is_kept(tmp_path):
    """In a process of its own, because that has to end while the environment's thread still hangs."""
    (tmp_path / "hanging.py").write_text(HANGING)
    line = "import sys; from hitl.cli import main; sys.exit(main(sys.argv[1:]))"
    play = ["play", "--home", "home", "--env", "gym:hanging:Hangs-v0", "--headless", "--pad", "keyboard"]
    env = os.environ | {"SDL_VIDEODRIVER": "dummy", "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        [sys.executable, "-c", line, *play], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert "hangs" in process.stdout.readline()
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


class Form(Moody):
    """An environment as it should be; each of the others departs from it in one thing."""

    def __init__(self):
        super().__init__("")


def steps_to(change):
    """Return a kind of environment whose steps are changed by ``change(observation, reward, terminated, truncated, info)``."""

    def step(self, action):
        return change(*Form.step(self, action))

    return type("Changed", (Form,), {"step": step})


class OldReset(Form):
    def reset(self, *, seed=None, options=None):
        return super().reset()[0]


class Seedless(Form):
    def reset(self):
        self.steps = 0
        return np.zeros(3, np.float32), {}


class Breaks(Form):
    def reset(self, **kwargs):
        raise FileNotFoundError("no map of the town")


class StartsWithout(Form):
    def reset(self, **kwargs):
        return np.array([0, np.nan, 0], np.float32), {}


@pytest.mark.parametrize("limit", [None, 50])  # with one, Gymnasium's own wrapper takes the answers first
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (OldReset, "reset returns no"),
        (Seedless, "takes no seed"),
        (Breaks, "no map of the town"),
        (StartsWithout, r"observation_1 \(nan\)"),
        (steps_to(lambda o, r, a, t, i: (o, r, a, i)), "returns (4 values|too few)"),
        (steps_to(lambda o, r, a, t, i: o), "returns (a ndarray|too few)"),
        (steps_to(lambda o, r, a, t, i: (o, r, a, t, [])), "the last of them a dictionary"),
        (steps_to(lambda o, r, a, t, i: (np.append(o, 1), r, a, t, i)), r"shape \(4,\)"),
        (steps_to(lambda o, r, a, t, i: (o[None], r, a, t, i)), r"shape \(1, 3\)"),
        (steps_to(lambda o, r, a, t, i: ({"o": o}, r, a, t, i)), "observation"),
        (steps_to(lambda o, r, a, t, i: (o, np.ones(2), a, t, i)), r"reward is an array of shape \(2,\)"),
        (steps_to(lambda o, r, a, t, i: (o, None, a, t, i)), "reward is a NoneType"),
        (steps_to(lambda o, r, a, t, i: (o, "1", a, t, i)), "reward is a str"),
        (steps_to(lambda o, r, a, t, i: (o, np.inf, a, t, i)), r"its reward \(inf\)"),
        (steps_to(lambda o, r, a, t, i: (o * np.inf, r, a, t, i)), r"observation_0 \(inf\)"),
        (steps_to(lambda o, r, a, t, i: (o.astype(float) + 1e300, r, a, t, i)), "observation_0"),
        (steps_to(lambda o, r, a, t, i: (o, r, np.zeros(2, bool), t, i)), "terminated is an array"),
    ],
)
def test_an_environment_of_another_form_is_refused_before_anything_is_recorded(made, words, limit, tmp_path, capsys):
    gymnasium.register(id="Formless-v0", entry_point=made, max_episode_steps=limit)
    try:
        command = ["play", "--home", str(tmp_path / "home"), "--env", "gym:Formless-v0", "--pad", "none", "--headless"]
        assert cli.main(command) == 6
    finally:
        del gymnasium.registry["Formless-v0"]
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(words, said.err)
    assert not (tmp_path / "home" / "store.sqlite").exists()


def test_what_can_be_understood_is(tmp_path):
    def plain(o, r, a, t, i):
        return o.astype(np.float64).tolist(), np.array([[r]]), np.bool_(a), np.array([t]), None

    env = GymEnv(steps_to(plain))
    env.reset(seed=1)
    observation, reward, terminated, truncated, info = env.step(np.zeros(1, np.float32))
    env.close()
    assert observation.dtype == np.float32
    assert (reward, terminated, truncated) == (1.0, False, False)
    assert info["reason"] is None


def test_an_environment_that_fails_later_ends_the_session_with_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hitl.session.session.RETRY_S", (0.01,))
    made = []

    class Wears(Form):
        def step(self, action):
            made.append(1)
            if len(made) > 50:
                raise OSError("the engine is worn out")
            return super().step(action)

    gymnasium.register(id="Wears-v0", entry_point=Wears)
    try:
        base = ["play", "--home", str(tmp_path), "--env", "gym:Wears-v0", "--pad", "none", "--headless"]
        for more in ([], ["--episodes", "9"]):
            made.clear()
            assert cli.main([*base, *more]) == 6
            said = capsys.readouterr()
            assert "5 episodes in a row" in said.err
            assert "worn out" in said.err
    finally:
        del gymnasium.registry["Wears-v0"]
    counts = rows(Home(tmp_path), "SELECT session_id, count(*), sum(length > 0) FROM episodes GROUP BY 1")
    assert [c[1:] for c in counts] == [(11, 7), (11, 7)]  # six whole ones, five that were lost


class TestPackages:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        yield tmp_path
        for name in [n for n in gymnasium.registry if n.startswith(("Inside", "inside/"))]:
            del gymnasium.registry[name]
        for name in [n for n in sys.modules if n.startswith("their_cars")]:
            del sys.modules[name]

    def write(self, folder, text):
        (folder / "their_cars").mkdir()
        (folder / "their_cars" / "__init__.py").write_text("")
        (folder / "their_cars" / "town.py").write_text(text)

    @pytest.mark.parametrize("id_", ["Inside-v0", "inside/Car-v3"])
    def test_a_package_that_registers_is_imported(self, folder, id_, capsys):
        entry = "gymnasium.envs.classic_control.continuous_mountain_car:Continuous_MountainCarEnv"
        self.write(folder, f"import gymnasium\ngymnasium.register(id={id_!r}, entry_point={entry!r}, max_episode_steps=20)\n")
        path = list(sys.path)
        command = ["play", "--home", "home", "--env", f"gym:their_cars.town:{id_}", "--pad", "none", "--headless"]
        assert cli.main([*command, "--episodes", "1"]) == 0, capsys.readouterr().err
        assert sys.path == path
        assert rows(Home(folder / "home"), "SELECT env FROM sessions") == [(f"gym:their_cars.town:{id_}",)]

    def test_what_goes_wrong_with_it_is_said(self, folder):
        with pytest.raises(DeviceError, match="no package 'their_planes'"):
            open_gym("their_planes:Inside-v0")
        with pytest.raises(DeviceError, match=r"no package 'their_planes\.town'"):
            open_gym("their_planes.town:Inside-v0")
        self.write(folder, "import gymnasium\ngymnasium.register(id='Inside-v1', entry_point='x:Y')\nimport no_such_thing\n")
        with pytest.raises(DeviceError, match="needs 'no_such_thing'"):
            open_gym("their_cars.town:Inside-v1")
        (folder / "their_cars" / "town.py").write_text("1 / 0\n")
        with pytest.raises(DeviceError, match=r"cannot be imported .ZeroDivisionError"):
            open_gym("their_cars.town:Inside-v0")
        (folder / "their_cars" / "town.py").write_text(
            "import gymnasium\ngymnasium.register(id='Inside-v1', entry_point='their_cars.town:Y')\n"
        )
        with pytest.raises(DeviceError, match=r"registers no environment 'Inside-v0'\. Near it: Inside-v1"):
            open_gym("their_cars.town:Inside-v0")
        with pytest.raises(DeviceError, match=r"cannot be driven. It cannot be opened .AttributeError"):
            open_gym("their_cars.town:Inside-v1")


def test_an_environment_that_cannot_begin_is_tried_until_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr("hitl.session.session.RETRY_S", (0.01,))
    with SessionSetup(Home(tmp_path), SessionOptions(env="gym:Pendulum-v1")) as rig:
        real, tries = rig.session.env.reset, []

        def reset(**kwargs):
            tries.append(1)
            if len(tries) < 4:
                raise OSError("not now")
            return real(**kwargs)

        rig.session.env.reset = reset
        rig.session.stop = lambda: len(tries) >= 4 and rig.session._result.steps >= 3
        assert rig.session.episode("drive", seed=0).steps == 3
        rig.session.env.reset = lambda **kwargs: 1 / 0
        rig.session.stop = lambda: True
        assert rig.session.episode("drive", seed=0).reason == "stopped"  # leaving is always possible
    kinds = [r[0] for r in rows(Home(tmp_path), "SELECT kind FROM events ORDER BY id")]
    assert kinds[:2] == ["env_lost", "env_back"]


def test_nothing_is_called_while_a_call_hangs():
    worker, gate, called = Worker(), threading.Event(), []
    with pytest.raises(EnvironmentLost, match="hangs: a step"):
        worker.call(lambda: gate.wait(10), 0.05, "a step")
    with pytest.raises(EnvironmentLost, match="still hangs"):
        worker.call(lambda: called.append(1), 5.0, "beginning an episode")
    assert worker.hangs
    assert not called
    gate.set()
    assert worker.call(threading.get_ident, 1.0, "a step") == worker.call(threading.get_ident, 1.0, "a step")
    assert not worker.hangs
    worker.close()


def test_a_player_who_wants_to_leave_is_heard_while_a_call_hangs(monkeypatch):
    monkeypatch.setattr("hitl.games.hang_guard.HEED_S", 0.1)
    worker, gate = Worker(), threading.Event()
    worker.leaving = lambda: True
    began = time.monotonic()
    with pytest.raises(EnvironmentLost, match="not waited for"):
        worker.call(lambda: gate.wait(20), 15.0, "beginning an episode")
    assert time.monotonic() - began < 5.0
    gate.set()
    worker.close()


def test_settings_that_mean_nothing_are_named(tmp_path):
    (tmp_path / "settings.toml").write_text('[controls]\n"Pendulum-v1" = ["wings"]\n')
    with pytest.raises(InputFileError, match="Pendulum-v1"):
        load(Home(tmp_path))
    (tmp_path / "settings.toml").write_text('[controls]\n"Pendulum-v1" = ["steer", "gas"]\n')
    with pytest.raises(DeviceError, match="gives 2 controls"):
        SessionSetup(Home(tmp_path), SessionOptions(env="gym:Pendulum-v1"))


def test_the_command_plays_and_evaluates_it(tmp_path, capsys):
    base = ["--home", str(tmp_path), "--env", "gym:Pendulum-v1"]
    assert cli.main(["play", *base, "--headless", "--pad", "none", "--episodes", "2"]) == 0
    assert "2 episodes, 400 steps" in capsys.readouterr().out
    assert cli.main(["play", *base, "--headless", "--pad", "scripted", "--episodes", "1"]) == 2
    assert "knows roads only" in capsys.readouterr().err
