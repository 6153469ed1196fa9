"""Which keys are really down, whichever window has the focus: SDL knows only those that went down in its own window.

A key that is still held when the window gets the focus back repeats, and looks like one that was just pressed.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pygame

from takeover_ui.window.key_names import CODES
from takeover_ui.window.system.x11 import connect


def key_watch(names: Iterable[str]) -> Callable[[], frozenset[str]]:
    """Return a function that says which of the keys are down now; it says none where the system does not tell.

    Wayland does not, and need not: it repeats no key that was not pressed in the window.
    """
    names = tuple(names)
    with contextlib.suppress(OSError, AttributeError, pygame.error):
        if sys.platform == "win32":
            return _windows(names)
        if "x11" in pygame.display.get_driver().lower():
            return _x11(names)
    return frozenset


def _windows(names: tuple[str, ...]) -> Callable[[], frozenset[str]]:
    state: Any = ctypes.WinDLL("user32").GetAsyncKeyState  # type: ignore[attr-defined,unused-ignore]
    state.argtypes, state.restype = [ctypes.c_int], ctypes.c_short
    codes = {name: CODES[name][1] for name in names}
    return lambda: frozenset(name for name, code in codes.items() if state(code) & 0x8000)


def _x11(names: tuple[str, ...]) -> Callable[[], frozenset[str]]:
    x11, display = connect()
    if not display:
        return frozenset
    numbers = {name: x11.XKeysymToKeycode(display, CODES[name][0]) & 0xFF for name in names}
    codes = {name: code for name, code in numbers.items() if code}  # 0: this keyboard has no such key

    def down() -> frozenset[str]:
        keys = ctypes.create_string_buffer(32)
        x11.XQueryKeymap(display, keys)
        return frozenset(name for name, code in codes.items() if keys.raw[code // 8] >> code % 8 & 1)

    return down
