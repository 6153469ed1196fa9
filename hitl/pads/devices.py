"""The devices that SDL sees, opened once for the whole process: hot-plug, readings by name, rumble.

SDL wants its events pumped on the thread that started it, so `Devices.poll` does that only there. Read from another
thread, the devices are as fresh as that thread's last poll; when it has not polled for a while, nothing here claims to
be connected any more: a reading that is not refreshed shows where the hands were, not where they are.

Other code that reads pygame's events should leave these in the queue: ``pygame.event.get(exclude=HOTPLUG)``. If it does
not, a pad that comes or goes is still noticed, by count and by asking each controller.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterator
from typing import Protocol

import pygame
from pygame._sdl2 import controller as sdl_controller

from data.errors import DeviceError
from hitl.pads.device import Device
from hitl.pads.identity import Identity, serial_and_port, tell_apart
from hitl.pads.own_pad import Guard
from hitl.processes import put_variable
from takeover_ui.window.window import display_available

HOTPLUG = (pygame.JOYDEVICEADDED, pygame.JOYDEVICEREMOVED)
STALE_S = 0.5  # s without a poll after which no device counts as connected


class Claimant(Protocol):
    """Reads devices that no person drives with: the pad of another program."""

    def claims(self, instance: int) -> bool:
        """Tell whether it reads this device, or would as soon as it looks."""


class Devices:
    """All devices of this process. Make it on the thread that owns the window, or on any thread where there is no window."""

    def __init__(self) -> None:
        with _variables_put_back():
            _start_sdl()
        # Axis motion would fill the queue of a session without a window; readings do not need the events.
        pygame.event.set_blocked([pygame.JOYAXISMOTION, pygame.JOYBALLMOTION, pygame.CONTROLLERAXISMOTION])
        self.present: dict[int, Device] = {}
        self.guards: list[Guard] = []  # one for each of our virtual pads
        self.claimants: list[Claimant] = []  # who else reads devices that no person drives with
        self._thread = threading.get_ident()
        self._polled = -1e9
        self._count = -1
        self.poll()

    @property
    def fresh(self) -> bool:
        """Tell whether they were polled lately."""
        return time.monotonic() - self._polled < STALE_S

    def identities(self, reader: object = None) -> dict[int, Identity]:
        """Return what each device is known by that ``reader`` may bind, by its instance."""
        free = sorted((d for d in self.present.values() if not self.blocks(d.instance, reader)), key=lambda d: d.instance)
        known = tell_apart([Identity(d.key, d.serial, d.port) for d in free])
        return {device.instance: identity for device, identity in zip(free, known, strict=True)}

    def blocks(self, instance: int, reader: object = None) -> bool:
        """Tell whether a device is not for ``reader``: it is, or may be, a virtual pad of ours, or a claimant's."""
        if any(guard.blocks(instance) for guard in self.guards):
            return True
        return reader not in self.claimants and any(claimant.claims(instance) for claimant in self.claimants)

    def challenge(self) -> None:
        """Do a step towards knowing which devices are ours; to be called while a pad is looked for."""
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
        except pygame.error:  # SDL was shut down
            self.present, self._count = {}, -1
            return
        self._polled = time.monotonic()

    def _rescan(self, count: int) -> None:
        found: dict[int, Device] = {}
        for index in range(count):
            try:
                joystick = pygame.joystick.Joystick(index)
                instance = joystick.get_instance_id()
                if instance in self.present:
                    found[instance] = self.present[instance]
                    continue
                pad = sdl_controller.Controller(index) if sdl_controller.is_controller(index) else None
                name, guid = joystick.get_name(), joystick.get_guid()
                found[instance] = Device(instance, name, guid, joystick, pad, *serial_and_port(instance))
            except pygame.error:
                continue  # unplugged again, or not to be opened by us
        self.present, self._count = found, count
        pygame.event.pump()  # what was just opened shows its state after one more update


def _start_sdl() -> None:
    """Start what pads need of SDL. Raises DeviceError."""
    if not display_available():  # SDL would look for a screen all the same, and print what it does not find
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    # SDL would turn a request to end this process into an event that no one reads here: `kill` would do nothing.
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
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


@contextlib.contextmanager
def _variables_put_back() -> Iterator[None]:
    """SDL reads them as it starts; afterwards they would be others' in this process, and those of its children."""
    before = {name: os.environ.get(name) for name in ("SDL_VIDEODRIVER", "SDL_NO_SIGNAL_HANDLERS")}
    try:
        yield
    finally:
        for name, value in before.items():
            put_variable(name, value)


@functools.cache
def devices() -> Devices:
    """Return the process's one `Devices`, made at the first call; raise `DeviceError` where SDL cannot start."""
    return Devices()
