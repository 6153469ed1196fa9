"""A player who steers without taking the wheel is told how to take it."""

from __future__ import annotations

import numpy as np
import pytest

from data.records import AGENT, HUMAN
from hitl.arbiter import Decision, GatingSettings
from hitl.coach.rules import in_english
from hitl.drivers.human import HumanDriver, button_names
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.pads.mapping import CONTROLLER
from hitl.screens.key_hints import key_hint
from hitl.session.driver_choice import InVain
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.held import Cruise

AGENT_DRIVES, HUMAN_DRIVES = (Decision(who, np.zeros(2, np.float32), 0.0, None, "") for who in (AGENT, HUMAN))
REST, STEERS = PadState(), PadState(steer=1.0)


class Pad:
    name, map = "pad", CONTROLLER

    def read(self) -> PadState:
        return REST


KEYS_ONLY = HumanDriver(KeyboardPad(keys=frozenset))
BOTH = HumanDriver(EitherPad(Pad(), KeyboardPad(keys=frozenset)))  # type: ignore[arg-type]


def told(mode: str, wheel: HumanDriver, *states: PadState, decision: Decision = AGENT_DRIVES, apart_s: float = 0.05) -> list[str]:
    said: list[str] = []
    in_vain = InVain(GatingSettings(mode=mode), in_english(lambda level, text: said.append(text)))  # type: ignore[arg-type]
    for k, state in enumerate(states):
        in_vain.notice(wheel, state, decision, k * apart_s)
    return said


def test_the_button_is_named_by_the_device_that_was_moved() -> None:
    assert told("hold", KEYS_ONLY, REST, STEERS) == ["The agent drives. To take the wheel, hold space while you steer."]
    at_rest = PadState(parts=(REST, REST))
    by_key = PadState(steer=1.0, parts=(REST, STEERS))
    by_pad = PadState(steer=1.0, parts=(STEERS, REST))
    assert "hold space" in told("hold", BOTH, at_rest, by_key)[0]
    assert "press rightshoulder or a first" in told("toggle", BOTH, at_rest, by_pad)[0]


def test_a_key_is_called_by_what_stands_on_it() -> None:
    assert button_names(KEYS_ONLY.pad, "star") == "Enter", "and not by SDL's word, which is the points' as well"
    assert "enter: star" in key_hint("hold")


def test_a_stick_that_was_off_its_rest_before_is_not_a_player_who_steers() -> None:
    assert told("hold", HumanDriver(Pad()), *[STEERS] * 60) == []  # type: ignore[arg-type]


def test_keys_that_were_down_before_the_session_began_are_a_player_who_steers() -> None:
    assert told("hold", KEYS_ONLY, *[STEERS] * 60) == ["The agent drives. To take the wheel, hold space while you steer."]
    by_key = PadState(steer=1.0, parts=(REST, STEERS))
    assert told("hold", BOTH, *[by_key] * 60) == ["The agent drives. To take the wheel, hold space while you steer."]
    assert told("hold", KEYS_ONLY, *[STEERS] * 10) == [], "they may be let go at once, as after a takeover"


def test_it_is_said_once_for_each_press_and_not_too_often() -> None:
    assert len(told("hold", KEYS_ONLY, *[REST, STEERS, STEERS] * 20)) == 1
    assert len(told("hold", KEYS_ONLY, *[REST, STEERS] * 20, apart_s=8.0)) == InVain.MOST


@pytest.mark.parametrize("mode", ["touch", "hold"])
def test_nothing_is_said_where_the_wheel_is_taken(mode: str) -> None:
    decision = HUMAN_DRIVES if mode == "hold" else AGENT_DRIVES
    assert told(mode, KEYS_ONLY, REST, STEERS, decision=decision) == []


def test_an_arrow_in_a_session_that_waits_for_the_button(tmp_path) -> None:  # type: ignore[no-untyped-def]
    looks, said = [0], []

    def down() -> frozenset[str]:
        looks[0] += 1
        return frozenset({"left"} if looks[0] > 10 else ())

    wheel = HumanDriver(KeyboardPad(keys=down))
    options = SessionOptions(gating=GatingSettings(mode="hold"))
    with SessionSetup(
        Home(tmp_path), options, human=lambda track: wheel, tell=lambda level, text: said.append(text)
    ) as rig:
        rig.session.policy = Cruise()  # type: ignore[assignment]
        result = rig.session.episode(seed=0, until_m=15.0)
    assert result.human_steps == 0
    assert [text for text in said if "hold space" in text] == said[-1:]
