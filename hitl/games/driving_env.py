"""The driving task in a game, as a Gymnasium environment: one for every `Game`, as fast as it goes or at a clock's pace.

A step sends the action and returns what the one before it has led to, as in rtgym: an action decided from one observation acts
in the time-step that follows. So each observation ends with the action that is about to act, and a policy learned as fast as
the machine goes drives in real time. A game that runs by itself (TrackMania) is paced by the session's clock; one whose time is
ours (it has ``advance``) is moved on by one time-step in each step. Nothing waits here, so no thread can hang, and what the game
raises reaches the session.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import UsageError
from hitl.games.base import Game, Restorable, Start, VehicleState
from hitl.road.track import Track, load_track
from hitl.task.driving_task import DrivingTask, TaskSettings
from hitl.task.line_check import LineCheck

RECORD_ANEW = (
    "every drive ends at once", "Record it here with `hitl line record`, or name another with --track."
)


NOT_BEGUN = "No episode has begun: call reset first."
OVER = "The episode is over: call reset first."
CLOSED = "This environment is closed: make a new one to go on."


def random_start(rng: np.random.Generator) -> Start:
    """Return a start like a person's: never twice on the same centimetre."""
    return Start(s=rng.uniform(0.0, 2.0), offset=rng.uniform(-1.0, 1.0), turn=rng.uniform(-0.05, 0.05))


class DrivingEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One game, the embedded one unless another is given. With that, the same seed and actions give the same run.

    Observation: (O + A,) float32, the task's observation and the action about to act. ``reset(options={"start": Start})``
    begins somewhere else, as well as the game can. ``info`` holds ``state``, ``place``, ``progress`` (m), ``reason`` (why the
    episode ended), ``executed`` where the game took another action than it was given, and ``notices``, sentences for the player.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(
        self, track: Track | str = "default", settings: TaskSettings | None = None, game: Game | None = None
    ) -> None:
        self.track = load_track(track) if isinstance(track, str) else track
        if game is None:
            from hitl.games.box2d import Box2DGame

            game = Box2DGame(self.track)
        self.game, self.task = game, DrivingTask(self.track, settings)
        self.action_names = game.action_names
        self.observation_names = self.task.names(game.action_names)
        self._steppable: Any = game if hasattr(game, "advance") else None
        self._restorable = game if isinstance(game, Restorable) else None
        self._dt = 1.0 / self.task.settings.hz
        size = len(game.action_names)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self.task.observer.size + size,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)
        self._rest = np.zeros(size, np.float32)
        self._been = 0.0  # m: how far the car has come, which is as far as a respawn can put it
        self._line_check = LineCheck(RECORD_ANEW)
        self.strict = False
        """Whether a step that belongs to no episode is refused: to a script it is a mistake, and a copy may be driven on."""
        self._refusal = NOT_BEGUN  # why a step belongs to none; empty: it belongs to one

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode: where ``options`` say, else at a random start where the game can do that, else at the game's own.

        ``pressed`` of the options: the action (A,) that is about to act there; without it, none is. Raises UsageError once this
        is closed, where it is ``strict``.
        """
        if self._refusal is CLOSED and self.strict:
            raise UsageError(CLOSED)
        super().reset(seed=seed)
        options = options or {}
        given: Start | None = options.get("start")
        pressed = np.asarray(options.get("pressed", self._rest), np.float32)
        start = given or (random_start(self.np_random) if self._steppable else Start())
        self.game.restart(start)
        self._steps = 0
        self.game.send(pressed)
        state = self.game.state()
        observation, info = self.task.begin(state, start.s if self._steppable else self._put_down_at(state, start))
        self._been = self.task.place.s
        if not self._steppable and (beside := self._line_check.notices(self.track, self.task.place)):
            info["notices"] = beside
        self._move_on()
        self._refusal = ""
        return np.concatenate((observation, pressed)), self._noticed(info)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Send the action, and return what the one before has led to.

        Raises UsageError where it is ``strict`` and no episode is under way.
        """
        if self._refusal and self.strict:
            raise UsageError(self._refusal)
        pending = np.minimum(np.maximum(np.asarray(action, np.float32), -1.0), 1.0)  # as np.clip, at a third of its cost
        pressed = self.game.send(pending)
        if pressed is not None:  # the game's controls cannot do all that was asked for
            pending = np.asarray(pressed, np.float32)
        observation, reward, terminated, info = self.task.step(self.game.state())
        self._been = max(self._been, self.task.place.s)
        if pressed is not None:
            info["executed"] = pending
        self._steps += 1
        truncated = not terminated and self._steps >= self.task.max_steps
        if truncated:
            info["reason"] = "time_limit"
        if terminated or truncated:
            self._refusal = OVER
        self._move_on()
        return np.concatenate((observation, pending)), reward, terminated, truncated, self._noticed(info)

    def save(self) -> Any:
        """Return what ``restore`` goes back to: the moment after the newest step. None where the game cannot go back exactly."""
        if self._restorable is None:
            return None
        return self._restorable.save(), self.task.save(), self._been

    def restore(self, saved: Any) -> None:
        """Go back to a saved moment: what was seen and told then holds again, and the same actions lead on as they did.

        The episode that begins there has all of its time before it: until its limit, and to set off.
        """
        assert self._restorable is not None
        moment, task, self._been = saved
        self._steps = 0
        self._restorable.restore(moment)
        self.task.restore(task)
        self._refusal = ""

    def close(self) -> None:
        """Let go of the game."""
        self._refusal = CLOSED
        self.game.close()

    def _move_on(self) -> None:
        """Where the game's time is ours, let the time-step pass that has just begun; the next step returns its result."""
        if self._steppable:
            self._steppable.advance(self._dt)

    def _put_down_at(self, state: VehicleState, start: Start) -> float:
        """Return where on the line (m) the game has put the car: at its start, or behind where it had come to."""
        respawned = getattr(self.game, "respawned", start.s > 0.0)
        been = max(start.s, self._been) if respawned else 0.0
        return self.track.line.begin_at(state.x, state.y, been, max(self.track.half_width, 8.0)).s

    def _noticed(self, info: dict[str, Any]) -> dict[str, Any]:
        notices: list[str] = getattr(self.game, "notices", [])
        if notices:
            info["notices"] = (*info.get("notices", ()), *notices)
            notices.clear()
        return info
