"""Numbers that cannot be learned from, of an environment, an agent or a pad: none is ever stored, and the player hears of it."""

import json
import sqlite3

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.numbers import MOST
from data.reading.follow import Follower
from hitl.drivers.human import HumanDriver
from hitl.games.base import VehicleState
from hitl.games.gym.env import GymEnv
from hitl.games.hang_guard import EnvironmentLost
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.road.line import Place
from hitl.session.door import Door, Unusable
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.examples import examples

NO_NUMBERS = [np.nan, np.inf, -np.inf, 1e300, -1e12]


class Sensor(gymnasium.Env):
    """Thirty steps; ``spoil(episode, step, observation, reward)`` may change what they give."""

    observation_space = gymnasium.spaces.Box(-10, 10, (3,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    spoil = staticmethod(lambda episode, n, seen, reward: (seen, reward))
    ends = 30

    def __init__(self):
        self.episode = -2  # the first one is the try-out
        self.acted = []

    def reset(self, *, seed=None, options=None):
        self.episode, self.n = self.episode + 1, 0
        return self.spoil(self.episode, 0, np.zeros(3), 0.0)[0], {}

    def step(self, action):
        assert np.isfinite(action).all()
        self.acted.append(action)
        self.n += 1
        seen, reward = self.spoil(self.episode, self.n, np.full(3, self.n / 100), 1.0)
        return seen, reward, self.n == self.ends, False, {}


def rows(home, sql):
    with sqlite3.connect(home.store_path) as db:
        return db.execute(sql).fetchall()


@pytest.fixture
def drive(tmp_path, monkeypatch):
    monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.01,))

    def run(spoil, episodes=1, human=None, ends=30, policy=None):
        home, told = Home(tmp_path), []
        kind = type("Spoiled", (Sensor,), {"spoil": staticmethod(spoil), "ends": ends})
        options = SessionOptions(env="gym:Pendulum-v1")
        with SessionSetup(home, options, human=human, tell=lambda level, text: told.append(text)) as rig:
            rig.session.environment.env = GymEnv(kind)
            rig.session.policy = policy or rig.session.policy
            results = [rig.session.episode("drive", seed=k) for k in range(episodes)]
            rig.session.environment.env.close()
        assert_all_can_be_learned_from(home)
        return home, results, told

    return run


def assert_all_can_be_learned_from(home):
    for blobs in rows(home, "SELECT observation, executed, proposed FROM steps"):
        for blob in blobs:
            assert (np.abs(np.frombuffer(blob, "<f4")) <= MOST).all()
    for (blob,) in rows(home, "SELECT last_observation FROM episodes WHERE last_observation IS NOT NULL"):
        assert (np.abs(np.frombuffer(blob, "<f4")) <= MOST).all()
    with Follower(home.store_path) as follower:
        assert follower.poll().bad_steps == 0


@pytest.mark.parametrize("bad", NO_NUMBERS)
def test_a_sensor_that_drops_out_for_a_tick_costs_nothing_and_is_named(drive, bad):
    def spoil(episode, n, seen, reward):
        seen[1] = bad if n == 10 else seen[1]
        return seen, reward

    home, (result,), told = drive(spoil)
    assert (result.reason, result.steps) == ("over", 30)
    seen = [np.frombuffer(r[0], "<f4") for r in rows(home, "SELECT observation FROM steps ORDER BY t")]
    np.testing.assert_allclose(seen[10], [0.10, 0.09, 0.10])  # the last good one, for this tick alone
    np.testing.assert_allclose(seen[11], 0.11)
    ((level, text, data),) = rows(home, "SELECT level, message, data FROM events WHERE kind = 'numbers'")
    assert level == "warning"
    assert text.partition(": ")[2].startswith("observation_1 (")
    assert json.loads(data)["step"] == 9
    assert "observation_1" in json.loads(data)
    assert told == [text]


@pytest.mark.parametrize("bad", NO_NUMBERS)
def test_one_that_stays_ends_the_episode_and_after_some_the_session(drive, bad):
    def spoil(episode, n, seen, reward):
        seen[2] = bad if n >= 5 and episode >= 0 else seen[2]
        return seen, reward

    with pytest.raises(EnvironmentLost, match=r"5 episodes in a row.*observation_2"):
        drive(spoil, episodes=9)


def test_of_an_episode_that_it_ends_what_went_before_is_kept(drive):
    def spoil(episode, n, seen, reward):
        seen[2] = np.nan if episode == 0 and n >= 5 else seen[2]
        return seen, reward

    home, (first, second), told = drive(spoil, episodes=2)
    assert (first.reason, first.steps, second.reason) == ("env_lost", 5, "over")
    assert rows(home, 'SELECT "end", length FROM episodes') == [("interrupted", 5), ("terminated", 30)]
    assert [t for t in told if "do not go away" in t and "observation_2 (nan)" in t]


def test_an_episode_that_begins_with_one_is_refused_and_tried_again(drive):
    def spoil(episode, n, seen, reward):
        seen[0] = np.inf if n == 0 and episode in (0, 1) else seen[0]
        return seen, reward

    home, (result,), told = drive(spoil)
    assert result.steps == 30
    assert "observation_0 (inf)" in told[0]
    assert len(rows(home, "SELECT 1 FROM episodes")) == 1

    def never(episode, n, seen, reward):
        seen[0] = np.inf if n == 0 and episode >= 0 else seen[0]
        return seen, reward

    with pytest.raises(EnvironmentLost, match=r"begins with.*observation_0 \(inf\)"):
        drive(never)


