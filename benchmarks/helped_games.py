"""Tasks that no one here made, each with a controller that does it in the human's place, and a moment at which it takes over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

HANDS = {"expert": 0.0, "slow": 0.1}
"""Seconds that the human sees late, and for which the hands then stay as they are."""
LANDER, HILL = "LunarLanderContinuous-v3", "MountainCarContinuous-v0"
HOVERS, ROLLS, FUMBLES = 400, 150, 30  # steps after which no one waits any longer


@dataclass(frozen=True)
class Game:
    """``drive`` (environment, observation): what the human does; ``wanted`` (observation, steps): whether it takes over."""

    name: str
    id: str
    make: Callable[[], Any]
    hz: int
    drive: Callable[[Any, np.ndarray], Any]
    wanted: Callable[[np.ndarray, int], bool]
    unit: float = 1.0
    """What is earned is shown times this."""


def land(env: Any, seen: np.ndarray) -> Any:
    """Drive LunarLander as Gymnasium's own heuristic does."""
    from gymnasium.envs.box2d.lunar_lander import heuristic

    return heuristic(env.unwrapped, seen)


def crashes(seen: np.ndarray, steps: int) -> bool:
    """Tell whether a lander falls too fast near the ground, tilts, or hovers."""
    _, height, _, falls, angle, *_ = seen.tolist()
    return bool((height < 0.7 and falls < -0.5) or abs(angle) > 0.5 or steps > HOVERS)


def push(env: Any, seen: np.ndarray) -> Any:
    """Push the car of MountainCar the way it rolls."""
    return [1.0 if seen[1] >= 0.0 else -1.0]


class Cube(gymnasium.Wrapper[Any, Any, Any, Any]):
    """gym-hil's pick-cube, its cube anywhere, and where it lies following from the seed; one vector is seen."""

    def __init__(self) -> None:
        from gym_hil.wrappers.factory import make_env  # type: ignore[import-not-found, unused-ignore]

        made = make_env(
            "gym_hil/PandaPickCubeBase-v0", reset_delay_seconds=0.0, gripper_penalty=0.0, random_block_position=True
        )
        made = gymnasium.wrappers.TimeLimit(made, 100)
        super().__init__(gymnasium.wrappers.FlattenObservation(made))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin an episode: gym-hil draws the place of the cube from NumPy's own random numbers."""
        np.random.seed(seed)
        return self.env.reset(seed=seed)


def pick(env: Any, seen: np.ndarray) -> Any:
    """Go over the cube, down, close the gripper, and lift: (x, y, z) in steps of 2.5 cm, and the gripper (1: as it is)."""
    gripper, hand, cube = seen[14], seen[15:18], seen[18:21]
    aside = cube[:2] - hand[:2]
    over = float(np.abs(aside).max())
    if gripper > 200.0 and over < 0.02:  # closed around it
        return np.array([0.0, 0.0, 1.0, 2.0])
    if over < 0.01 and hand[2] - cube[2] < 0.012:
        return np.array([0.0, 0.0, 0.0, 2.0])
    down = cube[2] - hand[2] if over < 0.015 else max(0.0, cube[2] + 0.08 - hand[2])
    return np.array([*np.clip(np.array([*aside, down]) / 0.025, -1, 1), 0.0])


GAMES = {
    "lander": Game("LunarLander", LANDER, lambda: gymnasium.make(LANDER), 50, land, crashes),
    "hill": Game("MountainCar", HILL, lambda: gymnasium.make(HILL), 30, push, lambda seen, steps: steps > ROLLS),
    "cube": Game("gym-hil's pick-cube", "", Cube, 10, pick, lambda seen, steps: steps > FUMBLES, unit=100.0),
}


class Hands:
    """A person who watches and takes over: called with each observation, it returns an action or None."""

    def __init__(self, env: Any, game: Game, skill: str, seconds: float) -> None:
        self._env, self._game = env, game
        self._late = round(HANDS[skill] * game.hz)
        self.left, self.on = round(seconds * game.hz), False
        self.begin()

    def begin(self) -> None:
        """An episode begins."""
        self._seen: deque[np.ndarray] = deque(maxlen=self._late + 1)
        self._at, self._drives = 0, False

    def __call__(self, seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        """Look, and drive if it is time."""
        self._seen.append(np.asarray(seen))
        self._at += 1
        if not self._drives:
            self._drives = self.on and self.left > 0 and self._game.wanted(self._seen[0], self._at)
            self._began = self._at
        if not self._drives:
            return None
        self.left -= 1
        if (self._at - self._began) % max(1, self._late) == 0:
            space = self._env.action_space
            wanted = np.asarray(self._game.drive(self._env, self._seen[0]), np.float32)
            self._action = np.clip(wanted, space.low, space.high).astype(np.float32)
        return self._action
