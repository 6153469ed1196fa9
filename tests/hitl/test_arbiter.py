"""The rules of taking over, one by one."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from data.records import AGENT, HUMAN
from hitl.arbiter import GatingSettings, new_episode
from hitl.pads.base import MISSING, PadState, braking_action, to_action
from tests.support.ticking_arbiter import AGENT_ACTION, HELD, NAMES, REST, Wheel, buttons


def test_hold_takes_over_in_the_tick_of_the_press() -> None:
    wheel = Wheel()
    decision = wheel(HELD)
    assert (decision.driver, decision.event, decision.trigger, decision.weight) == (HUMAN, "takeover", "button", 1.0)
    np.testing.assert_array_equal(decision.executed, np.array([0.9, 0.3], dtype=np.float32))
    assert wheel(HELD).event is None


def test_hold_hands_back_after_the_release_has_settled() -> None:
    wheel = Wheel(settle_s=0.1, minimum_s=0.0)
    wheel(HELD, 20)
    assert wheel(REST).driver == HUMAN
    decision = wheel(REST)
    assert (decision.driver, decision.event, decision.trigger) == (AGENT, "hand_back", "button")
    np.testing.assert_array_equal(decision.executed, AGENT_ACTION)


def test_a_gap_shorter_than_settling_does_not_hand_back() -> None:
    wheel = Wheel(settle_s=0.1)
    wheel(HELD, 20)
    wheel(REST)
    decisions = [wheel(HELD) for _ in range(10)]
    assert all(d.driver == HUMAN and d.event is None for d in decisions)


def test_a_takeover_lasts_the_minimum() -> None:
    wheel = Wheel(minimum_s=0.5, settle_s=0.0)
    wheel(HELD)
    drivers = [wheel(REST).driver for _ in range(12)]
    assert drivers == [HUMAN] * 9 + [AGENT] * 3


def test_toggle_switches_on_each_press() -> None:
    wheel = Wheel(mode="toggle", minimum_s=0.0)
    assert wheel(HELD).event == "takeover"
    assert wheel(REST, 30).driver == HUMAN
    assert wheel(HELD).event == "hand_back"
    assert wheel(HELD, 30).driver == AGENT


def test_toggle_bounce_is_one_press() -> None:
    wheel = Wheel(mode="toggle", minimum_s=0.0, settle_s=0.2)
    wheel(HELD)
    for _ in range(6):  # press, release, press within the settling time
        assert wheel(REST).driver == HUMAN
        assert wheel(HELD).driver == HUMAN


def test_toggle_press_in_the_minimum_hands_back_at_its_end() -> None:
    wheel = Wheel(mode="toggle", minimum_s=0.5, settle_s=0.1)
    wheel(HELD)
    wheel(REST, 3)
    assert wheel(HELD).driver == HUMAN
    drivers = [wheel(REST).driver for _ in range(8)]
    assert drivers == [HUMAN] * 5 + [AGENT] * 3


def test_touch_takes_over_by_stick_or_pedal_and_hands_back_after_rest() -> None:
    for pad in (PadState(steer=-0.4), PadState(gas=0.4), PadState(brake=0.4)):
        wheel = Wheel(mode="touch", neutral_s=0.5)
        decision = wheel(pad)
        assert (decision.event, decision.trigger) == ("takeover", "stick")
        assert wheel(REST, 9).driver == HUMAN
        assert wheel(REST).event == "hand_back"


def test_touch_has_hysteresis() -> None:
    wheel = Wheel(mode="touch", take_at=0.3, release_at=0.1)
    assert wheel(PadState(steer=0.2), 40).driver == AGENT
    wheel(PadState(steer=0.35))
    assert wheel(PadState(steer=0.2), 40).driver == HUMAN
    assert wheel(PadState(steer=0.05), 10).event == "hand_back"


def test_unplugged_in_a_takeover_is_interrupted_at_once() -> None:
    wheel = Wheel(minimum_s=5.0, ramp_s=1.0)
    wheel(HELD)
    decision = wheel(MISSING)
    assert (decision.driver, decision.event, decision.weight) == (AGENT, "interrupted", 0.0)
    np.testing.assert_array_equal(decision.executed, AGENT_ACTION)
    assert wheel(MISSING).event is None


def test_plugged_in_again_with_a_stuck_button_takes_nothing() -> None:
    cases = [("hold", HELD, 1), ("touch", PadState(gas=1.0), 1), ("toggle", HELD, 1), ("hold", HELD, 3)]
    for mode, pad, ticks in cases:
        wheel = Wheel(mode=mode)
        wheel(pad)
        wheel(MISSING, ticks)
        assert wheel(pad, 20).driver == AGENT
        wheel(REST)
        assert wheel(pad).event == "takeover"


def test_unplugged_can_brake_until_the_player_is_back() -> None:
    wheel = Wheel(unplugged="brake")
    wheel(HELD)
    decision = wheel(MISSING)
    assert (decision.event, decision.driver, decision.safe) == ("interrupted", AGENT, True)
    np.testing.assert_array_equal(decision.executed, braking_action(NAMES))
    assert wheel(MISSING, 50).safe
    assert wheel(REST).safe
    assert wheel(HELD).event == "takeover"


def test_braking_ends_by_the_pause_button() -> None:
    wheel = Wheel(unplugged="brake")
    wheel(HELD)
    wheel(MISSING)
    wheel(REST)
    decision = wheel(buttons("pause"))
    assert decision.event == "resumed"
    np.testing.assert_array_equal(decision.executed, AGENT_ACTION)


def test_unplugged_while_the_agent_drives_is_no_interruption() -> None:
    wheel = Wheel()
    assert wheel(MISSING).event is None


def test_pause_and_resume() -> None:
    wheel = Wheel()
    wheel(HELD)
    decision = wheel(buttons("takeover", "pause"))
    assert (decision.event, decision.driver, decision.safe, decision.paused) == ("paused", AGENT, True, True)
    assert not decision.executed.any()
    assert wheel(buttons("pause"), 10).paused
    wheel(REST)
    assert wheel(buttons("pause")).event == "resumed"
    assert wheel(REST).event is None


def test_a_pause_from_the_keyboard_needs_no_pad() -> None:
    wheel = Wheel()
    assert wheel(MISSING, command="pause").event == "paused"
    assert wheel(MISSING, 5).paused
    assert wheel(MISSING, command="pause").event == "resumed"


def test_panic_is_neutral_and_disarms() -> None:
    wheel = Wheel()
    wheel(HELD)
    decision = wheel(buttons("takeover", "panic", gas=1.0))
    assert (decision.event, decision.driver, decision.safe) == ("panic", AGENT, True)
    assert not decision.executed.any()
    wheel.state = new_episode(wheel.state)
    assert wheel(HELD, 10).driver == AGENT
    wheel(REST)
    assert wheel(HELD).event == "takeover"


def test_panic_wins_over_everything() -> None:
    wheel = Wheel()
    wheel(HELD)
    assert wheel(MISSING, command="panic").event == "panic"


def test_ramp_fades_from_the_player_to_the_agent() -> None:
    wheel = Wheel(ramp_s=0.2, settle_s=0.0, minimum_s=0.0)
    wheel(HELD, 10)
    let_go = replace(HELD, buttons=frozenset())
    decisions = [wheel(let_go) for _ in range(5)]
    assert [d.event for d in decisions] == ["hand_back", None, None, None, None]
    assert [d.driver for d in decisions] == [AGENT] * 5
    np.testing.assert_allclose([d.weight for d in decisions], [0.75, 0.5, 0.25, 0.0, 0.0], atol=1e-6)
    human = to_action(let_go, NAMES)
    for decision in decisions:
        expected = decision.weight * human + (1 - decision.weight) * AGENT_ACTION
        np.testing.assert_allclose(decision.executed, expected, atol=1e-6)
        assert decision.executed.dtype == np.float32


def test_a_takeover_in_mid_ramp_is_whole() -> None:
    wheel = Wheel(ramp_s=1.0, settle_s=0.0, minimum_s=0.0)
    wheel(HELD, 3)
    wheel(REST, 3)
    decision = wheel(HELD)
    assert (decision.event, decision.weight) == ("takeover", 1.0)


def test_a_pad_lost_in_mid_ramp_leaves_the_agent_alone() -> None:
    wheel = Wheel(ramp_s=1.0, settle_s=0.0, minimum_s=0.0)
    wheel(HELD, 3)
    assert wheel(REST).weight > 0
    decision = wheel(MISSING)
    assert (decision.weight, decision.event) == (0.0, None)
    np.testing.assert_array_equal(decision.executed, AGENT_ACTION)


def test_triggers_name_who_asked() -> None:
    wheel = Wheel()
    assert wheel(HELD, offer="asked-for").trigger == "asked-for"
    wheel = Wheel()
    assert wheel(REST, taken_by="scripted").trigger == "scripted"
    assert wheel(REST, taken_by="scripted", offer="zone").trigger == "scripted"
    assert wheel(REST, 20).driver == AGENT
    wheel = Wheel()
    assert wheel(REST, taken_by="zone").trigger == "zone"
    assert wheel(MISSING, taken_by="zone").event == "interrupted"


def test_nobody_takes_over_where_it_is_not_allowed() -> None:
    for mode in ("hold", "toggle", "touch"):
        wheel = Wheel(mode=mode)
        assert wheel(HELD, 10, allowed=False).driver == AGENT
        assert wheel(REST, 10).driver == AGENT  # a toggle pressed out there does not wait for its moment
        assert wheel(HELD).event == "takeover"


def test_a_braked_car_waits_in_the_next_episode() -> None:
    wheel = Wheel(unplugged="brake")
    wheel(HELD)
    wheel(MISSING)
    wheel.state = new_episode(wheel.state)
    assert wheel(MISSING).paused


@pytest.mark.parametrize(
    "bad", [{"take_at": 0.1, "release_at": 0.2}, {"take_at": 0.2, "release_at": 0.2}]
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="below"):
        GatingSettings(**bad)  # type: ignore[arg-type]


def test_a_decision_costs_far_less_than_a_tick() -> None:
    wheel = Wheel(mode="touch", ramp_s=0.3)
    began = time.thread_time()
    for k in range(2000):
        wheel(HELD if k % 20 < 10 else REST)
    assert (time.thread_time() - began) / 2000 < 1e-3  # of the processor; measured: some 10 us


def test_actions_by_name() -> None:
    pad = PadState(steer=-0.25, gas=0.5, brake=1.0)
    np.testing.assert_array_equal(to_action(pad, ("gas", "brake", "steer")), np.array([0.5, 1.0, -0.25], np.float32))
    np.testing.assert_array_equal(to_action(pad, NAMES), np.array([-0.5, -0.25], np.float32))
    assert not to_action(replace(pad, connected=False), NAMES).any()
    np.testing.assert_array_equal(braking_action(("gas", "brake", "steer")), np.array([0, 1, 0], np.float32))
    with pytest.raises(ValueError, match="rudder"):
        to_action(pad, ("rudder",))
