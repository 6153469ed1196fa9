"""At which pace a Gymnasium environment is driven."""

import contextlib
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.envs.classic_control.pendulum import PendulumEnv as Pendulum

from hitl.games.gym.env import GymEnv
from hitl.games.gym.pace import own_pace
from hitl.games.open_game import open_world
from hitl.home import Home
from hitl.session_options import SessionOptions


@pytest.mark.parametrize(
    ("metadata", "hz"),
    [
        ({"render_fps": 30}, 30.0),
        ({"render_fps": 12.5}, 12.5),
        ({"render_fps": 240}, 60.0),
        ({"render_fps": 0.01}, 1.0),
        ({"render_fps": 0}, 20.0),
        ({"render_fps": None}, 20.0),
        ({"render_fps": "fast"}, 20.0),
        ({"render_fps": float("nan")}, 20.0),
        ({"render_fps": True}, 20.0),
        ({}, 20.0),
        (None, 20.0),
    ],
)
def test_it_is_its_own_where_it_tells_one(metadata: object, hz: float) -> None:
    assert own_pace(SimpleNamespace(metadata=metadata)) == hz


def test_an_environment_without_metadata_has_the_usual_one() -> None:
    assert own_pace(object()) == 20.0


def test_a_session_has_the_pace_of_its_game(tmp_path: Path) -> None:
    world = open_world(SessionOptions(env="gym:Pendulum-v1", seed=0, real_time=True), Home(tmp_path))
    with contextlib.closing(world):
        assert world.task.settings.hz == 30.0


class Waiting(Pendulum):
    """Waits in each step as Gymnasium's games with a window do, without one (its end would end pygame for all)."""

    def step(self, action):
        time.sleep(1 / self.metadata["render_fps"])
        return super().step(action)


def test_an_environment_that_keeps_a_time_does_not_wait_as_well() -> None:
    with contextlib.closing(GymEnv(Waiting, in_real_time=True)) as env:
        env.reset(seed=0)
        began = time.perf_counter()
        for _ in range(10):
            env.step(np.zeros(1, np.float32))
        assert time.perf_counter() - began < 10 / env.hz / 2
        assert env.hz == 30.0
    assert Waiting.metadata["render_fps"] == 30, "another one of that kind is as it was"


def test_an_environment_that_is_given_again_keeps_its_pace() -> None:
    one = Pendulum()
    with contextlib.closing(GymEnv(lambda: one)) as env:
        env._renew()
        assert env.hz == 30.0
