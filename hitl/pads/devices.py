"""The devices that SDL sees, opened once for the whole process: hot-plug, readings by name, rumble.

SDL wants its events pumped on the thread that started it, so `Devices.poll` does that only there. Read from another
thread, the devices are as fresh as that thread's last poll; when nobody has polled for a while, nothing here claims to
be connected any more, because a reading that nobody refreshes is an old hand on the wheel.

Whoever else reads pygame's events should leave ours in the queue: ``pygame.event.get(exclude=HOTPLUG)``. If they do
not, a pad that comes or goes is still noticed, by count and by asking each controller.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pygame
from pygame._sdl2 import controller as sdl_controller

from data.errors import DeviceError
from data.suggest import did_you_mean
from hitl.pads.own_pad import Guard
from hitl.pads.identity import Identity, serial_and_port, tell_apart

HOTPLUG = (pygame.JOYDEVICEADDED, pygame.JOYDEVICEREMOVED)
STALE_S = 0.5  # s without a poll after which no device counts as connected

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
        meant = did_you_mean(source, self.sources())
        raise DeviceError(f"{self.name} has no control named {source!r}; `hitl pads` shows the names that it has.{meant}")

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


class Devices:
    """All devices of this process. Make it on the thread that owns the window, or on any if there is none."""

    def __init__(self) -> None:
        try:
            if not pygame.display.get_init():
                pygame.display.init()  # SDL delivers no joystick without its event system
        except pygame.error:
            os.environ["SDL_VIDEODRIVER"] = "dummy"  # no screen here: pads work without one
            pygame.display.init()
        try:
            pygame.joystick.init()
            sdl_controller.init()
        except pygame.error as error:
            raise DeviceError(f"SDL cannot read pads here ({error}); use --pad keyboard.") from None
        # Axis motion would fill the queue of a session without a window; readings do not need the events.
        pygame.event.set_blocked([pygame.JOYAXISMOTION, pygame.JOYBALLMOTION, pygame.CONTROLLERAXISMOTION])
        self.present: dict[int, Device] = {}
        self.guards: list[Guard] = []  # one for each virtual pad of ours
        self._thread = threading.get_ident()
        self._polled = -1e9
        self._count = -1
        self.poll()

    @property
    def fresh(self) -> bool:
        """Tell whether somebody polled lately."""
        return time.monotonic() - self._polled < STALE_S

    def identities(self) -> dict[int, Identity]:
        """Return what each device is known by, by its instance."""
        ordered = sorted(self.present.values(), key=lambda d: d.instance)
        known = tell_apart([Identity(d.key, d.serial, d.port) for d in ordered if not self.bars(d.instance)])
        return dict(zip((d.instance for d in ordered if not self.bars(d.instance)), known, strict=True))

    def bars(self, instance: int) -> bool:
        """Tell whether a device is, or may be, a virtual pad of ours, and so nobody's to drive with."""
        return any(guard.bars(instance) for guard in self.guards)

    def challenge(self) -> None:
        """Do a step towards knowing which devices are ours; for whoever looks for a pad and has none yet."""
        for guard in self.guards:
            guard.tick()

    def poll(self) -> None:
        """Take in what happened since the last poll. Some microseconds; more when a device comes or goes."""
        if threading.get_ident() != self._thread:
            return
        try:
            changed = bool(pygame.event.get(HOTPLUG))  # pumps, and leaves every other event to its reader
            count = pygame.joystick.get_count()
            if changed or count != self._count or not all(device.attached for device in self.present.values()):
                self._rescan(count)
        except pygame.error:  # somebody shut SDL down
            self.present, self._count = {}, -1
            return
        self._polled = time.monotonic()

    def _rescan(self, count: int) -> None:
        found: dict[int, Device] = {}
        for index in range(count):
            try:
                joystick = pygame.joystick.Joystick(index)
                instance = joystick.get_instance_id()
                device = self.present.get(instance)
                if device is None:
                    known = sdl_controller.is_controller(index)
                    pad = sdl_controller.Controller(index) if known else None
                    where = serial_and_port(instance)
                    device = Device(instance, joystick.get_name(), joystick.get_guid(), joystick, pad, *where)
                found[instance] = device
            except pygame.error:
                continue  # gone again, or not ours to open
        self.present, self._count = found, count
        pygame.event.pump()  # what was just opened shows its state after one more update


_shared: Devices | None = None


def devices() -> Devices:
    """Return the process's one `Devices`, made at the first call; raise `DeviceError` where SDL cannot start."""
    global _shared
    if _shared is None:
        _shared = Devices()
    return _shared
