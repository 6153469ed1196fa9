"""What a process that trains for weeks asks of the machine: to keep freed memory, to spend no time on numbers next to zero."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

import psutil
import torch

FITS = 0.5
"""Share of the free memory that a replay may take: while it grows it is there one and a half times, and the game wants some."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h


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
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
