"""Environments of other forms, and the packages that register them: refused, or understood."""

import re
import sqlite3
import sys

import gymnasium
import numpy as np
import pytest

from data.errors import DeviceError
from hitl import cli
from hitl.games.gym.env import GymEnv, open_gym
from hitl.home import Home


def rows(home, sql):
    with sqlite3.connect(home.store_path) as db:
        return db.execute(sql).fetchall()


class Form(gymnasium.Env):
    """An environment as it should be; each of the others departs from it in one thing."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.full(3, self.steps / 100, np.float32), 1.0, False, self.steps == 8, {}


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


@pytest.mark.realtime
def test_an_environment_that_fails_later_ends_the_session_with_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.01,))
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
        assert sys.path == [*path, str(folder)], "what lies beside it is found as it drives"
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
