"""A pad and the keyboard at once, or one of them alone: whichever the player touches."""

from __future__ import annotations

from hitl.pads.base import MISSING, NO_PAD, Pad, PadState
from hitl.pads.keyboard import KeyboardPad

TOUCHED = 0.25  # how far a control is moved by a hand that has come back: a wheel that is plugged in need not stand straight


class EitherPad:
    """Reads both; the one that is deflected most steers, the buttons of both count. Missing only when both are. Of one alone it
    is what lets that one rest.

    ``parts`` of the reading holds each one's own: `hitl.pads.hands` says which of them counts.

    The pad that was used last is the one the player holds, even while it rests. When that one vanishes, one reading is
    missing although the other pad is there: the player has lost the wheel, and must not be taken for one who let go. It stays
    in ``lost`` until the player uses it again, or another: what is there and rests is not in their hands by that. Keys are as
    soon as they are heard.
    """

    def __init__(self, *parts: Pad) -> None:
        self.parts = parts
        self.resting: tuple[Pad, ...] = ()
        """Those that read as at rest, whatever they say: their buttons are meant for another window now. What is held at the end
        of that is still meant for it (Escape, which has closed it), until all buttons are let go."""
        self.lost: tuple[Pad, ...] = ()
        """Those that vanished from the player's hands, until they or others in their place are used."""
        self._unheard: list[Pad] = []
        self._held: list[Pad] = []

    @property
    def problem(self) -> str:
        """Why one of them cannot be used, for the player; "" where there is nothing to say."""
        return next((said for pad in self.parts if (said := getattr(pad, "problem", ""))), "")

    @property
    def name(self) -> str:
        """Both names; where no pad is plugged in, the other's alone."""
        return " or ".join(name for pad in self.parts if (name := pad.name) != NO_PAD) or NO_PAD

    def read(self) -> PadState:
        """Return the newest state."""
        readings = [(pad, self._of(pad)) for pad in self.parts]
        there = [(pad, state) for pad, state in readings if state.connected]
        gone = [pad for pad, state in readings if not state.connected]
        if lost := tuple(pad for pad in self._held if pad in gone):
            self.lost, self._held = lost, []
            return MISSING
        if not there:
            return MISSING
        used = [pad for pad, state in there if state.moved > 0.0 or state.buttons]
        self._held = used or self._held or [pad for pad in self.lost if pad not in gone]
        if any(state.moved >= TOUCHED or "takeover" in state.buttons for _, state in there):  # who ends a pause need not drive
            self.lost = ()
        self.lost = tuple(pad for pad in self.lost if pad in gone or not isinstance(pad, KeyboardPad))
        most = max((state for _, state in there), key=lambda state: state.deflection)
        buttons = frozenset[str]().union(*(state.buttons for _, state in there))
        parts = tuple(state for _, state in readings)
        more: dict[str, float] = {}
        for _, state in there:
            more |= {name: value for name, value in state.more if abs(value) > abs(more.get(name, 0.0))}
        return PadState(steer=most.steer, gas=most.gas, brake=most.brake, buttons=buttons, parts=parts, more=tuple(more.items()))

    def _of(self, pad: Pad) -> PadState:
        state = pad.read()
        if pad in self.resting and pad not in self._unheard:
            self._unheard.append(pad)
        elif pad not in self.resting and not state.buttons:
            self._unheard = [other for other in self._unheard if other is not pad]
        return PadState() if pad in self._unheard and state.connected else state

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Shake what can shake."""
        for pad in self.parts:
            pad.rumble(strong, weak, seconds)

    def close(self) -> None:
        """Let go of both."""
        for pad in self.parts:
            pad.close()
