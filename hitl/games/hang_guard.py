"""What keeps a session alive when a foreign environment hangs: its exceptions and its silence become one error, in time.

Everything is done on one thread of :class:`Worker`, because what draws (SDL, OpenGL) must be made, stepped and closed by the same
thread, and no second one may enter it. rtgym, which has threads of its own: `hitl/games/tmrl/rtgym_guard.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from data.errors import DeviceError, HitlError, shown

TICKS = 3  # of silence after which an environment counts as hung
RESET_S = 30.0  # s that the beginning of an episode may take
STILL_S = 0.25  # s that the next call waits for one that hangs; then the session tries again, and hears the player meanwhile
HEAR_S = 0.2  # s between two looks at whether the player wants to leave
HEED_S = 2.0  # s after which a call is given up for a player who wants to leave


class EnvironmentLost(DeviceError):  # noqa: N818 (it says what happened)
    """The environment no longer answers, or it failed: the episode is over, and another one may be tried."""


def brief(error: BaseException) -> str:
    """Return a foreign exception as part of a sentence: ``ValueError: the first line of its text``."""
    words = shown(str(error).strip().partition("\n")[0], 160).rstrip(". ")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def lost(error: BaseException) -> EnvironmentLost:
    """Return what the player is told of an exception inside an environment."""
    if isinstance(error, EnvironmentLost):
        return error
    if isinstance(error, HitlError):
        return EnvironmentLost(str(error))
    return EnvironmentLost(f"The environment failed ({brief(error)}); its episode is closed.")


class Worker:
    """Makes calls on one thread of its own, and waits for each no longer than it is told to.

    A call that hangs keeps the thread, and nothing else is called until it has ended: most environments are not safe for two
    threads. Its late result is thrown away. ``leaving`` is asked while a call is waited for; a yes ends the waiting.
    """

    def __init__(self, name: str = "hitl-environment") -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Any] | None = None
        self._late: tuple[str, queue.SimpleQueue[Any]] | None = None  # what hangs, and where its answer will be
        self.leaving: Callable[[], bool] = lambda: False

    @property
    def hangs(self) -> bool:
        """Whether a call has not come back in time, and has not come back since."""
        return self._late is not None and self._late[1].empty()

    def call(self, job: Callable[[], Any], timeout: float, what: str) -> Any:
        """Return what ``job`` returns.

        Raises EnvironmentLost when it raises or takes longer than ``timeout`` (s), or while an earlier one still hangs.
        """
        if self._late is not None:
            late, waited = self._late, time.monotonic()
            while self.hangs:
                if time.monotonic() - waited > min(timeout, STILL_S):
                    raise EnvironmentLost(
                        f"The environment still hangs ({late[0]} has not ended), so nothing else can be done with it yet."
                    )
                time.sleep(0.01)
            self._late = None
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        answer: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._jobs.put((job, answer))
        value, error = self._answer(answer, timeout, what)
        if error is not None:
            raise lost(error) from error
        return value

    def after(self, job: Callable[[], Any]) -> None:
        """Have ``job`` done once the thread is free, and wait for nothing. The next call's time begins before it."""
        if self._jobs is not None and self._late is None:
            self._jobs.put((job, queue.SimpleQueue()))

    def close(self, last: Callable[[], Any] | None = None) -> None:
        """Let the thread end after the call that it may still be in, and after ``last``. Waits for neither."""
        if self._jobs is not None:
            if last is not None:
                self._jobs.put((last, queue.SimpleQueue()))
            self._jobs.put(None)
            self._jobs = None

    def _answer(self, answer: queue.SimpleQueue[Any], timeout: float, what: str) -> tuple[Any, BaseException | None]:
        began = time.monotonic()
        while True:
            spent = time.monotonic() - began
            left = timeout - spent
            # In pieces, so that a player who wants to leave is heard, and on Windows Ctrl+C as well.
            with contextlib.suppress(queue.Empty):
                found: tuple[Any, BaseException | None] = answer.get(timeout=max(0.0, min(left, HEAR_S)))
                return found
            if left <= 0 or (spent > HEED_S and self.leaving()):
                self._late = (what, answer)
                _may_outlive(self)
                raise EnvironmentLost(
                    f"The environment hangs: {what} took longer than {timeout:.2g} s; its episode is closed."
                    if left <= 0
                    else f"You wanted to leave, so the environment was not waited for any longer ({what})."
                )


def _work(jobs: queue.SimpleQueue[Any]) -> None:
    while (item := jobs.get()) is not None:
        job, answer = item
        try:
            answer.put((job(), None))
        except BaseException as error:  # whatever it is, the session must hear of it
            answer.put((None, error))


_hung: set[Worker] = set()
_status = 0


def leave_with(status: int) -> None:
    """Note this program's exit status, in case a call still hangs when it ends."""
    global _status
    _status = status


def _may_outlive(worker: Worker) -> None:
    if not _hung:
        atexit.register(_leave)  # registered after the environment's libraries, so it runs before theirs
    _hung.add(worker)


def _leave() -> None:
    """End the program at once when a call still hangs. Everything recorded is written by now.

    The call's thread cannot be ended, and a library that is shut down while it is used crashes the process.
    """
    if any(worker.hangs for worker in _hung):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(_status)
