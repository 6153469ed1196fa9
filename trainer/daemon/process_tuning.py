"""What a process that trains for weeks asks of the machine, and how it lets other programs go first."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

FITS = 0.5
"""Share of the free memory that a replay may take: while it grows it is there one and a half times, and the game wants some."""
NICENESS = 5
"""How far a trainer steps back behind other programs."""
AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux keeps the niceness of all that belongs to one terminal."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h


def be_nice() -> None:
    """Let a session on the same machine go first."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            os.nice(max(0, NICENESS - os.nice(0)))
            if sys.platform.startswith("linux") and os.getsid(0) == os.getpid():
                # Linux shares a processor out among terminals and others that lead a session of their own, and only within one
                # of them by niceness. This process leads one: so it is in the background, and no terminal is slowed down.
                AUTOGROUP.write_text(str(NICENESS))


def tune_malloc() -> bool:
    """Tell glibc to hand out blocks up to 32 MB from its own heap and to keep what is freed; False elsewhere."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # another C library
    wanted = ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 1 << 30), (_TOP_PAD, 16 << 20))
    return all(mallopt(name, value) == 1 for name, value in wanted)


def free_memory() -> int:
    """Return the bytes that a process can still take without others having to give way."""
    return int(psutil.virtual_memory().available)


def memory_advice(capacity: int, step_bytes: int, free: int) -> str:
    """Return what to say where ``capacity`` steps of so many bytes are more than the machine has free; empty where they fit."""
    needed = capacity * step_bytes
    if needed <= FITS * free:
        return ""
    fits = max(1_000, int(FITS * free / step_bytes) // 1_000 * 1_000)
    return (
        f"This run keeps up to {capacity:,} steps, which take {needed / 1e9:,.1f} GB of memory, and this machine has "
        f"{free / 1e9:,.1f} GB free: `hitl train --set capacity={fits}` keeps as many as fit."
    )


@contextlib.contextmanager
def flushing_denormals() -> Iterator[None]:
    """Let this thread's results below 1e-38 be zero while the block runs.

    Adam's averages for weights that get no gradient (of an input that is always zero, of a unit that has died) shrink down to
    there and stay, and processors take many times as long for such numbers.
    """
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
