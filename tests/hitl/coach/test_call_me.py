"""Called by the agent: when, how long it waits, whose the wheel is then, and what is stored of the time a person looked."""

from __future__ import annotations

import json
import re
import sqlite3
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.demos import Reason, Why
from data.records import HUMAN, Corner
from hitl.coach import ending
from hitl.coach.call_me import PATIENCE, CallMe, CallRule, Countdown, Failure
from hitl.coach.observer import Coaching, Looking
from hitl.coach.rewind import Moment
from hitl.coach.rules import Coach, Ended
from hitl.coach.sounds import Sounds
from hitl.commands import play
from hitl.demo.shipped import open_shipped
from hitl.drivers.human import HumanDriver
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.protocols import EpisodeResult
from hitl.screens.coach_screen import Caller
from hitl.session.playing.play_loop import PlayLoop
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import CoachSettings
from hitl.timing.clocks import HurriedClock
from takeover_ui.language import ENGLISH, LANGUAGES
from takeover_ui.view import Card
from takeover_ui.window.options import WindowOptions
from tests.support.held import Cruise

REST, HOLD = PadState(), PadState(gas=0.5, buttons=frozenset({"takeover"}))
QUICK = CoachSettings(say="off", sound=False, countdown_s=0.02, wait_s=1.0)


class Pad:
    """At rest until the agent calls; then it does what it is told, tick by tick, and the last thing stays."""

    name = "pad"

    def __init__(self, *does: PadState) -> None:
        self.does, self.called, self.at = does, False, 0

    def read(self) -> PadState:
        if not self.called:
            return REST
        self.at += 1
        return self.does[min(self.at, len(self.does)) - 1]

    def rumble(self, *how: float) -> None:
        pass

    def close(self) -> None:
        pass


