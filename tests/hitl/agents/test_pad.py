"""Another program drives by its pad, and the player takes over with theirs: virtual joysticks of SDL stand in for both."""

from __future__ import annotations

import time

import numpy as np
import pytest

from data.errors import DeviceError, InputFileError, UsageError
from data.records import AGENT, HUMAN
from data.store import Store
from hitl import arbiter
from hitl.agents.beside import beside_policy
from hitl.agents.opening import open_agent
from hitl.agents.pad import PadPolicy
from hitl.agents.programs_pad import ProgramsPad, listed, plugged_in
from hitl.cli import main
from hitl.drivers.human import HumanDriver
from hitl.home import Home
from hitl.pads.devices import devices
from hitl.pads.own_pad import Guard
from hitl.pads.sdl import SdlPad
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import AgentSettings
from tests.support.virtual_pad import VirtualPad

ACTIONS = ("gas", "brake", "steer")
SEEN = np.zeros(4, np.float32)


@pytest.fixture
def theirs():
    with VirtualPad("Worker Pad") as pad:
        yield pad


@pytest.fixture(autouse=True)
def _all_let_go():
    """No reader is left over from a test before."""
    devices().claimants.clear()
    yield
    assert devices().claimants == []


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def policy(name="worker", silent_s=5.0, clock=None, **more):
    return PadPolicy(ProgramsPad(name, **more), ACTIONS, 4, silent_s, clock or Clock())


@pytest.fixture
def driving(theirs):
    clock = Clock()
    one = policy(clock=clock)
    one.begin_episode()
    yield one, clock
    one.close()


def test_the_stick_is_taken_as_it_is_without_dead_zone_and_curve(theirs, driving):
    one, _ = driving
    for gas, brake, steer in ((1.0, 0.0, 0.04), (0.02, 0.5, -0.3), (0.0, 0.0, -1.0)):
        theirs.axis("gas", gas)
        theirs.axis("brake", brake)
        theirs.axis("steer", steer)
        assert one.act(SEEN, True) == pytest.approx([gas, brake, steer], abs=2e-3)
        assert one.now() == pytest.approx([gas, brake, steer], abs=2e-3)


def test_half_a_trigger_is_half_a_trigger_from_the_first_reading_on(theirs):
    theirs.axis("gas", 0.5)
    one = policy()
    for _ in range(3):
        assert one.now()[0] == pytest.approx(0.5, abs=1e-3)
    one.close()


def test_what_the_game_makes_of_the_stick_is_what_it_proposes(theirs, driving):
    one, _ = driving
    one.fit((), lambda stick: stick**3)
    theirs.axis("steer", -0.5)
    assert one.now()[2] == pytest.approx(-0.125, abs=1e-3)


def test_a_pad_that_goes_away_is_said_once_and_nothing_is_pressed_until_it_is_back(theirs, driving):
    one, clock = driving
    theirs.axis("gas", 1.0)
    assert one.now()[0] == pytest.approx(1.0)
    theirs.unplug()
    for _ in range(5):
        clock.now += 0.05
        assert not one.now().any()
    (said,) = one.notices
    assert said.startswith("The pad 'Worker Pad' is gone, so nothing is pressed until it is there")
    one.notices.clear()
    theirs.plug()
    theirs.axis("gas", 0.8)
    for _ in range(3):
        action = one.now()
    assert action[0] == pytest.approx(0.8, abs=1e-3)
    assert one.notices == ["The pad 'Worker Pad' drives again."]


def test_a_pad_that_no_longer_moves_is_let_go(theirs, driving):
    one, clock = driving
    theirs.axis("gas", 1.0)
    one.now()
    clock.now += 4.9
    assert one.now()[0] == pytest.approx(1.0)
    clock.now += 0.2
    assert not one.now().any()
    assert not one.now().any()
    (said,) = one.notices
    assert said.startswith("The pad 'Worker Pad' has not moved for 5 s")
    theirs.axis("steer", 0.1)
    assert one.now() == pytest.approx([1.0, 0.0, 0.1], abs=1e-3)
    assert one.notices[1:] == ["The pad 'Worker Pad' drives again."]


def test_silence_can_be_allowed(theirs):
    clock = Clock()
    one = policy(silent_s=0.0, clock=clock)
    theirs.axis("gas", 1.0)
    one.now()
    clock.now += 1000.0
    assert one.now()[0] == pytest.approx(1.0)
    one.close()


