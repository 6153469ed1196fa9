"""Driving by the keyboard's keys where there is no virtual pad: the game hears keys as if a person pressed them.

Keys are all or nothing, so gas of 0.3 is pressed in three of ten ticks; what was really pressed is recorded as executed. Keys go
to whichever window has the focus, so none is pressed unless that window is of the game's own process: a title may be that of a
folder. Windows: SendInput by scan code, as games read it. Linux: the XTest extension through python-xlib, which also reaches
games under Proton; on Wayland alone there is no way.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from data.errors import DeviceError
from data.extras import install
from hitl.games.trackmania.virtual_pad import BUTTONS, VirtualPad

GAMES = frozenset(("trackmania.exe", "steam_app_2225070"))
"""What the program whose window may hear keys is called; Proton gives its windows Steam's number for the game."""
KEYS = ("gas", "brake", "left", "right")
BUTTON_KEYS = {BUTTONS["restart"]: "restart", BUTTONS["confirm"]: "confirm", BUTTONS["respawn"]: "respawn"}
ELSEWHERE = "TrackMania's window doesn't have the focus, so no keys were pressed: click into it."


class Keyboard(Protocol):
    """Where keys are pressed."""

    def in_front(self) -> Collection[str]:
        """Return what the program whose window hears them is called, in small letters; nothing where that is unknown."""

    def key(self, name: str, down: bool) -> None:
        """Press or release one of ``KEYS`` or of the buttons' names."""


class Dither:
    """Turns a number into presses that are the same on average."""

    def __init__(self) -> None:
        self._owed = 0.0

    def __call__(self, value: float) -> int:
        """Return -1, 0 or 1 for a number in [-1, 1]."""
        self._owed = self._owed + value if value else 0.0
        press = (self._owed >= 0.5) - (self._owed <= -0.5)
        self._owed -= press
        return press


class KeyPad:
    """Has the methods of vgamepad's pad, and presses keys at each ``update``."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard
        self._down: set[str] = set()
        self._dithers = Dither(), Dither(), Dither()
        self.problem = ""
        self.reset()

    def reset(self) -> None:
        """Let go of everything at the next update."""
        self._asked = [0.0, 0.0, 0.0]
        self._buttons: set[str] = set()

    def right_trigger_float(self, value_float: float) -> None:
        """Set the gas, 0 to 1."""
        self._asked[0] = value_float

    def left_trigger_float(self, value_float: float) -> None:
        """Set the brake, 0 to 1."""
        self._asked[1] = value_float

    def left_joystick_float(self, x_value_float: float, y_value_float: float) -> None:
        """Set the steering, -1 to 1."""
        self._asked[2] = x_value_float

    def right_joystick_float(self, x_value_float: float, y_value_float: float) -> None:
        """Nothing: keys are not taken for a player's pad, so there is nothing to tell apart."""

    def press_button(self, button: int) -> None:
        """Press a button's key."""
        self._buttons.add(BUTTON_KEYS[button])

    def release_button(self, button: int) -> None:
        """Release a button's key."""
        self._buttons.discard(BUTTON_KEYS[button])

    @property
    def obeyed(self) -> tuple[float, float, float]:
        """What the keys that are down come to: gas, brake and steering."""
        held = self._down
        return float("gas" in held), float("brake" in held), float("right" in held) - float("left" in held)

    def update(self) -> None:
        """Press and release what it takes."""
        gas, brake, steer = (dither(value) for dither, value in zip(self._dithers, self._asked, strict=True))
        chosen = zip(KEYS, (gas > 0, brake > 0, steer < 0, steer > 0), strict=True)
        wanted = {name for name, down in chosen if down} | self._buttons
        self.problem = ""
        if wanted and GAMES.isdisjoint(self._keyboard.in_front()):
            wanted, self.problem = set(), ELSEWHERE
        for name in sorted(self._down - wanted):
            self._keyboard.key(name, False)
        for name in sorted(wanted - self._down):
            self._keyboard.key(name, True)
        self._down = wanted


