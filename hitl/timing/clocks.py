"""The session's time: ticks of an environment that waits for us, or the wall's clock."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hitl.timing.priority import raise_priority

SPIN_S = 0.0005  # s before a tick is due from which it is waited for without sleeping: no system wakes a thread on the dot
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

    def sending(self) -> None:
        """No action is ever late."""

    def hold(self) -> None:
        """The environment stands still by itself."""

    def rest(self) -> None:
        """Nothing runs on between two episodes."""

    def lost(self) -> None:
        """There is no rhythm."""


@dataclass
class Lateness:
    """How long after its time each action was sent (s). ``missed``: by a whole tick or more, so that a new rhythm began."""

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


class PacedClock:
    """The wall's clock: ``hz`` actions a second, each due one tick after the last; a long delay begins a new rhythm."""

    def __init__(self, hz: float) -> None:
        self._dt = 1.0 / hz
        self._due: float | None = None  # s: when the next action is to be sent; None: at once
        self.lateness = Lateness()

    @property
    def late(self) -> int:
        """Actions that were sent late."""
        return self.lateness.late

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.perf_counter()

    def wait_for_send(self) -> None:
        """Return when the next action is due."""
        if self._due is None:
            return
        if (left := self._due - time.perf_counter() - SPIN_S) > 0:
            time.sleep(left)
        while time.perf_counter() < self._due:
            pass

    def sending(self) -> None:
        """An action is sent now: note how late it is, and when the next one is due."""
        now = time.perf_counter()
        due = now if self._due is None else self._due
        self.lateness.note(now - due, self._dt)
        self._due = (due if now - due < self._dt else now) + self._dt

    def hold(self) -> None:
        """In a pause no time passes: let a tick of real time go by and begin a new rhythm."""
        time.sleep(self._dt)
        self.lost()

    def rest(self) -> None:
        """Between two episodes there is no rhythm to keep, and time to tidy up."""
        self.lost()
        gc.collect(1)

    def lost(self) -> None:
        """Begin a new rhythm with the next action."""
        self._due = None


class HurriedClock(PacedClock):
    """The wall's clock, which need not be kept to while ``fast``: nobody looks, and the environment waits for us."""

    fast = False

    def wait_for_send(self) -> None:
        """Return when the next action is due, at once while ``fast``."""
        if self.fast:
            self._due = None
        super().wait_for_send()

    def sending(self) -> None:
        """Note how late an action is; while ``fast`` none is."""
        if not self.fast:
            super().sending()


class RtgymClock(PacedClock):
    """The time-steps of an rtgym environment: ``wait`` returns when the running one has ended."""

    def __init__(self, hz: float, wait: Callable[[], None]) -> None:
        super().__init__(hz)
        self._wait = wait

    def wait_for_send(self) -> None:
        """Return when the running time-step has ended."""
        self._wait()
        if self._due is not None:  # rtgym's own time is never behind what was just seen of it
            self._due = min(self._due, time.perf_counter())


@contextlib.contextmanager
def punctual() -> Iterator[None]:
    """Keep this process on time while the block runs.

    Threads hand the interpreter over after a tenth of a millisecond instead of five; garbage is collected between episodes,
    not in the middle of a tick; and the session runs before other programs if the user may do that.
    """
    interval, collected, frozen = sys.getswitchinterval(), gc.isenabled(), gc.get_freeze_count()
    sys.setswitchinterval(SWITCH_S)
    gc.collect(1)  # what is older is mostly the libraries, and to look through them takes a fifth of a second
    gc.freeze()
    gc.disable()
    undo = raise_priority()
    try:
        yield
    finally:
        undo()
        if not frozen:  # it would let go of what the program around us has frozen, too
            gc.unfreeze()
        if collected:
            gc.enable()
        sys.setswitchinterval(interval)
