"""What the demo says and asks: cards, advice from the recorded drives, practice, who drives while a person only watches."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pygame
import pytest

from data.records import Corner
from data.store import Store
from hitl.coach.observer import Coaching
from hitl.coach.rules import Coach, Said
from hitl.commands.demo import _run, _stay
from hitl.demo import run as run_demo
from hitl.demo.advice import braking_advice
from hitl.demo.cards import closing_card, intro_card, outcome_card, practice_card, turn_card, unfinished
from hitl.demo.demo import DemoResult, Measurement
from hitl.demo.window import DemoWindow
from hitl.drivers.human import HumanDriver, HumanOrScripted, ScriptedHuman
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.protocols import EpisodeResult
from hitl.screens import session_window
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from takeover_ui.language import LANGUAGES
from takeover_ui.overlay import card as cards
from takeover_ui.report.contents import Report, Score
from takeover_ui.view import Card
from takeover_ui.window.options import WindowOptions
from tests.support import sample_screens as samples

CORNER = Corner("hairpin", 185.0, 240.0)
ENTER = PadState(buttons=frozenset({"star"}))
PAUSE = PadState(buttons=frozenset({"pause"}))
QUIT = PadState(buttons=frozenset({"quit"}))
ARROW = PadState(gas=1.0)


def measured(passes: int, finished: int, of: int = 20) -> Measurement:
    results = [
        EpisodeResult("evaluation", "finish" if k < finished else "off_road", 300 + k, total=70.0, passed={"hairpin": k < passes})
        for k in range(of)
    ]
    return Measurement(results, "hairpin", 1)


def outcome() -> DemoResult:
    after = Measurement([], "hairpin", None)
    return DemoResult("default", 0, CORNER, measured(0, 0), after, 12.0, 3, 900, 1_500, 60.0, stand_in_seconds=4.0)


def score(passes: int, finished: int, best_lap: float | None = None) -> Score:
    return Score(tuple(k < passes for k in range(20)), 70.0, finished, 3_000, "the most recent evaluation", best_lap)


def report(after: Score | None) -> Report:
    return Report("demo", samples.scene(), CORNER, before=score(0, 0), after=after, updates=1_200, agent_steps=700)


def with_line(card: Card, line: str) -> Card:
    return replace(card, lines=(*card.lines, line))


EVERY = tuple(
    card
    for words in LANGUAGES.values()
    for card in (
        intro_card("hairpin", 20, words),
        turn_card("hairpin", measured(0, 0), words["arrows"], stand_in=True, words=words),
        practice_card("hairpin", 3, words.say("brake_late", good=160, mine=172, off=12), 5, words),
        closing_card(words),
        outcome_card(outcome(), report(score(20, 0)), words),
        outcome_card(outcome(), report(score(20, 19, 15.0)), words),
        outcome_card(outcome(), report(None), words),
        with_line(outcome_card(outcome(), report(score(20, 0)), words), words.say("demo_opened", name="demo-report.html")),
    )
)


@pytest.mark.parametrize("size", [(640, 480), (1024, 768), (1280, 720), (3840, 2160)])
@pytest.mark.parametrize("card", EVERY)
def test_a_card_shows_all_its_words(card: Card, size: tuple[int, int]) -> None:
    surface = pygame.Surface(size)
    marks = cards.draw(surface, card)
    box = next(m.rect for m in marks if m.name == "card")
    assert surface.get_rect().contains(box)
    texts = [m for m in marks if m.text]
    assert not any(m.shortened for m in texts)
    assert all(box.contains(m.rect) for m in texts)
    assert not any(a.rect.colliderect(b.rect) for k, a in enumerate(texts) for b in texts[k + 1 :])
    said = " ".join(m.text for m in texts)
    for words in (card.title, *card.lines, *(cell for row in card.rows for cell in row)):
        assert " ".join(words.split()) in " ".join(said.split())


def test_what_was_not_measured_is_a_dash_and_laps_that_were_not_finished_get_a_sentence() -> None:
    rows = outcome_card(outcome(), report(None)).rows
    assert [row[2] for row in rows] == ["after", "–", "–", "–", "–"]
    assert [row[1] for row in rows] == ["before", "0 of 20", "0 of 20", "–", "70.0"]
    assert "finishes none of these laps" in unfinished(report(score(20, 0)))
    assert unfinished(report(score(20, 18))) == ""
    assert outcome_card(outcome(), report(score(20, 18, 15.04))).rows[3][2] == "15.0 s"
    said = outcome_card(outcome(), report(score(20, 18))).lines[0]
    helped = "3 takeovers: you 8.0 s, the scripted driver 4.0 s. 1,200 updates since the first takeover."
    assert said == helped, "as the report counts them"
    left = replace(outcome(), before=measured(0, 0, of=7))
    assert {row[1] for row in outcome_card(left, report(score(20, 18))).rows[1:]} == {"–"}, "what the report knows is of before"


@pytest.mark.parametrize("opens", [True, False])
def test_enter_on_the_last_card_says_where_the_report_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opens: bool) -> None:
    shown: list[Card] = []
    presses = iter([frozenset[str](), frozenset({"return"}), frozenset[str]()])

    class Last:
        options = WindowOptions()
        closed = False

        def card(self, card: Card) -> None:
            shown.append(card)

        def keys(self) -> frozenset[str]:
            down = next(presses)
            self.closed = len(shown) > 1
            return down

    monkeypatch.setattr("webbrowser.open", lambda address: opens)
    _stay(Last(), outcome_card(outcome(), report(score(20, 18))), tmp_path / "demo-report.html")  # type: ignore[arg-type]
    assert "demo-report.html" in shown[-1].lines[-1]
    assert shown[-1].lines[-1].startswith("A browser shows" if opens else "There is no browser")


def test_a_demo_in_a_window_draws_its_seed_and_one_without_is_the_same_each_time(tmp_path: Path, monkeypatch: Any) -> None:
    drawn, asked_for = iter((5374, 9999)), []
    used: list[int] = []
    monkeypatch.setattr("hitl.commands.demo.random.randrange", lambda below: asked_for.append(below) or next(drawn))
    for name in ("run_in_window", "run_headless"):
        monkeypatch.setattr(run_demo, name, lambda *args, seed, **more: used.append(seed))
    for seed, window in ((None, Window()), (None, Window()), (7, Window()), (None, None), (7, None)):
        asked = SimpleNamespace(env="box2d", track="default", seed=seed, skill="good", minutes=1.0, headless=window is None)
        asked.no_stand_in = False
        _run(Home(tmp_path), asked, CORNER, window, lambda: False)  # type: ignore[arg-type]
    assert used == [5374, 9999, 7, 0, 7]
    assert asked_for == [10_000, 10_000]


def test_a_process_that_was_asked_to_end_does_not_wait_at_the_outcome(tmp_path: Path) -> None:
    window = Window()
    window.keys = frozenset  # type: ignore[attr-defined]
    _stay(window, outcome_card(outcome(), report(score(20, 18))), tmp_path / "r.html", lambda: True)  # type: ignore[arg-type]
    assert len(window.cards) == 1


class Window:
    """Keeps the cards that it is given."""

    closed, died, hears_keys = False, False, True

    def __init__(self, language: str = "en") -> None:
        self.cards: list[Card | None] = []
        self.options = WindowOptions(language=language)

    def card(self, card: Card | None) -> None:
        self.cards.append(card)

    def episode_over(self) -> None:
        pass

    def withdraw(self, text: str) -> None: ...

    def toast(self, text: str, level: str = "info", of_drive: bool = False, only: str | None = None) -> None:
        pass


class Pad:
    """Gives one reading after the other, the last one for ever."""

    name = "planned"

    def __init__(self, *readings: PadState) -> None:
        self.readings = list(readings)

    def read(self) -> PadState:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


def asking(*readings: PadState) -> tuple[DemoWindow, Window, Any]:
    shown = Window()
    screen = DemoWindow(shown, CORNER)  # type: ignore[arg-type]
    session = SimpleNamespace(human=HumanDriver(Pad(*readings)), leaving=False, stop=lambda: False)  # type: ignore[arg-type]
    screen._rig = SimpleNamespace(session=session)  # type: ignore[assignment]
    return screen, shown, session


@pytest.mark.parametrize(
    ("readings", "answer", "leaves"),
    [
        ((PadState(), ENTER), True, False),
        ((PadState(), QUIT), False, True),
        ((ENTER, ENTER), False, False),  # held since the drive
        ((PadState(), ARROW), False, False),
        ((PadState(),), False, False),
    ],
)
def test_a_question_is_answered_by_a_press_and_by_waiting(
    readings: tuple[PadState, ...], answer: bool, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_window, "READ_S", 0.2)
    monkeypatch.setattr(session_window, "toast_s", lambda text: 0.0)
    screen, shown, session = asking(*readings)
    assert screen.asked(Card("?")) is answer
    assert session.leaving is leaves
    first, *_, last = shown.cards
    assert (first and first.title, last) == ("?", None)


def test_a_question_counts_down_as_long_as_it_takes_to_read_and_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_window, "READ_S", 0.2)
    monkeypatch.setattr(session_window, "toast_s", lambda text: 0.3 if text == "?it is long" else 0.0)
    screen, shown, _ = asking(PadState(), PAUSE, *[PadState()] * 30, PAUSE, PadState())
    began = time.monotonic()
    assert not screen.asked(Card("?", ("it is long",), keys="Enter: yes"))
    assert time.monotonic() - began > 0.8, "what it takes to read, and the time for which it was kept"
    keys = list(dict.fromkeys(card.keys for card in shown.cards if card is not None))
    assert keys == ["Enter: yes    goes on by itself in 1 s    P: wait", "Enter: yes    P: go on by itself"]


def test_a_question_that_no_one_sees_any_more_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_window, "READ_S", 5.0)
    screen, shown, session = asking(PadState(), PAUSE, PadState())
    began = time.monotonic()
    session.stop = lambda: setattr(shown, "died", len(shown.cards) > 1) or time.monotonic() > began + 20.0
    assert not screen.asked(Card("?"))
    assert shown.died
    assert time.monotonic() < began + 20.0


def test_a_hand_that_still_drives_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_window, "STILL_DRIVES_S", 0.1)
    screen, _, _ = asking(*[PadState(), ARROW] * 2, PadState(), ENTER)
    assert screen.asked(Card("?"))


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_demo_speaks_the_language_of_its_window(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_window, "READ_S", 0.1)
    monkeypatch.setattr(session_window, "toast_s", lambda text: 0.0)
    shown, words = Window(code), LANGUAGES[code]
    screen = DemoWindow(shown, CORNER)  # type: ignore[arg-type]
    session = SimpleNamespace(human=HumanDriver(Pad(PadState())), leaving=False, stop=lambda: False)
    screen._rig = SimpleNamespace(session=session, world=SimpleNamespace(picture=None))  # type: ignore
    screen.phase("practice")
    assert screen.message == words.say("demo_practice", corner=CORNER.name)
    assert screen.hint == words.say("demo_hint", drive=words["arrows"])
    screen.measured(measured(0, 0))
    card = turn_card(CORNER.name, measured(0, 0), words["arrows"], stand_in=False, words=words)
    shown_card = shown.cards[0]
    assert shown_card is not None
    assert replace(shown_card, keys=card.keys) == card
    assert shown_card.keys == f"{card.keys}    {words.say('card_goes_on', seconds=1, key='P')}"


def test_practice_is_offered_after_three_failures_of_the_person_and_of_no_one_else() -> None:
    screen, _, _ = asking(PadState())
    failed = EpisodeResult("drive", "off_road", progress=200.0, human_steps=20, passed={"hairpin": False})

    def over(result: EpisodeResult, person: bool) -> None:
        screen._person_drove = person
        screen.episode_over(result)

    for _ in range(5):
        over(failed, False)
    assert screen._failed == 0
    over(failed, True)
    over(replace(failed, progress=50.0), True)  # never came to the corner
    over(failed, True)
    assert not screen.offers_practice()
    over(replace(failed, passed={"hairpin": True}), True)
    assert screen._failed == 0
    for _ in range(3):
        over(failed, True)
    assert screen._failed == 3


def test_an_evaluation_counts_lap_by_lap_in_what_is_shown_of_the_corner() -> None:
    screen, _, session = asking(PadState())
    coaching = session.coaching = Coaching(Coach([CORNER]), [CORNER], lambda said: None)
    came = (250.0, "finish"), (200.0, "off_road"), (50.0, "off_road"), (200.0, "time_limit")  # the last two: no attempts
    counted = []
    for progress, reason in came:
        screen.lap_over(EpisodeResult("evaluation", reason, progress=progress))
        now = coaching.coach.learned(CORNER.name)
        assert now is not None
        counted.append((now.passes, now.of))
    assert counted == [(1, 1), (1, 2), (1, 2), (1, 2)]
    for _ in range(10):
        screen.lap_over(EpisodeResult("evaluation", "finish", progress=300.0))
    assert coaching.coach.learned(CORNER.name).passes == 10  # type: ignore[union-attr]


def test_the_coach_tells_the_player_of_their_own_driving_and_leaves_the_end_to_the_demo() -> None:
    screen, _, _ = asking(PadState())
    said: list[str] = []
    say = screen.coached_by(lambda one: said.append(one.name))
    every = ("coach_help", "coach_cleared", "coach_let_try", "coach_has_it", "coach_enough", "coach_done", "press_back")
    screen._stand_in_drove = True
    for name in every:
        say(Said(name))
    assert said == ["coach_help", "coach_has_it", "press_back"]
    screen._stand_in_drove = False
    del said[:]
    for name in every:
        say(Said(name))
    assert said == ["coach_help", "coach_cleared", "coach_let_try", "coach_has_it", "press_back"]


def test_the_scripted_driver_comes_back_when_the_person_has_stopped() -> None:
    stand_in = SimpleNamespace(begin=lambda: None, name="scripted", read=lambda info: (PadState(gas=0.2), "scripted"))
    pad = Pad(PadState())
    wheel = HumanOrScripted(HumanDriver(pad), stand_in)  # type: ignore[arg-type]

    def episode(*readings: PadState) -> str:
        wheel.begin()
        pad.readings = list(readings)
        return [wheel.read({})[1] for _ in readings][-1]

    assert [episode(PadState()) for _ in range(3)] == ["", "scripted", "scripted"]
    assert episode(PadState(), ARROW) == ""
    assert [episode(PadState()) for _ in range(5)] == ["", "", "", "scripted", "scripted"]
    wheel.claim()
    assert [episode(PadState()) for _ in range(4)] == ["", "", "", "scripted"]
    assert isinstance(wheel.stand_in, ScriptedHuman) is False


def test_advice_compares_where_the_player_brakes_with_where_those_who_pass_do(tmp_path: Path) -> None:
    """Laps that pass brake in time. A player who takes the wheel late and never brakes is told where the others do."""
    from hitl.drivers.human import scripted_human
    from tests.support.held import Cruise

    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions(), human=lambda track: scripted_human(track, "expert", None)) as rig:
        rig.session.episode("lap", seed=0)
        corner = rig.corner("hairpin")

    class FullGas:
        name = "planned"
        at = 0

        def read(self) -> PadState:
            self.at += 1
            return PadState(gas=1.0, buttons=frozenset({"takeover"} if self.at > 60 else ()))

        def rumble(self, *how: float) -> None:
            pass

    with SessionSetup(home, SessionOptions(), human=lambda track: HumanDriver(FullGas())) as rig:  # type: ignore[arg-type]
        rig.session.policy = Cruise()  # type: ignore[assignment]
        rig.session.episode(seed=0)
        rig.written()
        session = rig.recorder.session_id
        with Store(home.store_path, read_only=True) as store:
            said = braking_advice(store, rig.track.name, corner, session)
    assert said.startswith("Whoever gets through brakes at 1")
    assert "you do not brake" in said
