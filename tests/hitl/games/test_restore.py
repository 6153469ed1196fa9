"""A game that goes back to a moment drives on from there as it did: to the last bit."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.drivers.scripted import ScriptedDriver
from hitl.games.base import Restorable, Start
from hitl.games.box2d import Box2DGame
from hitl.games.driving_env import DrivingEnv
from hitl.road.track import load_track
from tests.support.examples import examples

ENV = DrivingEnv()


def wild(seed: int, count: int) -> np.ndarray:
    """Actions that brake hard, slide and leave the road: (count, 2)."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.uniform(-1.0, 1.0, (count // 4 + 1, 2)), 4, axis=0)[:count].astype(np.float32)


def driven(env: DrivingEnv, actions: np.ndarray) -> list[Any]:
    """Everything that an episode says, action by action."""
    said = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        said.append((observation.tobytes(), reward, terminated, truncated, info["state"], info["place"], info["reason"]))
    return said


@settings(max_examples=examples(15), deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 60), st.integers(0, 30), st.sampled_from([0.0, 100.0, 190.0]))
def test_the_same_actions_lead_on_as_they_did(seed: int, before: int, after: int, start_m: float) -> None:
    actions = wild(seed, before + after)
    ENV.reset(seed=seed, options={"start": Start(s=start_m, speed=18.0, yaw_rate=0.3)} if start_m else None)
    driven(ENV, actions[:before])
    saved, told = ENV.save(), driven(ENV, actions[before:])
    ENV.restore(saved)
    assert driven(ENV, actions[before:]) == told


def test_a_moment_of_the_run_before_comes_back_too_and_can_be_left_again_and_again() -> None:
    actions = wild(3, 50)
    ENV.reset(seed=3)
    driven(ENV, actions[:30])
    early, first = ENV.save(), driven(ENV, actions[30:])
    ENV.reset(seed=4)
    driven(ENV, wild(4, 20))
    for _ in range(3):
        ENV.restore(early)
        again = ENV.save()  # of the run that was restored
        assert driven(ENV, actions[30:]) == first
        ENV.restore(again)
        assert driven(ENV, actions[30:]) == first


def test_a_lap_keeps_its_time_though_another_drive_began_elsewhere_meanwhile() -> None:
    driver = ScriptedDriver(load_track("default"))
    _, info = ENV.reset(seed=0)
    actions, moments, over = [], [], False
    while not over:
        moments.append(ENV.save())
        actions.append(driver.act(info["state"], info["place"]))
        _, _, over, _, info = ENV.step(actions[-1])
    lap_s = info["lap_s"]
    ENV.reset(seed=0, options={"start": Start(s=100.0)})
    ENV.restore(moments[-1])
    assert ENV.step(actions[-1])[4]["lap_s"] == lap_s


def test_saving_costs_as_little_late_as_early() -> None:
    game = Box2DGame(load_track("default"))
    game.send(np.array([0.5, 0.0], np.float32))
    game.advance(0.05)
    moment = game.save()
    for _ in range(20):
        game.advance(0.05)
    assert isinstance(game, Restorable)
    assert game.save().pressed is moment.pressed  # nothing is copied
    assert moment.ticks == 1


def test_a_game_that_cannot_go_back_saves_nothing() -> None:
    class Arcade:
        action_names = ("gas", "steer")

    assert not isinstance(Arcade(), Restorable)
    env = DrivingEnv(game=Arcade())  # type: ignore[arg-type]
    assert env.save() is None


@pytest.mark.parametrize("ticks", [300])
def test_going_back_takes_no_longer_than_a_blink(ticks: int) -> None:
    import time

    game = Box2DGame(load_track("default"))
    for action in wild(1, ticks):
        game.send(action)
        game.advance(0.05)
    saved, began = game.save(), time.thread_time()
    game.restore(saved)
    assert time.thread_time() - began < 0.3


def test_a_moment_is_the_same_after_it_was_sent_to_another_process() -> None:
    state = ENV.reset(seed=5)[1]["state"]
    sent = pickle.loads(pickle.dumps(state))
    assert math.isnan(state.lap_time)
    assert (sent, hash(sent)) == (state, hash(state))
    assert replace(state, x=state.x + 1.0) != state != replace(state, lap_time=9.0)
