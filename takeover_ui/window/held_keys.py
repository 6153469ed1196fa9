"""Which keys are down in truth, whichever window has the focus: SDL only knows of those that its own window heard.

A key that is still held when the window gets the focus back repeats, and looks like one that was just pressed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pygame

_KEYSYMS = {
    "left": 0xFF51,
    "up": 0xFF52,
    "right": 0xFF53,
    "down": 0xFF54,
    "space": 0x20,
    "escape": 0xFF1B,
    "return": 0xFF0D,
    "backspace": 0xFF08,
    "tab": 0xFF09,
    "f11": 0xFFC8,
}
_VIRTUAL_KEYS = {
    "left": 0x25,
    "up": 0x26,
    "right": 0x27,
    "down": 0x28,
    "space": 0x20,
    "escape": 0x1B,
    "return": 0x0D,
    "backspace": 0x08,
    "tab": 0x09,
    "f11": 0x7A,
}


def key_watch(names: Iterable[str]) -> Callable[[], frozenset[str]]:
    """Return what tells which of the keys are down now; nothing where the system does not say.

    Wayland does not, and needs not: it repeats no key that it did not see pressed in the window.
    """
    names = tuple(names)
    try:
        if sys.platform == "win32":
            return _windows(names)
        if "x11" in pygame.display.get_driver().lower():
            return _x11(names)
    except (OSError, AttributeError, pygame.error):
        pass
    return frozenset


def _windows(names: tuple[str, ...]) -> Callable[[], frozenset[str]]:
    state: Any = ctypes.WinDLL("user32").GetAsyncKeyState  # type: ignore[attr-defined,unused-ignore]
    state.argtypes, state.restype = [ctypes.c_int], ctypes.c_short
    codes = {name: _VIRTUAL_KEYS.get(name, ord(name[0].upper())) for name in names}
    return lambda: frozenset(name for name, code in codes.items() if state(code) & 0x8000)


def _x11(names: tuple[str, ...]) -> Callable[[], frozenset[str]]:
    x11 = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    x11.XQueryKeymap.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    display = x11.XOpenDisplay(None)
    if not display:
        return frozenset
    codes = {name: x11.XKeysymToKeycode(display, _KEYSYMS.get(name, ord(name[0]))) & 0xFF for name in names}

    def down() -> frozenset[str]:
        keys = ctypes.create_string_buffer(32)
        x11.XQueryKeymap(display, keys)
        return frozenset(name for name, code in codes.items() if keys.raw[code // 8] >> code % 8 & 1)

    return down
