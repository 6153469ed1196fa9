"""The little of Xlib that the windows need and SDL does not offer, through ctypes."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any


def library(name: str) -> Any:
    """Load one of X's libraries (``X11``, ``Xext``). Raises OSError where it is missing."""
    return ctypes.CDLL(ctypes.util.find_library(name) or f"lib{name}.so.6")


def connect() -> tuple[Any, int | None]:
    """Return Xlib and a new connection to the display, None where that fails. Raises OSError without Xlib."""
    x11 = library("X11")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    x11.XRaiseWindow.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    x11.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    x11.XQueryKeymap.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return x11, x11.XOpenDisplay(None)


def root_size() -> tuple[int, int] | None:
    """Return the size of all screens together as it is now, which SDL knows from its start alone; None where X does not tell."""
    x11, display = connect()
    if not display:
        return None
    for ask in (x11.XDisplayWidth, x11.XDisplayHeight):
        ask.argtypes, ask.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_int
    number = x11.XDefaultScreen(ctypes.c_void_p(display))
    size = x11.XDisplayWidth(display, number), x11.XDisplayHeight(display, number)
    x11.XCloseDisplay(display)
    return size
