"""One device that SDL sees: its controls by name, read and shaken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pygame
from pygame._sdl2 import controller as sdl_controller

from data.errors import DeviceError, shown
from data.suggest import did_you_mean
from hitl.pads.wheels.known import Model, is_part, is_wheel

AXES = {
    "leftx": pygame.CONTROLLER_AXIS_LEFTX,
    "lefty": pygame.CONTROLLER_AXIS_LEFTY,
    "rightx": pygame.CONTROLLER_AXIS_RIGHTX,
    "righty": pygame.CONTROLLER_AXIS_RIGHTY,
    "triggerleft": pygame.CONTROLLER_AXIS_TRIGGERLEFT,
    "triggerright": pygame.CONTROLLER_AXIS_TRIGGERRIGHT,
}
_BUTTON_NAMES = "a b x y back guide start leftstick rightstick leftshoulder rightshoulder"
CONTROLLER_BUTTONS = {name: getattr(pygame, f"CONTROLLER_BUTTON_{name.upper()}") for name in _BUTTON_NAMES.split()} | {
    f"dp{way}": getattr(pygame, f"CONTROLLER_BUTTON_DPAD_{way.upper()}") for way in ("up", "down", "left", "right")
}
UNNAMED = "a pad without a name"
_HAT = {"left": (0, -1), "right": (0, 1), "down": (1, -1), "up": (1, 1)}


@dataclass(eq=False)
class Device:
    """One joystick or controller, open until it is unplugged."""

    instance: int  # SDL's id of this plugging-in; a pad that comes back has another
    name: str
    guid: str  # the same for each pad of one model
    joystick: pygame.joystick.JoystickType
    controller: sdl_controller.Controller | None  # None: SDL's database does not know it
    serial: str = ""  # what the system says of this very device; "" where it says nothing
    port: str = ""

    @property
    def key(self) -> str:
        """The model, not the single device: `Devices.identities` tells those apart."""
        return f"{self.name} [{self.guid}]"

    @property
    def called(self) -> str:
        """What the player is told that it is called: a name may be empty, or hold what no line can show."""
        return shown(self.name) or UNNAMED

    @property
    def is_wheel(self) -> bool:
        """Tell whether it is a racing wheel. Pedals and handbrakes of their own steer nothing, or have no button."""
        able = self.joystick.get_numaxes() >= 2 and self.joystick.get_numbuttons() > 0
        return self.controller is None and able and is_wheel(Model.of(self.guid), self.name)

    @property
    def may_drive(self) -> bool:
        """Tell whether it can be taken for a player's pad without being named: a gamepad, a wheel, or what may be either."""
        able = self.joystick.get_numaxes() >= 3 and self.joystick.get_numbuttons() > 0
        return self.controller is not None or self.is_wheel or (able and not is_part(self.name))

    @property
    def attached(self) -> bool:
        """Tell whether SDL still has it (a plain joystick cannot be asked, and says yes)."""
        return self.controller is None or bool(self.controller.attached())

    def reader(self, source: str) -> Callable[[], float]:
        """Return a function that reads a source: axes -1..1, a controller's triggers 0..1, buttons 0 or 1."""
        pad, joystick = self.controller, self.joystick
        if pad is not None and source in AXES:
            axis = AXES[source]
            return lambda: max(-1.0, pad.get_axis(axis) / 32767.0)
        if pad is not None and source in CONTROLLER_BUTTONS:
            button = CONTROLLER_BUTTONS[source]
            return lambda: float(pad.get_button(button))
        kind = source.rstrip("0123456789")
        number = int(source[len(kind) :] or -1) if kind in ("axis", "button") else -1
        if kind == "axis" and 0 <= number < joystick.get_numaxes():
            return lambda: joystick.get_axis(number)
        if kind == "button" and 0 <= number < joystick.get_numbuttons():
            return lambda: float(joystick.get_button(number))
        hat, _, way = source.partition(".")
        if hat.startswith("hat") and hat[3:].isdigit() and int(hat[3:]) < joystick.get_numhats() and way in _HAT:
            index, (part, sign) = int(hat[3:]), _HAT[way]
            return lambda: float(joystick.get_hat(index)[part] == sign)
        has = self.sources()
        said = f"{self.called} has no control named {shown(source)!r}. It has {_listed(has)}."
        raise DeviceError(f"{said}{did_you_mean(source, has)}")

    def sources(self) -> list[str]:
        """Return the names of all its controls."""
        if self.controller is not None:
            return [*AXES, *CONTROLLER_BUTTONS]
        joystick = self.joystick
        names = [f"axis{k}" for k in range(joystick.get_numaxes())]
        names += [f"button{k}" for k in range(joystick.get_numbuttons())]
        return names + [f"hat{k}.{way}" for k in range(joystick.get_numhats()) for way in _HAT]

    def pressed(self) -> frozenset[str]:
        """Return the buttons that are down."""
        named = [s for s in self.sources() if s not in AXES and not s.startswith("axis")]
        return frozenset(s for s in named if self.reader(s)() > 0.5)

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Shake, if it can."""
        (self.controller or self.joystick).rumble(strong, weak, round(seconds * 1000))


def _listed(sources: list[str]) -> str:
    """Return the names of controls in few words: axis0 to axis3, button0 to button24, hat0.left, ..."""
    said: list[str] = []
    for kind in ("axis", "button"):
        if its := [s for s in sources if s.startswith(kind)]:
            said.append(its[0] if len(its) == 1 else f"{its[0]} to {its[-1]}")
    return ", ".join(said + [s for s in sources if not s.startswith(("axis", "button"))]) or "none"
