"""What every pad gives: its newest state, in the player's terms, and how that becomes an action."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Action = npt.NDArray[np.float32]

#: What a button may mean; a pad maps its own buttons to these.
BUTTONS = ("takeover", "rewind", "pause", "panic", "star", "discard", "keep", "restart", "quit", "settings")
#: What a pad has beyond a car's controls, -1 to 1 each; it counts only where an environment's actions are moved by it.
MORE = ("right_x", "right_y", "stick_y", "cross_x")


@dataclass(frozen=True, slots=True)
class PadState:
    """One reading, with dead zones and curves applied. Without ``connected`` everything else in it is to be ignored."""

    connected: bool = True
    steer: float = 0.0  # -1 left .. 1 right
    gas: float = 0.0  # 0 released .. 1 pressed
    brake: float = 0.0  # 0 released .. 1 pressed
    buttons: frozenset[str] = frozenset()
    # Keys that are down, by what they move (left, right, gas, brake), where the numbers above do not show it yet or cancel out.
    held: frozenset[str] = field(default=frozenset(), compare=False)
    # Several devices that are read as one: each one's own state.
    parts: tuple[PadState, ...] = field(default=(), compare=False)
    # Those of ``MORE`` that are off their rest.
    more: tuple[tuple[str, float], ...] = ()

    @property
    def deflection(self) -> float:
        """How far the stick or a pedal is from rest, 0..1, whichever is farthest."""
        return max(abs(self.steer), self.gas, self.brake)

    @property
    def moved(self) -> float:
        """The same with ``more``."""
        return max(self.deflection, *(abs(value) for _, value in self.more)) if self.more else self.deflection

    def using(self, names: Collection[str]) -> PadState:
        """Return the reading without what is in ``more`` under other names."""
        if not self.more and not any(part.more for part in self.parts):
            return self
        more = tuple(pair for pair in self.more if pair[0] in names)
        return replace(self, more=more, parts=tuple(part.using(names) for part in self.parts))


#: A pad that is unplugged or unusable. That is not a pad at rest, ``PadState()``.
MISSING = PadState(connected=False)
NO_PAD = "no pad"  # what a pad is called that is not there


@runtime_checkable
class Pad(Protocol):
    """A device that the player drives with."""

    @property
    def name(self) -> str:
        """What the player calls it."""
        ...

    def read(self) -> PadState:
        """Return the newest state without waiting."""
        ...

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Shake both motors (0..1 each) for a while; a pad without motors does nothing."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


@dataclass(frozen=True, slots=True)
class Control:
    """What of a pad moves one number of an action: ``rest`` + ``swing`` times its value, held to [-1, 1]."""

    name: str  # steer, gas, brake, gas_brake, one of ``MORE``; none: never moved
    rest: float = 0.0
    swing: float = 1.0

    @classmethod
    def named(cls, name: str) -> Control:
        """Return the control of that name; with a minus in front it is reversed."""
        return cls(name[1:], swing=-1.0) if name.startswith("-") else cls(name)


def to_action(state: PadState, controls: Sequence[str | Control]) -> Action:
    """Return the player's action, float32 (A,) in [-1, 1]: one number for each of ``controls``, a game's action names or more.

    ``gas_brake`` is gas minus brake. Separate ``gas`` and ``brake`` are the pedal itself: 0 when released, never below.
    The game's pad is sent ``max(0, action)`` (tmrl does the same), so 0 and -1 both mean released, and a half-pressed
    trigger arrives half pressed; spreading 0..1 over -1..1 would send a half-pressed trigger as released. Recorded
    player runs hold the game's measured input, 0..1 as well, so the numbers of takeovers and of imported laps mean the same.
    A missing pad acts like a released one. A name may also be one of ``MORE``, ``none`` (never moved) or have a minus in front
    (reversed), for environments whose actions are mapped by settings.
    """
    gas, brake, steer = (state.gas, state.brake, state.steer) if state.connected else (0.0, 0.0, 0.0)
    values = {"gas_brake": gas - brake, "gas": gas, "brake": brake, "steer": steer, "none": 0.0, **dict.fromkeys(MORE, 0.0)}
    values |= state.more if state.connected else ()
    meant = [Control.named(control) if isinstance(control, str) else control for control in controls]
    unknown = [control.name for control in meant if control.name not in values]
    if unknown:
        raise ValueError(f"a pad has no control for the action {unknown[0]!r}; it knows {', '.join(values)}")
    moved = [control.rest + control.swing * values[control.name] for control in meant]
    return np.clip(np.array(moved, dtype=np.float32), -1.0, 1.0)


def neutral_action(controls: Sequence[str | Control]) -> Action:
    """Return the action with everything released and the wheel straight: float32 (A,)."""
    return to_action(PadState(), controls)


def braking_action(controls: Sequence[str | Control]) -> Action:
    """Return the action that stops the car: brake pressed, gas released, wheel straight: float32 (A,)."""
    return to_action(PadState(brake=1.0), controls)
