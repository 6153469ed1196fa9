"""The driving task as environments: lock-step for learning and tests, real time through rtgym for a session.

Both have the same timing. As in rtgym, the action decided from one observation is sent while the next time-step begins, so
each observation ends with the action that is about to act; a policy learned in one environment drives in the other.
"""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import rtgym
from gymnasium import spaces
from numpy.typing import NDArray

from hitl.games.base import Game, Start, SteppedGame
from hitl.games.box2d import Box2DGame
from hitl.games.hang_guard import EnvironmentLost, RtgymGuard
from hitl.road.track import Track, load_track
from hitl.task.driving_task import DrivingTask, TaskSettings

HANG_S = 2.0  # s without an answer after which an embedded game counts as hung: a busy machine may well keep it waiting for some
ADVANCE_S = 0.008  # s before the end of a time-step at which the embedded game's physics is computed


def random_start(rng: np.random.Generator) -> Start:
    """Return a start like a person's: never twice on the same centimetre."""
    return Start(s=rng.uniform(0.0, 2.0), offset=rng.uniform(-1.0, 1.0), turn=rng.uniform(-0.05, 0.05))


class DrivingEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """The embedded game in lock-step: as fast as the machine goes, the same run for the same seed and actions.

    Observation: (O + A,) float32, the task's observation and the action about to act. ``reset(options={"start": Start})``
    begins somewhere else. ``info`` holds ``state``, ``place``, ``progress`` (m) and ``reason`` (why the episode ended).
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(
        self, track: Track | str = "default", settings: TaskSettings | None = None, game: SteppedGame | None = None
    ) -> None:
        self.track = load_track(track) if isinstance(track, str) else track
        self.game = game or Box2DGame(self.track)
        self.task = DrivingTask(self.track, settings)
        self._dt = 1.0 / self.task.settings.hz
        size = len(self.game.action_names)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self.task.observer.size + size,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)
        self._pending = np.zeros(size, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode at a random start near the line's beginning, or where ``options`` say."""
        super().reset(seed=seed)
        start = (options or {}).get("start") or random_start(self.np_random)
        self.game.restart(start)
        self._steps = 0
        self._send(np.zeros_like(self._pending))
        observation, info = self.task.begin(self.game.state(), start.s)
        return self._joined(observation), info

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Let the pending action act for one time-step, observe, and make ``action`` the pending one."""
        self.game.advance(self._dt)
        observation, reward, terminated, info = self.task.step(self.game.state())
        self._steps += 1
        truncated = not terminated and self._steps >= self.task.max_steps
        if truncated:
            info["reason"] = "time_limit"
        self._send(np.clip(np.asarray(action, np.float32), -1.0, 1.0))
        return self._joined(observation), reward, terminated, truncated, info

    def close(self) -> None:
        """Let go of the game."""
        self.game.close()

    def _send(self, action: NDArray[np.float32]) -> None:
        self._pending = action
        self.game.send(action)

    def _joined(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate((observation, self._pending))


class DrivingInterface(rtgym.RealTimeGymInterface):
    """The driving task for rtgym: any game, at the pace of the clock on the wall."""

    def __init__(self, game: Game, task: DrivingTask) -> None:
        self.game, self.task = game, task
        self._rng = np.random.default_rng()

    def send_control(self, control: NDArray[np.float32] | None) -> None:
        """Send an action to the game."""
        if control is not None:
            self.game.send(np.clip(np.asarray(control, np.float32), -1.0, 1.0))

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[list[Any], dict[str, Any]]:
        """Begin an episode; returns ([observation], info)."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        start = (options or {}).get("start") or random_start(self._rng)
        self.game.restart(start)
        observation, info = self.task.begin(self.game.state(), start.s)
        return [observation], info

    def get_obs_rew_terminated_info(self) -> tuple[list[Any], float, bool, dict[str, Any]]:
        """Let a game whose time is ours catch up with the clock, then observe."""
        advance = getattr(self.game, "advance", None)
        if advance is not None:
            advance(1.0 / self.task.settings.hz)
        observation, reward, terminated, info = self.task.step(self.game.state())
        return [observation], reward, terminated, info

    def get_observation_space(self) -> spaces.Tuple:
        """One vector."""
        return spaces.Tuple((spaces.Box(-np.inf, np.inf, (self.task.observer.size,), np.float32),))

    def get_action_space(self) -> spaces.Box:
        """One number in [-1, 1] for each control."""
        return spaces.Box(-1.0, 1.0, (len(self.game.action_names),), np.float32)

    def get_default_action(self) -> NDArray[np.float32]:
        """Nothing pressed."""
        return np.zeros(len(self.game.action_names), np.float32)


class _Joined(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Joins rtgym's tuple of observation and action buffer into the one vector that :class:`DrivingEnv` gives.

    A game that raises on rtgym's thread, or does not come back, becomes EnvironmentLost. While it hangs no episode can begin.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._guard = RtgymGuard(env, HANG_S)
        size = sum(int(np.prod(part.shape)) for part in env.observation_space.spaces)
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def reset(self, **kwargs: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode."""
        self._guard.failure = None
        self._guard.wait()
        observation, info = self.env.reset(**kwargs)
        self._guard.check()
        return np.concatenate(observation).astype(np.float32), info

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Wait for the end of the time-step, observe, and send ``action``."""
        self._guard.wait()
        observation, reward, terminated, truncated, info = self.env.step(action)
        if truncated:
            info = {**info, "reason": "time_limit"}
        return np.concatenate(observation).astype(np.float32), float(reward), terminated, truncated, info

    def close(self) -> None:
        """Let go of the game; one that hangs is left to itself."""
        try:
            self._guard.wait()
        except EnvironmentLost:
            self._guard.abandon()
        super().close()


def real_time_env(game: Game, task: DrivingTask) -> gymnasium.Env[Any, Any]:
    """Return the driving task in real time at the task's rate, with the observations of :class:`DrivingEnv`."""
    dt = 1.0 / task.settings.hz
    # A game whose time is ours is advanced shortly before the time-step ends, so that the next action is not late by that.
    early = ADVANCE_S if hasattr(game, "advance") else 0.0
    # Late ticks are counted and shown by the session; rtgym's line on the terminal for each of them helps nobody.
    warnings.filterwarnings("ignore", message="Time-step timed out", module="rtgym")
    config = {
        **rtgym.DEFAULT_CONFIG_DICT,
        "interface": DrivingInterface,
        "interface_kwargs": {"game": game, "task": task},
        "time_step_duration": dt,
        "start_obs_capture": dt - early,
        "ep_max_length": task.max_steps,
        "act_buf_len": 1,
    }
    return _Joined(gymnasium.make("real-time-gym-v1", disable_env_checker=True, config=config))