def test_the_end_of_an_episode_keeps_its_reward_though_what_is_seen_there_is_no_number(drive):
    """A simulation that breaks down says so with NaN: that it ended so is what is to be learned."""

    def spoil(episode, n, seen, reward):
        return (np.full(3, np.nan), -5.0) if n >= 29 and episode >= 0 else (seen, reward)

    home, (result,), _ = drive(spoil)
    assert (result.reason, result.steps) == ("over", 30)
    assert rows(home, "SELECT reward FROM steps WHERE terminated") == [(-5.0,)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_reward_that_is_no_number_is_nothing_for_a_tick_and_then_ends_the_episode(drive, bad):
    home, (result,), told = drive(lambda e, n, seen, reward: (seen, bad if e >= 0 and n in (7, 20) else reward))
    assert (result.total, result.steps) == (28.0, 30)
    assert rows(home, "SELECT t FROM steps WHERE reward = 0") == [(6,), (19,)]
    assert "the reward" in told[0]
    assert len(told) == 1  # the second time is in the count at the end
    assert "2 steps" in rows(home, "SELECT message FROM events ORDER BY id DESC LIMIT 1")[0][0]
    _, (lost,), _ = drive(lambda e, n, seen, reward: (seen, bad if e >= 0 and n > 7 else reward))
    assert (lost.reason, lost.steps) == ("env_lost", 8)


class Says:
    """A policy that says one thing, and another from its tenth step on."""

    checkpoint_id = None

    def __init__(self, later):
        self.later, self.n = later, 0

    def act(self, observation, deterministic):
        self.n += 1
        return np.array(self.later(self.n), np.float32)

    def begin_episode(self):
        pass


def test_an_agent_that_says_no_number_is_at_rest_for_a_tick_and_then_over(drive):
    home, (result,), told = drive(lambda e, n, s, r: (s, r), policy=Says(lambda n: [np.nan if n == 10 else 0.5]))
    assert result.steps == 30
    executed = [np.frombuffer(r[0], "<f4")[0] for r in rows(home, "SELECT executed FROM steps ORDER BY t")]
    assert [k for k, a in enumerate(executed) if a == 0.0] == [9]
    assert "the agent's action_0 (nan)" in told[0]
    _, (lost,), _ = drive(lambda e, n, s, r: (s, r), policy=Says(lambda n: [np.nan if n >= 10 else 0.5]))
    assert (lost.reason, lost.steps) == ("env_lost", 10)


class Pressed:
    name = "broken"

    def __init__(self):
        self.reads = 0

    def read(self):
        self.reads += 1
        steer = np.nan if self.reads == 12 else 0.25
        return PadState(steer=steer, buttons=frozenset({"takeover"} if self.reads > 1 else ()))

    def rumble(self, *how):
        pass


def test_a_pad_that_says_no_number_is_at_rest_for_a_tick(drive):
    _, (result,), told = drive(lambda e, n, s, r: (s, r), human=lambda track: HumanDriver(Pressed()))
    assert result.human_steps == 29
    assert "the player's action_0 (nan)" in told[0]


STATE = {"time": 0.0, "z": 0.0, "heading": 0.0, "vx": 1.0, "vy": 0.0, "yaw_rate": 0.0, "steer": 0.0, "gas": 0.0, "brake": 0.0}


def info(**changes):
    state = VehicleState(**(STATE | {"x": 1.0, "y": 2.0} | {k: v for k, v in changes.items() if k != "progress"}))
    return {"state": state, "place": Place(0.0, 0.0, 0.0), "progress": changes.get("progress", 3.0), "reason": None}


@pytest.mark.parametrize(
    ("name", "told"),
    [("x", "x"), ("y", "y"), ("z", "z"), ("heading", "heading"), ("vx", "speed"), ("progress", "progress")],
)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e12])
def test_the_cars_place_is_judged_too(name, told, bad):
    notes = []
    door = Door(("a",), ("steer",), lambda text, numbers: notes.append(text))
    at = np.zeros(1, np.float32)
    with pytest.raises(Unusable, match=f"the car's {told} "):
        door.begin(at, info(**{name: bad}))
    door.begin(at, info())
    _, _, mended = door.step(at, 0.0, info(**{name: bad}), False)
    assert mended["state"] == info()["state"]
    assert mended["progress"] == 3.0
    assert f"the car's {told} " in notes[0]
    door.step(at, 0.0, info(), False)
    door.step(at, 0.0, info(**{name: bad}), False)
    with pytest.raises(Unusable):
        door.step(at, 0.0, info(**{name: bad}), False)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.lists(st.sampled_from([0.5, -1.0, *NO_NUMBERS]), min_size=2, max_size=2),
                          st.sampled_from([1.0, np.nan, 1e300]))))  # fmt: skip
def test_nothing_gets_through_and_nothing_is_made_up_for_long(ticks):
    door = Door(("a", "b"), ("steer",), lambda text, numbers: None)
    last = np.zeros(2, np.float32)
    door.begin(last, info())
    row = 0
    for seen, reward in ticks:
        with np.errstate(over="ignore"):
            observation = np.array(seen, np.float32)
        good = bool((np.abs(observation) <= MOST).all()) and reward == 1.0
        row = 0 if good else row + 1
        if row > 1:
            with pytest.raises(Unusable):
                door.step(observation, reward, info(), False)
            return
        given_on, paid, _ = door.step(observation, reward, info(), False)
        fine = np.abs(observation) <= MOST
        np.testing.assert_array_equal(given_on[fine], observation[fine])
        np.testing.assert_array_equal(given_on[~fine], last[~fine])
        assert paid == (1.0 if reward == 1.0 else 0.0)
        last = given_on
