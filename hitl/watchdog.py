"""What keeps a session alive when its environment is not: exceptions and hangs become one error, in time.

rtgym runs the environment on threads of its own, and an exception there would make its next ``step`` wait for ever;
:class:`RtgymGuard` stands in between. An environment that runs on our own thread is given one by :class:`Worker`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from data.errors import DeviceError, HitlError

TICKS = 3  # of silence after which an environment counts as hung
RESET_S = 30.0  # s that the beginning of an episode may take


class EnvironmentLost(DeviceError):  # noqa: N818 (it says what happened)
    """The environment does not answer any more, or fell over: the episode is over and another one may be tried."""


def lost(error: BaseException) -> EnvironmentLost:
    """Return what the player is told of an exception inside an environment."""
    if isinstance(error, EnvironmentLost):
        return error
    if isinstance(error, HitlError):
        return EnvironmentLost(str(error))
    words = (str(error).splitlines() or [""])[0][:200].rstrip(". ")
    return EnvironmentLost(
        f"The environment failed ({type(error).__name__}{': ' + words if words else ''}); its episode is closed."
    )


class Worker:
    """Makes calls on a thread of its own and waits for them no longer than it is told to.

    A call that hangs keeps its thread; the worker then takes a new one, and the late result is thrown away.
    """

    def __init__(self, name: str = "hitl-environment") -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Any] | None = None

    def call(self, job: Callable[[], Any], timeout: float, what: str) -> Any:
        """Return what ``job`` returns. Raises EnvironmentLost when it raises or takes longer than ``timeout`` (s)."""
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        answer: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._jobs.put((job, answer))
        try:
            value, error = answer.get(timeout=timeout)
        except queue.Empty:
            self.close()  # its thread ends when the call does, if ever
            raise EnvironmentLost(
                f"The environment hangs: {what} took longer than {timeout:.2g} s; its episode is closed."
            ) from None
        if error is not None:
            raise lost(error) from error
        return value

    def close(self) -> None:
        """Let the thread end."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


def _work(jobs: queue.SimpleQueue[Any]) -> None:
    while (item := jobs.get()) is not None:
        job, answer = item
        try:
            answer.put((job(), None))
        except BaseException as error:  # whatever it is, the session must hear of it
            answer.put((None, error))


class RtgymGuard:
    """Stands between rtgym and an interface: keeps its exceptions, and waits for its thread only so long.

    ``env``: any wrapper of ``real-time-gym-v1`` or ``real-time-gym-ts-v1``. Nothing in it is changed but the calls of its
    interface that rtgym makes on its own threads. ``patience_s``: silence after which it counts as hung (default: three ticks).
    """

    def __init__(self, env: Any, patience_s: float | None = None) -> None:
        self._env = env.unwrapped
        self._patience_s = patience_s
        self._own = f"_{type(self._env).__name__}__"  # how Python spells the private names of its class
        self.interface: Any = getattr(self._env, "interface", None) or getattr(self._env, f"{self._own}interface")
        self.failure: BaseException | None = None
        self.on_send: Any = lambda due: None  # is told when the time-step that a send begins was due
        self._last: Any = None
        self._observe, self._control = self.interface.get_obs_rew_terminated_info, self.interface.send_control
        self._reset, self._wait = self.interface.reset, self.interface.wait
        self.interface.get_obs_rew_terminated_info = self._observed
        self.interface.send_control, self.interface.reset = self._controlled, self._was_reset
        self.interface.wait = self._waited

    def wait(self) -> None:
        """Return when the running time-step has ended; raise EnvironmentLost when it does not, or has failed."""
        limit = self._patience_s or TICKS * float(self._env.time_step_duration)
        if not self._ended(limit):
            raise EnvironmentLost(
                f"The game has not answered for {1000 * limit:.0f} ms. The pad is let go of and the episode is closed."
            )
        self.check()

    def check(self) -> None:
        """Raise EnvironmentLost when the interface has failed."""
        if self.failure is not None:
            raise lost(self.failure) from self.failure

    def abandon(self) -> None:
        """Leave the environment to itself: its thread may never end, so nobody may wait for it, not even at its end."""
        if hasattr(self._env, f"{self._own}die"):
            setattr(self._env, f"{self._own}die", True)
            getattr(self._env, f"{self._own}ev_start_ts").set()
        self._env._at_thread = _Ended()

    def _ended(self, limit: float) -> bool:
        if not hasattr(self._env, f"{self._own}ev_end_ts"):
            self._env._at_thread.join(limit)
            return not self._env._at_thread.is_alive()
        if not getattr(self._env, f"{self._own}ts_running"):
            return True
        return bool(getattr(self._env, f"{self._own}ev_end_ts").wait(limit))

    def _observed(self) -> Any:
        try:
            self._last = self._observe()
        except BaseException as error:
            self.failure = error
            if self._last is None:  # nothing was ever seen: the shape is all that rtgym wants
                return self._nothing(), 0.0, True, {}
        return self._last

    def _controlled(self, control: Any) -> None:
        try:
            self.on_send(getattr(self._env, f"{self._own}t_end"))
            self._control(control)
        except BaseException as error:
            self.failure = error

    def _was_reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        try:
            return self._reset(seed=seed, options=options)
        except BaseException as error:
            self.failure = error
            return self._nothing(), {}

    def _waited(self) -> None:
        try:
            self._wait()
        except BaseException as error:
            self.failure = error

    def _nothing(self) -> list[Any]:
        return [np.zeros(part.shape, part.dtype) for part in self.interface.get_observation_space().spaces]


class _Ended:
    """Stands for the thread of an abandoned environment."""

    def join(self, timeout: float | None = None) -> None:
        """Return at once."""

    def is_alive(self) -> bool:
        """It is not waited for."""
        return False
