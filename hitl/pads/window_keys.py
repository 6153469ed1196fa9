"""The keys of a window in another process, in the form that :class:`hitl.pads.keyboard.KeyboardPad` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import pygame

_CODES = {
    pygame.K_LEFT: "left",
    pygame.K_RIGHT: "right",
    pygame.K_UP: "up",
    pygame.K_DOWN: "down",
    pygame.K_a: "a",
    pygame.K_d: "d",
    pygame.K_w: "w",
    pygame.K_s: "s",
    pygame.K_SPACE: "space",
    pygame.K_p: "p",
    pygame.K_RETURN: "return",
    pygame.K_r: "r",
    pygame.K_ESCAPE: "escape",
    pygame.K_BACKSPACE: "backspace",
}


class WindowKeys(Sequence[bool]):
    """Looks like ``pygame.key.get_pressed()``; holds the keys as they were when it was made."""

    def __init__(self, down: frozenset[str]) -> None:
        self._down = down

    @overload
    def __getitem__(self, code: int) -> bool: ...
    @overload
    def __getitem__(self, code: slice) -> Sequence[bool]: ...
    def __getitem__(self, code: int | slice) -> bool | Sequence[bool]:
        if isinstance(code, slice):
            raise TypeError("keys are looked up one at a time")
        return _CODES.get(code, "") in self._down

    def __len__(self) -> int:
        return len(_CODES)


def window_keys(keys: Callable[[], frozenset[str]]) -> Callable[[], Sequence[bool]]:
    """Return what ``KeyboardPad(keys=…)`` wants, from what :meth:`takeover_ui.window.window.Window.keys` gives."""
    return lambda: WindowKeys(keys())
