"""Gymnasium's CarRacing-v3 told in numbers instead of pictures: a road that the learner does not know of, pedals from 0 to 1."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.box2d.car_racing import CarRacing

AHEAD = (0, 2, 4, 7, 10, 14, 18, 24)
"""Which tiles ahead of the nearest one are told; they lie about 3.5 m apart."""
FAR_M = 50.0
FAST_M_S = 30.0
SPIN_RAD_S = 3.0


class Undrawn(CarRacing):
    """The game without its picture, which takes nine tenths of a step."""

    def _render(self, mode: str) -> Any:
        return np.zeros(self.observation_space.shape, np.uint8)


class CarNumbers(gymnasium.ObservationWrapper[np.ndarray, Any, Any]):
    """The car's speed forward and sideways, its turning, its front wheels' angle, and the road ahead as the car sees it.

    ``(4 + 2 * len(AHEAD),)`` numbers, each about 1 at most: speeds over ``FAST_M_S``, turning over ``SPIN_RAD_S``, radians,
    and for each tile how far it lies to the right and ahead, over ``FAR_M``.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (4 + 2 * len(AHEAD),), np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        """Return what the car sees; the picture is left out."""
        game: Any = self.unwrapped
        hull = game.car.hull
        sin, cos = np.sin(hull.angle), np.cos(hull.angle)
        into_car = np.array([[cos, sin], [-sin, cos]])  # to the right, ahead
        road = np.array([(x, y) for _, _, x, y in game.track]) - np.array(hull.position)
        nearest = int(np.argmin((road**2).sum(1)))
        ahead = road[(nearest + np.array(AHEAD)) % len(road)] @ into_car.T / FAR_M
        speed = into_car @ np.array(hull.linearVelocity) / FAST_M_S
        turning = hull.angularVelocity / SPIN_RAD_S, game.car.wheels[0].joint.angle
        return np.concatenate([speed, turning, ahead.ravel()]).astype(np.float32)


def make(**how: Any) -> gymnasium.Env[Any, Any]:
    """Return the environment, with the episode's length and everything else as in CarRacing-v3."""
    return CarNumbers(Undrawn(**how))


def register() -> str:
    """Register it once and return its id."""
    name = "CarRacingNumbers-v3"
    if name not in gymnasium.registry:
        gymnasium.register(name, make, max_episode_steps=gymnasium.spec("CarRacing-v3").max_episode_steps)
    return name
