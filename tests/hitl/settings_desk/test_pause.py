"""The settings window of a paused session: opened when asked for, heard alone while it is there, and what it changes counts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hitl.drivers.human import HumanDriver
from hitl.drivers.wheel import player_pad
from hitl.home import Home
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.processes import environment
from hitl.settings_desk import pause
from hitl.settings_desk.changes import Changes
from hitl.settings_desk.pause import PauseSettings


class Child:
    """A process that ends when it is told to."""

    def __init__(self, line: list[str], env: dict[str, str], stdin: int, bufsize: int) -> None:
        self.line, self.env, self.stdin = line, env, None
        self.status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.status = -15

    def wait(self, timeout: float) -> None:
        assert self.status is not None


@pytest.fixture
def paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[PauseSettings, HumanDriver, list[Child]]:
    started: list[Child] = []

    def start(line: list[str], **more: Any) -> Child:
        started.append(Child(line, **more))
        return started[-1]

    monkeypatch.setattr(pause.subprocess, "Popen", start)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(pause, "_LOOK_S", 0.0)
    window: Any = SimpleNamespace(options=SimpleNamespace(keys_anywhere=False), toast=lambda *said: None, fronts=0, aside=False)
    window.step_aside = lambda aside: setattr(window, "aside", aside)
    window.to_front = lambda: setattr(window, "fronts", window.fronts + 1)
    over = {"takeover": {"mode": "touch"}, "play": {"track": None, "greedy_every": 3}}
    pads = [KeyboardPad(keys=lambda: frozenset(("p",))) for _ in range(2)]
    return PauseSettings(Home(tmp_path), window, over), HumanDriver(EitherPad(*pads)), started


def test_it_opens_only_while_paused_and_closes_when_the_session_goes_on(paused: Any) -> None:
    settings, wheel, started = paused
    settings.tick(wheel, paused=False, asked=True)
    assert started == []
    settings.tick(wheel, paused=True, asked=True)
    settings.tick(wheel, paused=True, asked=True)
    (child,) = started
    assert child.line[-5:] == ["--home", str(settings.home.root), "--in-session", "--over", "takeover.mode=touch"]
    assert "SDL_VIDEODRIVER" not in child.env
    assert settings.is_open
    assert settings.window.aside
    assert wheel.pad.resting == wheel.pad.parts[:1]
    settings.tick(wheel, paused=False, asked=False)
    assert child.status == -15
    assert settings.window.fronts == 1
    assert not settings.window.aside
    assert not settings.is_open
    assert wheel.pad.resting == ()


def test_over_another_game_whose_keys_count_anywhere_the_session_hears_none(paused: Any) -> None:
    settings, wheel, _ = paused
    settings.window.options.keys_anywhere = True
    settings.tick(wheel, paused=True, asked=True)
    assert wheel.pad.resting == wheel.pad.parts


@pytest.mark.parametrize("anywhere", [True, False])
def test_the_keyboard_alone_rests_as_beside_a_pad(paused: Any, anywhere: bool) -> None:
    settings, _, started = paused
    down: set[str] = set()
    settings.window.heard = lambda: frozenset(down)
    settings.window.options.keys_anywhere = anywhere
    wheel = HumanDriver(player_pad("keyboard", "", settings.home, settings.window))
    assert wheel.name == "keyboard"

    def heard(*keys: str) -> frozenset[str]:
        down.clear()
        down.update(keys)
        settings.tick(wheel, paused=True, asked=False)
        return wheel.read({})[0].buttons

    assert heard("p") == {"pause"}
    settings.tick(wheel, paused=True, asked=True)
    assert heard("p") == (frozenset() if anywhere else {"pause"})
    assert heard("escape") == (frozenset() if anywhere else {"quit"})
    started[0].status = 0  # Escape has closed it, and is still held
    assert heard("escape") == (frozenset() if anywhere else {"quit"})
    assert heard() == frozenset()
    assert heard("escape") == {"quit"}


def test_what_is_changed_there_counts_at_once_below_what_the_session_was_started_with(paused: Any) -> None:
    settings, wheel, started = paused
    assert settings.tick(wheel, paused=True, asked=True) is None
    changes = Changes(settings.home)
    changes.set("takeover", "mode", "toggle")
    changes.set("overlay", "language", "pl")
    found = settings.tick(wheel, paused=True, asked=False)
    assert (found.takeover.mode, found.overlay.language) == ("touch", "pl")
    assert settings.tick(wheel, paused=True, asked=False) is None
    changes.set("help", "rumble", False)
    started[0].status = 0  # closed by the player, right after the last change
    assert settings.window.fronts == 0
    assert settings.tick(wheel, paused=True, asked=False).help.rumble is False
    settings.tick(wheel, paused=True, asked=False)
    assert not settings.window.aside
    assert settings.window.fronts == 1, "the keys of the window that is gone"


_SESSION = """
import sys
from pathlib import Path
from types import SimpleNamespace
from hitl.home import Home
from hitl.settings_desk import pause

window = SimpleNamespace(step_aside=lambda aside: None)
surroundings = pause.environment()
pause.environment = lambda: {**surroundings, "SDL_VIDEODRIVER": "offscreen"}
settings = pause.PauseSettings(Home(Path(sys.argv[1])), window, {})
settings._open()
print(settings._child.pid, flush=True)
settings._child.wait()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a window that no one sees, and ps, as Linux has them")
def test_the_window_ends_with_a_session_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")  # which no one looks at
    line = [sys.executable, "-c", _SESSION, str(tmp_path)]
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        child = int(session.stdout.readline())
        time.sleep(2.0)  # it is not killed before there is a window
        assert _runs(child)
        session.kill()
    until = time.monotonic() + 30.0
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.1)
    if runs := _runs(child):
        os.kill(child, 9)
    assert not runs


def _runs(process: int) -> bool:
    """Tell whether a process is there; one that has ended and is waited for by no one is not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(shown) and not shown.startswith("Z")
