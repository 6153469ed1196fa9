"""Scheduling priority for the threads that a tick waits for, where the user may raise it.

A thread that sleeps until its tick is due has to wait, when it wakes, until whoever runs has used up its turn: 3 to 12 ms on a
busy machine. Niceness does not change that; on Linux the real-time class at its lowest priority does (root, or a user whom
``ulimit -r`` allows it), and on Windows a process priority above normal. New threads and processes do not inherit the priority.
Calls that are not permitted are skipped silently.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable

Undo = Callable[[], None]


def goes_first() -> bool:
    """Whether the calling thread runs before other programs now (on Windows: the whole process)."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().nice() in (psutil.ABOVE_NORMAL_PRIORITY_CLASS, psutil.HIGH_PRIORITY_CLASS)
    if sys.platform.startswith("linux"):
        return os.sched_getscheduler(threading.get_native_id()) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
    return False


def raise_priority() -> Undo:
    """Let the calling thread run before other programs (on Windows: the whole process); return what undoes that."""
    if sys.platform != "win32":
        return real_time() or (lambda: None)
    import psutil

    process = psutil.Process()
    before = process.nice()
    process.nice(psutil.ABOVE_NORMAL_PRIORITY_CLASS)
    return lambda: process.nice(before)


def real_time() -> Undo | None:
    """Put the calling thread into the real-time class, and return what undoes that; None where that is not allowed."""
    if not sys.platform.startswith("linux"):
        return None
    thread = threading.get_native_id()
    try:
        before = os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        return None

    def back() -> None:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(thread, before, os.sched_param(0))

    return back