def called(home: Path, *does: PadState, settings: CoachSettings = QUICK) -> tuple[CallMe, list[Any], list[tuple[str, float]]]:
    pad, shown, results = Pad(*does), list[tuple[str, float]](), []

    def call(failure: Failure) -> None:
        pad.called = True
        results.append(failure)

    options = SessionOptions(greedy_every=0, coach=settings)
    with SessionSetup(Home(home), options, human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        rig.session.policy = Cruise()  # type: ignore[assignment]
        rig.policy = rig.session.policy
        calls = CallMe(rig, call, lambda what, left: shown.append((what, left)), lambda: None)
        results += calls.drive(0)
        pad.called = False
        results += calls.drive(1)  # with the same weights: no second call yet
        assert rig.written()
    return calls, results, shown


def events(home: Path, kind: str) -> list[dict[str, Any]]:
    with sqlite3.connect(home / "store.sqlite") as db:
        return [json.loads(data) for (data,) in db.execute("SELECT data FROM events WHERE kind = ?", (kind,))]


def test_it_calls_before_its_failure_and_the_player_drives_from_there(tmp_path: Path) -> None:
    calls, (alone, failure, helped, again), shown = called(tmp_path, REST, HOLD)
    assert (alone.reason, helped.purpose, again.purpose) == ("off_road", "practice", "drive")
    assert (failure.at_m, failure.reason, failure.back_s) == (alone.progress, "off_road", 3.0)
    assert (alone.human_steps, again.human_steps) == (0, 0)
    assert helped.human_steps == helped.steps > 0
    assert [what for what, _ in shown] == ["ready", "count", "go"]
    assert (calls.calls, calls.missed) == (1, 0)
    assert calls.looking.drove_s == helped.human_steps / 20.0
    (said,) = events(tmp_path, "call")
    assert said["takeover_s"] == pytest.approx(helped.human_steps / 20.0, abs=0.01)
    assert 0.0 < said["looked_s"] < 30.0
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        assert db.execute('SELECT "trigger", start FROM segments').fetchall() == [("call", 0)]
        old = db.execute("SELECT observation FROM steps WHERE episode_id = 1 ORDER BY t DESC LIMIT 1 OFFSET 59").fetchone()
        first = "SELECT observation, driver, progress FROM steps WHERE episode_id = 2 ORDER BY t LIMIT 1"
        *new, metres = db.execute(first).fetchone()
        assert new == [*old, HUMAN]
        assert failure.back_m == pytest.approx(metres, abs=1.5), "told where the car stands"
        assert db.execute("SELECT count(*) FROM episodes").fetchone() == (3,)


def test_a_pause_while_it_calls_is_in_sight_and_no_answer_to_the_call(tmp_path: Path) -> None:
    pause = PadState(buttons=frozenset({"pause"}))
    calls, (_, _, helped, _), shown = called(tmp_path, REST, pause, REST, HOLD, REST, pause, REST, REST, HOLD)
    assert [what for what, _ in shown] == ["ready", "paused", "ready", "count", "go"]
    assert (calls.missed, helped.human_steps > 0) == (0, True)
    cards: list[Card | None] = []
    window = SimpleNamespace(options=WindowOptions(), card=cards.append)
    caller = Caller(SimpleNamespace(), window, None, Sounds(on=False))  # type: ignore[arg-type]
    for what in ("ready", "paused", "ready"):
        caller.show(what, 1.0)
    assert [card is not None for card in cards] == [True, False, True], "it covers what a pause says"


def test_the_terminal_is_english_whatever_the_window_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[Any] = []
    window = SimpleNamespace(
        options=WindowOptions(language="pl"), card=said.append, toast=said.append,
        forget_drives=lambda: None, to_front=lambda: None,
    )  # fmt: skip
    caller = Caller(SimpleNamespace(), window, None, Sounds(on=False))  # type: ignore[arg-type]
    caller.begins(3)
    caller.call(Failure(None, 190.0, "off_road", 3.0, 170.0))
    printed = capsys.readouterr().out
    assert "1 drive in 3 is without noise" in printed
    assert "It needs you. It left the road at 190 m." in printed
    assert LANGUAGES["pl"].say("call_begins", n=3) in said


def test_where_no_one_comes_nothing_is_driven_from_there(tmp_path: Path) -> None:
    calls, (_, _, missed, _), shown = called(tmp_path, REST, settings=CoachSettings(say="off", sound=False, wait_s=0.05))
    assert (missed.steps, missed.reason, calls.missed) == (0, "stopped", 1)
    assert [what for what, _ in shown] == ["ready"]
    assert events(tmp_path, "call")[0]["looked_s"] == 0.0
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        assert db.execute("SELECT count(*) FROM segments").fetchone() == (0,)


def test_who_goes_back_while_the_agent_drives_alone_drives_at_the_clocks_pace(tmp_path: Path) -> None:
    back, seen = PadState(buttons=frozenset({"rewind"})), list[bool]()

    class Looks(Pad):
        ticks = 0

        def read(self) -> PadState:
            self.ticks += 1
            return back if self.ticks == 40 else HOLD if self.ticks > 41 else REST

    options = SessionOptions(greedy_every=0, coach=QUICK)
    with SessionSetup(Home(tmp_path), options, human=lambda track: HumanDriver(Looks())) as rig:  # type: ignore[arg-type]
        rig.session.policy = Cruise()  # type: ignore[assignment]
        screen = SimpleNamespace(fast="alone, fast")
        caller = Caller(rig, None, screen, Sounds(on=False))  # type: ignore[arg-type]
        calls = CallMe(rig, lambda failure: None, lambda what, left: None, caller.end_call)
        rig.session.watch = lambda tick: seen.append(rig.session.hands_off and tick.decision.driver == HUMAN)
        driven = list(calls.drive(0))
    alone, taken = driven[:2]
    assert (alone.reason, taken.purpose) == ("rewound", "practice")
    assert screen.fast == "", "the player drives, and not the agent alone"
    assert calls.looking.drove_s == sum(r.human_steps for r in driven) / 20
    assert calls.looking.looked_s > 0
    assert taken.human_steps > 0
    assert not any(seen)


@pytest.mark.parametrize("enough", [True, False])
def test_it_never_says_that_it_is_enough_and_that_it_needs_you_at_once(tmp_path: Path, enough: bool) -> None:
    said: list[str] = []
    options = SessionOptions(greedy_every=0, coach=CoachSettings(sound=False, countdown_s=0.0, wait_s=0.0))
    with SessionSetup(
        Home(tmp_path), options, human=lambda track: HumanDriver(Pad(REST)), say=lambda one: said.append(one.name)
    ) as rig:  # type: ignore[arg-type]
        coaching = rig.session.coaching
        assert coaching is not None
        crash = EpisodeResult("drive", "off_road", 300, progress=200.0)
        for weights in range(3 if enough else 2):
            coaching.begin_episode(0.0, weights)
            coaching.coach.ended(Ended(weights, "hairpin", 3.0, "cleared"))
            coaching.end_episode(crash)
        assert ("coach_enough" in said) is enough

        def episode(purpose: str, **how: Any) -> EpisodeResult:
            return crash

        rig.session.episode = episode  # type: ignore[method-assign]
        back = Moment(None, np.zeros(1, np.float32), {"progress": 150.0}, 3.0)
        rig.session.go_back = lambda trigger: back  # type: ignore[method-assign,assignment]
        called: list[float] = []
        calls = CallMe(rig, lambda failure: called.append(failure.at_m), lambda what, left: None, lambda: None)
        for _ in calls.drive(0):
            pass
        assert len(called) == (not enough)


def test_the_window_says_that_it_learns_and_hears_escape_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl import trainer_process

    cards: list[Card | None] = []
    window = SimpleNamespace(options=WindowOptions(), card=cards.append, closed=False)
    window.drive_begins = window.toast = lambda *said: None
    escape = PadState(buttons=frozenset({"quit"}))
    at = iter(range(10_000))
    pad = Pad(REST)
    pad.read = lambda: escape if next(at) >= 150 else REST  # type: ignore[method-assign]
    monkeypatch.setattr(trainer_process.TakingTurns, "_learns", lambda turns: True)
    with SessionSetup(Home(tmp_path), SessionOptions(coach=QUICK), human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        rig.session.policy = Cruise()  # type: ignore[assignment]
        args = Namespace(call_me=True, practice=None, episodes=5, seed=0, lap=False, pad="auto", home=None)
        stood: list[int] = []
        screen = SimpleNamespace(fast="", stand=lambda: stood.append(1), episode_over=lambda result: None)
        caller = Caller(rig, window, screen, Sounds(on=False))  # type: ignore[arg-type]
        loop = PlayLoop(rig, args, None, lambda text: None, caller)
        loop._calls.drive = lambda seed: iter([EpisodeResult("drive", "off_road", 300)])  # type: ignore[union-attr,method-assign]
        loop.run()
        assert rig.session.leaving
        assert len(loop.results) == 1
    assert stood, "nothing is paused, and the window does not say so"
    assert cards[0] == Card("It is learning: 1 s", ("You are called when it needs you.",), keys=ENGLISH["key_leave"])
    assert cards[-1] is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=40))
