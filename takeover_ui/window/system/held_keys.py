"""Which keys are really down, whichever window has the focus: SDL knows only those that went down in its own window.

A key that is still held when the window gets the focus back repeats, and looks like one that was just pressed.
"""

from __future__ import annotations

import contextlib
import ctypes
import string
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pygame

from takeover_ui.window.key_names import CODES, OF_LAYOUTS
from takeover_ui.window.system.x11 import connect

_KEYPAD_ENTER = 0xFF8D  # X11: it is `return`, too


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
    codes = {name: code for name in names if (code := CODES[name][1] or _of_layout(name))}
    return lambda: frozenset(name for name, code in codes.items() if state(code) & 0x8000)


def _of_layout(sign: str) -> int:
    """Return Windows' number of the key that writes ``sign`` by itself in the layout in use; 0 where none does."""
    asks: Any = ctypes.WinDLL("user32").VkKeyScanW  # type: ignore[attr-defined,unused-ignore]
    asks.argtypes, asks.restype = [ctypes.c_wchar], ctypes.c_short
    found: int = asks(sign)
    return found & 0xFF if found >> 8 & 0xFF == 0 else 0  # above: what must be held beside it; all ones: no such key


def _x11(names: tuple[str, ...]) -> Callable[[], frozenset[str]]:
    x11, display = connect()
    if not display:
        return frozenset
    numbers = {name: x11.XKeysymToKeycode(display, CODES[name][0]) & 0xFF for name in names}
    codes = [(name, code) for name, code in numbers.items() if code]  # 0: this keyboard has no such key
    # A sign of a layout may also be the third one on the key of another, as ó is on that of o in Polish.
    symbol = x11.XkbKeycodeToKeysym
    symbol.argtypes, symbol.restype = [ctypes.c_void_p, ctypes.c_ubyte, ctypes.c_int, ctypes.c_int], ctypes.c_ulong
    layouts = frozenset(OF_LAYOUTS)
    digits = {numbers.get(digit, 0) for digit in string.digits}  # SDL calls these by their digits, in French, too
    codes = [
        (name, code) for name, code in codes
        if name not in layouts or (code not in digits and any(symbol(display, code, k, 0) == CODES[name][0] for k in range(4)))
    ]  # fmt: skip
    if "return" in numbers and (enter := x11.XKeysymToKeycode(display, _KEYPAD_ENTER) & 0xFF):
        codes.append(("return", enter))

    def down() -> frozenset[str]:
        keys = ctypes.create_string_buffer(32)
        x11.XQueryKeymap(display, keys)
        return frozenset(name for name, code in codes if keys.raw[code // 8] >> code % 8 & 1)

    return down
