"""Who drives: a pure function of the player's pad, the time and the state before.

``step(state, inputs, settings)`` reads no clock and touches no device, so every rule can be tested by calling it:

* The driver changes from agent to human only with the event ``takeover``, and back only with ``hand_back``,
  ``interrupted``, ``paused`` or ``panic``.
* ``executed`` is the agent's action, the player's, or (while ramping back) a mix of both. While paused, at panic, and
  after the pad was lost with ``unplugged="brake"``, it is the neutral or braking action; ``safe`` says so.
* A car that was braked so and stands is paused, until the player takes the wheel or ends the pause.
* A missing pad never drives. Losing it during a takeover is ``interrupted`` at once, whatever the minimum time.
* A control takes or keeps the wheel only if it was seen released since the episode began, the pause ended, or its device
  came back (``hitl.pads.hands``). While the human drives, ``executed`` is what their hands do, whatever they held before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from data.records import AGENT, HUMAN
from hitl.pads.base import MISSING, Action, PadState
from hitl.pads.hands import AXES, TAKING, Hand, Seen, disarmed, look, together

Mode = Literal["hold", "toggle", "touch"]
Deflection = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Event = Literal["takeover", "hand_back", "interrupted", "paused", "resumed", "panic"]
GatingPhase = Literal["agent", "human", "paused", "braking", "away"]  # away: braked, and paused until the player is back
_EPS = 1e-6  # s: a tick that is early by rounding still counts


@dataclass(frozen=True, slots=True)
class GatingSettings:
    """How the player takes over. Times in seconds, deflections 0..1 after the pad's dead zone."""

    mode: Mode = "hold"  # hold the button; press it to switch; or touch stick or pedals
    take_at: Deflection = 0.25  # touch: deflection that takes over
    release_at: Deflection = 0.10  # touch: deflection below which the pad is at rest; below take_at
    neutral_s: Seconds = 0.5  # touch: rest (s) that hands back
    settle_s: Seconds = 0.1  # hold: release (s) that hands back; toggle: presses closer together than this are one
    minimum_s: Seconds = 0.3  # s that a takeover lasts at least
    ramp_s: Seconds = 0.0  # s of fade from the player to the agent after hand-back; 0 is off
    unplugged: Literal["agent", "brake"] = "agent"  # who drives when the pad is lost during a takeover

    def __post_init__(self) -> None:
        if self.release_at >= self.take_at:
            raise ValueError("release_at must lie below take_at")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known at one tick. ``time`` in seconds never runs backwards; actions are float32 (A,)."""

    time: float
    proposed: Action  # the agent's
    human: Action  # the player's, `pads.base.to_action(pad, names)`
    neutral: Action  # sent while paused and at panic
    braking: Action  # sent after the pad was lost, if so set
    pad: PadState = MISSING
    humans: tuple[Action, ...] = ()  # the player's by each of ``pad.parts``; empty: ``human`` is the only one
    taken_by: str = ""  # why the wheel is taken without a button, while it is set: "scripted", "zone", "asked-for"
    offer: str = ""  # an offer that stands ("zone", "asked-for"): names the trigger of a takeover that answers it
    stands: bool = False  # the car stands: it needs no brake
    allowed: bool = True  # False: no takeover may begin now (only one corner may be driven)
    command: Literal["", "pause", "panic"] = ""  # the same buttons from keyboard or screen, set for one tick


@dataclass(frozen=True, slots=True)
class State:
    """What the arbiter remembers; begin with ``State()``."""

    phase: GatingPhase = "agent"
    trigger: str = ""  # of the takeover that runs
    since: float = 0.0  # s: when the takeover began
    wanted: float = 0.0  # s: when the player last wanted the wheel
    driven: float | None = None  # s: last tick of the takeover that is being ramped out
    pressed: float = -1e9  # s: last press of the takeover button
    toggled: bool = False  # toggle: the switch is on
    hands: tuple[Hand, ...] = ()  # what is known of each device: which of its controls count
    in_hand: int = 0  # the device that was moved last, of ``pad.parts``


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens in this tick."""

    driver: int  # AGENT or HUMAN
    executed: Action  # float32 (A,): what the game receives, a copy
    weight: float  # share of the player in `executed`: 1 human, 0 agent, between: ramp
    event: Event | None
    trigger: str  # of the takeover that runs or ends here: "stick", "button", "zone", "asked-for", "scripted"
    safe: bool = False  # `executed` is the neutral or braking action: neither drives
    paused: bool = False
    pressed: frozenset[str] = frozenset()  # buttons that went down in this tick, by their meaning
    ignored: frozenset[str] = frozenset()  # controls that are ignored until they are released
    ignored_by: tuple[frozenset[str], ...] = ()  # the same for each of ``pad.parts``, or for the only device
    off_rest: frozenset[str] = frozenset()  # touch: "stick", "gas", "brake" that do not move off their rest


def new_episode(state: State) -> State:
    """Return the state for an episode's first tick: the agent drives, and whatever is still held must be let go first.

    A pause goes on, and a car that was braked waits paused: the player is still not there.
    """
    phase: GatingPhase = "paused" if state.phase == "paused" else "away" if state.phase in ("braking", "away") else "agent"
    return replace(state, phase=phase, trigger="", driven=None, toggled=False, hands=disarmed(state.hands))


