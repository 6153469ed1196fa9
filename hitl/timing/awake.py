"""Keeping the machine awake while it learns: Windows sleeps when no one has typed for a while, whatever is at work.

Each call only begins that while anew, so a trainer with nothing to do lets the machine sleep. Elsewhere nothing is asked.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import Any

EVERY_S = 30.0
_SYSTEM_REQUIRED = 0x1


class StayAwake:
    """Call it often while there is work; it asks the system every half minute. ``ask`` stands for the system's call."""

    def __init__(self, ask: Any = None) -> None:
        self._ask = ask if ask is not None else _windows() if sys.platform == "win32" else None
        self._asked = float("-inf")

    def __call__(self) -> None:
        """There is work now."""
        if self._ask is not None and time.monotonic() - self._asked >= EVERY_S:
            self._asked = time.monotonic()
            self._ask(_SYSTEM_REQUIRED)


@functools.cache
def _windows() -> Any:
    import ctypes

    ask = vars(ctypes)["WinDLL"]("kernel32").SetThreadExecutionState
    ask.argtypes, ask.restype = [ctypes.c_uint32], ctypes.c_uint32
    return ask
