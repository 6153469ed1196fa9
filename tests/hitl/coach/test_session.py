"""The coach in a session: what is said of real drives, what the store says to it at the start, and what it offers."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from data.demos import DemoRule
from data.records import DRIVING_FAULTS, HUMAN, Corner, StepRow
from data.store import Store
from hitl.coach import past
from hitl.coach.call_me import Failure
from hitl.coach.rules import Ended, Said
from hitl.coach.sounds import Sounds
from hitl.drivers.human import HumanDriver, ScriptedHuman
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.games.base import Start
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.protocols import EpisodeResult
from hitl.screens import coach_screen
from hitl.screens.coach_screen import Caller, speaker, tell_ending, wants_practice
from hitl.screens.session_screen import SessionScreen
from hitl.session.practice import TRIES
from hitl.session.segments import Segments
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import CoachSettings, HelpSettings, load
from takeover_ui.language import ENGLISH, LANGUAGES
from takeover_ui.view import Card, LearnedView
from takeover_ui.window.options import WindowOptions
from tests.support.held import Cruise
from trainer.daemon import control
from trainer.daemon.heartbeat import Heartbeat, write_heartbeat

ROW = np.zeros(1, np.float32)
LOUD = CoachSettings(sound=False)
OPTIONS = SessionOptions(greedy_every=0, coach=LOUD, help=HelpSettings(offer="all", requests_per_minute=0.0))


class Shown:
    """A window that keeps what it is sent, and closes when it is told to."""

    def __init__(self, language: str = "en") -> None:
        self.toasts, self.cards, self.views = list[str](), list[Card | None](), []  # type: ignore[var-annotated]
        self.closed, self.fronts, self.pressed = False, 0, [frozenset[str]()]
        self.options = WindowOptions(language=language)

    def toast(self, text: str, level: str = "info", of_drive: bool = False, only: str | None = None) -> None:
        self.toasts.append(text)

    def withdraw(self, text: str) -> None:
        self.toasts.remove(text)

    def card(self, card: Card | None) -> None:
        self.cards.append(card)

    def episode_over(self) -> None:
        pass

    def send(self, view: Any) -> None:
        self.views.append(view)

    def to_front(self) -> None:
        self.fronts += 1

    def drive_begins(self) -> None:
        pass

    def forget_drives(self) -> None:
        pass

    def keys(self) -> frozenset[str]:
        return self.pressed.pop(0) if len(self.pressed) > 1 else self.pressed[0]


def helper(track: Any) -> ScriptedHuman:
    return ScriptedHuman(ScriptedDriver(track), TakeoverRule(track, HelpRule(corners=frozenset({"hairpin"}))))


def test_a_cleared_takeover_and_the_agent_alone_are_told_with_their_cause(tmp_path: Path) -> None:
    said: list[Said] = []
    with SessionSetup(Home(tmp_path), OPTIONS, human=helper, say=said.append) as rig:
        driver = ScriptedDriver(rig.track)
        seen: dict[str, Any] = {}
        rig.session.watch = lambda tick: seen.update(tick.info)

        class Able(Cruise):
            def begin_episode(self) -> None:
                driver.begin()
                seen.clear()

            def act(self, observation: Any, deterministic: bool) -> Any:
                return driver.act(seen["state"], seen["place"]) if seen else np.array([0.3, 0.0], np.float32)

        rig.session.policy = Able()  # type: ignore[assignment]
        rig.session.episode(seed=0)
        assert [s.name for s in said] == ["coach_help_new", "coach_cleared"]
        assert said[1].values["seconds"] == pytest.approx(sum(t.seconds for t in rig.session.coaching.takeovers))  # type: ignore[union-attr]
        rig.session.human.rule = None  # type: ignore[attr-defined]
        rig.session.hands_off = True
        rig.session.human = HumanDriver(Resting())  # type: ignore[arg-type]
        for k in range(4):
            rig.session.coaching.coach.alone("hairpin", True, 1, 10.0 * k)  # type: ignore[union-attr]
        rig.session.episode(seed=1)
        assert [s.name for s in said[2:]] == ["coach_has_it", "coach_done"]
        rig.written()
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        corners = rig.corners
        assert past.attempts(store, rig.track.name, corners) == {"hairpin": [True]}
        known = past.speeds(store, rig.track.name, corners).known
        assert min(known) < corners[0].from_m < max(known) < corners[0].to_m


class Resting:
    name = "rest"

    def read(self) -> PadState:
        return PadState()

    def rumble(self, *how: float) -> None:
        pass

    def close(self) -> None:
        pass


def test_what_was_recorded_before_counts_from_the_start(tmp_path: Path) -> None:
    with SessionSetup(Home(tmp_path), OPTIONS) as rig:
        for seed in range(2):
            rig.session.episode(seed=seed)
        rig.written()
    silent = SessionOptions(coach=CoachSettings(say="off"))
    with SessionSetup(Home(tmp_path), OPTIONS, say=lambda said: None) as rig:
        assert rig.session.coaching is not None
        now = rig.session.coaching.coach.learned("hairpin")
        assert now is not None
        assert rig.session.coaching.before["hairpin"] == (now.passes, now.of)
    with SessionSetup(Home(tmp_path), silent, say=lambda said: None) as rig:
        assert rig.session.coaching is None


def test_practice_says_nothing_of_a_corner_behind_which_it_began(tmp_path: Path) -> None:
    bend = Corner("bend", 4.0, 8.0)
    with SessionSetup(Home(tmp_path), OPTIONS) as rig:
        rig.session.policy = Cruise()  # type: ignore[assignment]
        ahead = Corner("ahead", 13.0, 15.0)
        for start_m in (10.0, 2.0):
            rig.session.episode("practice", seed=0, start=Start(start_m, speed=5.0), until_m=ahead.to_m)
        assert rig.written()
        with Store(rig.home.store_path, read_only=True) as store:
            assert past.attempts(store, rig.track.name, (bend, ahead)) == {"bend": [True], "ahead": [True, True]}


@pytest.mark.parametrize("passed", [False, True])
def test_an_offer_is_told_once_by_the_coach_or_where_it_is_silent_by_what_is_lost(tmp_path: Path, passed: bool) -> None:
    said: list[Said] = []
    seen: dict[str, Any] = {}

    class Able(Cruise):
        def begin_episode(self) -> None:
            driver.begin()
            seen.clear()

        def act(self, observation: Any, deterministic: bool) -> Any:
            return driver.act(seen["state"], seen["place"]) if seen else np.array([0.3, 0.0], np.float32)

    with SessionSetup(Home(tmp_path), OPTIONS, say=said.append) as rig:
        driver = ScriptedDriver(rig.track)
        rig.session.watch = lambda tick: seen.update(tick.info)
        rig.session.policy = Able()  # type: ignore[assignment]
        rig.session.offers.lost = {"hairpin": 1.4}
        rig.session.coaching.coach.alone("hairpin", passed, 1, 0.0)  # type: ignore[union-attr]
        rig.session.episode(seed=0)
    lost = [one for one in said if one.name == "slow_corner"]
    assert (sum(one.name == "coach_help" for one in said), len(lost)) == ((0, 1) if passed else (1, 0))
    assert [one.text(ENGLISH) for one in lost] == ["The wheel is offered: the agent loses 1.4 s at hairpin."] * passed


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_is_said_in_the_players_language_and_printed_in_english(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    window, said = Shown(code), Said("coach_cleared", "good", {"corner": "hairpin", "seconds": 3.14}, "counted")
    with Sounds(on=False) as sounds:
        speaker(window, sounds)(said)  # type: ignore[arg-type]
        assert capsys.readouterr().out == ""
        speaker(None, sounds)(said)
    assert window.toasts == [said.text(LANGUAGES[code])]
    assert capsys.readouterr().out == "That one counted: hairpin cleared, 3.1 s.\n"


@pytest.mark.parametrize("code", LANGUAGES)
def test_another_takeover_is_only_named_beside_what_was_said_of_the_one_before(
    code: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("hitl.screens.coach_screen.time", SimpleNamespace(monotonic=lambda: now))
    window, words = Shown(code), LANGUAGES[code]
    verdict = Said("coach_counted", "good", {"seconds": 0.7}, first="coach_after")
    alone, beside = (replace(verdict, first=first).text(words) for first in ("", "coach_after"))
    assert beside == f"{words['coach_after']} {alone}"
    say = speaker(window)  # type: ignore[arg-type]
    say(verdict)  # nothing was said before that is seen: that of the stand-in's is not shown in the demo
    now += 3.0
    say(verdict)
    now += 10.0
    say(verdict)
    assert window.toasts == [alone, beside, alone]
    say = speaker(None)
    for said in (verdict, verdict, Said("game_back", "good"), verdict):
        say(said)
    begins = [line.startswith("A later takeover. That one counted") for line in capsys.readouterr().out.splitlines()]
    assert begins == [False, True, False, False]


def test_the_window_shows_how_far_the_corner_is(tmp_path: Path) -> None:
    class Beats:
        newest = None

    window = Shown()
    screen = SessionScreen(window)  # type: ignore[arg-type]
    with SessionSetup(Home(tmp_path), OPTIONS, say=lambda said: None, watch=screen) as rig:
        screen.begin(rig, Beats())  # type: ignore[arg-type]
        rig.session.coaching.coach.alone("hairpin", True, 1, 1.0)  # type: ignore[union-attr]
        rig.session.policy = Cruise()  # type: ignore[assignment]
        rig.session.episode(seed=0)
    shown = window.views[0].learned
    assert isinstance(shown, LearnedView)
    assert (shown.corner, shown.passes, shown.of) == ("hairpin", 1, 1)
    assert 0.0 < shown.share < 1.0


def test_after_three_failures_practice_is_offered_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Card] = []

    class Screen:
        words = LANGUAGES["en"]

        def asked(self, card: Card) -> bool:
            asked.append(card)
            return True

    with SessionSetup(Home(tmp_path), OPTIONS, say=lambda said: None) as rig:
        assert wants_practice(rig, Screen()) == ""  # type: ignore[arg-type]
        rig.session.coaching.coach.practice = "hairpin"  # type: ignore[union-attr]
        assert wants_practice(rig, Screen()) == "hairpin"  # type: ignore[arg-type]
        assert wants_practice(rig, Screen()) == ""  # type: ignore[arg-type]
        rig.session.coaching.coach.practice = "hairpin"  # type: ignore[union-attr]
        assert wants_practice(rig, None, Path("mine")) == ""
    assert [str(TRIES) in card.lines[-1] for card in asked] == [True]
    assert 'hitl play --practice "hairpin" --home mine`' in capsys.readouterr().out


def test_a_call_comes_to_the_front_with_a_card_and_a_sound(tmp_path: Path) -> None:
    window, played = Shown(), list[str]()

    class Heard(Sounds):
        def play(self, name: str) -> None:
            played.append(name)

    with SessionSetup(Home(tmp_path), OPTIONS) as rig:
        caller = Caller(rig, window, None, Heard(on=False))  # type: ignore[arg-type]
        caller.call(Failure(Corner("hairpin", 100.0, 150.0), 131.0, "off_road", 4.6, 57.2))
        for what, left in (("ready", 60.0), ("count", 3.0), ("count", 2.0), ("go", 0.0)):
            caller.show(what, left)
    assert (window.fronts, played) == (1, ["call", "tick", "tick", "go"])
    ready, three, two, none = window.cards
    assert ready is not None
    assert three is not None
    assert two is not None
    assert (ready.title, three.title, two.title, none) == ("hairpin: it needs you.", "3", "2", None)
    assert ready.lines[0] == "It left the road at 131 m. The car stands 5 s before that, at 57 m."


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_stood_still_is_not_said_to_have_left_the_road(tmp_path: Path, language: str) -> None:
    window, words = Shown(language), LANGUAGES[language]
    with SessionSetup(Home(tmp_path), OPTIONS) as rig:
        caller = Caller(rig, window, None, Sounds(on=False))  # type: ignore[arg-type]
        for reason in DRIVING_FAULTS:
            caller.call(Failure(None, 131.0, reason, 3.0, 131.0))
            caller.show("ready", 60.0)
    left, stood = (card.lines[0] for card in window.cards if card is not None)
    assert left == words.say("call_line", at=131, seconds=3, back=131)
    assert stood == words.say("call_line_stalled", at=131, seconds=3, back=131)


def test_the_key_that_left_does_not_close_the_last_screen(tmp_path: Path) -> None:
    from hitl.coach.observer import Looking

    window = Shown()
    window.pressed = [*[frozenset({"escape"})] * 4, frozenset(), frozenset(), frozenset({"return"}), frozenset()]
    with SessionSetup(Home(tmp_path), OPTIONS, say=lambda said: None) as rig:
        printed = tell_ending(rig, window, Looking(), lambda: False)  # type: ignore[arg-type]
    assert len(window.pressed) == 1  # all of it was waited for
    assert window.cards[0] is not None
    assert window.cards[0].closes
    assert "hitl train" in printed


def test_a_trainer_that_works_on_while_the_last_screen_stays_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl.coach.observer import Looking

    class Screen(Shown):
        def keys(self) -> frozenset[str]:
            pressed = super().keys()
            write_heartbeat(tmp_path, Heartbeat(state="training", at=time.time(), ticks=time.monotonic()))
            return pressed

    window = Screen()
    window.pressed = [frozenset(), frozenset({"return"}), frozenset()]
    with SessionSetup(Home(tmp_path), OPTIONS, say=lambda said: None) as rig:
        write_heartbeat(tmp_path, Heartbeat(state="stopped"))
        printed = tell_ending(rig, window, Looking(), lambda: False)  # type: ignore[arg-type]
    assert ENGLISH["end_no_trainer"] not in printed


def test_the_last_screen_tells_when_the_trainer_was_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl.coach.observer import Looking

    monkeypatch.setattr(coach_screen, "LOOK_S", 0.05)
    learns = Heartbeat(state="training", at=time.time(), ticks=time.monotonic(), owed_updates=600, updates_per_second=10.0)
    until = time.monotonic() + 30.0

    class Screen(Shown):
        def keys(self) -> frozenset[str]:
            write_heartbeat(tmp_path, Heartbeat(state="stopped"))  # `hitl train stop`, in a terminal
            return frozenset({"return"}) if len(self.cards) > 1 or time.monotonic() > until else frozenset()

    window, behind = Screen(), SimpleNamespace(asked=0)
    behind.trainer_goes_on = lambda: setattr(behind, "asked", behind.asked + 1)
    with SessionSetup(Home(tmp_path), OPTIONS, say=lambda said: None) as rig:
        write_heartbeat(tmp_path, learns)
        tell_ending(rig, window, Looking(), lambda: False, False, behind)  # type: ignore[arg-type]
    before, after = (card.lines for card in window.cards if card is not None)
    assert ENGLISH.say("end_trained", n=1) in before
    assert ENGLISH.say("end_trained", n=1) not in after
    assert ENGLISH["end_no_trainer"] in after
    assert behind.asked > 0, "and what stands beside the card"


def test_a_silent_trainer_that_has_the_home_to_itself_is_not_said_to_be_missing(tmp_path: Path) -> None:
    from hitl.coach.observer import Looking

    window = Shown()
    window.pressed = [frozenset(), frozenset({"return"}), frozenset()]
    with (
        SessionSetup(Home(tmp_path), OPTIONS, say=lambda said: None) as rig,
        control.trainer_lock(tmp_path / "store.sqlite"),  # its disk is full, perhaps
    ):
        printed = tell_ending(rig, window, Looking(), lambda: False)  # type: ignore[arg-type]
    assert ENGLISH["end_no_trainer"] not in printed
    assert ENGLISH["end_trainer"] in printed
    assert window.cards[0] is not None
    assert ENGLISH["end_trainer"] in window.cards[0].lines


def test_the_coach_is_set_in_its_section(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[coach]\nsay = "off"\nrewind_s = 5\n')
    assert load(Home(tmp_path)).coach == CoachSettings(say="off", rewind_s=5.0)


@pytest.mark.parametrize(("verdict", "counted_s"), [("unreviewed", 2.0), ("good", 3.0), ("star", 3.0)])
def test_what_is_told_of_a_failed_takeover_counts_by_the_rule_of_the_demos(verdict: str, counted_s: float) -> None:
    recorder, ended = MagicMock(), list[Ended]()
    recorder.begin_segment.return_value = 1
    segments = Segments(recorder, DemoRule(), 20.0, print)
    segments.ended = ended.append
    segments.begin_takeover("stick", None, 0)
    for k in range(60):
        segments.step(StepRow(ROW, ROW, ROW, HUMAN, 0.0, progress=float(k), x=float(k)))
    segments.end_takeover(3.0, interrupted=False)
    segments.verdicts[1] = verdict
    segments.end_episode(3.5, EpisodeResult("drive", reason="off_road"))
    assert [(one.outcome, one.counted_s) for one in ended] == [("failed", counted_s)]


@pytest.mark.parametrize(("first", "then", "stays"), [
    ("press_kept", "press_discard", False), ("press_discard", "press_undone", False), ("press_star", "press_discard", False),
    ("press_discard", "press_kept", False), ("coach_counted", "press_discard", False), ("coach_counted", "press_kept", True),
    ("press_panic", "press_back", False), ("press_panic", "press_back_near", False), ("press_panic", "press_back_none", True),
])  # fmt: skip
def test_what_holds_no_more_is_taken_away(first: str, then: str, stays: bool) -> None:
    window, values = Shown("de"), {"seconds": 2.4, "key": "n"}
    say = speaker(window)  # type: ignore[arg-type]
    for name in (first, then, first, then):
        say(Said(name, values=values))
    texts = [window.options.words.say(name, **values) for name in (first, then)]
    assert (texts[0] in window.toasts, texts[1] in window.toasts) == (stays, True)
