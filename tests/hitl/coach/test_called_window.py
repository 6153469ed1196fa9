"""What the window shows while the agent calls and waits for the player."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hitl.coach import ending
from hitl.coach.call_me import CallMe, Failure
from hitl.coach.observer import Coaching, Looking
from hitl.coach.rules import Coach, Said
from hitl.coach.sounds import Sounds
from hitl.commands import play
from hitl.drivers.human import HumanDriver
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.screens.coach_screen import Caller, speaker
from hitl.screens.session_screen import SessionScreen
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import CoachSettings
from takeover_ui.language import LANGUAGES
from takeover_ui.view import TrainerState, View
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window
from tests.support.held import Cruise

REST, HOLD, PAUSE = PadState(), PadState(gas=0.5, buttons=frozenset({"takeover"})), PadState(buttons=frozenset({"pause"}))
QUICK = CoachSettings(say="off", sound=False, countdown_s=0.02, wait_s=2.0)


class Called:
    """Rests until the agent calls, and then does one thing after another; the last one stays."""

    name = "pad"

    def __init__(self, *does: PadState) -> None:
        self.does, self.at, self.called = does, -1, False

    def read(self) -> PadState:
        self.at += self.called
        return self.does[min(self.at, len(self.does) - 1)] if self.called else REST

    def rumble(self, *how: float) -> None:
        pass

    def close(self) -> None:
        pass


class NoSettings:
    """Opens nothing, and notes when it was asked while the session was paused."""

    is_open = False

    def __init__(self) -> None:
        self.paused: list[bool] = []

    def tick(self, wheel: Any, *, paused: bool, asked: bool) -> None:
        self.paused.append(paused)

    def keys(self, wheel: Any) -> str:
        return "O"


def test_a_car_that_waits_for_the_player_is_not_said_to_be_paused(tmp_path: Path) -> None:
    views: list[View] = []
    window = SimpleNamespace(send=views.append, options=WindowOptions(), hears_keys=True)
    screen = SessionScreen(window)  # type: ignore[arg-type]
    screen.settings = settings = NoSettings()  # type: ignore[assignment]
    pad, options = Called(REST, REST, PAUSE, REST, PAUSE, REST, REST, HOLD), SessionOptions(greedy_every=0, coach=QUICK)
    with SessionSetup(Home(tmp_path), options, human=lambda track: HumanDriver(pad), watch=screen) as rig:  # type: ignore[arg-type]
        screen.begin(rig, SimpleNamespace(newest=TrainerState(True)))  # type: ignore[arg-type]
        rig.session.policy = Cruise()  # type: ignore[assignment]
        rig.policy = rig.session.policy

        def call(failure: Any) -> None:
            pad.called = True
            views.clear()
            settings.paused.clear()

        results = list(CallMe(rig, call, lambda what, left: None, lambda: None).drive(0))
    assert results[-1].human_steps > 0
    shown = list(dict.fromkeys((view.driver, view.message) for view in views))
    assert shown[:3] == [("waits", ""), ("paused", "O, or click here: settings"), ("human", "")]
    assert [view.driver == "paused" for view in views] == settings.paused


def test_above_a_call_stands_nothing_of_the_try_before(tmp_path: Path) -> None:
    told: list[tuple[Any, ...]] = []

    class Telling(Window):
        def __init__(self) -> None:
            self.options = WindowOptions()

        def _post(self, message: tuple[Any, ...]) -> None:
            told.append(message)

    window = Telling()
    caller = Caller(SimpleNamespace(), window, None, Sounds(on=False))  # type: ignore[arg-type]
    caller.show("go", 0.0)
    speaker(window)(Said("coach_failed", "warning", {"until": 173.0, "seconds": 2.0}))
    speaker(window)(Said("game_back", "good"))
    caller.alone(3.0)
    caller.call(Failure(None, 160.0, "off_road", 3.0, 120.0))
    kinds = [message[0] for message in told if message[0] not in ("card", "front")]
    assert kinds == ["remark", "remark", "toast", "drive", "forget"]


def test_where_it_failed_with_noise_alone_it_says_why_it_never_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.toml").write_text("[coach]\nsound = false\n")
    assert play.main(["--home", str(tmp_path), "--call-me", "--pad", "scripted", "--headless", "--episodes", "1"]) == 0
    told = capsys.readouterr().out
    assert "1 drive in 2 is without noise: it calls you only where it fails in one of these." in told
    assert "It never called: it failed in 1 drive, with noise, and calls you only where it fails without." in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_which_drives_call_is_said_where_not_all_do(language: str) -> None:
    said: list[str] = []
    window = SimpleNamespace(options=WindowOptions(language=language), toast=said.append)
    caller = Caller(SimpleNamespace(), window, None, Sounds(on=False))  # type: ignore[arg-type]
    for every in (0, 1, 3):
        caller.begins(every)
    assert said == [LANGUAGES[language].say("call_begins", n=3)]
    coaching, words = Coaching(Coach([], {}), [], lambda said: None), LANGUAGES[language]
    uncalled = words.say("end_uncalled", n=5)
    assert uncalled in ending.lines(coaching, Looking(called=True, failed_noisy=5), None, words)
    assert uncalled not in ending.lines(coaching, Looking(called=True, failed=1, failed_noisy=5), None, words)
