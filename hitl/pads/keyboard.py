"""The keyboard as a pad: keys that turn the wheel softly, so that a car can be driven with them.

It needs a window with the focus. A key goes by SDL's name for it, all the way from the window's process to here. Keys are only
on and off, so the wheel and the pedals travel at a speed of their own (units a second); letting go brings the wheel back faster
than it turned, and a key for the other side acts at once from the middle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.suggest import did_you_mean
from hitl.pads.base import BUTTONS, MISSING, MORE, PadState
from takeover_ui.window.key_names import KEYS as KEY_NAMES

if TYPE_CHECKING:
    from hitl.pads.sdl import SdlPad

FIXED: Mapping[str, tuple[str, ...]] = {
    "pause": ("p",),
    "panic": ("backspace",),
    "rewind": ("b",),
    "star": ("return",),
    "discard": ("n",),
    "keep": ("k",),
    "restart": ("r",),
    "quit": ("escape",),
    "settings": ("o",),
}
"""The keys that are always the same, by what they do."""
DRIVING = ("left", "right", "gas", "brake", "takeover")
_TAKEN = {key: name for name, keys in FIXED.items() for key in keys} | {"tab": "the overlay's size", "f11": "full screen"}


@dataclass(frozen=True, slots=True)
class KeySettings:
    """The keys that you drive with, by their names: letters, digits, left, up, space, left shift, [0] to [9] and so on."""

    left: tuple[str, ...] = ("left", "a")  # steer left
    right: tuple[str, ...] = ("right", "d")  # steer right
    gas: tuple[str, ...] = ("up", "w")  # accelerate
    brake: tuple[str, ...] = ("down", "s")  # brake
    takeover: tuple[str, ...] = ("space",)  # take the wheel, as set under takeover.mode

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for name in DRIVING:
            keys = getattr(self, name)
            if not keys:
                raise ValueError(f"'{name}' needs a key")
            for key in keys:
                if key not in KEY_NAMES:
                    raise ValueError(f"there is no key '{key}'{did_you_mean(key, KEY_NAMES)}")
                if (other := seen.setdefault(key, name)) != name or key in _TAKEN:
                    raise ValueError(f"'{key}' cannot be for '{name}', because it is for {_TAKEN.get(key, f'{other!r}')} already")

    @property
    def meanings(self) -> dict[str, tuple[str, ...]]:
        """Return all keys by what they do, the fixed ones, too."""
        return {**{name: getattr(self, name) for name in DRIVING}, **FIXED}


KEYS = KeySettings().meanings
"""The keys as they are where nothing was set."""
MORE_KEYS = {"right_x": ("f", "h"), "right_y": ("g", "t"), "stick_y": ("q", "e"), "cross_x": ("c", "v")}
"""The keys that move the rest of a pad down and up, in games that use it; where one is set to drive, it only does that."""
_MORE = frozenset(key for keys in MORE_KEYS.values() for key in keys)
TURN, RETURN = 3.5, 7.0  # wheel: full lock in 0.29 s, back in 0.14 s
PRESS, RELEASE = 6.0, 10.0  # pedals
LONGEST = 0.1  # s: a stalled session must not make the wheel jump


class KeyboardPad:
    """Arrow keys or WASD, and space for the takeover, unless set otherwise.

    ``meanings``: the keys by what they do; it may be changed at any time. ``keys`` returns the names of the keys that are down
    or None while they go to another window (``keys`` None: those of this process's own window); ``clock`` is for tests.
    ``instead_of``: the pad that was looked for and not found.
    """

    name = "keyboard"

    def __init__(
        self,
        *,
        keys: Callable[[], frozenset[str] | None] | None = None,
        meanings: Mapping[str, tuple[str, ...]] = KEYS,
        clock: Callable[[], float] = time.monotonic,
        instead_of: SdlPad | None = None,
    ) -> None:
        self._keys, self.meanings = keys, meanings
        self.instead_of = instead_of
        self._clock = clock
        self._then = clock()
        self._steer = self._gas = self._brake = 0.0
        self._more = dict.fromkeys(MORE, 0.0)
        self._closed = self._had_focus = False
        self.elsewhere = False
        """Whether the keys go to another window, as far as was seen at the last reading."""

    def read(self) -> PadState:
        """Return the newest state. Pumps no events: the window does. Without the focus of one the keyboard is missing."""
        if self._closed:
            return MISSING
        down = self._keys() if self._keys is not None else self._down()
        self.elsewhere = down is None
        if down is None:
            return MISSING
        now = self._clock()
        dt, self._then = min(max(now - self._then, 0.0), LONGEST), now

        def held(name: str) -> bool:
            return not down.isdisjoint(self.meanings[name])

        wish = float(held("right")) - float(held("left"))
        if wish * self._steer < 0.0:
            self._steer = 0.0
        self._steer = _towards(self._steer, wish, (TURN if wish else RETURN) * dt)
        gas, brake = float(held("gas")), float(held("brake"))
        self._gas = _towards(self._gas, gas, (PRESS if gas else RELEASE) * dt)
        self._brake = _towards(self._brake, brake, (PRESS if brake else RELEASE) * dt)
        named = frozenset(filter(held, self.meanings))
        more = self._rest(down, dt) if any(self._more.values()) or not down.isdisjoint(_MORE) else ()
        return PadState(True, self._steer, self._gas, self._brake, named & set(BUTTONS), named - set(BUTTONS), more=more)

    def _rest(self, down: frozenset[str], dt: float) -> tuple[tuple[str, float], ...]:
        """Move what a pad has beyond a car's controls, as the wheel is moved; return what is off its rest."""
        free = down.difference(*self.meanings.values())
        for name, (less, more) in MORE_KEYS.items():
            wish = float(more in free) - float(less in free)
            was = 0.0 if wish * self._more[name] < 0.0 else self._more[name]
            self._more[name] = _towards(was, wish, (TURN if wish else RETURN) * dt)
        return tuple((name, value) for name, value in self._more.items() if value)

    @property
    def problem(self) -> str:
        """Why no pad is used instead, for the player; "" where there is nothing to say."""
        return self.instead_of.problem if self.instead_of is not None else ""

    @property
    def has_window(self) -> bool:
        """Whether there is a window that keys can be pressed in."""
        if self._keys is not None:
            return True
        import pygame

        return pygame.display.get_surface() is not None

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """A keyboard has no motors."""

    def close(self) -> None:
        """From now on it reads as missing."""
        self._closed = True
        if self.instead_of is not None:
            self.instead_of.close()

    def _down(self) -> frozenset[str] | None:
        """Return the keys that are down in this process's own window; None without one, or where it has lost the focus."""
        import pygame

        try:
            focus = pygame.key.get_focused()
            if self._had_focus and not focus:  # without a window manager no window may ever be said to have it
                return None
            self._had_focus = focus
            down = pygame.key.get_pressed()
            names = {*_MORE, *(name for names in self.meanings.values() for name in names)}
            return frozenset(name for name in names if down[pygame.key.key_code(name)])
        except pygame.error:
            return None


def _towards(value: float, wish: float, step: float) -> float:
    return min(value + step, wish) if wish > value else max(value - step, wish)
