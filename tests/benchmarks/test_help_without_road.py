"""The comparison with help where there is no road, in small."""

import importlib
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest

from tests.support.places import BENCHMARKS


@pytest.fixture
def helped(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("help_without_road")


def test_an_agent_is_helped_for_as_long_as_was_said(helped, monkeypatch):
    monkeypatch.setitem(helped.ARMS, "expert", {"hidden": 8})
    found = helped.run(("expert", 0, SimpleNamespace(game="lander", steps=300, every=150, alone=50, seconds=1.0, episodes=1)))
    assert list(found["curve"]) == [150, 300]
    assert 1.0 <= found["human_s"] < 4.0, "a takeover that has begun is finished"
    assert found["takeovers"] > 0
    assert found["updates"] > 0


def test_slow_hands_act_on_what_was_and_stay_for_a_while(helped):
    game = helped.GAMES["lander"]
    env = gymnasium.make(game.id)
    falls = np.array([0.0, 0.6, 0.0, -0.9, 0.0, 0.0, 0.0, 0.0], np.float32)
    hands = helped.Hands(env, game, "slow", 10.0)
    hands.on = True
    calm = np.zeros(8, np.float32)
    assert [hands(seen, {}) is None for seen in (calm, *[falls] * 6)] == [True] * 6 + [False], "a tenth of a second late"
    first = hands(falls, {})
    assert all(hands(falls * k, {}) is first for k in range(3)), "hands that move ten times a second"
    assert hands(falls, {}) is not first


def test_the_car_gets_up_the_hill_by_the_human_alone(helped):
    game = helped.GAMES["hill"]
    env = gymnasium.make(game.id)
    seen, _ = env.reset(seed=0)
    for _ in range(200):
        seen, _, over, *_ = env.step(np.array(game.drive(env, seen), np.float32))
        if over:
            break
    assert over