def key_controls(hz: float = 20.0, keyboard: Keyboard | None = None) -> VirtualPad:
    """Return what drives the game by keys, with the watchdog of the virtual pad. Raises DeviceError with what is missing."""
    chosen = keyboard or open_keyboard()
    return VirtualPad(hz=hz, module=SimpleNamespace(VX360Gamepad=lambda: KeyPad(chosen)))


def keys_or_none(hz: float = 20.0) -> VirtualPad | None:
    """Return the same, None where keys cannot be pressed."""
    try:
        return key_controls(hz)
    except DeviceError:
        return None


def instead_of_pad(why: str, hz: float, notices: list[str]) -> VirtualPad:
    """Return keys where there is no virtual pad (``why``), and tell the player. Raises DeviceError where there is neither."""
    try:
        keys = key_controls(hz)
    except DeviceError as error:
        raise DeviceError(f"{why} Keys cannot stand in for it. {error}") from None
    notices.append(f"The game is driven by keys, all or nothing, because there is no virtual pad. {why}")
    return keys


def open_keyboard() -> Keyboard:
    """Return this system's keyboard. Raises DeviceError where keys cannot be pressed."""
    if sys.platform == "win32":
        from hitl.games.trackmania.key_presses_windows import WindowsKeyboard

        return WindowsKeyboard()
    if sys.platform.startswith("linux"):
        return XKeyboard()
    raise DeviceError(f"Keys cannot be pressed for a game on {sys.platform}.")


class XKeyboard:
    """An X server's keyboard, through XTest."""

    NAMES = {  # noqa: RUF012
        "gas": "Up", "brake": "Down", "left": "Left", "right": "Right", "restart": "Delete", "confirm": "Return",
        "respawn": "Return",
    }  # fmt: skip

    def __init__(self) -> None:
        try:
            display = importlib.import_module("Xlib.display")
            self._x, keys = importlib.import_module("Xlib.X"), importlib.import_module("Xlib.XK")
            self._test = importlib.import_module("Xlib.ext.xtest")
        except ImportError:
            raise DeviceError(
                f"Pressing keys for the game needs the package python-xlib, which is not installed: {install('trackmania')}."
            ) from None
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # an old version prints warnings there
                self._display: Any = display.Display()
        except Exception as error:  # its own errors, and those of sockets
            raise DeviceError(
                f"Keys cannot be pressed without an X display ({type(error).__name__}): Wayland alone has no way."
            ) from None
        if not self._display.has_extension("XTEST"):
            raise DeviceError("Keys cannot be pressed: this X display has no XTEST extension.")
        self._codes = {
            name: self._display.keysym_to_keycode(keys.string_to_keysym(key)) for name, key in self.NAMES.items()
        }

    def in_front(self) -> Collection[str]:
        """Return the class and the process of the window with the focus, or of the one around it."""
        window = self._display.get_input_focus().focus
        for _ in range(8):
            if not hasattr(window, "get_wm_class"):
                break
            try:
                names = {str(name).lower() for name in window.get_wm_class() or ()}
                pid = window.get_full_property(self._display.intern_atom("_NET_WM_PID"), self._x.AnyPropertyType)
                if pid is not None:
                    names |= _process_names(pid.value[0])
                if names:
                    return names
                window = window.query_tree().parent
            except Exception:  # the window went away meanwhile
                break
        return ()

    def key(self, name: str, down: bool) -> None:
        """Press or release a key."""
        self._test.fake_input(self._display, self._x.KeyPress if down else self._x.KeyRelease, self._codes[name])
        self._display.flush()


def _process_names(pid: int) -> set[str]:
    """Return what Linux calls a process. Wine gives a game's process the name of its program."""
    try:
        return {Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip().lower()}
    except OSError:  # it has ended, or is one of another container
        return set()
