"""The comparison with help where there is no road, in small."""

import importlib
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest

from tests.support.places import BENCHMARKS


@pytest.fixture
def landing(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("helped_landing")


def test_an_agent_is_helped_for_as_long_as_was_said(landing, monkeypatch):
    monkeypatch.setattr("outside.EPISODES", 1)
    monkeypatch.setitem(landing.ARMS, "expert", {"hidden": 8})
    found = landing.run(("expert", 0, SimpleNamespace(steps=300, every=150, alone=50, seconds=1.0)))
    assert list(found["curve"]) == [150, 300]
    assert 1.0 <= found["human_s"] < 4.0, "a takeover that has begun is finished"
    assert found["takeovers"] > 0
    assert found["updates"] > 0


def test_slow_hands_act_on_what_was_and_stay_for_a_while(landing):
    env = gymnasium.make(landing.ENV)
    falls = np.array([0.0, 0.6, 0.0, -0.9, 0.0, 0.0, 0.0, 0.0], np.float32)
    hands = landing.Hands(env, "slow", 10.0)
    hands.on = True
    calm = np.zeros(8, np.float32)
    assert [hands(seen, {}) is None for seen in (calm, *[falls] * 6)] == [True] * 6 + [False], "a tenth of a second late"
    first = hands(falls, {})
    assert all(hands(falls * k, {}) is first for k in range(3)), "hands that move ten times a second"
    assert hands(falls, {}) is not first
