"""What keeps a session alive when its environment is not: exceptions and hangs become one error, in time.

rtgym runs the environment on threads of its own, and an exception there would make its next ``step`` wait for ever;
:class:`RtgymGuard` stands in between. An environment that runs on our own thread is given one by :class:`Worker`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

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

    ``env``: any wrapper of an rtgym environment. Nothing in it is changed but the two calls of its interface that rtgym
    makes on its own threads.
    """

    def __init__(self, env: Any) -> None:
        self._env = env.unwrapped
        interface = self._env.interface
        self.failure: BaseException | None = None
        self._last: tuple[Any, float, bool, dict[str, Any]] | None = None
        self._observe, self._control = interface.get_obs_rew_terminated_info, interface.send_control
        interface.get_obs_rew_terminated_info = self._observed
        interface.send_control = self._controlled

    def wait(self) -> None:
        """Return when the running time-step has ended; raise EnvironmentLost when it does not, or has failed."""
        limit = TICKS * float(self._env.time_step_duration)
        self._env._at_thread.join(limit)
        if self._env._at_thread.is_alive():
            raise EnvironmentLost(
                f"The game has not answered for {1000 * limit:.0f} ms. The pad is let go of and the episode is closed."
            )
        if self.failure is not None:
            raise lost(self.failure) from self.failure

    def _observed(self) -> tuple[Any, float, bool, dict[str, Any]]:
        try:
            self._last = self._observe()
        except BaseException as error:
            self.failure = error
            if self._last is None:  # nothing was ever seen: the shape is all that rtgym wants
                return (), 0.0, True, {}
        return self._last

    def _controlled(self, control: Any) -> None:
        try:
            self._control(control)
        except BaseException as error:
            self.failure = error
