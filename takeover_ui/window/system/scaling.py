"""How large the player has set what is shown on their screen: 1.25 for 125 %."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from takeover_ui.window.system.x11 import connect

LEAST, MOST = 1.0, 4.0
_DPI = 96.0  # dots an inch at 100 %, on Windows and X11


def content_scale(environment: Mapping[str, str] = os.environ) -> float:
    """Return the scale that the system is set to, from 1 to 4; 1 where it does not say.

    On Windows it is the main screen's, for a process that draws its own pixels; on X11 that of the desktop (``Xft.dpi``), else
    what other programs are told by ``GDK_SCALE`` or ``QT_SCALE_FACTOR``.
    """
    scale = 0.0
    with contextlib.suppress(OSError, AttributeError, ValueError):
        if sys.platform == "win32":
            user32: Any = ctypes.WinDLL("user32")  # type: ignore[attr-defined,unused-ignore]
            user32.GetDpiForSystem.argtypes, user32.GetDpiForSystem.restype = [], ctypes.c_uint
            scale = user32.GetDpiForSystem() / _DPI
        elif environment.get("DISPLAY"):
            scale = _xft_dpi() / _DPI
    if not scale:
        scale = max(_number(environment.get(name, "")) for name in ("GDK_SCALE", "QT_SCALE_FACTOR"))
    return min(MOST, max(LEAST, scale))


def _xft_dpi() -> float:
    """Return what the desktop has told the X server, 0 where it has not."""
    xlib, display = connect()
    if not display:
        return 0.0
    xlib.XResourceManagerString.restype = ctypes.c_char_p
    xlib.XResourceManagerString.argtypes = [ctypes.c_void_p]
    said = (xlib.XResourceManagerString(display) or b"").decode("latin-1")
    xlib.XCloseDisplay(display)
    found = re.search(r"(?m)^\s*Xft\.dpi\s*:\s*([0-9.]+)\s*$", said)
    return _number(found[1]) if found else 0.0


def _number(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