def test_its_restart_is_passed_on_but_not_the_one_that_was_just_made(theirs, driving):
    one, clock = driving
    one.now()

    def press():
        theirs.press("b")
        one.now()
        theirs.release("b")
        one.now()
        return one.asks_restart()

    clock.now += 1.0
    assert not press(), "the episode has just begun"
    clock.now += 2.0
    assert press()
    assert not one.asks_restart(), "once for each press"
    one.begin_episode()
    one.now()
    assert not one.asks_restart()


class TestWhichPad:
    def test_the_player_never_gets_the_pad_of_the_program(self, theirs):
        program = ProgramsPad("Worker Pad")
        assert SdlPad().device is None, "the only pad is the program's"
        with VirtualPad("My Pad"):
            assert SdlPad().name == "My Pad"
            theirs.unplug()
            program.read()
            theirs.plug()
            devices().poll()
            assert SdlPad("worker").device is None, "it is the program's before the program has read it again"
            program.read()
            assert program.device is not None
        program.close()
        assert SdlPad("worker").device is not None, "it is anyone's again"

    def test_two_of_one_name_are_told_apart_by_number(self):
        with VirtualPad("Twin") as first, VirtualPad("Twin") as second:
            both = ProgramsPad("twin")
            assert both.device is None
            assert both.problem == (
                "Several pads are meant by 'pad:twin': type the whole name of one (pad:Twin number 1, pad:Twin number 2)."
            )
            both.close()
            for number, pad in enumerate((first, second), 1):
                one = ProgramsPad(f"Twin number {number}")
                assert one.device is not None
                assert one.device.instance == pad.instance
                one.close()
            third = ProgramsPad("Twin number 3")
            assert third.device is None
            third.close()

    def test_the_next_one_is_whatever_is_plugged_in_from_now_on(self, theirs):
        one = policy("next")
        assert not one.now().any()
        (said,) = one.notices
        assert said.startswith("No new pad has been plugged in, so nothing is pressed until it is there")
        with VirtualPad("Worker Pad") as new:
            new.axis("gas", 0.7)
            for _ in range(3):
                action = one.now()
            assert action[0] == pytest.approx(0.7, abs=1e-3)
            assert one.notices[1:] == ["The pad 'Worker Pad' drives."]
            assert SdlPad("worker").device.instance == theirs.instance
        one.close()

    def test_the_pad_that_the_player_chose_is_left_out(self):
        with VirtualPad("Twin"), VirtualPad("Twin") as second:
            devices().poll()
            mine = str(devices().identities()[second.instance])
            one = ProgramsPad("twin", mine=mine)
            assert one.device is not None
            assert one.device.instance != second.instance
            one.close()

    def test_our_own_virtual_pad_is_not_it(self, theirs):
        theirs.unplug()
        one = ProgramsPad("Worker Pad")
        guard = Guard(devices())
        with VirtualPad("Worker Pad") as ours:  # it appears after the guard: it may be ours
            guard.write = lambda x, y: (ours.axis("rightx", x), ours.axis("righty", y))
            for _ in range(60):
                one.read()
                time.sleep(0.001)
            assert one.device is None
            theirs.plug()
            for _ in range(200):
                one.read()
                time.sleep(0.001)
            assert one.device is not None
            assert one.device.instance == theirs.instance
        one.close()
        guard.close()
        devices().guards.remove(guard)

    def test_they_are_listed_with_the_one_that_moves(self, theirs, capsys):
        with VirtualPad("Lazy") as lazy:
            began = [time.monotonic()]

            def clock():
                theirs.axis("steer", 0.5 if time.monotonic() - began[0] > 0.05 else 0.0)
                return time.monotonic()

            said = listed(plugged_in(0.2, clock=clock))
            assert "pad:Worker Pad  moves now" in said
            assert "pad:Lazy        lies still" in said
            del lazy
        assert main(["play", "--agent", "pad:"]) == 0
        assert "pad:Worker Pad" in capsys.readouterr().out
        theirs.unplug()
        assert listed(plugged_in(0.0)).startswith("No pad is plugged in here. Start the program")


def test_it_cannot_be_opened_taught_or_exported(tmp_path):
    with pytest.raises(InputFileError, match="only its pad is known"):
        open_agent(AgentSettings(use="pad:x"), Home(tmp_path), ("a",), ACTIONS)
    make = beside_policy(AgentSettings(use="pad: "), Home(tmp_path).create())
    with pytest.raises(UsageError, match="No pad is named"):
        make(("a",), ACTIONS)


def test_a_package_that_cannot_tell_the_two_pads_apart_is_refused(tmp_path, capsys):
    line = ["play", "--agent", "pad:x", "--pad", "inputs", "--headless", "--home", str(tmp_path)]
    assert main(line) == 2
    assert "use --pad sdl" in capsys.readouterr().err


