"""What is still held when the car crashes, a pause ends or the focus comes back is no takeover: whole sessions, real devices."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.records import AGENT, HUMAN
from hitl import arbiter
from hitl.drivers.human import HumanDriver, HumanOrScripted, ScriptedHuman
from hitl.drivers.scripted import ScriptedDriver
from hitl.games.base import Start
from hitl.home import Home
from hitl.pads.base import Pad
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.pads.sdl import SdlPad
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.held import LET_GO, Cruise, Person
from tests.support.virtual_pad import VirtualPad
from tests.takeover_ui.window.test_floating_x11 import hand as hand  # an X server of the test's own

pytestmark = pytest.mark.realtime

DT = 0.05


class Hands:
    """Presses gas and left, and what takes over, on one or two devices."""

    def __init__(self, device: str, mode: str, stack: ExitStack) -> None:
        self.mode, self.down, self.now = mode, frozenset[str](), 0.0
        keys = KeyboardPad(keys=lambda: self.down, clock=lambda: self.now)
        self.virtual = stack.enter_context(VirtualPad("Red Pad")) if device != "keyboard" else None
        self.device = device
        pad = SdlPad("red") if self.virtual is not None else keys
        self.pad: Pad = EitherPad(pad, keys) if device == "both" else pad

    def press(self) -> None:
        self._set(True)

    def let_go(self) -> None:
        self._set(False)

    def _set(self, down: bool) -> None:
        if self.device != "pad":
            self.down = frozenset({"up", "left"} | ({"space"} if self.mode != "touch" else set())) if down else frozenset()
        if self.device != "keyboard":
            assert self.virtual is not None
            self.virtual.axis("gas", float(down))
            if self.device == "pad":
                self.virtual.axis("steer", -float(down))
            if self.mode != "touch":
                (self.virtual.press if down else self.virtual.release)("rightshoulder")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def drive(
    home: Path, hands: Hands, acts: Callable[[int, int], None], purposes: tuple[str, ...], stop_at: int = 40, **more: Any
) -> tuple[sqlite3.Connection, list[Any]]:
    """Return the store and the ticks; every episode after the first ends at tick ``stop_at``."""
    seen: list[Any] = []

    def act(episode: int, tick: int) -> None:
        hands.now += DT
        acts(episode, tick)

    person = Person(hands.pad, act)
    with SessionSetup(
        Home(home),
        SessionOptions(gating=arbiter.GatingSettings(mode=hands.mode, **more)),  # type: ignore[arg-type]
        human=lambda track: person,
        watch=seen.append,
        stop=lambda: person.episode > 0 and person.tick > stop_at,
    ) as rig:
        rig.session.policy = Cruise()  # type: ignore[assignment]
        for seed, purpose in enumerate(purposes):
            rig.session.leaving = False
            start = {"start": Start(s=20.0)} if purpose == "practice" else {}
            rig.session.episode(purpose, seed=seed, **start)
    return sqlite3.connect(home / "store.sqlite"), seen


DEVICES, MODES = ("keyboard", "pad", "both"), ("hold", "toggle", "touch")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("purpose", ["drive", "practice"])
def test_two_keys_held_off_the_road_are_no_takeover_at_the_next_start(
    tmp_path: Path, stack: ExitStack, device: str, mode: str, purpose: str
) -> None:
    hands = Hands(device, mode, stack)

    def acts(episode: int, tick: int) -> None:
        if (episode, tick) == (0, 5) or (episode, tick) == (1, 30):
            hands.press()
        elif episode == 1 and tick == LET_GO:
            hands.let_go()

    db, seen = drive(tmp_path, hands, acts, ("drive", purpose))
    assert db.execute("SELECT reason FROM episodes").fetchone()[0] == "off_road"
    segments = db.execute('SELECT episode_id, "start" FROM segments ORDER BY number').fetchall()
    # The real one; none at the start line; and what was let go takes the wheel again in the very tick of its press.
    assert segments == [(1, 5), (2, 30)]
    drivers = [d for (d,) in db.execute("SELECT driver FROM steps WHERE episode_id = 2 ORDER BY t")]
    assert drivers == [AGENT] * 30 + [HUMAN] * (len(drivers) - 30)
    second = seen[-len(drivers) :]
    assert all(t.decision.ignored for t in second[:LET_GO])
    assert not any(t.decision.ignored for t in second[LET_GO + 4 :])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", MODES)
def test_what_is_held_all_along_never_takes_the_wheel(tmp_path: Path, stack: ExitStack, device: str, mode: str) -> None:
    hands = Hands(device, mode, stack)
    db, _ = drive(tmp_path, hands, lambda e, t: hands.press() if (e, t) == (0, 5) else None, ("drive", "drive"), 100)
    assert db.execute("SELECT episode_id FROM segments").fetchall() == [(1,)]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_held_through_a_pause_is_let_go_first(tmp_path: Path, stack: ExitStack, mode: str) -> None:
    hands = Hands("pad", mode, stack)
    assert hands.virtual is not None
    pause = hands.virtual
    at = {
        5: lambda: pause.press("start"),
        7: lambda: pause.release("start"),
        9: hands.press,
        12: lambda: pause.press("start"),
        14: lambda: pause.release("start"),
        22: hands.let_go,
        26: hands.press,
    }
    db, _ = drive(tmp_path, hands, lambda e, t: at.get(t, lambda: None)() if e == 1 else None, ("evaluation", "drive"))
    kinds = [k for (k,) in db.execute("SELECT kind FROM events ORDER BY id") if k in ("paused", "resumed", "takeover")]
    assert kinds == ["paused", "resumed", "takeover"]
    paused = 12 - 5
    assert db.execute('SELECT "start" FROM segments').fetchall() == [(26 - paused,)]


def test_a_button_that_is_held_commands_once(tmp_path: Path, stack: ExitStack) -> None:
    hands = Hands("pad", "hold", stack)
    assert hands.virtual is not None
    hands.virtual.press("x")  # restart, held from before the session on and through every episode
    hands.virtual.press("start")

    def acts(episode: int, tick: int) -> None:
        if (episode, tick) == (1, 3):
            hands.virtual.release("x")  # type: ignore[union-attr]
        elif (episode, tick) == (1, 6):
            hands.virtual.press("x")  # type: ignore[union-attr]

    db, _ = drive(tmp_path, hands, acts, ("drive", "drive", "drive", "drive"), 20)
    reasons = [r for (r,) in db.execute("SELECT reason FROM episodes ORDER BY id")]
    assert reasons[1] == "restart"
    assert reasons.count("restart") == 1
    assert db.execute("SELECT count(*) FROM events WHERE kind = 'paused'").fetchone()[0] == 0


def test_in_a_lap_the_hands_drive_from_the_first_step_and_commands_act_once(tmp_path: Path, stack: ExitStack) -> None:
    """A lap is the human's: gas held at the start line is how laps are begun, and what was driven is what is recorded."""
    hands = Hands("both", "touch", stack)
    hands.press()
    db, seen = drive(tmp_path, hands, lambda e, t: None, ("lap", "lap"))
    assert {d for (d,) in db.execute("SELECT driver FROM steps")} == {HUMAN}
    gas = [np.frombuffer(row[0], "<f4")[0] for row in db.execute("SELECT executed FROM steps WHERE episode_id = 2")]
    assert gas[0] == pytest.approx(1.0)
    assert not any(t.decision.ignored for t in seen)


