"""Any Gymnasium environment with a Box action, as the session drives it: vectors in, vectors out, actions around 0.

How our actions become the environment's: ``data.ranges``. Which control of the pad moves which number is a setting; the
rest is guessed from their ranges.

One thread does everything with an environment (``hitl.games.hang_guard.Worker``). Before anything is recorded, one episode is
begun, one step is made, and the answers are checked: an environment of another form is refused in a sentence.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import DeviceError
from data.numbers import said, which
from data.ranges import ActionRange
from data.words import number_of
from hitl.games.base import AT_REST
from hitl.games.gym.drawn import Drawn, pygame_stays
from hitl.games.gym.ids import registered, render_modes
from hitl.games.gym.pace import leave_time_to_us, own_pace
from hitl.games.hang_guard import RESET_S, EnvironmentLost, Worker, brief
from hitl.games.pictures import Misfit, SpaceSight
from hitl.road.line import Place
from hitl.settings import PictureSettings

_PATIENT_S = 10.0  # s that one step may take in lock-step
HANG_S = 2.0  # s in real time: the environment's time stands still meanwhile, so a busy machine costs ticks, not the episode
CLOSE_S = 5.0
ShowsItself = Literal["human", "rgb_array"] | None


class GymEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One environment, made by ``make`` and made again after it was lost.

    Observation: (O,) float32, [numbers | picture] (``hitl.games.pictures``). ``info`` holds what the session asks for: ``state``
    and ``place`` (zeros), ``progress`` (0: there is no line) and ``reason``. Raises EnvironmentLost when the environment raises,
    hangs (``in_real_time``: for two seconds), or gives something else than it says; DeviceError at construction when it
    does so from the start. ``drawn``: has it draw what it stands at; only for one that was made to (``rgb_array``).
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(
        self,
        make: Callable[[], gymnasium.Env[Any, Any]],
        *,
        in_real_time: bool = False,
        pictures: PictureSettings | None = None,
        drawn: Drawn | None = None,
    ) -> None:
        self._make, self._worker, self._drawn = make, Worker(), drawn
        self._step_s = HANG_S if in_real_time else _PATIENT_S
        self._env: Any = None
        self.hz = 0.0
        """Steps a second at which it is meant to be seen."""
        self.runs_on = False
        """Whether its time goes on between two steps, as rtgym's does."""
        self._spent = False  # it must not be used again
        try:
            self._open("opening it")
            env: Any = self._env
            space = env.action_space
            if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.shape[0] == 0:
                raise DeviceError(
                    f"Its actions are {type(space).__name__} of shape {getattr(space, 'shape', None)}; only environments with a "
                    "plain vector of continuous actions (a Box) can be driven."
                )
            self.runs_on = hasattr(env.unwrapped, "time_step_duration")
            self.scaled = ActionRange(space)
            self._see = SpaceSight(env.observation_space, pictures)
            self.action_space = spaces.Box(-1.0, 1.0, (len(self.scaled),), np.float32)
            self.observation_space = spaces.Box(-np.inf, np.inf, (self._see.size,), np.float32)
            self.observation_names, self.image = self._see.names, self._see.image
            self._try_out()
        except BaseException:
            self.close()
            raise

    def heed(self, leaving: Callable[[], bool]) -> None:
        """Have ``leaving`` asked while the environment is waited for: whether the player wants to go."""
        self._worker.leaving = leaving

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode, in a new environment if the last one was lost."""
        if self._env is None or self._spent:
            self._open("opening it again")
        observation, info = self._guarded(lambda: self._reset(seed), RESET_S, "beginning an episode")
        return observation, self._draw(info)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Make one step at once; the action is given around 0, in [-1, 1]."""
        if self._env is None or self._spent:
            raise RuntimeError("the environment was lost: call reset first")
        given = self.scaled(action)
        *answer, info = self._guarded(lambda: self._step(given), self._step_s, "a step")
        return (*answer, self._draw(info))

    def close(self) -> None:
        """Let go of the environment; one that hangs, or fails even now, is left to itself."""
        if self._worker.hangs:
            self._worker.close(self._drop)
        else:
            with contextlib.suppress(EnvironmentLost):
                self._worker.call(self._drop, CLOSE_S, "closing it")
            self._worker.close()
        if self._drawn is not None:
            self._drawn.close()

    # -- on the environment's own thread

    def _drop(self) -> None:
        env, self._env = self._env, None
        if env is not None:
            with pygame_stays(window=getattr(env, "render_mode", None) == "human"):
                env.close()

    def _renew(self) -> None:
        with contextlib.suppress(Exception):  # it was lost, and may fail in any way
            self._drop()
        self._env = self._make()
        self.hz = self.hz or own_pace(self._env)  # the same one may come again, and no longer tells it
        leave_time_to_us(self._env)
        self._spent = False

    def _reset(self, seed: int | None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        observation, info = _begun(self._env.reset(seed=seed))
        self._see.begin()
        return self._see(observation), _info(info, None)

    def _step(self, given: NDArray[Any]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = _stepped(self._env.step(given))
        over, cut = bool(_one(terminated, "terminated")), bool(_one(truncated, "truncated"))
        reason = "time_limit" if cut else None
        if over:
            reason = "finish" if info.get("lap_finished") else "over"
        return self._see(observation), float(_one(reward, "reward")), over, cut, _info(info, reason)

    # -- on ours

    def _open(self, what: str) -> None:
        try:
            self._worker.call(self._renew, RESET_S, what)
        except EnvironmentLost as error:
            cause = error.__cause__
            if cause is None:
                raise
            raise EnvironmentLost(f"It cannot be opened ({brief(cause)}).") from cause

    def _guarded(self, job: Callable[[], Any], timeout: float, what: str) -> Any:
        try:
            return self._worker.call(job, timeout, what)
        except BaseException:
            self._spent = True  # the next episode closes it, as soon as its thread is free, and makes a new one
            raise

    def _draw(self, info: dict[str, Any]) -> dict[str, Any]:
        """Have the picture drawn while the session goes on; return ``info`` with what went wrong in the one before."""
        if self._drawn is None:
            return info
        drawn, env = self._drawn, self._env
        self._worker.after(lambda: drawn(env.render))
        return {**info, "notices": (*info.get("notices", ()), *drawn.told())}

    def _try_out(self) -> None:
        """Begin an episode and make a step at rest. Raises DeviceError with what is wrong with the answers."""
        rest = np.zeros(len(self.scaled), np.float32)
        for what, job in (("reset", lambda: self._reset(0)), ("step", lambda: self._step(self.scaled(rest)))):
            try:
                seen, *others = self._worker.call(job, RESET_S, f"its first {what}")
            except EnvironmentLost as error:
                raise DeviceError(self._what_is_wrong(what, error)) from error
            bad = which(self.observation_names, seen)
            if what == "step":
                bad |= which(("its reward",), np.array(others[:1], np.float64))
            if bad:
                raise DeviceError(
                    f"Its first {what} gives numbers that cannot be learned from: {said(bad)}. Clip or replace them in the "
                    "environment, or in a wrapper around it."
                )

    def _what_is_wrong(self, what: str, error: EnvironmentLost) -> str:
        cause = error.__cause__
        if isinstance(cause, Misfit):
            return str(cause)
        if cause is None:
            return str(error)
        if what == "reset" and not _takes_seed(self._env.unwrapped.reset):
            return f"Its reset takes no seed: {_OLD}"
        if "values to unpack" in str(cause):  # by a wrapper that Gymnasium put around it
            return f"Its {what} returns too few or too many values: {_OLD}"
        return f"Its first {what} fails ({brief(cause)})."


_OLD = (
    "Gymnasium's form is `reset(*, seed=None, options=None)`, which returns (observation, info), and `step(action)`, which "
    "returns (observation, reward, terminated, truncated, info); gym before 0.26 had another."
)


def _begun(returned: Any) -> tuple[Any, dict[str, Any]]:
    """Return observation and info of what a reset returned."""
    if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[1], dict | None):
        raise Misfit(f"Its reset returns no (observation, info). {_OLD}")
    return returned[0], returned[1] or {}


def _stepped(returned: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
    """Return the five parts of what a step returned."""
    if not isinstance(returned, tuple | list) or len(returned) != 5 or not isinstance(returned[4], dict | None):
        count = number_of(len(returned), "value") if isinstance(returned, tuple | list) else f"a {type(returned).__name__}"
        raise Misfit(f"Its step returns {count} instead of five, the last of them a dictionary. {_OLD}")
    observation, reward, terminated, truncated, info = returned
    return observation, reward, terminated, truncated, info or {}


def _one(value: Any, what: str) -> Any:
    """Return the one number in a value: a plain one, NumPy's, or an array of one."""
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        kind = f"an array of shape {array.shape}" if array.dtype.kind in "biuf" else f"a {type(value).__name__}"
        raise Misfit(f"Its {what} is {kind} instead of one number.")
    return array.item()


def _takes_seed(reset: Callable[..., Any]) -> bool:
    try:
        inspect.signature(reset).bind(seed=0)
    except TypeError:
        return False
    except ValueError:  # a function that does not tell
        return True
    return True


def _info(info: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {**info, "notices": (), "state": AT_REST, "place": Place(0.0, 0.0, 0.0), "progress": 0.0, "reason": reason}


def open_gym(
    name: str,
    *,
    in_real_time: bool = False,
    render: ShowsItself = None,
    pictures: PictureSettings | None = None,
    drawn: Drawn | None = None,
) -> GymEnv:
    """Return the environment of that Gymnasium id (``ID``, or ``package:ID`` of one that a package registers).

    ``render``: how it shows itself, where it can: in a window of its own, or in pictures that ``drawn`` takes.

    Raises:
        DeviceError: there is none of that name, something it needs is missing, its actions are not continuous, or its first
            reset and step do not give what it says.
    """
    id_ = registered(name)

    def make() -> gymnasium.Env[Any, Any]:
        more: dict[str, Any] = {"render_mode": render} if render in render_modes(id_) else {}
        return gymnasium.make(id_, disable_env_checker=True, **more)

    try:
        return GymEnv(make, in_real_time=in_real_time, pictures=pictures, drawn=drawn)
    except DeviceError as error:
        raise DeviceError(f"The environment '{name}' cannot be driven. {error}") from error