def test_several_that_are_meant_are_refused_before_anything_is_recorded(tmp_path):
    home = Home(tmp_path / "home").create()
    with VirtualPad("Twin"), VirtualPad("Twin"), pytest.raises(DeviceError, match="Several pads"):
        beside_policy(AgentSettings(use="pad:twin"), home)(("a",), ACTIONS)
    assert devices().claimants == []


class Hand(HumanDriver):
    """A person's pad, to which things happen at certain ticks."""

    def __init__(self, pad, happens):
        super().__init__(pad)
        self.happens, self.tick = happens, -1

    def read(self, info):
        self.tick += 1
        self.happens.get(self.tick, lambda: None)()
        return super().read(info)


@pytest.mark.realtime
def test_a_session_keeps_who_drove_and_what_the_program_would_have_done(tmp_path, theirs):
    home, seen = Home(tmp_path / "home"), []
    gating = arbiter.GatingSettings(mode="hold", settle_s=0.0, minimum_s=0.0)

    def moves():
        # Between what is proposed for a tick and what is sent in it: the newest counts.
        theirs.axis("steer", 0.3 * np.sin(len(seen)))
        theirs.axis("gas", 0.6)

    with VirtualPad("My Pad") as mine:
        happens = {10: lambda: mine.press("rightshoulder"), 11: lambda: mine.axis("brake", 1.0)}
        happens[20] = lambda: (mine.release("rightshoulder"), mine.axis("brake", 0.0))
        happens[30] = theirs.unplug
        happens[36] = theirs.plug
        happens[45] = lambda: theirs.press("b")
        with SessionSetup(
            home,
            SessionOptions(gating=gating),
            policy=beside_policy(AgentSettings(use="pad:Worker Pad"), home),
            human=lambda track: Hand(SdlPad("My Pad"), happens),
            watch=lambda tick: (seen.append(tick), moves() if theirs._joystick is not None else None),
            stop=lambda: len(seen) >= 80,
        ) as rig:
            moves()
            rig.policy._began = -1e9
            old = rig.policy.now

            def now():
                action = old()
                rig.policy._began = -1e9  # the episode has long begun
                return action

            rig.policy.now = now
            result = rig.session.episode(seed=0)
            rig.written()
    assert result.reason == "restart"
    with Store(home.store_path, read_only=True) as store:
        (episode,) = store.episodes()
        steps = store.steps(episode)
        assert store.agents()[1]["kind"] == "pad"
        assert store.newest_agent() is None, "nothing can be learned beside what cannot be asked"
        said = [text for _, _, kind, text in store.events() if kind == "notice"]
        assert [s.kind for s in store.segments()] == ["takeover"]
    human = np.flatnonzero(steps.driver == HUMAN)
    assert human.tolist() == [*range(10, 20)]
    assert (steps.proposed[10:20, 0] == pytest.approx(0.6, abs=1e-3)), "the takeover says what the program would have done"
    assert steps.executed[12, 0] < 0.0
    agent = steps.driver == AGENT
    assert np.array_equal(steps.executed[agent], steps.proposed[agent])
    assert not steps.executed[31:36].any(), "away: nothing is pressed"
    assert steps.executed[40, 0] == pytest.approx(0.6, abs=1e-3)
    assert said[0].startswith("The pad 'Worker Pad' is gone")
    assert said[1] == "The pad 'Worker Pad' drives again."
    expected = [0.3 * np.sin(k) for k in range(2, 10)]
    assert steps.proposed[2:10, 1] == pytest.approx(expected, abs=2e-3)


def test_a_pad_cannot_be_evaluated_and_what_can_is_said(tmp_path, capsys):
    assert main(["eval", "--agent", "pad:foo", "--home", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "cannot be evaluated" in told
    assert "hitl play --record" in told


def test_a_pad_that_is_set_does_not_hide_the_agent_that_teaches(tmp_path):
    from hitl.agents.keeping import teacher
    from tests.support.places import ROOT

    (shipped,) = (ROOT / "hitl" / "stalled").glob("*.safetensors")
    home = Home(tmp_path / "home")
    line = ["play", "--agent", str(shipped), "--headless", "--pad", "none", "--episodes", "1", "--home", str(home.root)]
    assert main(line) == 0
    with Store(home.store_path, read_only=True) as store:
        session = store.newest_session()
    names = session.observation_names, session.action_names
    assert teacher(home, AgentSettings(use="pad:next"), *names) is not None
