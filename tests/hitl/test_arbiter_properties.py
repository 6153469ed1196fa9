"""What holds whatever the player, the pad and the settings do."""

from __future__ import annotations

import numpy as np
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from data.records import AGENT, HUMAN
from hitl.arbiter import GatingSettings, Inputs, State, new_episode, step
from hitl.pads.base import MISSING, PadState, braking_action, neutral_action, to_action
from hitl.pads.hands import OFF_REST_WAITING_S, STILL
from tests.support.examples import examples

NAMES = ("gas", "brake", "steer")
unit = st.floats(0.0, 1.0, width=32)
signed = st.floats(-1.0, 1.0, width=32)
seconds = st.sampled_from([0.0, 0.1, 0.3, 1.0])
pressed = st.frozensets(st.sampled_from(["takeover", "takeover", "pause", "panic", "star"]), max_size=2)
pads = st.one_of(
    st.just(MISSING),
    st.builds(PadState, connected=st.just(True), steer=signed, gas=unit, brake=unit, buttons=pressed),
    st.just(PadState()),
    st.just(PadState(buttons=frozenset({"takeover"}))),
    # a missing pad whose other fields lie
    st.just(PadState(connected=False, gas=1.0, buttons=frozenset({"takeover", "pause", "panic"}))),
)
all_settings = st.builds(
    GatingSettings,
    mode=st.sampled_from(["hold", "toggle", "touch"]),
    neutral_s=seconds,
    settle_s=seconds,
    minimum_s=seconds,
    ramp_s=seconds,
    unplugged=st.sampled_from(["agent", "brake"]),
)
TAKING = frozenset({"left", "right", "gas", "brake", "takeover"})
ALL = TAKING | {"pause", "panic", "star", "quit", "restart"}
ENDS = {"hand_back", "interrupted", "paused", "panic"}


def axes(pad: PadState) -> dict[str, float]:
    return {"left": -pad.steer, "right": pad.steer, "gas": pad.gas, "brake": pad.brake}


def controls(pad: PadState, at: float) -> frozenset[str]:
    """What is held or moved by at least ``at`` on a pad that is there."""
    return pad.buttons | {name for name, value in axes(pad).items() if value >= at} if pad.connected else frozenset()


