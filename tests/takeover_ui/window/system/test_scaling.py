"""Windows and overlays are as large as the player has set what is shown on their screen."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pygame
import pytest

from takeover_ui.overlay import overlay
from takeover_ui.window.composer import Composer
from takeover_ui.window.floating import place
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.screen import fitting
from takeover_ui.window.system import scaling
from tests.support import sample_screens as samples

HD = (1920, 1080)


@pytest.mark.parametrize(
    ("scale", "desktop", "size"),
    [
        (1.0, HD, (1280, 720)),
        (1.25, HD, (1600, 900)),
        (2.0, HD, (1690, 950)),  # as large as fits
        (1.0, (3840, 2160), (2560, 1440)),  # its pixels are fine, whatever is set
        (2.0, (3840, 2160), (2560, 1440)),
        (1.25, (1366, 768), (1201, 676)),
    ],
)
def test_a_window_grows_with_the_scale_as_far_as_the_screen_goes(
    scale: float, desktop: tuple[int, int], size: tuple[int, int]
) -> None:
    assert fitting((1280, 720), desktop, scale) == pytest.approx(size, abs=2)


@pytest.mark.parametrize("scale", [1.0, 1.25, 2.0])
@pytest.mark.parametrize("size", ["full", "compact", "bar"])
def test_an_overlay_grows_with_it_and_stays_on_the_screen(scale: float, size: Any) -> None:
    options = WindowOptions(game_view=False, overlay=size)
    x, y, width, height = place(options, HD, scale)
    assert pygame.Rect((0, 0), HD).contains((x, y, width, height))
    grown = width / place(options, HD)[2]
    room = min((HD[0] - 24) / place(options, HD)[2], (HD[1] - 24) / place(options, HD)[3])
    assert grown == pytest.approx(min(scale, room), abs=0.02)
    surface = pygame.Surface((width, height))
    marks = Composer(game_view=False, size=size).draw(surface, samples.view("human", 120))
    assert [m.text for m in marks if m.shortened] == []
    smaller = place(options, (1280, 720), 1.0)[2] / overlay.DESIGN[options.overlay][0]  # type: ignore[index]
    assert smaller < 1.0, "at 100 % a small screen has a small overlay, as ever"


@pytest.mark.parametrize(("said", "scale"), [("2", 2.0), ("1.25", 1.25), ("9", 4.0), ("0.5", 1.0), ("much", 1.0), ("", 1.0)])
def test_without_a_system_that_says_it_the_scale_of_other_programs_counts(said: str, scale: float) -> None:
    assert scaling.content_scale({"GDK_SCALE": said}) == (scale if sys.platform != "win32" else pytest.approx(1.0, abs=3.0))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An X server of our own that keeps what it is told."""
    read, write = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1920x1080x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        number = numbers.readline().strip()
    assert number, "Xvfb did not start"
    monkeypatch.setenv("DISPLAY", f":{number}")
    yield f":{number}"
    process.terminate()
    process.wait()


@pytest.mark.realtime
@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("Xvfb") is None, reason="needs Xvfb (an X server without a screen)"
)
def test_the_desktops_scale_is_read_from_the_x_server(server: str) -> None:
    assert scaling.content_scale() == 1.0
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
    x11.XChangeProperty.argtypes = [
        ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int
    ]  # fmt: skip
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    resource_manager, string, replace = 23, 31, 0
    for dpi, scale in ((120, 1.25), (192, 2.0)):
        display = x11.XOpenDisplay(server.encode())
        told = f"Xft.antialias:\t1\nXft.dpi:\t{dpi}\n".encode()
        x11.XChangeProperty(display, x11.XDefaultRootWindow(display), resource_manager, string, 8, replace, told, len(told))
        x11.XCloseDisplay(display)
        assert scaling.content_scale() == scale
        program = (
            "import pygame; from takeover_ui.window.screen import Screen; from takeover_ui.window.options import WindowOptions\n"
            "print(*Screen(WindowOptions()).drawable.get_size())"
        )
        env = {**os.environ, "SDL_VIDEODRIVER": "x11", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=120, check=True)
        assert shown.stdout.split() == [str(n) for n in fitting((1280, 720), HD, scale)]