def test_it_calls_for_news_and_not_for_the_same_failure_again_and_again(failures: list[tuple[str, int]]) -> None:
    rule = CallRule()
    quiet: dict[str, int] = {}
    last: dict[str, int] = {}
    for place, weights in failures:
        calls = rule.failed(place, weights)
        if place not in last or weights != last[place]:
            assert calls
        assert calls or quiet.get(place, 0) + 1 < PATIENCE
        quiet[place] = 0 if calls else quiet.get(place, 0) + 1
        last[place] = weights if calls else last[place]


@given(st.floats(0.0, 5.0), st.lists(st.sampled_from([REST, HOLD]), min_size=1, max_size=150))
def test_it_stands_until_someone_comes_and_then_counts_down_to_the_end(seconds: float, pads: list[PadState]) -> None:
    shown: list[tuple[str, float]] = []
    countdown = Countdown(seconds, 2.0, lambda what, left: shown.append((what, left)))
    answers = []
    for pad in pads:
        answers.append(countdown.step(pad, 0.05))
        if answers[-1] != "stand":
            break
    counts = [left for what, left in shown if what == "count"]
    assert counts == sorted(set(counts), reverse=True)
    came = next((k for k in range(1, len(pads)) if pads[k] == HOLD and pads[k - 1] == REST), None)
    if answers[-1] == "drive":
        assert came is not None
        assert len(answers) - 1 - came >= seconds / 0.05 - 1e-6
        assert shown[-1] == ("go", 0.0)
    elif answers[-1] == "give up":
        assert came is None or came >= len(answers) - 1
        assert len(answers) == pytest.approx(40, abs=1)


