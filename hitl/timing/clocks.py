"""The session's time: ticks of a lock-step environment, or the wall's clock in step with rtgym."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hitl.timing.priority import raise_priority, real_time

SPIN_S = 0.0005  # s before the moment from which it is waited for without sleeping: no system wakes a thread on the dot
LOST_S = 5.0  # s after which a game that says nothing is not waited for any longer
SWITCH_S = 0.0001  # s after which a thread that holds the interpreter is asked for it
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

    def send(self, action: Any) -> None:
        """The environment's own step sends."""

    def rest(self) -> None:
        """Nothing runs on between two episodes."""

    def lost(self) -> None:
        """There is no rhythm."""


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

    rtgym sends an action from a thread that it starts for each time-step, once the one before has ended. On a busy machine
    both come some milliseconds late. So the session's own thread sends: it wakes a little before the end of the time-step,
    waits for the very moment, the pad is read, and the action leaves; rtgym's thread then finds it sent.
    """

    def __init__(self, env: Any) -> None:
        self._env = env.unwrapped
        self.lateness = Lateness()
        self.sent_at = 0.0  # s on the same clock: the newest send
        interface = self._env.interface
        self._send, self._observe = interface.send_control, interface.get_obs_rew_terminated_info
        interface.send_control, interface.get_obs_rew_terminated_info = self._sends, self._observes
        self._owned = hasattr(getattr(interface, "game", None), "advance")  # observing moves it: only then may we send
        self._dt = self._env.time_step_duration
        self._began, self._observed = threading.Event(), threading.Event()
        self._due = 0.0  # s: end of the running time-step; only ever moves on
        self._sent = False  # the action that rtgym is about to send has left already
        self._ahead = threading.local()  # rtgym's threads that were told to go first

    @property
    def late(self) -> int:
        """Actions that were sent late."""
        return self.lateness.late

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.perf_counter()

    def wait_for_send(self) -> None:
        """Return when the running time-step ends."""
        self._began.wait(LOST_S)
        left = self._due - time.perf_counter()
        self._observed.wait(LOST_S if self._owned else max(left, 0.0))
        left = self._due - time.perf_counter() - SPIN_S
        if left > 0:
            time.sleep(left)
        while time.perf_counter() < self._due:
            pass

    def send(self, action: Any) -> None:
        """Send an action to the game now."""
        self.sent_at = time.perf_counter()
        self._sent = True
        self._send(action)
        behind = self.sent_at - self._due
        self.lateness.note(behind, self._env.time_step_timeout)
        self._due = self._due + self._dt if behind < self._env.time_step_timeout else self.sent_at + self._dt
        self._observed.clear()

    def rest(self) -> None:
        """Between two episodes nobody drives: let the rhythm go until the next one begins."""
        self._env._at_thread.join(LOST_S)  # a game that hangs is the environment's to tell, not ours to wait for
        self.lost()
        gc.collect(1)

    def lost(self) -> None:
        """Begin a new rhythm with the next episode: this one's is gone."""
        self._env.time_initialized = False
        self._began.clear()
        self._observed.clear()
        self._sent = False

    def hold(self) -> None:
        """In a pause time stands still: put the running time-step's end off by a tick."""
        self._env._at_thread.join(LOST_S)
        self._due = time.perf_counter() + self._dt

    def _sends(self, control: Any) -> None:
        """Stand in rtgym's thread for the interface's own."""
        self._go_first()
        if self._sent:
            self._sent = False
            return
        self._send(control)  # the first one of an episode, which lets go of everything
        self._due = max(self._due, self._env._RealTimeEnv__t_end + self._dt)
        self._began.set()

    def _observes(self) -> Any:
        """Stand in rtgym's thread for the interface's own; by now rtgym has said when the time-step ends."""
        self._go_first()
        seen = self._observe()
        self._due = max(self._due, self._env._RealTimeEnv__t_end)
        self._observed.set()
        return seen

    def _go_first(self) -> None:
        """A tick waits for rtgym's thread, too."""
        if not hasattr(self._ahead, "told"):
            self._ahead.told = True
            if threading.current_thread() is not threading.main_thread():
                real_time()


@contextlib.contextmanager
def punctual() -> Iterator[None]:
    """Keep this process on time while the block runs.

    Threads hand the interpreter over after a tenth of a millisecond instead of five; garbage is collected between episodes,
    not in the middle of a tick; and the session goes before other programs as far as the user's rights go.
    """
    interval, collected = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.disable()
    undo = raise_priority()
    try:
        yield
    finally:
        undo()
        gc.unfreeze()
        if collected:
            gc.enable()
        sys.setswitchinterval(interval)