def test_a_stick_that_lies_askew_is_told_once_and_leaves_the_keys_alone(tmp_path: Path, stack: ExitStack) -> None:
    hands = Hands("both", "touch", stack)
    assert hands.virtual is not None
    hands.virtual.axis("steer", 0.5)
    told: list[tuple[str, str]] = []

    def acts(episode: int, tick: int) -> None:
        hands.down = frozenset({"left"}) if episode == 1 and 30 <= tick < 40 else frozenset()

    person = Person(hands.pad, lambda e, t: (setattr(hands, "now", hands.now + DT), acts(e, t))[1])
    with SessionSetup(
        Home(tmp_path),
        SessionOptions(gating=arbiter.GatingSettings(mode="touch")),
        human=lambda track: person,
        tell=lambda level, text: told.append((level, text)),
        stop=lambda: person.tick > 60,
    ) as rig:
        rig.session.policy = Cruise()  # type: ignore[assignment]
        for seed in range(2):
            rig.session.leaving = False
            rig.session.episode(seed=seed)
    assert [level for level, _ in told] == ["warning"]
    assert "hitl pads --calibrate" in told[0][1]
    db = sqlite3.connect(tmp_path / "store.sqlite")
    assert db.execute('SELECT episode_id, "start" FROM segments').fetchall() == [(2, 31)]  # keys turn the wheel softly
    steer = [np.frombuffer(row[0], "<f4")[1] for row in db.execute("SELECT executed FROM steps WHERE driver = 1")]
    assert all(s <= 0.0 for s in steer)  # at no moment the crooked stick's


def test_a_chosen_pad_that_is_not_there_is_said_once(tmp_path: Path, stack: ExitStack) -> None:
    stack.enter_context(VirtualPad("Red Pad"))
    pad = SdlPad("Blue Pad", chosen="Blue Pad [00ff] serial 7")
    told: list[str] = []
    with SessionSetup(
        Home(tmp_path),
        SessionOptions(),
        human=lambda track: HumanDriver(EitherPad(pad, KeyboardPad(keys=frozenset))),
        tell=lambda level, text: told.append(text),
        stop=lambda: True,
    ) as rig:
        for seed in range(2):
            rig.session.episode(seed=seed)
    assert len(told) == 1
    assert "Blue Pad, is not plugged in; `hitl pads --choose`" in told[0]


def test_a_held_key_or_a_crooked_stick_is_nobody_who_drives(stack: ExitStack) -> None:
    """The scripted driver stands in for a person who only watches, also one whose pad is worn."""
    device = stack.enter_context(VirtualPad("Red Pad"))
    device.axis("steer", 0.6)
    from hitl.games.driving_env import DrivingEnv

    env = DrivingEnv()
    info = env.reset(seed=0)[1]
    wheel = HumanOrScripted(HumanDriver(SdlPad("red")), ScriptedHuman(ScriptedDriver(env.track), None))
    for _ in range(2):
        wheel.begin()
        _, hold = wheel.read(info)
    assert hold == "scripted"
    device.axis("steer", 0.0)
    wheel.read(info)
    device.axis("steer", -1.0)
    assert wheel.read(info)[1] == ""
