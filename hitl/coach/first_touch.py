"""A lap begins when the player does: until they touch a control the car stands at the start, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from hitl.drivers.human import TOUCHED
from hitl.pads.base import PadState


class FirstTouch:
    """What a lap waits for. A control that is held already is a touch: who keeps the gas down is not kept waiting."""

    def __init__(self, show: Callable[[bool], None]) -> None:
        """``show`` is told that the lap waits, and then that it does no more; neither where it never had to."""
        self._show, self._waits = show, False

    def step(self, pad: PadState, seconds: float) -> Literal["stand", "drive"]:
        """See `hitl.protocols.Awaits`. Without a pad the lap begins: what is missing is told by what comes then.

        A pad that goes missing meanwhile, as the keys do when another window gets them, is waited for.
        """
        stands = pad.moved < TOUCHED if pad.connected else self._waits
        if stands is not self._waits:
            self._waits = stands
            self._show(stands)
        return "stand" if stands else "drive"

    def pause(self) -> None:
        """See `hitl.protocols.Awaits`. What a pause says takes the place of its line."""
