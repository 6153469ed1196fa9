"""What is held when the wheel could be taken: nothing counts until it has been let go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.records import AGENT, HUMAN
from hitl.arbiter import State, new_episode
from hitl.pads.base import MISSING, PadState, to_action
from tests.support.ticking_arbiter import HELD, NAMES, REST, Wheel, buttons

GAS = PadState(gas=1.0)
GATINGS = [("hold", HELD), ("toggle", HELD), ("touch", HELD), ("touch", GAS), ("touch", PadState(steer=-1.0))]


@pytest.mark.parametrize(("mode", "pad"), GATINGS)
def test_what_is_held_into_a_new_episode_takes_nothing_until_it_was_let_go(mode: str, pad: PadState) -> None:
    wheel = Wheel(mode=mode, minimum_s=0.0)
    wheel(pad, 10)
    wheel.state = new_episode(wheel.state)
    decision = wheel(pad)
    assert (decision.driver, decision.event) == (AGENT, None)
    assert decision.ignored  # and the player is told
    assert wheel(pad, 60).driver == AGENT
    assert not wheel(REST).ignored
    assert wheel(pad).event == "takeover"  # in the very next tick


@pytest.mark.parametrize(("mode", "pad"), GATINGS)
def test_what_is_held_when_a_pause_ends_takes_nothing_until_it_was_let_go(mode: str, pad: PadState) -> None:
    wheel = Wheel(mode=mode, minimum_s=0.0)
    for how in ("button", "command"):
        pause = {"command": "pause"} if how == "command" else {}
        press = pad if pause else replace(pad, buttons=pad.buttons | {"pause"})
        assert wheel(buttons("pause") if not pause else REST, **pause).paused
        wheel(pad, 5)  # pressed in mid-pause, as one does to be ready
        assert wheel(press, **pause).event == "resumed"
        assert wheel(pad, 30).driver == AGENT
        wheel(REST)
        assert wheel(pad).event == "takeover"
        wheel(REST, 20)
        if mode == "toggle":
            wheel(pad)
            wheel(REST, 5)


def test_each_control_waits_for_itself() -> None:
    wheel = Wheel(mode="touch")
    both = PadState(steer=-1.0, gas=1.0)
    wheel(both, 10)
    wheel.state = new_episode(wheel.state)
    assert wheel(both, 5).ignored == {"left", "gas"}
    assert wheel(PadState(steer=-1.0)).ignored == {"left"}
    assert wheel(PadState(steer=-1.0)).driver == AGENT
    decision = wheel(both)
    assert (decision.event, decision.ignored) == ("takeover", frozenset())
    np.testing.assert_array_equal(decision.executed, to_action(both, NAMES))  # what the hands do, all of it
    assert wheel(PadState(steer=-1.0), 10).event == "hand_back"  # what takes nothing keeps nothing


def test_the_other_side_of_the_stick_is_another_control() -> None:
    wheel = Wheel(mode="touch")
    wheel.state = new_episode(wheel.state)
    wheel(PadState(steer=-1.0), 10)
    assert wheel(PadState(steer=0.5)).event == "takeover"


def test_two_keys_that_cancel_out_are_held_all_the_same() -> None:
    wheel = Wheel(mode="touch")
    wheel.state = new_episode(wheel.state)
    wheel(PadState(held=frozenset({"left", "right"})), 5)
    assert wheel(PadState(steer=1.0, held=frozenset({"right"})), 5).driver == AGENT


def test_a_command_that_is_held_acts_once_and_one_that_a_pad_comes_back_with_not_at_all() -> None:
    for name in ("pause", "panic", "star", "quit", "restart"):
        wheel = Wheel()
        assert wheel(buttons(name)).pressed == {name}
        assert not wheel(buttons(name), 5).pressed
        wheel.state = new_episode(wheel.state)
        assert not wheel(buttons(name), 5).pressed
        wheel(MISSING)
        decision = wheel(buttons(name), 5)
        assert (decision.pressed, decision.ignored, decision.event) == (frozenset(), {name}, None)
        wheel(REST)
        wheel.state = new_episode(wheel.state)
        assert wheel(buttons(name)).pressed == {name}  # pressed while the game began anew: a new wish


@pytest.mark.parametrize("at", [-0.6, -0.2, 0.15, 0.36, 0.8])
def test_a_stick_that_lies_off_its_rest_neither_takes_nor_keeps_the_wheel(at: float) -> None:
    worn, wheel = PadState(steer=at), Wheel(mode="touch")
    wheel.state = State()
    assert wheel(worn, 40).driver == AGENT
    assert wheel(worn).off_rest == {"stick"}
    assert wheel(replace(worn, buttons=frozenset({"takeover"})), 10).driver == HUMAN
    assert wheel(worn, 10).event == "hand_back"
    for middle in (0.0, 0.02):  # its player drives, straight on for a while, and lets go: it lies there again
        assert wheel(PadState(gas=1.0, steer=middle)).event == "takeover"
        wheel(PadState(gas=1.0, steer=middle), 60)
        assert wheel(worn, 10).event == "hand_back"
        assert wheel(worn, 100).driver == AGENT
    assert wheel(PadState(steer=-1.0 if at > 0 else 1.0)).event == "takeover"  # moved by a hand, it counts


def test_a_stick_that_stops_coming_back_in_mid_drive_keeps_the_wheel_for_seconds_only() -> None:
    wheel = Wheel(mode="touch")
    wheel(PadState(steer=1.0), 10)
    drivers = [wheel(PadState(steer=0.36)).driver for _ in range(100)]
    assert drivers == sorted(drivers, reverse=True)
    assert 20 <= sum(d == HUMAN for d in drivers) <= 70
    assert wheel(PadState(steer=1.0)).event == "takeover"
    assert wheel(PadState(steer=0.36), 10).event == "hand_back"  # now it is known


def test_a_pedal_held_still_by_a_driver_keeps_the_wheel() -> None:
    wheel = Wheel(mode="touch")
    wheel(PadState(gas=0.5))
    assert wheel(PadState(gas=0.5), 400).driver == HUMAN


def pair(one: PadState, two: PadState) -> PadState:
    most = max(one, two, key=lambda s: s.deflection)
    return replace(most, buttons=one.buttons | two.buttons, parts=(one, two))


def acting(pad: PadState) -> dict[str, object]:
    return {"humans": tuple(to_action(part, NAMES) for part in pad.parts)}


def test_each_device_waits_for_itself_and_the_one_in_hand_drives() -> None:
    wheel = Wheel(mode="touch")
    crooked = PadState(steer=0.5)  # lies on the table
    wheel.state = new_episode(State())
    for _ in range(40):
        pad = pair(crooked, REST)
        wheel(pad, **acting(pad))
    pad = pair(crooked, PadState(steer=-0.3))
    decision = wheel(pad, **acting(pad))
    assert decision.event == "takeover"
    np.testing.assert_allclose(decision.executed, [0.0, -0.3], atol=1e-6)  # the keys', although the stick says more
    pad = pair(crooked, REST)
    np.testing.assert_array_equal(wheel(pad, **acting(pad)).executed, [0.0, 0.0])
    assert [wheel(pad, **acting(pad)).event for _ in range(12)].count("hand_back") == 1
    wheel.state = new_episode(wheel.state)
    held = pair(REST, GAS)
    assert wheel(held, 10, **acting(held)).driver == AGENT
    pad = pair(GAS, GAS)
    assert wheel(pad, **acting(pad)).event == "takeover"  # the pad's trigger was released, the key is still down
