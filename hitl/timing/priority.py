"""Scheduling priority for the threads that a tick waits for, where the user may raise it.

A thread that sleeps until its tick is due has to wait, when it wakes, until whoever runs has used up its turn: 3 to 12 ms on a
busy machine. Niceness does not change that; on Linux the real-time class at its lowest priority does (root, or a user whom
``ulimit -r`` allows it), and on Windows a process priority above normal. Where the real-time class is not allowed, Linux 6.12 and
later let any thread ask for short turns, and in return wake it before whoever has longer ones. New threads and processes do not
inherit the priority. Calls that are not permitted are skipped silently.
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

Undo = Callable[[], None]

TURN_NS = 100_000
"""The shortest turn that Linux gives; what takes longer gets another one."""
_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275), "riscv64": (274, 275)}
"""Numbers of sched_setattr and sched_getattr, for which the C library has no functions."""
_ATTRIBUTES = struct.Struct("IIQiIQQQ")
"""struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period."""
_RESET_ON_FORK = 1


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
        return thread_first() or (lambda: None)
    import psutil

    process = psutil.Process()
    before = process.nice()
    process.nice(psutil.ABOVE_NORMAL_PRIORITY_CLASS)
    return lambda: process.nice(before)


def thread_first() -> Undo | None:
    """Let the calling thread run before others, as far as this user may; return what undoes that, or None."""
    return real_time() or short_turns()


def short_turns() -> Undo | None:
    """Ask for the shortest turns for the calling thread, and return what undoes that; None where Linux knows no such thing.

    Undone, the thread still does not pass on how it is scheduled: only root may take that back.
    """
    if not sys.platform.startswith("linux"):
        return None
    numbers = _CALLS.get(platform.machine())
    if numbers is None or struct.calcsize("P") != 8:
        return None
    size = _ATTRIBUTES.size
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long

    def write(values: tuple[int, ...], thread: int) -> bool:
        content = ctypes.create_string_buffer(_ATTRIBUTES.pack(*values), size)
        return bool(call(ctypes.c_long(numbers[0]), ctypes.c_int(thread), content, ctypes.c_uint(0)) == 0)

    thread, found = threading.get_native_id(), ctypes.create_string_buffer(size)
    if call(ctypes.c_long(numbers[1]), ctypes.c_int(thread), found, ctypes.c_uint(size), ctypes.c_uint(0)) != 0:
        return None
    _, policy, flags, nice, priority, runtime, _, _ = _ATTRIBUTES.unpack(found.raw)
    # Before Linux 6.12 an ordinary thread has no turns of its own: none are told, and what is asked for has no effect.
    if policy != os.SCHED_OTHER or not runtime:
        return None
    if not write((size, policy, flags | _RESET_ON_FORK, nice, priority, TURN_NS, 0, 0), thread):
        return None

    def back() -> None:
        wanted = (size, policy, flags, nice, priority, runtime, 0, 0)
        if not write(wanted, thread):
            write((size, policy, flags | _RESET_ON_FORK, *wanted[3:]), thread)

    return back


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