def step(state: State, inputs: Inputs, settings: GatingSettings) -> tuple[State, Decision]:
    """Decide who drives this tick. Pure: equal arguments give equal results."""
    hands, looks = look(state.hands, inputs.pad, inputs.time, settings.release_at, state.phase == "human")
    seen = together(looks)
    in_hand = state.in_hand if state.in_hand < len(looks) else 0
    if looks[in_hand].moved < seen.moved:
        in_hand = next(k for k, one in enumerate(looks) if one.moved == seen.moved)
    if inputs.humans:
        inputs = replace(inputs, human=inputs.humans[in_hand])
    after, decision = _step(replace(state, hands=hands, in_hand=in_hand), state, inputs, seen, settings)
    touch = settings.mode == "touch"
    ignored = seen.ignored
    if ignored and (inputs.taken_by or after.phase == "human"):
        ignored = ignored - TAKING  # they drive already
    elif ignored and not touch:
        ignored = ignored.difference(AXES)  # in these modes a stick does not ask for the wheel
    off_rest = seen.off_rest if touch else frozenset()
    if seen.pressed or ignored or off_rest:
        ignored_by = tuple(one.ignored & ignored for one in looks) if ignored else ()
        decision = replace(decision, pressed=seen.pressed, ignored=ignored, ignored_by=ignored_by, off_rest=off_rest)
    return after, decision


def _step(state: State, was: State, inputs: Inputs, seen: Seen, settings: GatingSettings) -> tuple[State, Decision]:
    now, pad, edges = inputs.time, inputs.pad, seen.pressed
    if "panic" in edges or inputs.command == "panic":
        state = replace(state, phase="agent", toggled=False, hands=_from_now(state, inputs, settings), driven=None)
        return _safe(state, inputs, "panic", was.trigger)
    if not pad.connected:
        state = replace(state, toggled=False, driven=None)
        if was.phase == "human":
            if settings.unplugged == "brake":
                return _safe(replace(state, phase="braking"), inputs, "interrupted", was.trigger)
            return _agent(replace(state, phase="agent"), inputs, settings, "interrupted", was.trigger)
    if "pause" in edges or inputs.command == "pause":
        if was.phase in ("paused", "braking", "away"):
            state = replace(state, phase="agent", hands=_from_now(state, inputs, settings))
            return _agent(state, inputs, settings, "resumed", "")
        return _safe(replace(state, phase="paused", toggled=False, driven=None), inputs, "paused", was.trigger)
    if was.phase == "paused":
        return _safe(state, inputs, None, "")

    state, source = _requests_control(state, inputs, seen, settings)
    if was.phase == "human":
        if source:
            state = replace(state, wanted=now)
        linger = {"touch": settings.neutral_s, "toggle": 0.0, "hold": settings.settle_s}[settings.mode]
        rested = not source and now - state.wanted >= linger - _EPS
        if rested and now - state.since >= settings.minimum_s - _EPS:
            ended = replace(state, phase="agent", driven=was.driven if settings.ramp_s > 0.0 else None, toggled=False)
            return _agent(ended, inputs, settings, "hand_back", was.trigger)
        return replace(state, driven=now), _human(inputs, None, was.trigger)
    if source and inputs.allowed:
        trigger = source if source == inputs.taken_by else inputs.offer or source
        state = replace(state, phase="human", trigger=trigger, since=now, wanted=now, driven=now)
        return state, _human(inputs, "takeover", trigger)
    if source and settings.mode == "toggle":
        state = replace(state, toggled=False)  # a press that is not allowed now must not take the wheel later
    if was.phase == "braking" and inputs.stands:
        return _safe(replace(state, phase="away"), inputs, "paused", "")
    if was.phase in ("braking", "away"):
        return _safe(state, inputs, None, "")
    return _agent(state, inputs, settings, None, "")


def _from_now(state: State, inputs: Inputs, settings: GatingSettings) -> tuple[Hand, ...]:
    """Return the hands with everything that is held in this tick ignored until it is released."""
    return look(disarmed(state.hands), inputs.pad, inputs.time, settings.release_at, False)[0]


def _requests_control(state: State, inputs: Inputs, seen: Seen, settings: GatingSettings) -> tuple[State, str]:
    """Return the state with its switch updated, and what asks for the wheel: a trigger, or "" for nothing."""
    if not inputs.pad.connected:
        return state, ""
    if "takeover" in seen.pressed:
        if inputs.time - state.pressed >= settings.settle_s - _EPS:
            state = replace(state, toggled=not state.toggled)
        state = replace(state, pressed=inputs.time)
    if inputs.taken_by:
        return state, inputs.taken_by
    if settings.mode == "toggle":
        return state, "button" if state.toggled else ""
    if "takeover" in seen.buttons:
        return state, "button"
    threshold = settings.release_at if state.phase == "human" else settings.take_at
    if settings.mode == "touch" and seen.deflection >= threshold:
        return state, "stick"
    return state, ""


def _human(inputs: Inputs, event: Event | None, trigger: str) -> Decision:
    return Decision(HUMAN, inputs.human.copy(), 1.0, event, trigger)


def _agent(
    state: State, inputs: Inputs, settings: GatingSettings, event: Event | None, trigger: str
) -> tuple[State, Decision]:
    weight = 0.0
    if state.driven is not None and settings.ramp_s > 0.0:
        weight = min(1.0, max(0.0, 1.0 - (inputs.time - state.driven) / settings.ramp_s))
    if weight < _EPS:
        return replace(state, driven=None, trigger=""), Decision(AGENT, inputs.proposed.copy(), 0.0, event, trigger)
    mixed = (inputs.human * weight + inputs.proposed * (1.0 - weight)).astype(np.float32, copy=False)
    return replace(state, trigger=""), Decision(AGENT, mixed, weight, event, trigger)


def _safe(state: State, inputs: Inputs, event: Event | None, trigger: str) -> tuple[State, Decision]:
    action = inputs.braking if state.phase == "braking" else inputs.neutral
    paused = state.phase in ("paused", "away")
    return replace(state, trigger=""), Decision(AGENT, action.copy(), 0.0, event, trigger, True, paused)
