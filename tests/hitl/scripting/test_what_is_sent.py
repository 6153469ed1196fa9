"""What a script gives as an action: what the environment is sent, what is stored of it, what is said, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import TransformAction

from data.errors import UsageError
from hitl import Store, Takeover
from hitl.scripting.hands import HumanFunction
from hitl.scripting.setting import Setting

BOUNDED = spaces.Box(np.float32([-1.0, 0.0]), np.float32([1.0, 4.0]), dtype=np.float32)
FREE = spaces.Box(-np.inf, np.inf, (2,), np.float32)
WHOLE = spaces.Box(-100, 100, (2,), np.int16)


class Told(gymnasium.Env[np.ndarray, np.ndarray]):
    """Keeps what it was sent."""

    observation_space = spaces.Box(-100.0, 100.0, (1,), np.float32)

    def __init__(self, actions: spaces.Box) -> None:
        self.action_space, self.sent = actions, list[Any]()

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.sent.append(np.array(action))
        return np.zeros(1, np.float32), 0.0, False, False, {}


def drive(home: Path, actions: spaces.Box, agents: Any, human: HumanFunction | None = None) -> tuple[Any, Any, Any]:
    """Make three steps; return what the environment was sent, and what is stored of it in the environment's numbers."""
    inner = Told(actions)
    env = Takeover(inner, human, store=home)
    env.reset()
    for _ in range(3):
        info = env.step(agents)[4]
        np.testing.assert_array_equal(info["executed"], inner.sent[-1])
        np.testing.assert_array_equal(info["proposed"], agents)
    env.close()
    scaled = env.wheel.setting.scaled
    with Store(home) as store:
        steps = store.steps(1)
    return inner.sent[-1], scaled(steps.executed[-1]), scaled(steps.proposed[-1])


@pytest.mark.parametrize(
    ("space", "given", "sent", "said"),
    [
        (BOUNDED, [3.0, 1.0], [1.0, 1.0], "Number 0 of the {} was 3, and its range is -1 to 1: the environment is sent 1, and"),
        (BOUNDED, [0.5, -7.0], [0.5, 0.0], "Number 1 of the {} was -7, and its range is 0 to 4: the environment is sent 0, and"),
        (FREE, [1500.0, -10.0], [1.0, -1.0], "Number 0 of the {} was 1500, and its range is taken to be -1 to 1"),
        (WHOLE, [3.6, -70.0], [4, -70], "Number 0 of the {} was 3.6, and the environment takes whole numbers: .* is sent 4"),
        (BOUNDED, [1.0000001, 4.0], [1.0, 4.0], ""),
        (WHOLE, [3.0, -70.0], [3, -70], ""),
    ],
)
@pytest.mark.parametrize("whose", ["agent's action", "human's action"])
def test_what_is_stored_is_what_was_sent_and_where_that_is_another_action_it_is_said_once(
    tmp_path: Path, logged: list[str], space: spaces.Box, given: Any, sent: Any, said: str, whose: str
) -> None:
    human = (lambda seen, info: given) if whose.startswith("human") else None
    got, executed, proposed = drive(tmp_path, space, np.zeros(2, np.float32) if human else given, human)
    np.testing.assert_array_equal(got, np.array(sent, space.dtype))
    np.testing.assert_allclose(executed, got, rtol=1e-6)
    np.testing.assert_allclose(proposed, np.zeros(2) if human else got, rtol=1e-6)
    told = [line for line in logged if line.startswith("Number")]
    assert len(told) == bool(said)
    if said:
        assert re.match(said.format(whose), told[0])


def test_what_lies_in_the_range_is_sent_as_it_was_given(tmp_path: Path) -> None:
    given = np.array([0.1, 0.7])  # float64, where the space has float32
    got, executed, _ = drive(tmp_path, BOUNDED, given)
    assert (got.tobytes(), got.dtype) == (given.tobytes(), given.dtype)
    np.testing.assert_allclose(executed, given, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.full(2, np.nan), r"action is \[nan nan\], which is no action: give finite numbers of shape \(2,\)"),
        ([np.inf, 0.0], r"action is \[inf, 0\.0\], which is no action"),
        (None, "action is None, which is no action"),
        ("left", "action is left, which is no action"),
        ([[1.0], [1.0, 2.0]], "action cannot be read as numbers: .*inhomogeneous"),
        (torch.ones(2, requires_grad=True), "action cannot be read as numbers: .*requires grad"),
        (np.zeros(3), r"action has shape \(3,\), and the environment takes \(2,\)"),
    ],
)
def test_what_is_no_action_is_refused_and_the_episode_goes_on(tmp_path: Path, given: Any, said: str) -> None:
    inner = Told(BOUNDED)
    env = Takeover(inner, None, store=tmp_path / "agent")
    env.reset()
    with pytest.raises(UsageError, match=f"^The {said}"):
        env.step(given)
    assert not inner.sent
    env.step(np.zeros(2))
    env.close()
    if given is None:  # that leaves the wheel
        return
    env = Takeover(inner, lambda seen, info: given, store=tmp_path / "human")
    env.reset()
    with pytest.raises(UsageError, match=f"^The human's {said}"):
        env.step(np.zeros(2))
    env.close()


def test_without_bounds_it_is_said_what_is_taken_and_how_bounds_are_stated(logged: list[str]) -> None:
    Takeover(Told(FREE), None).close()
    (said,) = logged
    assert said.startswith("'Told' states no bounds for action_0 and action_1, so -1 to 1 is taken: what lies beyond is cut off")
    code = said.partition("put ")[2].partition(" around")[0]
    inner = Told(FREE)
    env = Takeover(eval(code, {"gymnasium": gymnasium, "env": inner}), None)
    env.reset()
    env.step(np.array([9.0, -3.0], np.float32))
    env.close()
    np.testing.assert_array_equal(inner.sent[-1], [9.0, -3.0])
    assert len(logged) == 1
    half = spaces.Box(np.float32([0.0, -1.0]), np.float32([np.inf, 1.0]), dtype=np.float32)
    Takeover(TransformAction(inner, lambda action: action, half), None).close()
    assert "states no bounds for action_0, so 0 to 1 is taken" in logged[-1]


def test_an_interface_without_bounds_states_them_in_its_own_method() -> None:
    class Interface:
        def get_action_space(self) -> spaces.Box:
            return FREE

    setting = Setting.of("Mine", Told.observation_space, FREE, Interface())
    assert setting.unbounded.endswith("state the bounds: in the Box that its get_action_space returns.")
