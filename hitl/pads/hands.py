"""Which of the player's inputs count: pure state beside each device that is read.

* A control (the stick to one side, a pedal, a button) counts only after it was seen released: what is still held from the
  last episode, or on a pad that has just come back, is not meant for now. :func:`disarmed` starts this waiting again.
* An axis that stays still away from its rest, as a worn stick does, counts as released where it is.

Both can only ignore inputs, never add any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hitl.pads.base import BUTTONS, PadState

AXES = ("left", "right", "gas", "brake", "more")
CONTROLS = frozenset((*AXES, *BUTTONS))
TAKING = frozenset((*AXES, "takeover"))  # what takes the wheel; every other button is a command and acts when pressed
STILL = 0.03  # a hand moves an axis by more than this, even a hand that tries to hold it still
FULL = 0.95  # at its end an axis may well be held still: a key, a thumb at full lock
OFF_REST_S = 2.5  # s without a movement after which an axis is untouched off its rest: no hand holds a bend so exactly so long
OFF_REST_WAITING_S = 1.0  # the same for an axis that was never seen released and so does not count yet
MIDDLE_S = 5.0  # s in the middle after which it is believed to rest there again: a thumb may hold a worn stick straight


@dataclass(frozen=True, slots=True)
class OffRest:
    """Where an axis is, since when (s), and the place off its rest where it was last seen untouched (0: none)."""

    at: float = 0.0
    since: float = 0.0
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Hand:
    """What is remembered of one device; ``Hand()`` where nothing is known of it yet."""

    waiting: frozenset[str] = CONTROLS  # not seen released yet
    down: frozenset[str] = frozenset()  # buttons that counted at the last look
    steer: OffRest = OffRest()
    gas: OffRest = OffRest()
    brake: OffRest = OffRest()


@dataclass(frozen=True, slots=True)
class Seen:
    """Which parts of a reading count."""

    deflection: float = 0.0  # how far the axes that count are from rest, 0..1, whichever is farthest
    moved: float = 0.0  # the same for all axes: tells which of two devices is in hand
    buttons: frozenset[str] = frozenset()  # that are down and count
    pressed: frozenset[str] = frozenset()  # of these, the ones that went down since the last look
    ignored: frozenset[str] = frozenset()  # controls that are held, and do not count until they are let go
    off_rest: frozenset[str] = frozenset()  # "stick", "gas", "brake" where they are untouched off their rest


def disarmed(hands: tuple[Hand, ...]) -> tuple[Hand, ...]:
    """Return the hands such that all that takes the wheel must be released first. A command still acts when pressed."""
    return tuple(replace(hand, waiting=hand.waiting | TAKING) for hand in hands)


def look(
    hands: tuple[Hand, ...], pad: PadState, now: float, release_at: float, driving: bool
) -> tuple[tuple[Hand, ...], tuple[Seen, ...]]:
    """Look at each device of a reading: its parts, or the only one. Pure.

    ``now`` in seconds; ``release_at``: deflection below which an axis is released; ``driving``: the player has the wheel.
    """
    parts = pad.parts or (pad,)
    release_at = max(release_at, 1e-6)  # nothing is released below 0
    if len(hands) != len(parts):
        hands = (Hand(),) * len(parts)
    looks = [_look(hand, part, now, release_at, driving) for hand, part in zip(hands, parts, strict=True)]
    return tuple(hand for hand, _ in looks), tuple(seen for _, seen in looks)


def together(seen: tuple[Seen, ...]) -> Seen:
    """Return what counts, over all devices."""
    every, *others = seen
    for other in others:
        every = Seen(
            max(every.deflection, other.deflection),
            max(every.moved, other.moved),
            every.buttons | other.buttons,
            every.pressed | other.pressed,
            every.ignored | other.ignored,
            every.off_rest | other.off_rest,
        )
    return every


def _look(hand: Hand, pad: PadState, now: float, release_at: float, driving: bool) -> tuple[Hand, Seen]:
    if not pad.connected:
        return Hand(), Seen()

    def stands(was: OffRest, value: float, name: str, watched: bool = True) -> OffRest:
        needed_s = OFF_REST_WAITING_S if name in hand.waiting else OFF_REST_S
        return _stands(was, value, now, release_at, needed_s if watched else float("inf"))

    steer = stands(hand.steer, pad.steer, "left" if pad.steer < 0.0 else "right")
    # A driver holds a pedal still on a straight, so it is only watched while they do not drive.
    gas, brake = stands(hand.gas, pad.gas, "gas", not driving), stands(hand.brake, pad.brake, "brake", not driving)
    turned = _off(pad.steer, steer.rest)
    far = {
        "left": turned if pad.steer < 0.0 else 0.0,
        "right": turned if pad.steer > 0.0 else 0.0,
        "gas": _off(pad.gas, gas.rest),
        "brake": _off(pad.brake, brake.rest),
        "more": max((abs(value) for _, value in pad.more), default=0.0),
    }
    waiting = hand.waiting
    if waiting:
        waiting = waiting & (pad.buttons | pad.held | {name for name, value in far.items() if value >= release_at})
    buttons = pad.buttons - waiting
    axes = (("stick", pad.steer, steer), ("gas", pad.gas, gas), ("brake", pad.brake, brake))
    seen = Seen(
        deflection=max((value for name, value in far.items() if name not in waiting), default=0.0),
        moved=max(far.values()),
        buttons=buttons,
        pressed=buttons - hand.down,
        ignored=waiting,
        off_rest=frozenset(name for name, value, axis in axes if axis.rest and abs(value - axis.rest) < release_at),
    )
    return Hand(waiting, buttons, steer, gas, brake), seen


def _stands(was: OffRest, value: float, now: float, release_at: float, needed_s: float) -> OffRest:
    """Return where an axis stands now, and where it rests if it has not moved for long enough."""
    if abs(value - was.at) > STILL:
        return OffRest(value, now, was.rest)
    middle = abs(was.at) < release_at
    if (middle and not was.rest) or now - was.since < (max(needed_s, MIDDLE_S) if middle else needed_s):
        return was
    rest = 0.0 if middle else was.at if abs(was.at) < FULL else was.rest
    return was if rest == was.rest else replace(was, rest=rest)


def _off(value: float, rest: float) -> float:
    """Return how far an axis is both from the middle and from where it is untouched."""
    return min(abs(value), abs(value - rest)) if rest else abs(value)
