"""The overlay over another window on a real X server: clicks and keys still reach the game behind it."""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.window.floating import NO_PLACE, place
from takeover_ui.window.key_names import KEYS
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window
from tests.support import sample_screens as samples
from tests.support.places import ROOT

SCREEN = (1280, 800)
GAME = """
import pygame
from tests.support.places import ROOT
pygame.display.init()
pygame.display.set_mode((1280, 800), pygame.NOFRAME).fill((40, 90, 40))
pygame.display.flip()
print('up', flush=True)
while True:
    event = pygame.event.wait()
    if event.type == pygame.MOUSEBUTTONDOWN:
        print('click', *event.pos, flush=True)
"""

pytestmark = [pytest.mark.realtime, pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("Xvfb") is None,
    reason="needs Xvfb (an X server without a screen)",
)]


class Hand:
    """Presses keys and buttons as a device would (the XTEST extension)."""

    def __init__(self, name: str) -> None:
        self.x11, self.xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self.x11.XOpenDisplay.restype = ctypes.c_void_p
        self.display = ctypes.c_void_p(self.x11.XOpenDisplay(name.encode()))

    def click(self, x: int, y: int) -> None:
        self.xtst.XTestFakeMotionEvent(self.display, -1, x, y, 0)
        for down in (1, 0):
            self.xtst.XTestFakeButtonEvent(self.display, 1, down, 0)
        self.x11.XFlush(self.display)

    def give_focus_to_what_is_below(self) -> None:
        pointer_root = ctypes.c_ulong(1)  # the window below the pointer
        self.x11.XSetInputFocus(self.display, pointer_root, 1, ctypes.c_ulong(0))
        self.x11.XSync(self.display, 0)

    def give_focus_to_nothing(self) -> None:
        self.x11.XSetInputFocus(self.display, ctypes.c_ulong(0), 0, ctypes.c_ulong(0))
        self.x11.XSync(self.display, 0)

    def key(self, symbol: int, down: bool) -> None:
        self.xtst.XTestFakeKeyEvent(self.display, self.x11.XKeysymToKeycode(self.display, symbol), int(down), 0)
        self.x11.XFlush(self.display)


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hand]:
    """An X server of our own, as the display of everything started in the test."""
    read, write = os.pipe()
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        number = numbers.readline().strip()
    assert number, "Xvfb did not start"
    monkeypatch.setenv("DISPLAY", f":{number}")
    try:
        yield Hand(f":{number}")
    except OSError:
        pytest.skip("needs libXtst")
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize("size", ["full", "compact", "bar"])
def test_clicks_go_through_the_overlay(hand: Hand, size: Any) -> None:
    environment = {**os.environ, "SDL_VIDEODRIVER": "x11", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    game = subprocess.Popen([sys.executable, "-c", GAME], stdout=subprocess.PIPE, text=True, env=environment)
    assert game.stdout is not None
    try:
        assert game.stdout.readline() == "up\n"
        options = WindowOptions(game_view=False, overlay=size, video="x11")
        with Window(options) as window:
            window.send(replace(samples.view("human"), at=time.perf_counter()))
            found = place(options, SCREEN)
            assert found is not None
            x, y, width, height = found
            hand.click(x + width // 2, y + height // 2)
            assert game.stdout.readline() == f"click {x + width // 2} {y + height // 2}\n"
            assert not window.closed
    finally:
        game.kill()  # SDL turns a polite signal into an event
        game.wait()
        game.stdout.close()


@pytest.mark.parametrize("anywhere", [True, False])
def test_keys_count_while_the_game_has_the_focus_only_where_that_was_chosen(hand: Hand, anywhere: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("SDL_VIDEODRIVER", None)
    game = subprocess.Popen([sys.executable, "-c", GAME], stdout=subprocess.PIPE, text=True, env=environment)
    assert game.stdout is not None
    try:
        assert game.stdout.readline() == "up\n"
        with Window(WindowOptions(game_view=False, video="x11", keys_anywhere=anywhere)) as window:
            assert window.hears_keys == anywhere
            window.send(replace(samples.view("agent"), at=time.perf_counter()))
            hand.give_focus_to_what_is_below()  # the game: there is no window manager here that would leave it there
            for down in (True, False):
                hand.key(0x20, down)
                end = time.monotonic() + (20 if anywhere else 0.5)
                while (window.keys() == {"space"}) != down and time.monotonic() < end:
                    time.sleep(0.01)
                assert (window.keys() == {"space"}) == (down and anywhere)
    finally:
        game.kill()
        game.wait()
        game.stdout.close()


def test_a_key_pressed_in_the_window_reaches_the_session(hand: Hand) -> None:
    with Window(WindowOptions(video="x11", size=(640, 360))) as window:
        assert window.hears_keys
        window.send(replace(samples.view(), at=time.perf_counter()))
        left, up = 0xFF51, 0xFF52
        end = time.monotonic() + 20
        while not window.keys() >= {"left"}:  # the first press may come before the window has the keyboard
            assert time.monotonic() < end
            hand.key(left, True)
            time.sleep(0.02)
        hand.key(up, True)
        while window.keys() != {"left", "up"}:
            assert time.monotonic() < end
        hand.key(left, False)
        hand.key(up, False)
        while window.keys():
            assert time.monotonic() < end
        assert all(count % 2 == 0 for count in window._counts[: len(KEYS)])


@pytest.mark.parametrize("how", ["click", "front"])
def test_without_a_window_manager_the_window_gets_its_keyboard_back(hand: Hand, how: str) -> None:
    with Window(WindowOptions(video="x11", size=(640, 360))) as window:
        window.send(replace(samples.view(), at=time.perf_counter()))

        def hears(expected: bool) -> None:
            end, heard = time.monotonic() + 20, not expected
            while heard is not expected:
                assert time.monotonic() < end
                for down in (True, False):
                    hand.key(0xFF51, down)
                time.sleep(0.1)
                heard = not window.keys().isdisjoint({"left"})

        hears(True)
        hand.give_focus_to_nothing()  # as when the window that had it is closed
        hears(False)
        if how == "click":
            hand.click(SCREEN[0] // 2, SCREEN[1] // 2)
        else:
            window.to_front()
        hears(True)


def colours(place: str) -> int:
    """Return how many colours the screen shows there (x, y, width, height)."""
    code = (
        "import sys, ctypes\n"
        "from takeover_ui.window.system.x11 import connect\n"
        "x, d = connect(); p = ctypes.c_void_p\n"
        "left, top, w, h = map(int, sys.argv[1:])\n"
        "x.XDefaultRootWindow.restype = ctypes.c_ulong; x.XDefaultRootWindow.argtypes = [p]\n"
        "x.XGetImage.restype = p\n"
        "x.XGetImage.argtypes = [p, ctypes.c_ulong, *[ctypes.c_int] * 2, *[ctypes.c_uint] * 2, ctypes.c_ulong, ctypes.c_int]\n"
        "x.XGetPixel.restype, x.XGetPixel.argtypes = ctypes.c_ulong, [p, ctypes.c_int, ctypes.c_int]\n"
        "i = x.XGetImage(d, x.XDefaultRootWindow(d), left, top, w, h, 0xFFFFFFFF, 2)\n"
        "print(len({x.XGetPixel(i, a, b) for a in range(0, w, 3) for b in range(0, h, 3)}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    done = subprocess.run([sys.executable, "-c", code, *place.split()], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def drawn_at(options: WindowOptions, screen: tuple[int, int]) -> bool:
    """Tell whether the overlay is seen where it belongs on a screen of that size."""
    found = place(options, screen)
    assert found is not None
    return colours(" ".join(map(str, found))) > 5


def until_drawn(options: WindowOptions, screen: tuple[int, int], drawn: bool = True) -> None:
    end = time.monotonic() + 20
    while drawn_at(options, screen) != drawn:
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("size", ["full", "off"])
def test_the_overlay_is_drawn_at_the_smallest_size_that_can_be_set(hand: Hand, size: Any) -> None:
    options = WindowOptions(game_view=False, overlay=size, video="x11", arrangement=Arrangement(scale=0.5))
    with Window(options) as window:
        window.send(replace(samples.view("human"), at=time.perf_counter()))
        until_drawn(options, SCREEN)


@pytest.mark.skipif(shutil.which("xrandr") is None, reason="needs xrandr")
def test_the_overlay_stays_on_a_screen_whose_size_changes(hand: Hand) -> None:
    options = WindowOptions(game_view=False, overlay="compact", video="x11", corner="bottom_right")
    with Window(options) as window:
        window.send(replace(samples.view("human"), at=time.perf_counter()))
        until_drawn(options, SCREEN)
        for said in ("--newmode st 74.5 1024 1344 1472 1664 600 723 728 748", "--addmode screen st", "--output screen --mode st"):
            subprocess.run(["xrandr", *said.split()], check=True)
        until_drawn(options, (1024, 600))
        assert not window.closed


def test_the_overlay_steps_aside_and_comes_back(hand: Hand) -> None:
    options = WindowOptions(game_view=False, overlay="compact", video="x11")
    with Window(options) as window:
        window.send(replace(samples.view("human"), at=time.perf_counter()))
        until_drawn(options, SCREEN)
        window.step_aside(True)
        until_drawn(options, SCREEN, drawn=False)
        window.restyle(replace(options, opacity=0.7))  # as the settings do, which are open meanwhile
        time.sleep(0.5)
        assert not drawn_at(options, SCREEN)
        window.step_aside(False)
        until_drawn(options, SCREEN)


def test_an_overlay_without_a_place_is_not_shown_and_says_so(hand: Hand) -> None:
    options = WindowOptions(game_view=False, video="x11", keep_clear=(0, 0, *SCREEN))
    with Window(options) as window:
        window.send(replace(samples.view("human"), at=time.perf_counter()))
        end = time.monotonic() + 20
        while not (said := window.said()):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert said == [NO_PLACE]
        assert window.said() == []
        assert colours(f"0 0 {SCREEN[0]} {SCREEN[1]}") == 1
        window.restyle(replace(options, keep_clear=None))
        until_drawn(replace(options, keep_clear=None), SCREEN)


def test_tab_changes_the_size_where_keys_are_heard_anywhere(hand: Hand) -> None:
    options = WindowOptions(game_view=False, overlay="off", video="x11", keys_anywhere=True)
    bar = replace(options, overlay="bar", corner="bottom_left")
    assert place(bar, SCREEN) is not None
    with Window(replace(options, overlay="compact", corner="bottom_left")) as window:
        window.send(replace(samples.view("human"), at=time.perf_counter()))
        until_drawn(replace(bar, overlay="compact"), SCREEN)
        hand.key(0xFFE9, True)  # Alt and Tab are the system's
        hand.key(0xFF09, True)
        time.sleep(0.3)
        hand.key(0xFF09, False)
        hand.key(0xFFE9, False)
        time.sleep(0.3)
        assert drawn_at(replace(bar, overlay="compact"), SCREEN)
        hand.key(0xFF09, True)
        time.sleep(0.2)
        hand.key(0xFF09, False)
        found = place(bar, SCREEN)
        assert found is not None
        x, y, width, height = found
        end = time.monotonic() + 20
        while colours(f"{x + width - 200} {y} 200 {height}") < 3 or colours("12 300 200 200") > 1:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_session_goes_on_without_an_overlay_whose_process_died(hand: Hand) -> None:
    with Window(WindowOptions(game_view=False, video="x11", keys_anywhere=True)) as window:
        window._process.kill()
        end = time.monotonic() + 20
        while not window.died:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert not window.closed
        assert window.heard() is None
        window.send(samples.view())
        window.toast("no one reads it")
        assert not window._reliable
