"""The overlay as a window of its own over another game: borderless, on top, in a corner, and clicks go through it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pygame

from takeover_ui.overlay import notices
from takeover_ui.overlay.overlay import OverlaySize
from takeover_ui.window.system.scaling import content_scale
from takeover_ui.window.system.x11 import connect, library, root_size

if TYPE_CHECKING:
    from takeover_ui.window.options import WindowOptions

OPAQUE = 254 / 255
"""The most. From a window that is fully opaque, SDL takes Windows' style LAYERED away; `click_through` sets it again, and such a
window stays invisible until its opacity is set, which SDL leaves out then."""
NO_PLACE = (
    "The overlay is not shown: keep_clear leaves it no corner of the screen that is large enough. Make keep_clear smaller in "
    "[overlay] of settings.toml; until then this terminal alone says what is going on."
)
_MARGIN = 12
_LEAST = 0.3  # of the design: smaller it is set by no one (0.6 on the smallest screens, times a `scale` of 0.5)
_LOOK_S = 2.0  # between two looks at what has changed around the window


class Floating:
    """The overlay's own window, kept where it belongs. ``said``: sentences about it, for the terminal."""

    def __init__(self, options: WindowOptions) -> None:
        self.said: list[str] = []
        self._options = options
        self._aside = self._nowhere = False
        self._looked = 0.0
        self._screens = _screens()
        self._open()

    def place_anew(self, options: WindowOptions, size: OverlaySize | None) -> None:
        """Go on with another look; ``size``: how much of it is shown by now, None: it is off."""
        self._options = replace(options, overlay=size or "off")
        self._open()

    def step_aside(self, aside: bool) -> None:
        """Hide while another window of ours is used, which this one would cover, or come back."""
        if aside != self._aside:
            self._aside = aside
            self._open()

    @property
    def seen(self) -> bool:
        """Whether there is something to draw on."""
        return not (self._aside or self._nowhere)

    def look_around(self, now: float) -> None:
        """Stay above windows that were opened later, and on the screen where its size has changed."""
        if now - self._looked < _LOOK_S:
            return
        self._looked, before, self._screens = now, self._screens, _screens()
        if before == self._screens:
            if self.seen:
                stay_on_top()
            return
        if "x11" in pygame.display.get_driver().lower():  # SDL asks X for the size of screens only at its start
            caption, _ = pygame.display.get_caption()
            pygame.display.quit()
            pygame.display.init()
            pygame.display.set_caption(caption)
        self._open()

    def _open(self) -> None:
        was = self._nowhere
        self._nowhere = open_floating(self._options, hidden=self._aside) is None
        if self._nowhere and not was:
            self.said.append(NO_PLACE)


def _screens() -> object:
    """Return something that changes with the size of the screens."""
    with contextlib.suppress(OSError, AttributeError):
        if "x11" in pygame.display.get_driver().lower():
            return root_size()
    return pygame.display.get_desktop_sizes()


def open_floating(options: WindowOptions, hidden: bool = False) -> pygame.Surface | None:
    """Open the overlay's own window, or place it anew, and return its surface; None, and no window is seen, without a place."""
    # X11: no window manager between us and the screen. It would put a frame of its own around the window, which takes the
    # clicks that we let through, and would give the new window the keyboard that the game needs.
    os.environ["SDL_X11_FORCE_OVERRIDE_REDIRECT"] = "1"
    os.environ["SDL_WINDOW_NO_ACTIVATION_WHEN_SHOWN"] = "1"  # Windows: a window that opens would take the focus from the game
    desktops = pygame.display.get_desktop_sizes()
    screen = desktops[0] if desktops else (1920, 1080)
    found = place(options, screen, content_scale())
    if found is None:
        pygame.display.set_mode((1, 1), pygame.NOFRAME | pygame.HIDDEN)
        return None
    x, y, width, height = found
    surface = pygame.display.set_mode((width, height), pygame.NOFRAME | (pygame.HIDDEN if hidden else pygame.SHOWN))
    window = pygame.Window.from_display_module()
    window.always_on_top = True
    window.position = (x, y)
    with contextlib.suppress(pygame.error):  # not every system has it
        window.opacity = min(OPAQUE, options.opacity)
    click_through()
    return surface


