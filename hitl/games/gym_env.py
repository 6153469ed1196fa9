"""Any Gymnasium environment with a Box action, as the session drives it: vectors in, vectors out, actions around 0.

An action number of ours is in [-1, 1] and 0 is rest. Where the environment's own range has 0 inside, 1 is its upper and -1
its lower end; a pedal (0 to something) is released at 0 and below, as in TrackMania; any other range is spread evenly.
Which control of the pad moves which number is a setting; the defaults below are a guess for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import DeviceError
from hitl.games.base import VehicleState
from hitl.games.sight import Sight
from hitl.line import Place
from hitl.settings import PictureSettings
from hitl.watchdog import RESET_S, TICKS, Worker

CONTROLS: dict[str, tuple[str, ...]] = {
    "CarRacing-v3": ("steer", "gas", "brake"),
    "Pendulum-v1": ("-steer",),  # its torque is positive to the left
    "MountainCarContinuous-v0": ("gas_brake",),
}
NAMES: dict[str, tuple[str, ...]] = {"CarRacing-v3": ("steer", "gas", "brake")}
_GUESS = ("steer", "gas_brake")
_PATIENT_S = 10.0  # s that one step may take when nobody waits for it
_STILL = VehicleState(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class GymEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One environment, made by ``make`` and made again after it was lost.

    Observation: (O,) float32, [numbers | picture] (``hitl.games.sight``). ``info`` holds what the session
    asks for: ``state`` and ``place`` (zeros), ``progress`` (0: there is no line) and ``reason``. Raises EnvironmentLost when
    the environment raises, or hangs for three ticks in real time (``hz`` given).
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(
        self,
        make: Callable[[], gymnasium.Env[Any, Any]],
        *,
        hz: float | None = None,
        pictures: PictureSettings | None = None,
    ) -> None:
        self._make, self._worker = make, Worker()
        self._step_s = TICKS / hz if hz else _PATIENT_S
        self._env: gymnasium.Env[Any, Any] | None = self._worker.call(make, RESET_S, "opening it")
        space = self._env.action_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.shape[0] == 0:
            self.close()
            raise DeviceError(
                f"Its actions are {type(space).__name__} of shape {getattr(space, 'shape', None)}; only environments with a "
                "plain vector of continuous actions (a Box) can be driven."
            )
        self._low, self._high = _bounds(space)
        self._dtype = space.dtype
        self._see = Sight(self._env.observation_space, pictures)
        size = len(self._low)
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self._see.size,), np.float32)
        self.observation_names, self.image = self._see.names, self._see.image

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode, in a new environment if the last one was lost."""
        if self._env is None:
            self._env = self._worker.call(self._make, RESET_S, "opening it again")
        env = self._env
        observation, info = self._guarded(lambda: env.reset(seed=seed), RESET_S, "beginning an episode")
        self._see.begin()
        return self._see(observation), _info(info, None)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Make one step at once; the action is given around 0, in [-1, 1]."""
        env = self._env
        if env is None:
            raise RuntimeError("the environment was lost: call reset first")
        given = self.scaled(np.clip(np.asarray(action, np.float32), -1.0, 1.0))
        observation, reward, terminated, truncated, info = self._guarded(
            lambda: env.step(given), self._step_s, "a step"
        )
        reason = None
        if terminated:
            reason = "finish" if info.get("lap_finished") else "over"
        elif truncated:
            reason = "time_limit"
        return self._see(observation), float(reward), bool(terminated), bool(truncated), _info(info, reason)

    def scaled(self, action: NDArray[np.float32]) -> NDArray[Any]:
        """Return the environment's own action for one of ours."""
        low, high = self._low, self._high
        around = np.where(action >= 0, action * high, -action * low)
        pedal = np.maximum(action, 0.0) * high
        spread = low + (action + 1.0) / 2.0 * (high - low)
        return np.where(low == 0.0, pedal, np.where((low < 0.0) & (high > 0.0), around, spread)).astype(self._dtype)

    def close(self) -> None:
        """Let go of the environment."""
        if self._env is not None:
            env, self._env = self._env, None
            self._worker.call(env.close, RESET_S, "closing it")
        self._worker.close()

    def _guarded(self, job: Callable[[], Any], timeout: float, what: str) -> Any:
        try:
            return self._worker.call(job, timeout, what)
        except BaseException:
            self._env = None  # never again: a call may still be running in it
            raise


def open_gym(
    name: str, *, hz: float | None = None, render: bool = False, pictures: PictureSettings | None = None
) -> GymEnv:
    """Return the environment of that Gymnasium id; ``render`` shows its own window where it has one.

    Raises:
        DeviceError: there is none of that name, something it needs is missing, or its actions are not continuous.
    """

    def make() -> gymnasium.Env[Any, Any]:
        shown = {"render_mode": "human"} if render and "human" in _render_modes(name) else {}
        return gymnasium.make(name, disable_env_checker=True, **shown)

    try:
        gymnasium.spec(name)
    except gymnasium.error.Error as error:
        raise DeviceError(
            f"Gymnasium knows no environment '{name}' ({_short(error)}). Write `--env gym:ID` with one of its ids, or "
            "`gym:package:ID` to import a package that registers it."
        ) from None
    try:
        return GymEnv(make, hz=hz, pictures=pictures)
    except DeviceError as error:
        raise DeviceError(f"The environment '{name}' cannot be driven. {error}") from error


def action_names(name: str, size: int) -> tuple[str, ...]:
    """Return the names under which an environment's actions are stored."""
    known = NAMES.get(name.rsplit(":", 1)[-1])
    return known if known and len(known) == size else tuple(f"action_{k}" for k in range(size))


def controls_for(name: str, size: int, chosen: dict[str, tuple[str, ...]] | None = None) -> tuple[str, ...]:
    """Return which control of the pad moves each action number: as chosen, as known, or a guess. Raises DeviceError."""
    short = name.rsplit(":", 1)[-1]
    given = (chosen or {}).get(name) or (chosen or {}).get(short)
    if given is not None:
        if len(given) != size:
            raise DeviceError(
                f"settings.toml gives {len(given)} controls to '{short}', which takes {size} action numbers: write one for each."
            )
        return given
    known = CONTROLS.get(short, _GUESS)
    return (known + ("none",) * size)[:size]


def _bounds(space: spaces.Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the action's range; where there is no bound, 1 stands for one."""
    low, high = space.low.astype(np.float32), space.high.astype(np.float32)
    return np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 1.0)


def _info(info: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {**info, "state": _STILL, "place": Place(0.0, 0.0, 0.0), "progress": 0.0, "reason": reason}


def _render_modes(name: str) -> list[str]:
    from gymnasium.envs.registration import load_env_creator

    point = gymnasium.spec(name).entry_point
    creator = load_env_creator(point) if isinstance(point, str) else point
    return list(getattr(creator, "metadata", {}).get("render_modes", ()))


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")[:160]
