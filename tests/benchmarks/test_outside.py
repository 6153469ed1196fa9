"""The benchmark of games without a road, in small: both learners drive, learn and are asked for their greedy actions."""

import importlib

import numpy as np
import pytest

from tests.support.places import BENCHMARKS


@pytest.fixture
def outside(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("outside")


@pytest.mark.parametrize("arm", ["plain", "sb3"])
def test_an_agent_of_each_kind_in_a_game_that_pays_thousands(outside, arm, monkeypatch):
    monkeypatch.setattr(outside, "EPISODES", 2)
    monkeypatch.setitem(outside.ARMS, "plain", ("plain", {"hidden": 16}))
    result = outside.run(("Pendulum-v1@pay=1000", arm, 0, 120))
    assert result["steps"] == 120
    assert -2000 < result["mean"] < -50, "in the usual unit"
    assert result["least"] <= result["mean"]


def test_a_game_that_sees_in_thousandths(outside):
    import gymnasium

    env, usual = gymnasium.make(outside.registered("Pendulum-v1@see=0.001")), gymnasium.make("Pendulum-v1")
    seen, usually = env.reset(seed=3)[0], usual.reset(seed=3)[0]
    assert seen == pytest.approx(usually / 1000)
    assert env.observation_space.contains(seen)


def test_the_mean_of_the_middle_half(outside):
    assert outside.iqm([5.0, 1.0, 2.0, 3.0, 100.0]) == pytest.approx((2 + 3 + 5) / 3)


def test_who_steers_for_the_road_ahead_in_numbers_earns_most_of_it(outside):
    import gymnasium

    env = gymnasium.make(outside.registered("CarRacingNumbers-v3"))
    seen, _ = env.reset(seed=1)
    assert env.observation_space.contains(seen)
    earned = 0.0
    for _ in range(300):
        right, ahead = seen[4 + 2 * 3 :][:2]
        gas = 0.3 if seen[1] < 0.8 else 0.0
        seen, reward, terminated, *_ = env.step(np.array([np.clip(3 * right / max(ahead, 0.05), -1, 1), gas, 0], np.float32))
        earned += float(reward)
        assert not terminated
    assert earned > 100
    env.close()
