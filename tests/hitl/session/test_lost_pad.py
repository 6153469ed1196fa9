"""A pad that goes missing while it is in hand, beside a keyboard that rests: what the car does, and what the player is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.records import HUMAN
from hitl.arbiter import GatingSettings
from hitl.coach.rules import Said
from hitl.drivers.human import HumanDriver
from hitl.games.base import Start
from hitl.home import Home
from hitl.pads.base import MISSING, NO_PAD, PadState
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.held import Cruise, Person

WHO = ("takeover", "pad_lost", "paused")
DRIVES = PadState(gas=0.5, buttons=frozenset({"takeover"}))


class Wheel:
    name = "wheel"

    def __init__(self) -> None:
        self.state = PadState()

    def read(self) -> PadState:
        return self.state

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


class Drive:
    """One episode or more with a wheel and keys: ``happens`` by tick over all of them, each given this."""

    def __init__(
        self, home: Path, happens: dict[int, Callable[[Drive], None]], ticks: int, purpose: str = "drive", **gating: Any
    ) -> None:
        self.wheel, self.released = Wheel(), 0
        self.keys: frozenset[str] | None = frozenset()
        self.ticks: list[Any] = []
        self.told: list[str] = []
        clock = [0.0]

        def acts(episode: int, tick: int) -> None:
            clock[0] += 0.05
            happens.get(len(self.ticks), lambda drive: None)(self)

        person = Person(EitherPad(self.wheel, KeyboardPad(keys=lambda: self.keys, clock=lambda: clock[0])), acts)
        with SessionSetup(
            Home(home), SessionOptions(gating=GatingSettings(**gating)), human=lambda track: person,
            watch=self._watch, tell=self._tell, stop=lambda: len(self.ticks) >= ticks,
        ) as rig:  # fmt: skip
            self.session = rig.session
            self.session._release = self._release
            self.session.policy = Cruise()  # type: ignore[assignment]
            start = {"start": Start(s=20.0)} if purpose == "drive" else {}
            while not self.session.leaving and len(self.ticks) < ticks:
                self.session.episode(purpose, seed=0, **start)
        self.db = sqlite3.connect(home / "store.sqlite")

    def _watch(self, tick: Any) -> None:
        self.ticks.append(tick)

    def _tell(self, level: str, text: str) -> None:
        if " went " in text:
            self.told.append(text)

    def _release(self) -> None:
        self.released += 1

    @property
    def paused(self) -> list[int]:
        return [k for k, tick in enumerate(self.ticks) if tick.decision.paused]

    @property
    def by_hand(self) -> list[int]:
        return [k for k, tick in enumerate(self.ticks) if tick.decision.driver == HUMAN]

    def all(self, query: str) -> list[tuple[Any, ...]]:
        return self.db.execute(query).fetchall()


def wheel(state: PadState) -> Callable[[Drive], None]:
    return lambda drive: setattr(drive.wheel, "state", state)


def elsewhere(drive: Drive) -> None:
    drive.keys = None


def both(*does: Callable[[Drive], None]) -> Callable[[Drive], None]:
    return lambda drive: [one(drive) for one in does] and None


def keys(*names: str) -> Callable[[Drive], None]:
    return lambda drive: setattr(drive, "keys", frozenset(names))


@pytest.mark.parametrize("unplugged", ["agent", "brake"])
def test_time_stands_still_in_a_lap_until_the_wheel_is_back_in_hand(tmp_path: Path, unplugged: str) -> None:
    happens = {0: wheel(DRIVES), 10: wheel(MISSING), 25: wheel(PadState()), 30: wheel(DRIVES)}
    drive = Drive(tmp_path, happens, 40, "lap", unplugged=unplugged)
    assert drive.paused == [*range(10, 30)]
    assert drive.by_hand == [*range(10), *range(30, 40)]
    assert drive.released == 1, "a game that runs on would keep the gas pressed"


def test_the_keys_go_on_with_a_lap_whose_wheel_is_gone(tmp_path: Path) -> None:
    drive = Drive(tmp_path, {0: wheel(DRIVES), 10: wheel(MISSING), 20: keys("up")}, 40, "lap")
    assert drive.paused == [*range(10, 20)]
    assert drive.ticks[30].decision.executed[0] == 1.0


def test_who_drives_a_lap_with_the_keys_does_not_miss_the_wheel_on_the_table(tmp_path: Path) -> None:
    assert not Drive(tmp_path, {0: keys("up"), 10: wheel(MISSING)}, 30, "lap").paused


@pytest.mark.parametrize("back", ["keys", "wheel"])
def test_a_car_that_was_braked_keeps_its_place_until_the_player_takes_the_wheel_again(tmp_path: Path, back: str) -> None:
    returns = keys("space", "up") if back == "keys" else wheel(DRIVES)
    happens = {1: wheel(DRIVES), 20: wheel(MISSING), 150: wheel(PadState()) if back == "wheel" else keys(), 160: returns}
    drive = Drive(tmp_path, happens, 180, unplugged="brake")
    stands = drive.paused[0]
    assert 20 < stands < 90
    assert drive.paused == [*range(stands, 160)], "the stall rule would have ended it after two seconds"
    assert drive.by_hand == [*range(1, 20), *range(160, 180)]
    assert drive.ticks[stands].info["state"].speed < 1.5
    assert drive.released == 1
    kinds = [kind for (kind,) in drive.all("SELECT kind FROM events ORDER BY id")]
    assert [kind for kind in kinds if kind in WHO] == ["takeover", "pad_lost", "paused", "takeover"]
    assert drive.all("SELECT count(*) FROM episodes") == [(1,)]


def test_the_pause_key_lets_the_agent_go_on_where_the_car_was_braked(tmp_path: Path) -> None:
    drive = Drive(tmp_path, {1: wheel(DRIVES), 20: wheel(MISSING), 150: keys("p")}, 170, unplugged="brake")
    assert drive.paused[-1] == 149
    assert not drive.session.paused


def test_the_next_episode_of_a_car_that_was_braked_goes_on_with_the_wheel(tmp_path: Path) -> None:
    happens = {1: wheel(DRIVES), 20: wheel(MISSING), 22: keys("r"), 24: keys(), 60: keys("space", "up")}
    drive = Drive(tmp_path, happens, 80, unplugged="brake")
    assert drive.paused == [*range(22, 60)]
    assert drive.by_hand == [*range(1, 20), *range(60, 80)]


def test_who_goes_back_is_back(tmp_path: Path) -> None:
    happens = {1: wheel(DRIVES), 40: wheel(MISSING), 150: keys("b"), 152: keys("up")}
    drive = Drive(tmp_path, happens, 170, unplugged="brake")
    assert drive.paused[-1] == 149
    assert drive.by_hand[-1] == 169


@pytest.mark.parametrize(
    ("purpose", "unplugged", "told"),
    [
        ("drive", "agent", "The pad went away in the middle of a takeover; the agent drives."),
        ("drive", "brake", "The pad went away in the middle of a takeover; the car brakes until you are back."),
        ("lap", "agent", "The pad went away in the middle of a lap; time stands still."),
    ],
)
def test_the_player_is_told_once_that_the_wheel_is_gone(tmp_path: Path, purpose: str, unplugged: str, told: str) -> None:
    drive = Drive(tmp_path, {1: wheel(DRIVES), 10: wheel(MISSING), 12: elsewhere}, 30, purpose, unplugged=unplugged)
    assert [text.startswith(told) for text in drive.told] == [True]
    assert drive.all("SELECT message, level FROM events WHERE kind = 'pad_lost'") == [(drive.told[0], "warning")]
    assert drive.session.pad_gone is (unplugged == "brake" or purpose == "lap")


def test_the_wheel_and_not_the_keys_of_a_window_in_the_background_is_what_went_away(tmp_path: Path) -> None:
    drive = Drive(tmp_path, {1: both(elsewhere, wheel(DRIVES)), 10: wheel(MISSING)}, 12)
    assert [text.startswith("The pad went away") for text in drive.told] == [True]


def test_a_pause_of_ones_own_says_no_more_that_the_pad_is_gone(tmp_path: Path) -> None:
    happens = {0: wheel(DRIVES), 10: wheel(MISSING), 20: keys("p"), 22: keys()}
    drive = Drive(tmp_path, happens, 40, "lap")
    assert drive.session.paused
    assert not drive.session.pad_gone


def test_a_lap_names_the_wheel_that_was_plugged_in_after_the_session_had_begun(tmp_path: Path) -> None:
    pad = Wheel()
    pad.name = NO_PAD
    person = HumanDriver(EitherPad(pad, KeyboardPad(keys=lambda: frozenset({"up"}))))
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: person) as rig:
        rig.session.episode("lap", seed=0)
        pad.name = "wheel"
        rig.session.episode("lap", seed=1)
        rig.written()
    db = sqlite3.connect(tmp_path / "store.sqlite")
    assert db.execute('SELECT "trigger" FROM segments ORDER BY number').fetchall() == [("keyboard",), ("wheel or keyboard",)]
    assert db.execute("SELECT driver FROM sessions").fetchall() == [("keyboard",)]


def test_what_is_said_of_a_lost_pad_stands_as_long_as_it_holds() -> None:
    held = {name: Said(f"lost_pad_{name}", "warning").only for name in ("agent", "brake", "lap")}
    assert held == {"agent": "agent", "brake": "paused", "lap": "paused"}  # a car that brakes is shown as paused
