"""A lap of the player's own begins when they do."""

from __future__ import annotations

import sqlite3
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.records import HUMAN
from hitl.coach.first_touch import FirstTouch
from hitl.coach.rules import Said
from hitl.coach.sounds import Sounds
from hitl.drivers.human import TOUCHED, HumanDriver
from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.protocols import EpisodeResult, Tick
from hitl.screens.coach_screen import Caller
from hitl.screens.telling import line_keeper
from hitl.session.playing.play_loop import PlayLoop
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import CoachSettings
from takeover_ui.language import LANGUAGES

REST, GAS = PadState(), PadState(gas=1.0)
QUIET = CoachSettings(say="off", sound=False)
WAITS = 30  # looks at a pad before it is touched


class Pad:
    """At rest for a while, then full gas, or gone; until the lap is over."""

    name = "pad"

    def __init__(self, then: PadState = GAS, waits: int = WAITS) -> None:
        self.then, self.waits, self.looks = then, waits, 0

    def read(self) -> PadState:
        self.looks += 1
        return REST if self.looks <= self.waits else self.then

    def rumble(self, *how: float) -> None: ...

    def close(self) -> None: ...


def drive(home: Path, pad: Pad, env: Any = None) -> tuple[EpisodeResult, list[bool], list[Tick]]:
    shown, ticks = list[bool](), list[Tick]()
    options = SessionOptions(coach=QUIET)
    with SessionSetup(Home(home), options, human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        rig.session.watch = ticks.append
        if env is not None:
            rig.session.rewind._save, rig.session._stepped = env, False
        result = rig.session.episode("lap", seed=0, awaits=FirstTouch(shown.append))
        assert rig.written()
    return result, shown, ticks


def test_the_car_stands_until_a_control_is_touched_and_nothing_is_recorded(tmp_path: Path) -> None:
    result, shown, ticks = drive(tmp_path, Pad())
    assert shown == [True, False]
    standing = ticks[: WAITS]
    assert {float(np.abs(tick.decision.executed).max()) for tick in standing} == {0.0}
    assert {(tick.decision.driver, tick.decision.paused, tick.steps) for tick in standing} == {(HUMAN, False, 0)}
    assert len({tick.info["progress"] for tick in standing}) == 1
    assert len(ticks) == WAITS + result.steps
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        actions = [np.frombuffer(a, np.float32) for (a,) in db.execute("SELECT executed FROM steps ORDER BY t")]
        assert db.execute("SELECT start, stop FROM segments WHERE kind = 'lap'").fetchall() == [(0, result.steps)]
    assert len(actions) == result.steps == result.human_steps
    assert actions[0][0] == 1.0, "the touch itself is driven"


def test_a_lap_that_waits_can_be_paused_and_set_up(tmp_path: Path) -> None:
    class Pausing(Pad):
        """Pauses, asks for the settings, presses the gas meanwhile, and goes on."""

        def read(self) -> PadState:
            state = super().read()
            presses = {3: "pause", 5: "settings", 9: "pause"}
            if self.looks >= WAITS:
                return state
            now = presses.get(self.looks)
            return PadState(gas=float(6 <= self.looks < 8), buttons=frozenset({now} if now else ()))

    result, shown, ticks = drive(tmp_path, Pausing())
    assert [tick.decision.paused for tick in ticks[:11]] == [False] * 2 + [True] * 6 + [False] * 3
    assert "settings" in ticks[4].decision.pressed
    assert shown == [True, False]
    assert len(ticks) == WAITS + result.steps


@pytest.mark.parametrize("paused", [True, False])
def test_while_a_lap_waits_the_buttons_judge_what_was_driven_last(tmp_path: Path, paused: bool) -> None:
    class Judging(Pad):
        """Takes the gas after a while; of the second lap only after its buttons."""

        def __init__(self) -> None:
            super().__init__(waits=1)
            self.script: dict[int, str] = {}

        def read(self) -> PadState:
            state = super().read()
            return PadState(buttons=frozenset({self.script[self.looks]})) if self.looks in self.script else state

    pad, said, ticks = Judging(), list[Said](), list[Tick]()
    with SessionSetup(Home(tmp_path), SessionOptions(coach=QUIET), human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        session = rig.session
        session.segments._say = said.append
        session.episode("lap", seed=0, awaits=FirstTouch(lambda waits: None))
        session.watch = ticks.append
        pause = {3: "pause", 15: "pause"} if paused else {}
        presses = {5: "discard", 7: "discard", 9: "star", 11: "restart", 13: "discard", WAITS + 5: "discard"}
        pad.script, pad.looks, pad.waits = pause | presses, 0, WAITS
        session.episode("lap", seed=0, awaits=FirstTouch(lambda waits: None))
        assert rig.written()
    names = [one.name for one in said if one.name.startswith("press_")]
    star = "press_star_paused" if paused else "press_star"
    assert names == ["press_discard", "press_undone", star, "press_discard", "press_undone"]
    assert all(tick.stands == (not tick.steps) for tick in ticks)
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        verdicts = [verdict for (verdict,) in db.execute("SELECT verdict FROM segments ORDER BY id")]
    assert verdicts == ["unreviewed", "unreviewed"]


def test_what_a_waiting_lap_keeps_is_the_end_of_the_drive_before(tmp_path: Path) -> None:
    class Keeping(Pad):
        keeps = False

        def read(self) -> PadState:
            state = super().read()
            return PadState(buttons=frozenset({"keep"})) if self.keeps and self.looks == 5 else state

    pad = Keeping(waits=1)
    with SessionSetup(Home(tmp_path), SessionOptions(coach=QUIET), human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        first = rig.session.episode("lap", seed=0, awaits=FirstTouch(lambda waits: None))
        pad.keeps, pad.looks, pad.waits = True, 0, WAITS
        rig.session.episode("lap", seed=0, awaits=FirstTouch(lambda waits: None))
        assert rig.written()
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        ((stop,),) = db.execute("SELECT stop FROM segments WHERE kind = 'kept'").fetchall()
    assert stop == first.steps


def test_a_pause_between_two_episodes_is_that_of_the_next(tmp_path: Path) -> None:
    pad = Pad(PadState(buttons=frozenset({"pause"})), waits=1)
    with SessionSetup(Home(tmp_path), SessionOptions(coach=QUIET), human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        assert not rig.session.asked_to_leave()
        assert not rig.session.paused
        assert not rig.session.asked_to_leave()
        assert rig.session.paused
        loop = PlayLoop(rig, Namespace(call_me=False, practice=""), None, print, None)  # type: ignore[arg-type]
        assert loop._interrupted()


def test_a_lap_goes_on_waiting_while_the_keys_are_elsewhere() -> None:
    shown: list[bool] = []
    touch = FirstTouch(shown.append)
    assert [touch.step(pad, 0.05) for pad in (REST, MISSING, MISSING, REST, GAS)] == ["stand"] * 4 + ["drive"]
    assert shown == [True, False]


@pytest.mark.parametrize("pad", [Pad(MISSING, waits=0), Pad(GAS, waits=0)])
def test_who_holds_the_gas_and_who_has_no_pad_are_not_kept_waiting(pad: Pad) -> None:
    shown: list[bool] = []
    assert FirstTouch(shown.append).step(pad.read(), 0.0) == "drive"
    assert shown == []


@pytest.mark.parametrize(("pad", "does"), [
    (PadState(steer=-TOUCHED), "drive"), (PadState(brake=1.0), "drive"), (PadState(steer=0.9 * TOUCHED), "stand"),
    (PadState(buttons=frozenset({"star"})), "stand"),
])  # fmt: skip
def test_what_a_touch_is(pad: PadState, does: str) -> None:
    assert FirstTouch(lambda waits: None).step(pad, 0.0) == does


def test_who_leaves_before_has_driven_nothing(tmp_path: Path) -> None:
    result, shown, _ = drive(tmp_path, Pad(PadState(buttons=frozenset({"quit"}))))
    assert (result.reason, result.steps, shown) == ("stopped", 0, [True])
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        assert db.execute("SELECT count(*) FROM episodes").fetchone() == (0,)


def test_a_game_that_runs_on_by_itself_does_not_wait(tmp_path: Path) -> None:
    result, shown, _ = drive(tmp_path, Pad(PadState(buttons=frozenset({"quit"}))), env=lambda: None)
    assert shown == []
    assert result.steps == WAITS


def test_a_lap_that_never_began_is_not_counted(tmp_path: Path) -> None:
    args = Namespace(call_me=False, practice=None, episodes=None, seed=0, lap=True, pad="auto", home=None)
    pad = Pad(PadState(buttons=frozenset({"quit"})))
    with SessionSetup(Home(tmp_path), SessionOptions(coach=QUIET), human=lambda track: HumanDriver(pad)) as rig:  # type: ignore[arg-type]
        told = PlayLoop(rig, args, None, lambda text: None, Caller(rig, None, None, Sounds(on=False))).run()
    assert told.startswith("0 episodes, 0 steps")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("window", [True, False])
def test_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, window: bool) -> None:
    words, said = LANGUAGES[language], list[str]()
    args = Namespace(call_me=False, practice=None, episodes=1, seed=0, lap=True, pad="auto", home=None)

    class Watch:
        words, message = LANGUAGES[language], property(fset=lambda self, text: said.append(text))

        def episode_over(self, result: EpisodeResult) -> None: ...

    watch: Any = Watch() if window else None
    with SessionSetup(Home(tmp_path), SessionOptions(coach=QUIET), human=lambda track: HumanDriver(Pad())) as rig:  # type: ignore[arg-type]
        PlayLoop(rig, args, watch, line_keeper(watch, also_printed=False), Caller(rig, None, None, Sounds(on=False))).run()
    assert said == ([words["lap_waits"], ""] if window else [])
    assert capsys.readouterr().out == ("" if window else f"{LANGUAGES['en']['lap_waits']}\n")
