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