def test_a_clock_that_hurries_waits_for_nothing_and_is_punctual_again_afterwards() -> None:
    clock = HurriedClock(10.0)
    clock.fast = True
    began = clock.now()
    for _ in range(50):
        clock.wait_for_send()
        clock.sending()
    assert clock.now() - began < 0.5  # five seconds at its pace
    assert (clock.lateness.ticks, clock.late) == (0, 0)
    clock.fast = False
    clock.wait_for_send()
    clock.sending()
    began = clock.now()
    clock.wait_for_send()
    assert clock.now() - began > 0.05


@pytest.mark.parametrize("args", [["--lap"], ["--practice", "hairpin"], ["--pad", "none"]])
def test_a_call_needs_someone_to_call(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        play.main(["--call-me", *args])
    assert "--call-me needs a driver to call" in capsys.readouterr().err


class TestTheEnd:
    corner = Corner("hairpin", 100.0, 150.0)

    def coaching(self, known: list[bool]) -> Coaching:
        return Coaching(Coach([self.corner], {"hairpin": known}), [self.corner], lambda said: None)

    def test_what_is_said_of_two_takeovers_is_not_read_as_of_one(self) -> None:
        said: list[str] = []
        coaching = Coaching(Coach([self.corner]), [self.corner], lambda one: said.append(one.text(ENGLISH)))
        coaching.ended(Ended(1, "", 6.0, "unclear"))
        coaching._driven_s += 3.0
        coaching.ended(Ended(3, "hairpin", 4.2, "failed", counted_s=3.2, until_m=198.0))
        coaching.ended(Ended(2, "hairpin", 0.1, "unclear", Reason(Why.SHORT, "0.10 s")))
        coaching._driven_s += 20.0
        coaching.ended(Ended(4, "", 2.0, "unclear"))
        assert said == [
            "That one counted: 6.0 s.",
            "A later takeover. Good until 198 m: these 3.2 s count, what came after does not.",
            "An earlier takeover. That one did not count: too short (0.10 s). "
            "star keeps it all the same, except in a pause.",
            "That one counted: 2.0 s.",
        ]

    def test_it_says_what_was_done_what_came_of_it_and_what_comes_next(self) -> None:
        coaching = self.coaching([False] * 4)
        coaching.ended(Ended(1, "hairpin", 3.0, "cleared"))
        coaching.ended(Ended(2, "hairpin", 2.5, "failed", counted_s=1.5, until_m=120.0))
        coaching.ended(Ended(3, "hairpin", 0.1, "unclear", Reason(Why.SHORT, "0.10 s")))
        coaching.coach.alone("hairpin", True, 1, 30.0)
        card = ending.card(coaching, Looking(40.0, 5.6), None, ENGLISH)
        assert card.rows[1] == ("hairpin", "2 × 5.5 s", "1 of 2", "0 of 4", "1 of 5")
        assert card.lines[0] == "1 takeover (0.1 s) did not count: too short.", "else the table would contradict the sum"
        assert card.lines[1] == "You had to watch for 40 s, and drove for 5.6 s of it."
        assert card.lines[-1] == 'Next time: `hitl play --practice "hairpin"`.'
        assert "hairpin  2 × 5.5 s   1 of 2   0 of 4        1 of 5" in ending.printed(coaching, Looking(), None)

    def test_who_has_driven_did_not_take_over_nowhere(self) -> None:
        coaching = self.coaching([])
        nowhere = "You took over nowhere."
        assert nowhere in ending.printed(coaching, Looking(), None)
        coaching.helped = True  # and judged it bad before its outcome was known
        assert nowhere not in ending.printed(coaching, Looking(), None)
        coaching.ended(Ended(1, "hairpin", 2.1, "unclear", Reason(Why.STILL, "0.4 m")))
        assert "1 takeover (2.1 s) did not count: the car hardly moved." in ending.printed(coaching, Looking(), None)

    def test_the_next_step_follows_from_how_far_it_is(self) -> None:
        said = {}
        for known, name in (([], ""), ([True] * 5, "free"), ([True, True, False], "call"), ([False] * 3, "practice")):
            said[name] = ending.following(self.coaching(known), ENGLISH)
        assert said[""] == ""
        assert "let it drive" in said["free"]
        assert "--call-me" in said["call"]
        assert "--practice" in said["practice"]
        assert ending.following(self.coaching([True, True, False]), ENGLISH, called=True) == "", "that was just done"
        coaching = self.coaching([False])
        for k in range(4):
            coaching.ended(Ended(k, "hairpin", 3.0, "cleared"))
            coaching.coach.alone("hairpin", False, k, 9.0 * k)
        assert "hitl diagnose" in ending.following(coaching, ENGLISH)

    def test_what_was_just_seen_to_fail_is_not_left_to_itself(self) -> None:
        coaching = self.coaching([True] * 5)
        coaching.begin_episode(0.0, 1)
        coaching.end_episode(EpisodeResult("drive", "off_road", steps=50, progress=60.0))  # before the corner
        text = ending.following(coaching, ENGLISH)
        assert text.startswith("Next time: take over where it fails.")
        assert "alone it did not finish 1 of 1 here" in text

    def test_what_another_agent_did_is_not_told_of_one_that_drives_at_random(self) -> None:
        coaching = self.coaching([True] * 5)
        coaching.forget(lost=True)
        text = ending.printed(coaching, Looking(), None)
        assert "hairpin" not in text
        assert "Next time" not in text
        assert "`hitl train --fresh`" in text

    def test_where_most_takeovers_fail_better_ones_would_be_of_use(self) -> None:
        said: list[str] = []
        coaching = Coaching(Coach([self.corner], {"hairpin": [False]}), [self.corner], lambda one: said.append(one.name))
        for k in range(13):
            coaching.ended(Ended(k, "hairpin", 3.0, "cleared" if k % 4 == 1 else "failed", until_m=120.0))
            said += [one.name for one in coaching.coach.alone("hairpin", False, k, 9.0 * k)]
        assert "coach_enough" not in said
        text = ending.following(coaching, ENGLISH)
        assert text.startswith("Next time: take over earlier and slower at the hairpin")
        assert '`hitl play --practice "hairpin"`' in text

    def test_after_practice_it_says_how_many_tries_came_through_and_does_not_send_there_again(self) -> None:
        coaching = self.coaching([False] * 3)
        card = ending.card(coaching, Looking(practised=("hairpin", 3, 5)), None, ENGLISH)
        assert card.lines[0] == "practice at hairpin: 3 of 5 through"
        assert not any("--practice" in line for line in card.lines), "that was just done"
        assert "--practice" in ending.following(coaching, ENGLISH, practised="another corner")

    def test_it_says_how_long_the_trainer_still_needs(self) -> None:
        import time

        from trainer.daemon.heartbeat import Heartbeat

        beat = Heartbeat(ticks=time.monotonic(), state="training", owed_updates=2400, updates_per_second=10.0)
        for words in LANGUAGES.values():
            assert words.say("end_trained", n=4) in ending.lines(self.coaching([]), Looking(), beat, words)


def test_practice_ends_with_what_came_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_shipped(Home(tmp_path))
    (tmp_path / "settings.toml").write_text("[coach]\nsound = false\n")
    words = ["--practice", "hairpin", "--pad", "scripted", "--headless", "--episodes", "2"]
    assert play.main(["--home", str(tmp_path), *words]) == 0
    told = capsys.readouterr().out
    assert "2 tries at 'hairpin'" in told
    assert re.search(r"^corner +you helped +cleared +alone before +alone now\nhairpin ", told, re.MULTILINE)


def test_it_plays_without_a_watcher_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.toml").write_text("[coach]\nsound = false\n")
    assert play.main(["--home", str(tmp_path), "--call-me", "--pad", "scripted", "--headless", "--episodes", "2"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"It needs you\. It got no further at \d+ m\. The car stands where it was \d s before: at \d+ m\.", told)
    (said,) = events(tmp_path, "attention")
    assert said["calls"] >= 1
    assert np.isfinite(said["looked_s"])
