"""The human side of a session: a pad, the keyboard, or the scripted driver who stands in for a person.

Each gives the same thing, a :class:`PadState`, so that the arbiter has one rule for all of them.
"""

from __future__ import annotations

from typing import Any, Protocol

from hitl.pads.base import MISSING, Pad, PadState
from hitl.scripted import ScriptedDriver, TakeoverRule


class Wheel(Protocol):
    """What the session asks of the human side."""

    name: str

    def begin(self) -> None:
        """An episode begins."""

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Return (the newest pad state, who holds the wheel without a button: ``"scripted"`` or ``""``)."""


class Nobody:
    """No human side: the agent is alone."""

    name = ""

    def begin(self) -> None:
        """Nothing to prepare."""

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Nobody is there."""
        return MISSING, ""


class PadWheel:
    """A person with a pad or a keyboard."""

    def __init__(self, pad: Pad) -> None:
        self.pad, self.name = pad, pad.name

    def begin(self) -> None:
        """A person needs no preparation."""

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Return the pad as it is now."""
        return self.pad.read(), ""


class ScriptedWheel:
    """The scripted driver. ``rule`` None: it drives all the time (a lap); ``limit_s`` bounds all its takeovers together.

    A takeover that has begun is finished, so the limit can be passed by the length of one.
    """

    name = "scripted"

    def __init__(
        self, driver: ScriptedDriver, rule: TakeoverRule | None, *, limit_s: float | None = None, hz: float = 20.0
    ) -> None:
        self.driver, self.rule = driver, rule
        self._steps_left = None if limit_s is None else round(limit_s * hz)

    def begin(self) -> None:
        """A new episode, a new line of its own."""
        self.driver.begin()
        if self.rule is not None:
            self.rule.begin()

    @property
    def spent(self) -> bool:
        """Tell whether the limit is used up."""
        return self._steps_left is not None and self._steps_left <= 0

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Look at the car, decide, and press accordingly."""
        state, place = info["state"], info["place"]
        if self.rule is not None:
            held = self.rule.holding
            if (self.spent and not held) or not self.rule.wants(state, place):
                return PadState(), ""
            if not held:
                self.driver.begin()
        if self._steps_left is not None:
            self._steps_left -= 1
        pedal, steer = (float(v) for v in self.driver.act(state, place))
        return PadState(steer=steer, gas=max(pedal, 0.0), brake=max(-pedal, 0.0)), "scripted"
