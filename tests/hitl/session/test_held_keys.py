"""Real keys, through the window in its own process: what is still held at a restart or when the focus comes back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hitl import arbiter
from hitl.drivers.wheel import player_pad
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window
from tests.support.held import LET_GO, Cruise, Person
from tests.takeover_ui.window.test_floating_x11 import Hand
from tests.takeover_ui.window.test_floating_x11 import hand as hand  # an X server of the test's own

pytestmark = pytest.mark.realtime

needs_x = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("Xvfb") is None, reason="needs Xvfb (an X server without a screen)"
)
UP, LEFT, SPACE = 0xFF52, 0xFF51, 0x20


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@needs_x
@pytest.mark.parametrize("mode", ["hold", "touch"])
def test_real_keys_held_off_the_road_are_no_takeover_at_the_next_start(tmp_path: Path, hand: Hand, mode: str) -> None:
    keys = (UP, LEFT, *([SPACE] if mode == "hold" else []))

    def all_keys(down: bool) -> None:
        for key in keys:
            hand.key(key, down)

    def acts(episode: int, tick: int) -> None:
        if (episode, tick) in ((0, 5), (1, 20)):
            all_keys(True)
        elif (episode, tick) == (1, LET_GO):
            all_keys(False)

    with Window(WindowOptions(video="x11", size=(640, 360))) as window:
        probe = threading.Event()

        def focused() -> bool:
            hand.key(SPACE, not probe.is_set())
            return bool(window.keys())

        until(focused)
        probe.set()
        until(lambda: not focused())
        person = Person(player_pad("keyboard", "", Home(tmp_path), window), acts)
        with SessionSetup(
            Home(tmp_path),
            SessionOptions(real_time=True, gating=arbiter.GatingSettings(mode=mode)),  # type: ignore[arg-type]
            human=lambda track: person,
            stop=lambda: person.episode > 0 and person.tick > 35,
        ) as rig:
            rig.session.policy = Cruise()  # type: ignore[assignment]
            rig.session.episode(seed=0)
            rig.session.episode(seed=1)
        all_keys(False)
    db = sqlite3.connect(tmp_path / "store.sqlite")
    segments = db.execute('SELECT episode_id, "start" FROM segments ORDER BY number').fetchall()
    assert [episode for episode, _ in segments] == [1, 2]
    assert 20 <= segments[1][1] <= 25  # the second is the one that was pressed anew: real keys take some milliseconds


OTHER = """
import pygame
pygame.display.init()
pygame.display.set_mode((200, 200), pygame.NOFRAME)
pygame.display.set_caption('another window')
pygame.display.flip()
while True:
    pygame.event.wait()
"""


def windows() -> dict[str, str]:
    tree = subprocess.run(["xwininfo", "-root", "-tree"], capture_output=True, text=True, check=False).stdout
    return {name: str(int(number, 16)) for number, name in re.findall(r'(0x[0-9a-f]+) "([^"]+)"', tree)}


def focus(name: str) -> None:
    subprocess.run(["xdotool", "windowfocus", "--sync", windows()[name]], check=True, capture_output=True)


@contextlib.contextmanager
def another_window() -> Iterator[None]:
    """A second window beside ours, which can take the focus."""
    environment = {**os.environ, "SDL_VIDEODRIVER": "x11", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    other = subprocess.Popen([sys.executable, "-c", OTHER], env=environment, stdout=subprocess.DEVNULL)
    try:
        until(lambda: {"our window", "another window"} <= windows().keys())
        yield
    finally:
        other.kill()
        other.wait()


def press_up(window: Window, hand: Hand) -> None:
    """Press it until it is heard: the first press may come before the window knows that it has the keyboard."""
    for _ in range(40):
        focus("our window")
        hand.key(UP, True)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            if window.keys() == {"up"}:
                return
            time.sleep(0.005)
        hand.key(UP, False)
        time.sleep(0.1)
    raise AssertionError("the key was never heard")


needs_tools = pytest.mark.skipif(
    shutil.which("xdotool") is None or shutil.which("xwininfo") is None, reason="needs xdotool and xwininfo"
)


@needs_x
@needs_tools
def test_keys_that_go_to_another_window_end_a_takeover_as_a_lost_pad_does(tmp_path: Path, hand: Hand) -> None:
    """In toggle mode nothing is held while one drives: hands that rest and hands that are elsewhere differ by the focus alone."""

    def acts(episode: int, tick: int) -> None:
        if tick in (5, 8):
            hand.key(SPACE, tick == 5)
            until(lambda: bool(window.keys()) is (tick == 5))
        elif tick in (20, 40):
            focus("another window" if tick == 20 else "our window")
            until(lambda: (window.heard() is None) is (tick == 20))

    with Window(WindowOptions(video="x11", size=(640, 360), title="our window")) as window, another_window():
        press_up(window, hand)
        hand.key(UP, False)
        until(lambda: not window.keys())
        person = Person(player_pad("auto", "", Home(tmp_path), window), acts)
        with SessionSetup(
            Home(tmp_path),
            SessionOptions(real_time=True, gating=arbiter.GatingSettings(mode="toggle")),
            human=lambda track: person,
            stop=lambda: person.tick > 60,
        ) as rig:
            rig.session.policy = Cruise()  # type: ignore[assignment]
            rig.session.episode(seed=0)
    db = sqlite3.connect(tmp_path / "store.sqlite")
    (begun, stop, interrupted), = db.execute('SELECT "start", "stop", interrupted FROM segments').fetchall()
    assert interrupted
    assert begun <= 10
    assert stop <= 22
    (said,) = db.execute("SELECT message FROM events WHERE kind = 'pad_lost'").fetchone()
    assert said.startswith("The keys went to another window in the middle of a takeover")


@needs_x
@needs_tools
def test_a_key_that_is_held_while_the_focus_comes_back_is_let_go_first(hand: Hand) -> None:
    def stays(expected: frozenset[str], seconds: float = 1.2) -> None:  # longer than a key takes to repeat
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert window.keys() == expected
            time.sleep(0.005)

    with Window(WindowOptions(video="x11", size=(640, 360), title="our window")) as window, another_window():
        press_up(window, hand)
        focus("another window")
        until(lambda: not window.keys())
        time.sleep(1.0)  # the key repeats by now
        focus("our window")
        stays(frozenset())
        hand.key(UP, False)
        focus("another window")
        hand.key(LEFT, True)  # pressed elsewhere
        focus("our window")
        stays(frozenset())
        hand.key(LEFT, False)
        stays(frozenset(), 0.1)
        press_up(window, hand)
        hand.key(UP, False)
        until(lambda: not window.keys())
