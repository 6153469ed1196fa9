import pytest

from data.records import Corner
from hitl.demo.stall import TRIES, mastered, stalled_corner
from hitl.drivers.human import HumanDriver, HumanOrScripted, ScriptedHuman
from hitl.drivers.scripted import ScriptedDriver
from hitl.games.driving_env import DrivingEnv
from hitl.pads.base import MISSING, PadState
from hitl.pads.combined import EitherPad
from hitl.session.session import EpisodeResult


class FakePad:
    def __init__(self, name="pad"):
        self.name, self.state, self.shaken = name, PadState(), []

    def read(self):
        return self.state

    def rumble(self, *how):
        self.shaken.append(how)

    def close(self):
        self.state = MISSING


@pytest.fixture
def info():
    return DrivingEnv().reset(seed=0)[1]


def test_either_pad_follows_the_one_that_is_touched():
    one, two = FakePad("one"), FakePad("two")
    pad = EitherPad(one, two)
    two.state = PadState(steer=-0.7, gas=0.2, buttons=frozenset({"star"}))
    one.state = PadState(steer=0.1, buttons=frozenset({"pause"}))
    assert pad.read() == PadState(steer=-0.7, gas=0.2, buttons=frozenset({"star", "pause"}))
    one.state = two.state = MISSING
    assert pad.read() == MISSING


def test_a_steering_pad_that_vanishes_is_missing_although_the_keyboard_is_there():
    one, two = FakePad(), FakePad()
    pad = EitherPad(one, two)
    one.state = PadState(gas=1.0)
    assert pad.read().gas == 1.0
    one.state = MISSING
    assert pad.read() == MISSING  # so that the takeover ends as interrupted
    assert pad.read() == PadState()  # and then the keyboard is what there is
    two.state = PadState(gas=0.5)
    one.state = PadState()
    assert pad.read().gas == 0.5
    one.state = MISSING
    assert pad.read().gas == 0.5  # the one that lay idle may go


def test_the_stand_in_helps_only_a_person_who_only_watches(info):
    track = DrivingEnv().track
    pad = FakePad()
    wheel = HumanOrScripted(HumanDriver(pad), ScriptedHuman(ScriptedDriver(track), None))
    wheel.begin()
    assert wheel.read(info) == (PadState(), "")
    wheel.begin()
    state, hold = wheel.read(info)
    assert hold == "scripted"
    assert state.gas > 0
    pad.state = PadState(gas=1.0)
    assert wheel.read(info) == (pad.state, "")
    pad.state = PadState()
    wheel.begin()
    assert wheel.read(info) == (PadState(), "")


class TestStall:
    corners = (Corner("a", 40.0, 60.0), Corner("b", 150.0, 200.0))

    def evaluations(self, *ends):
        return [[EpisodeResult("evaluation", progress=p).judge(self.corners) for p in group] for group in ends]

    def test_three_evaluations_without_a_pass_at_a_corner_that_is_reached(self):
        found = stalled_corner(self.evaluations([170] * 20, [160] * 20, [185] * 20), self.corners, 300.0)
        assert found == self.corners[1]

    def test_one_pass_is_no_stall(self):
        found = stalled_corner(self.evaluations([170] * 20, [160] * 20, [185] * 19 + [200]), self.corners, 300.0)
        assert found is None

    def test_two_evaluations_are_too_few(self):
        assert stalled_corner(self.evaluations([170] * 20, [160] * 20), self.corners, 300.0) is None

    def test_an_agent_that_has_not_got_there_yet_has_not_stalled(self):
        found = stalled_corner(self.evaluations([90] * 20, [120] * 20, [170] * 20), self.corners, 300.0)
        assert found is None

    def test_a_place_that_is_no_corner_becomes_one(self):
        found = stalled_corner(self.evaluations([100] * 20, [101] * 20, [99] * 20), self.corners, 300.0)
        assert found == Corner("stall", 90.0, 130.0)

    def test_three_tries_on_a_long_lap_are_no_stall(self):
        ends = [[170] * 10] * TRIES
        tries = [[170.0]] * TRIES
        found = [stalled_corner(self.evaluations(*ends[:k]), self.corners, 300.0, drives=tries[:k]) for k in range(1, TRIES + 1)]
        assert found == [None] * (TRIES - 1) + [self.corners[1]]
        often = [[170.0] * 4] * 3
        assert stalled_corner(self.evaluations(*ends[:3]), self.corners, 300.0, drives=often) == self.corners[1]
        elsewhere = [[170.0] + [60.0] * 9] * 3  # most of them never came there
        assert stalled_corner(self.evaluations(*ends[:3]), self.corners, 300.0, drives=elsewhere) is None
        passed = self.evaluations([170] * 9 + [200], *ends[1:])
        assert stalled_corner(passed, self.corners, 300.0, drives=tries) is None, "one of them passed it"

    def test_an_agent_that_drives_the_whole_track_has_nothing_to_stall_at(self):
        finish = [
            [EpisodeResult("evaluation", reason="finish")] * 19 + [EpisodeResult("evaluation", reason="off_road")]
        ]
        assert not mastered(finish * 2)
        assert mastered(finish * 3)
        assert not mastered(finish * 2 + [[EpisodeResult("evaluation", reason="off_road")] * 20])
