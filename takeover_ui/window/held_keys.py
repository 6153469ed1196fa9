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

from takeover_ui.window.x11 import connect

_CODES = {
    "left": (0xFF51, 0x25),
    "up": (0xFF52, 0x26),
    "right": (0xFF53, 0x27),
    "down": (0xFF54, 0x28),
    "space": (0x20, 0x20),
    "escape": (0xFF1B, 0x1B),
    "return": (0xFF0D, 0x0D),
    "backspace": (0xFF08, 0x08),
    "tab": (0xFF09, 0x09),
    "f11": (0xFFC8, 0x7A),
}
"""X11's and Windows' numbers of the keys that are no letters."""


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
    codes = {name: _CODES[name][1] if name in _CODES else ord(name.upper()) for name in names}
    return lambda: frozenset(name for name, code in codes.items() if state(code) & 0x8000)


def _x11(names: tuple[str, ...]) -> Callable[[], frozenset[str]]:
    x11, display = connect()
    if not display:
        return frozenset
    symbols = {name: _CODES[name][0] if name in _CODES else ord(name) for name in names}
    codes = {name: x11.XKeysymToKeycode(display, symbol) & 0xFF for name, symbol in symbols.items()}

    def down() -> frozenset[str]:
        keys = ctypes.create_string_buffer(32)
        x11.XQueryKeymap(display, keys)
        return frozenset(name for name, code in codes.items() if keys.raw[code // 8] >> code % 8 & 1)

    return down
