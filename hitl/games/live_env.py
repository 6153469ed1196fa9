"""The driving task in a game that runs by itself: the session's own thread sends and looks, once each tick.

It has the timing of :class:`hitl.games.embedded_env.DrivingEnv`: in a step the action is sent, and what is seen is what the
action before it has led to. Nothing waits here, so there is no thread that could hang: what the game raises, the session gets.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hitl.games.base import Game, Start
from hitl.task.driving_task import DrivingTask


class LiveEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One game in real time, paced by the session's clock. ``info["notices"]`` holds sentences for the player."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, game: Game, task: DrivingTask) -> None:
        self.game, self.task = game, task
        size = len(game.action_names)
        self.observation_space = spaces.Box(-np.inf, np.inf, (task.observer.size + size,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)
        self._rest = np.zeros(size, np.float32)
        self._been = 0.0  # m: how far the car had come, which is as far as a respawn can put it
        self._told_line = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode, at the game's own start or where ``options["start"]`` says, as well as the game can."""
        super().reset(seed=seed)
        start = (options or {}).get("start") or Start()
        self.game.restart(start)
        self._steps = 0
        self.game.send(self._rest)
        state = self.game.state()
        # The game alone knows where it has put the car: at its start, or behind where it had come to.
        respawned = getattr(self.game, "respawned", start.s > 0.0)
        track, been = self.task.track, max(start.s, self._been) if respawned else 0.0
        near = track.line.begin_at(state.x, state.y, been, max(track.half_width, 8.0)).s
        observation, info = self.task.begin(state, near)
        self._been = self.task.place.s
        self._compare_line(info)
        return np.concatenate((observation, self._rest)), self._noticed(info)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Send the action, and see where the one before has led."""
        pending = np.clip(np.asarray(action, np.float32), -1.0, 1.0)
        pressed = self.game.send(pending)
        if pressed is not None:  # the game cannot be told all that was wished for
            pending = np.asarray(pressed, np.float32)
        observation, reward, terminated, info = self.task.step(self.game.state())
        self._been = max(self._been, self.task.place.s)
        info["executed"] = pending
        self._steps += 1
        truncated = not terminated and self._steps >= self.task.max_steps
        if truncated:
            info["reason"] = "time_limit"
        return np.concatenate((observation, pending)), reward, terminated, truncated, self._noticed(info)

    def close(self) -> None:
        """Let go of the game."""
        self.game.close()

    def _compare_line(self, info: dict[str, Any]) -> None:
        """Tell the player, once, when the car is put down beside the road of the line."""
        track, off = self.task.track, abs(self.task.place.offset)
        if off <= track.half_width or self._told_line:
            return
        self._told_line = True
        info["notices"] = (
            f"The car starts {off:.0f} m beside the line '{track.name}', so every drive ends at once: the line was recorded on "
            "another map, or begins far from the start. Record it here with `hitl line record`, or name another with --track.",
        )

    def _noticed(self, info: dict[str, Any]) -> dict[str, Any]:
        notices: list[str] = getattr(self.game, "notices", [])
        if notices:
            info["notices"] = (*info.get("notices", ()), *notices)
            notices.clear()
        return info
