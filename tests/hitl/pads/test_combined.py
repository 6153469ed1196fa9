"""A pad and the keyboard at once."""

from __future__ import annotations

import numpy as np
import pytest

from hitl.pads.base import MISSING, Pad, PadState, to_action
from hitl.pads.combined import EitherPad

HOLD = frozenset({"takeover"})


class Said:
    """A pad that says what it is told to."""

    def __init__(self, name: str) -> None:
        self.name, self.state, self.rumbled, self.closed = name, PadState(), 0, False

    def read(self) -> PadState:
        return self.state

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        self.rumbled += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pads() -> tuple[Said, Said, EitherPad]:
    pad, keys = Said("pad"), Said("keyboard")
    return pad, keys, EitherPad(pad, keys)


def test_the_one_that_is_moved_steers_and_all_buttons_count(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    assert isinstance(either, Pad)
    pad.state, keys.state = PadState(steer=0.2), PadState(steer=-0.8, buttons=HOLD)
    assert either.read() == PadState(steer=-0.8, buttons=HOLD)
    pad.state, keys.state = PadState(gas=0.9, buttons=frozenset({"star"})), PadState(buttons=HOLD)
    assert either.read() == PadState(gas=0.9, buttons=HOLD | {"star"})


def test_what_is_moved_beyond_steering_comes_from_either(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    pad.state = PadState(steer=0.2, more=(("right_x", 0.1),))
    keys.state = PadState(more=(("right_x", -1.0), ("stick_y", 0.5)))
    state = either.read()
    assert (state.steer, dict(state.more)) == (0.2, {"right_x": -1.0, "stick_y": 0.5})
    assert state.using({"right_x"}).more == (("right_x", -1.0),)
    assert [part.more for part in state.using(()).parts] == [(), ()]
    np.testing.assert_allclose(to_action(state, ("-right_x", "stick_y", "right_y")), [1.0, 0.5, 0.0])


def test_one_that_was_never_there_is_no_loss(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    pad.state, keys.state = MISSING, PadState(gas=1.0)
    assert either.read().gas == 1.0
    keys.state = MISSING
    assert either.read() == MISSING


@pytest.mark.parametrize(
    ("pad_state", "keys_state"),
    [
        (PadState(gas=1.0), PadState()),
        (PadState(buttons=HOLD), PadState()),
        (PadState(buttons=HOLD), PadState(steer=1.0)),  # holds with one and steers with the other
    ],
)
def test_losing_the_one_in_hand_is_missing_once(
    pads: tuple[Said, Said, EitherPad], pad_state: PadState, keys_state: PadState
) -> None:
    pad, keys, either = pads
    pad.state, keys.state = pad_state, keys_state
    assert either.read().connected
    pad.state = MISSING
    assert either.read() == MISSING
    assert either.read().connected


def test_losing_the_one_in_hand_while_it_rests_is_missing_too(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, _, either = pads
    pad.state = PadState(steer=1.0)
    either.read()
    pad.state = PadState()  # at rest for a moment, in mid-takeover
    either.read()
    pad.state = MISSING
    assert either.read() == MISSING


def test_losing_the_one_that_lies_on_the_table_is_nothing(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    pad.state = PadState(steer=1.0)
    either.read()
    pad.state, keys.state = PadState(), PadState(steer=0.5)
    either.read()
    pad.state = MISSING
    assert either.read().steer == 0.5


def test_both_shake_and_close(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    either.rumble(1.0, 1.0, 0.1)
    either.close()
    assert (pad.rumbled, keys.rumbled, pad.closed, keys.closed) == (1, 1, True, True)
    assert either.name == "pad or keyboard"
    pad.name = "no pad"
    assert either.name == "keyboard", "not: no pad or keyboard"


def test_what_is_still_held_when_a_pad_is_heard_again_was_meant_for_the_other_window(pads: tuple[Said, Said, EitherPad]) -> None:
    _, keys, either = pads
    keys.state = PadState(buttons=frozenset({"quit"}))
    assert "quit" in either.read().buttons, "a press of the first moment counts"
    either.resting = (keys,)
    assert not either.read().buttons
    either.resting = ()
    assert not either.read().buttons, "the Escape that has closed the settings would end the session"
    keys.state = PadState()
    assert not either.read().buttons
    keys.state = PadState(buttons=frozenset({"quit"}))
    assert "quit" in either.read().buttons


def test_the_one_that_vanished_stays_lost_until_it_or_another_is_used(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    pad.state = PadState(steer=1.0)
    either.read()
    pad.state = MISSING
    for _ in range(3):
        either.read()
        assert either.lost == (pad,)
    pad.state = PadState(steer=0.1)
    assert either.read() == PadState(steer=0.1)
    assert either.lost == (pad,), "who plugs it in has no hand on it, and it need not stand straight"
    pad.state = PadState(steer=0.3)
    either.read()
    assert either.lost == ()
    pad.state = PadState()
    either.read()
    pad.state = MISSING
    assert either.read() == MISSING, "it is in hand again, although it rests"
    keys.state = MISSING
    assert either.read() == MISSING
    keys.state = PadState()
    assert either.read().connected
    assert either.lost == (pad,), "keys that rest are in no one's hands"
    keys.state = PadState(gas=0.3)
    assert either.read().gas == 0.3
    assert either.lost == ()


def test_the_one_on_the_table_is_not_lost(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    keys.state = PadState(gas=1.0)
    either.read()
    pad.state = MISSING
    assert either.read().gas == 1.0
    assert either.lost == ()


def test_a_button_that_only_ends_a_pause_takes_no_pad_in_hand(pads: tuple[Said, Said, EitherPad]) -> None:
    pad, keys, either = pads
    pad.state = PadState(gas=1.0)
    either.read()
    pad.state = MISSING
    either.read()
    keys.state = PadState(buttons=frozenset({"pause"}))
    assert "pause" in either.read().buttons
    assert either.lost == (pad,)
    keys.state = PadState(buttons=HOLD)
    either.read()
    assert either.lost == ()
