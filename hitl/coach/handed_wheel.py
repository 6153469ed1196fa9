"""The wheel is handed to the player with the first tick, before they have asked for it: until when it is theirs. Pure.

It counts what the hands really do, and not only what was let go since the episode began, because whoever goes back three seconds
holds keys and buttons already. Once the player uses the wheel as their mode has it, the arbiter's own rule goes on.
"""

from __future__ import annotations

from hitl.arbiter import GatingSettings
from hitl.pads.base import PadState

UNUSED_S = 2.0  # s after which a wheel that no one has touched goes back to the agent


def touches(pad: PadState, settings: GatingSettings) -> bool:
    """Tell whether the hands do anything with which one drives."""
    return pad.connected and (pad.moved >= settings.release_at or "takeover" in pad.buttons)


class HandedWheel:
    """``trigger`` names the takeover: ``rewind``, ``call``."""

    def __init__(self, trigger: str, settings: GatingSettings) -> None:
        self.trigger, self._settings = trigger, settings
        self._began: float | None = None  # s
        self._touched: float | None = None  # s: when the hands last did something
        self._button = False  # the takeover button was down in the tick before
        self._used = False  # it was pressed since the wheel was handed over (hold: or is held from before)
        self.over = False

    def holds(self, pad: PadState, now: float) -> str:
        """Return the trigger while the wheel is the player's without more, "" from then on. ``now``: seconds."""
        if self.over:
            return ""
        down, first = "takeover" in pad.buttons, self._began is None
        began = now if self._began is None else self._began
        self._began = began
        pressed, self._button = down and not self._button and not first, down
        if touches(pad, self._settings):
            self._touched = now
        if not pad.connected:
            self.over = True
        elif self._settings.mode == "toggle" and pressed:
            self.over = True  # the press hands back
        elif self._settings.mode == "hold":
            self.over = self._used and not down
            self._used |= down
        if self._touched is None:
            self.over |= now - began >= UNUSED_S
        elif self._settings.mode == "touch":
            self.over |= now - self._touched >= self._settings.neutral_s
        elif self._settings.mode == "hold" and not self._used:
            self.over |= now - self._touched >= UNUSED_S
        return "" if self.over else self.trigger