def place(
    options: WindowOptions, screen: tuple[int, int], content: float = 1.0
) -> tuple[int, int, int, int] | None:
    """Return x, y, width and height of the overlay on a screen of that size; ``content``: the scale that the system is set to.

    It takes the chosen corner; where that would cover ``keep_clear``, the first other corner that does not; where none is
    free, it shrinks towards its corner until it fits. None: it would have to be too small to be seen.
    """
    size = options.overlay if options.overlay != "off" else None
    width, drawn, told = notices.floating_design(size)
    height = drawn + told
    large = max(screen[1] / 1080, content) if content > 1.0 else screen[1] / 1080
    scale = min(2.5, max(0.6, large)) * (1.0 if size != "bar" else 1.2) * options.arrangement.scale
    scale = min(scale, (screen[0] - 2 * _MARGIN) / width, (screen[1] - 2 * _MARGIN) / height)
    corners = ("top_right", "top_left", "bottom_right", "bottom_left")
    order = (options.corner, *(c for c in corners if c != options.corner))
    while True:
        w, h = round(width * scale), round(height * scale)
        for corner in order:
            x = _MARGIN if corner.endswith("left") else screen[0] - w - _MARGIN
            y = _MARGIN if corner.startswith("top") else screen[1] - h - _MARGIN
            if options.keep_clear is None or not pygame.Rect(x, y, w, h).colliderect(options.keep_clear):
                return x, y, w, h
        scale *= 0.9
        if scale < _LEAST:
            return None


def click_through() -> None:
    """Let clicks fall through to the game behind the window, where the system can do that."""
    _system_call(_click_through_windows, _click_through_x11)


def is_out_of_the_way() -> bool:
    """Tell whether the overlay takes neither clicks nor the keyboard: on Windows and X11. Elsewhere it is an ordinary window."""
    return sys.platform == "win32" or "x11" in pygame.display.get_driver().lower()


def stay_on_top() -> None:
    """Raise the window above others that were opened later; on Windows the system keeps it there by itself."""
    _system_call(lambda window: None, _raise_x11)


def _system_call(windows: Callable[[int], None], x11: Callable[[Any, int, int], None]) -> None:
    """Call what is right for this system, on X11 with Xlib and a display. Elsewhere the overlay is an ordinary window."""
    with contextlib.suppress(OSError, KeyError, AttributeError, TypeError, ValueError):
        window = int(pygame.display.get_wm_info()["window"])
        if sys.platform == "win32":
            windows(window)
        elif "x11" in pygame.display.get_driver().lower():
            xlib, display = connect()
            if display:
                x11(xlib, display, window)
                xlib.XCloseDisplay(display)  # sends what is waiting, too


def _click_through_x11(xlib: Any, display: int, window: int) -> None:
    """Give the window an empty input region (X11's shape extension, kind ShapeInput)."""
    combine = library("Xext").XShapeCombineRectangles
    number, pointer = ctypes.c_int, ctypes.c_void_p
    combine.argtypes = [pointer, ctypes.c_ulong, number, number, number, pointer, number, number, number]
    shape_input, shape_set, unsorted = 2, 0, 0
    combine(display, window, shape_input, 0, 0, None, 0, shape_set, unsorted)


def _raise_x11(xlib: Any, display: int, window: int) -> None:
    xlib.XRaiseWindow(display, window)


def _click_through_windows(window: int) -> None:
    """Add the styles LAYERED, TRANSPARENT, NOACTIVATE and TOOLWINDOW (SetWindowLongPtrW, GWL_EXSTYLE)."""
    user32: Any = ctypes.WinDLL("user32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    get = getattr(user32, "GetWindowLongPtrW", user32.GetWindowLongW)
    put = getattr(user32, "SetWindowLongPtrW", user32.SetWindowLongW)
    get.restype = put.restype = ctypes.c_ssize_t
    get.argtypes = [ctypes.c_void_p, ctypes.c_int]
    put.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t]
    extended, layered, transparent, no_activate, tool = -20, 0x80000, 0x20, 0x8000000, 0x80
    put(window, extended, get(window, extended) | layered | transparent | no_activate | tool)