class Driving(RuleBasedStateMachine):
    """Any sequence of ticks, pads, commands and episode ends."""

    @initialize(settings=all_settings)
    def begin(self, settings: GatingSettings) -> None:
        self.settings, self.state, self.time = settings, State(), 0.0
        self.driver, self.since = AGENT, 0.0
        self.before = ALL
        self.released: frozenset[str] = frozenset()  # seen released since the last start, pause, loss or panic
        self.still: dict[str, tuple[float, float]] = {}  # axis: where it is, and since when (s)
        self.lain: set[str] = set()  # axes that have lain still off their rest, as a worn stick does: they count from there on

    @rule()
    def episode_ends(self) -> None:
        self.state = new_episode(self.state)
        self.released = frozenset()
        self.driver = AGENT  # an episode's first tick is the agent's, or a takeover with its event

    @rule(
        pad=pads,
        proposed=st.tuples(signed, signed, signed),
        dt=st.sampled_from([0.05, 0.05, 0.05, 0.2, 2.0]),
        taken_by=st.sampled_from(["", "", "", "", "scripted", "zone"]),
        offer=st.sampled_from(["", "", "asked-for"]),
        allowed=st.sampled_from([True, True, True, False]),
        command=st.sampled_from(["", "", "", "", "", "pause", "panic"]),
        times=st.integers(1, 4),
    )
    def tick(self, pad, proposed, dt, taken_by, offer, allowed, command, times) -> None:  # type: ignore[no-untyped-def]
        for _ in range(times):
            self.time += dt
            inputs = Inputs(
                time=self.time,
                proposed=np.array(proposed, dtype=np.float32),
                human=to_action(pad, NAMES),
                neutral=neutral_action(NAMES),
                braking=braking_action(NAMES),
                pad=pad,
                taken_by=taken_by,
                offer=offer,
                allowed=allowed,
                command=command,
            )
            self.check(inputs)

    def check(self, inputs: Inputs) -> None:
        given = [a.tobytes() for a in (inputs.proposed, inputs.human, inputs.neutral, inputs.braking)]
        before, was = self.state, self.driver
        self.state, decision = step(before, inputs, self.settings)
        again, twin = step(before, inputs, self.settings)
        assert again == self.state
        assert (twin.driver, twin.event, twin.weight, twin.trigger) == (
            decision.driver,
            decision.event,
            decision.weight,
            decision.trigger,
        )
        assert (twin.executed == decision.executed).all()
        assert given == [a.tobytes() for a in (inputs.proposed, inputs.human, inputs.neutral, inputs.braking)]

        # One driver, and none changes without its event.
        assert decision.driver in (AGENT, HUMAN)
        assert (decision.event == "takeover") == (was == AGENT and decision.driver == HUMAN)
        if was == HUMAN:
            assert (decision.event in ENDS) == (decision.driver == AGENT)
        else:
            assert decision.event not in ("hand_back", "interrupted")
        if decision.event in ENDS and was == HUMAN:
            assert decision.trigger != ""
        if decision.driver == HUMAN:
            assert decision.trigger in ("stick", "button", "zone", "asked-for", "scripted")

        # Executed is the agent's, the player's, or a mix; or, and then it says so, the neutral or braking action.
        executed = decision.executed
        assert executed.dtype == np.float32
        assert executed.shape == inputs.proposed.shape
        assert not np.shares_memory(executed, inputs.proposed)
        assert not np.shares_memory(executed, inputs.human)
        if decision.safe:
            assert decision.driver == AGENT
            assert decision.weight == 0.0
            assert any(np.array_equal(executed, a) for a in (inputs.neutral, inputs.braking))
        elif decision.driver == HUMAN:
            assert decision.weight == 1.0
            assert (executed == inputs.human).all()
        elif decision.weight == 0.0:
            assert (executed == inputs.proposed).all()
        else:
            assert 0.0 < decision.weight <= 1.0
            assert self.settings.ramp_s > 0.0
            mixed = decision.weight * inputs.human + (1.0 - decision.weight) * inputs.proposed
            assert np.abs(executed - mixed).max() < 1e-6
            assert np.abs(executed).max() < 1.0 + 1e-6
        if decision.paused:
            assert decision.safe

        # A missing pad never drives, not even at rest, and losing it ends a takeover at once.
        if not inputs.pad.connected:
            assert decision.driver == AGENT
            assert decision.weight == 0.0
            if was == HUMAN:
                assert decision.event == ("panic" if inputs.command == "panic" else "interrupted")
        # A panic is neutral, and only a press makes one.
        panic = inputs.command == "panic" or (inputs.pad.connected and "panic" in inputs.pad.buttons)
        if decision.event == "panic":
            assert panic
            assert (executed == inputs.neutral).all()
        if inputs.command == "panic":
            assert decision.event == "panic"
        # Only the player ends a takeover before its minimum, and no takeover begins where none is allowed.
        if decision.event == "hand_back":
            assert inputs.time - self.since >= self.settings.minimum_s - 1e-3
        if decision.event == "takeover":
            assert inputs.allowed
            self.since = inputs.time
            asked = inputs.taken_by or "takeover" in inputs.pad.buttons
            touch = self.settings.mode == "touch"
            if touch:
                asked = asked or inputs.pad.deflection >= self.settings.take_at
            assert asked, "the wheel was taken by nobody"
            if not inputs.taken_by:
                takes = controls(inputs.pad, self.settings.take_at) & (TAKING if touch else {"takeover"})
                fresh = takes & (self.released | self.lain)
                assert fresh or self.settings.mode == "toggle", "taken by what was never seen released"
        # What is kept is kept by what was seen released, too; a command acts when it goes down, and only then.
        now = controls(inputs.pad, self.settings.release_at)
        assert not decision.ignored & (ALL - now)
        assert not decision.ignored & self.released
        assert decision.pressed <= now - self.before
        if not inputs.pad.connected or decision.event in ("resumed", "panic"):
            self.released = frozenset()
        self.released |= ALL - now if inputs.pad.connected else frozenset()
        self.before = now if inputs.pad.connected else ALL
        if not inputs.pad.connected:
            self.still, self.lain = {}, set()
        for name, value in axes(inputs.pad).items() if inputs.pad.connected else ():
            at, since = self.still.get(name, (0.0, 0.0))
            if abs(value - at) > STILL:
                self.still[name] = value, inputs.time
            elif at > 0.0 and inputs.time - since >= OFF_REST_WAITING_S:
                self.lain.add(name)
        self.driver = decision.driver


Driving.TestCase.settings = hypothesis_settings(max_examples=examples(100), stateful_step_count=40, deadline=None)
TestDriving = Driving.TestCase
