"""Who runs first on a busy machine: the threads that a tick waits for, as far as the user's rights go.

A thread that sleeps until its tick is due has to wait, when it wakes, until whoever runs has used up its turn: 3 to 12 ms on a
machine that has more to do than cores. Being nice does not change that; these do:

- Linux, where the user may (``ulimit -r``, or root): the real-time class at its lowest priority. It waits for nobody.
- Linux 6.12 and newer, for everybody: a short turn of its own. A thread that asks for less at a time is let in at once.
- Windows: a priority above that of ordinary programs, for the whole process.

Threads and processes that are made meanwhile have none of it. Nothing here raises: what may not be done is left undone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import sys
import threading
from collections.abc import Callable

TURN_NS = 100_000  # the shortest that Linux knows
CALLS = {"x86_64": 314, "aarch64": 274, "riscv64": 274}  # sched_setattr, for which older C libraries have no function
RESET_ON_FORK = 1  # SCHED_FLAG_RESET_ON_FORK of sched_setattr(2)
Undo = Callable[[], None]


def go_first() -> Undo:
    """Let the calling thread run first, and the other threads of this process soon; returns what takes it back."""
    if sys.platform == "win32":
        return _above_normal()
    if not sys.platform.startswith("linux"):
        return lambda: None
    me = threading.get_native_id()
    # They hold the interpreter now and then, and whoever waits for it waits for them.
    others = [t.native_id for t in threading.enumerate() if t.native_id is not None and t.native_id != me]
    undo = [_short_turn(tid) for tid in others]
    undo.append(real_time(me) or _short_turn(me))

    def back() -> None:
        for one in undo:
            one()

    return back


def thread_goes_first() -> None:
    """Let the calling thread run first until it ends: for threads that others make and a tick waits for."""
    if sys.platform.startswith("linux"):
        me = threading.get_native_id()
        if real_time(me) is None:
            _short_turn(me)


def real_time(tid: int) -> Undo | None:
    """Put a thread into the real-time class; None where this user may not."""
    if sys.platform == "win32" or not hasattr(os, "sched_setscheduler"):
        return None
    try:
        before = os.sched_getscheduler(tid) & ~os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(tid, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        return None

    def back() -> None:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(tid, before, os.sched_param(0))

    return back


def _short_turn(tid: int) -> Undo:
    """Ask for short turns for a thread of the ordinary class."""
    if not _set_turn(tid, TURN_NS, RESET_ON_FORK):
        return lambda: None

    def back() -> None:
        _set_turn(tid, 0, 0)

    return back


def _set_turn(tid: int, nanoseconds: int, flags: int) -> bool:
    """Call sched_setattr(2) with the thread's own class and niceness; tells whether the system took it."""
    number = CALLS.get(platform.machine())
    if number is None or sys.platform == "win32":
        return False
    try:
        nice = os.getpriority(os.PRIO_PROCESS, tid)
        attributes = struct.pack("=IIQiIQQQ", 48, os.SCHED_OTHER, flags, nice, 0, nanoseconds, 0, 0)
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        return int(ctypes.CDLL(None).syscall(number, tid, buffer, 0)) == 0
    except (OSError, AttributeError):  # the thread has ended; another C library
        return False


def _above_normal() -> Undo:
    if sys.platform != "win32":
        return lambda: None
    kernel = ctypes.windll.kernel32
    before = kernel.GetPriorityClass(kernel.GetCurrentProcess())
    kernel.SetPriorityClass(kernel.GetCurrentProcess(), 0x8000)  # above normal
    return lambda: kernel.SetPriorityClass(kernel.GetCurrentProcess(), before) and None
