"""Pads for tests: SDL's own virtual joysticks, attached to the very SDL library that pygame has loaded.

    with VirtualPad() as pad:          # an Xbox-like controller; VirtualPad.wheel() is a plain joystick
        pad.axis("gas", 1.0)
        pad.press("rightshoulder")

``SDL_VIDEODRIVER=dummy`` is enough; pygame's display and joystick modules are initialised if they are not yet.
Leaving the block unplugs it. What it was told to rumble lies in ``pad.rumbles``.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from pathlib import Path
from types import TracebackType

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")

import pygame

AXES = {"leftx": 0, "lefty": 1, "rightx": 2, "righty": 3, "triggerleft": 4, "triggerright": 5}
NAMES = ("a", "b", "x", "y", "back", "guide", "start", "leftstick", "rightstick", "leftshoulder", "rightshoulder")
BUTTONS = {name: k for k, name in enumerate((*NAMES, "dpup", "dpdown", "dpleft", "dpright"))}
ALIASES = {"steer": "leftx", "gas": "triggerright", "brake": "triggerleft"}
CONTROLLER, WHEEL = 1, 2  # SDL_JOYSTICK_TYPE_*

_RUMBLE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint16, ctypes.c_uint16)


class _Desc(ctypes.Structure):
    """SDL_VirtualJoystickDesc of SDL 2.24 and later."""

    _fields_ = (
        *((name, ctypes.c_uint16) for name in ("version", "type", "naxes", "nbuttons", "nhats", "vendor", "product")),
        ("padding", ctypes.c_uint16),
        ("button_mask", ctypes.c_uint32),
        ("axis_mask", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("userdata", ctypes.c_void_p),
        ("update", ctypes.c_void_p),
        ("set_player_index", ctypes.c_void_p),
        ("rumble", _RUMBLE),
        ("rumble_triggers", ctypes.c_void_p),
        ("set_led", ctypes.c_void_p),
        ("send_effect", ctypes.c_void_p),
    )


@functools.cache
def sdl() -> ctypes.CDLL:
    """Return the SDL2 library that pygame runs on; it stays loaded, and it is found slowly among all that is."""
    if sys.platform == "win32":
        return ctypes.CDLL(str(Path(pygame.__file__).parent / "SDL2.dll"))
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split()[-1]
        if Path(path).name.startswith(("libSDL2-2", "libSDL2.so")):
            library = ctypes.CDLL(path)
            library.SDL_GetError.restype = ctypes.c_char_p
            library.SDL_JoystickOpen.restype = ctypes.c_void_p
            for name in ("SetVirtualAxis", "SetVirtualButton", "SetVirtualHat", "Close", "InstanceID"):
                getattr(library, f"SDL_Joystick{name}").argtypes = [
                    ctypes.c_void_p,
                    *{
                        "SetVirtualAxis": (ctypes.c_int, ctypes.c_int16),
                        "SetVirtualButton": (ctypes.c_int, ctypes.c_uint8),
                        "SetVirtualHat": (ctypes.c_int, ctypes.c_uint8),
                    }.get(name, ()),
                ]
            return library
    raise RuntimeError("pygame has not loaded SDL2 yet")


class VirtualPad:
    """One virtual joystick: plugged in when made, unplugged by ``unplug`` or at the end of the block."""

    def __init__(
        self,
        name: str = "Virtual Xbox 360 Controller",
        kind: int = CONTROLLER,
        axes: int = 6,
        buttons: int = 15,
        model: tuple[int, int] = (0x045E, 0x028E),
        hats: int = 0,
    ) -> None:
        if not pygame.display.get_init():
            pygame.display.init()
        if not pygame.joystick.get_init():
            pygame.joystick.init()
        self.name, self.kind = name, kind
        self.rumbles: list[tuple[int, int]] = []
        self._sdl = sdl()
        self._rumble = _RUMBLE(self._on_rumble)  # kept: SDL holds the pointer
        self._desc = _Desc(
            version=1,
            type=kind,
            naxes=axes,
            nbuttons=buttons,
            nhats=hats,
            vendor=model[0],
            product=model[1],
            button_mask=(1 << buttons) - 1 if kind == CONTROLLER else 0,
            axis_mask=(1 << axes) - 1 if kind == CONTROLLER else 0,
            name=name.encode(),
            rumble=self._rumble,
        )
        self._joystick: int | None = None
        self.instance = -1
        self.plug()

    @classmethod
    def wheel(
        cls,
        name: str = "Virtual Racing Wheel",
        axes: int = 3,
        buttons: int = 8,
        model: tuple[int, int] = (0x045E, 0x028E),
        hats: int = 0,
    ) -> VirtualPad:
        """Return a plain joystick that SDL's controller database does not know; ``model``: the maker's number and its own."""
        return cls(name, WHEEL, axes, buttons, model, hats)

    def plug(self) -> None:
        """Attach it; again after `unplug`, with a new instance id, as a real pad would come back."""
        index = self._sdl.SDL_JoystickAttachVirtualEx(ctypes.byref(self._desc))
        if index < 0:
            raise RuntimeError(self._sdl.SDL_GetError().decode())
        self._joystick = self._sdl.SDL_JoystickOpen(index)
        self.instance = self._sdl.SDL_JoystickInstanceID(self._joystick)
        if self.kind == CONTROLLER:
            self.axis("triggerleft", 0.0)
            self.axis("triggerright", 0.0)
        pygame.event.pump()

    def unplug(self) -> None:
        """Detach it, as when the cable is pulled."""
        if self._joystick is None:
            return
        self._sdl.SDL_JoystickClose(self._joystick)
        self._joystick = None
        for index in range(self._sdl.SDL_NumJoysticks()):
            if self._sdl.SDL_JoystickGetDeviceInstanceID(index) == self.instance:
                self._sdl.SDL_JoystickDetachVirtual(index)
                break
        pygame.event.pump()

    def raw_axis(self, index: int, value: float) -> None:
        """Move an axis by number, -1..1 as the joystick API reads it."""
        self._sdl.SDL_JoystickSetVirtualAxis(self._joystick, index, round(max(-1.0, min(1.0, value)) * 32767))

    def raw_button(self, index: int, down: bool) -> None:
        """Press or release a button by number."""
        self._sdl.SDL_JoystickSetVirtualButton(self._joystick, index, int(down))

    def raw_hat(self, way: int) -> None:
        """Press the first hat: 1 up, 2 right, 4 down, 8 left, 0 in its middle."""
        self._sdl.SDL_JoystickSetVirtualHat(self._joystick, 0, way)

    def axis(self, name: str, value: float) -> None:
        """Move a controller's axis: sticks -1..1, triggers 0..1 (their rest is -1 to the joystick API)."""
        name = ALIASES.get(name, name)
        self.raw_axis(AXES[name], value * 2.0 - 1.0 if name.startswith("trigger") else value)

    def press(self, name: str) -> None:
        """Press a controller's button."""
        self.raw_button(BUTTONS[name], True)

    def release(self, name: str) -> None:
        """Release a controller's button."""
        self.raw_button(BUTTONS[name], False)

    def _on_rumble(self, _userdata: int, low: int, high: int) -> int:
        self.rumbles.append((low, high))
        return 0

    def __enter__(self) -> VirtualPad:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.unplug()
