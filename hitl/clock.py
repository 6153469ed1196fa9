"""The session's time: ticks of a lock-step environment, or the wall's clock in step with rtgym."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LATE_S = 0.005  # s behind its time from which an action counts as late: a tenth of a tick at 20 Hz


class LockstepClock:
    """Time that passes only by ticks, for environments that wait for us."""

    late = 0

    def __init__(self, hz: float) -> None:
        self._dt, self._ticks = 1.0 / hz, 0

    def now(self) -> float:
        """Seconds of driving so far."""
        return self._ticks * self._dt

    def wait_for_send(self) -> None:
        """Count the tick; there is nothing to wait for."""
        self._ticks += 1

    def rest(self) -> None:
        """Nothing runs on between two episodes."""


@dataclass
class Lateness:
    """How long after its time each action was sent (s). ``missed``: so late that rtgym gave its rhythm up."""

    ticks: int = 0
    late: int = 0
    missed: int = 0
    worst: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))

    def note(self, seconds: float, limit: float) -> None:
        """Take one action into account; ``limit`` (s) is the lateness that loses a tick."""
        self.ticks += 1
        self.late += seconds > LATE_S
        self.missed += seconds >= limit
        self.worst = max(self.worst, seconds)
        self.recent.append(seconds)


class RealTimeClock:
    """The wall's clock, in step with an rtgym environment.

    rtgym sends an action when the running time-step has ended. The wait is for just that moment, so that the pad is read
    in the last instant before the send and a press acts on the very next one.
    """

    def __init__(self, env: Any) -> None:
        self._env = env.unwrapped
        self.lateness = Lateness()
        self.sent_at = 0.0  # s on the same clock: the newest send
        self._send = self._env.interface.send_control
        self._env.interface.send_control = self._timed

    @property
    def late(self) -> int:
        """Actions that were sent late."""
        return self.lateness.late

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.perf_counter()

    def wait_for_send(self) -> None:
        """Return when the running time-step ends."""
        self._env._join_thread()

    def rest(self) -> None:
        """Between two episodes nobody drives: let rtgym's rhythm go until the next one begins."""
        self._env.wait()
        gc.collect(1)

    def _timed(self, control: Any) -> None:
        due = self._env._RealTimeEnv__t_end
        self.sent_at = time.perf_counter()
        self._send(control)
        if due is not None and not self._env.is_waiting:
            self.lateness.note(self.sent_at - due, self._env.time_step_timeout)


@contextlib.contextmanager
def punctual() -> Iterator[None]:
    """Keep this process on time while the block runs.

    Threads hand the interpreter over after half a millisecond instead of five; garbage is collected between episodes, not
    in the middle of a tick; and on Windows the session goes before ordinary programs (elsewhere the trainer steps behind).
    """
    interval, collected = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.disable()
    undo = _go_first()
    try:
        yield
    finally:
        undo()
        gc.unfreeze()
        if collected:
            gc.enable()
        sys.setswitchinterval(interval)


def _go_first() -> Any:
    """Raise the process's priority where every user may (Windows); returns what puts it back. The trainer lowers its own."""
    if sys.platform != "win32":
        return lambda: None
    import ctypes

    kernel = ctypes.windll.kernel32
    before = kernel.GetPriorityClass(kernel.GetCurrentProcess())
    above_normal = 0x8000
    kernel.SetPriorityClass(kernel.GetCurrentProcess(), above_normal)
    return lambda: kernel.SetPriorityClass(kernel.GetCurrentProcess(), before)
