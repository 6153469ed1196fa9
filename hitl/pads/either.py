"""A pad and the keyboard at once: whichever the player touches."""

from __future__ import annotations

from hitl.pads.base import MISSING, Pad, PadState


class EitherPad:
    """Reads both; the one that is deflected most steers, the buttons of both count. Missing only when both are.

    A pad that vanishes while it steers is missing for one reading even though the other is there: the player has lost the
    wheel, and must not be taken for one who let go.
    """

    def __init__(self, first: Pad, second: Pad) -> None:
        self._pads = (first, second)
        self._steering: Pad | None = None

    @property
    def name(self) -> str:
        """Both names."""
        return " or ".join(pad.name for pad in self._pads)

    def read(self) -> PadState:
        """Return the newest state."""
        readings = [(pad, pad.read()) for pad in self._pads]
        lost = any(pad is self._steering and not state.connected for pad, state in readings)
        there = [(pad, state) for pad, state in readings if state.connected]
        if lost or not there:
            self._steering = None
            return MISSING
        pad, most = max(there, key=lambda reading: reading[1].deflection)
        self._steering = pad if most.deflection > 0 or most.buttons else None
        buttons = frozenset[str]().union(*(state.buttons for _, state in there))
        return PadState(steer=most.steer, gas=most.gas, brake=most.brake, buttons=buttons)

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Shake what can shake."""
        for pad in self._pads:
            pad.rumble(strong, weak, seconds)

    def close(self) -> None:
        """Let go of both."""
        for pad in self._pads:
            pad.close()
