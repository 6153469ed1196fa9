"""The player's pad through SDL: controllers by its database, wheels and joysticks as they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pygame

from data.errors import DeviceError, HitlError
from hitl.pads.base import MISSING, PadState
from hitl.pads.devices import Device, Devices, devices
from hitl.pads.mapping import CONTROLLER, JOYSTICK, Axis, PadMap, from_table


class SdlPad:
    """One pad, bound to the device that fits; unplugged it reads as missing, and it binds again when it comes back.

    ``name`` is a part of the device's name (any case) or its key; empty takes the first, controllers before
    joysticks. ``tables`` are stored mappings by key. A pad that was bound never changes to another model by itself.
    Our own virtual pad is never bound, nor a device that may be it.
    """

    def __init__(
        self,
        name: str = "",
        *,
        tables: Mapping[str, Mapping[str, Any]] | None = None,
        device: Device | None = None,
        hub: Devices | None = None,
    ) -> None:
        self.hub = hub or devices()
        self.hub.poll()
        self.wanted, self.tables = name, tables or {}
        self.device: Device | None = None
        self.map: PadMap = CONTROLLER
        self._raw: dict[str, Callable[[], float]] = {}
        self._asleep: dict[str, float] = {}
        self._middles: dict[str, float] = {}
        self._key, self._closed = "", False
        self.problem = ""  # why a device that fits could not be bound, for the player
        if device is not None:
            self._bind(device)
        else:
            self._find()

    @property
    def name(self) -> str:
        """The device's name, or what is waited for."""
        return self.device.name if self.device else self._key or self.wanted or "no pad"

    def read(self) -> PadState:
        """Return the newest state: some microseconds, and never a wait."""
        self.hub.poll()
        if not self.hub.fresh:
            return MISSING
        if self.device is None or self.device.instance not in self.hub.present or self.hub.bars(self.device.instance):
            self.device = None
            self.hub.challenge()
            self._find()
            if self.device is None:
                return MISSING
        try:
            return self.map.state(self._read)
        except pygame.error:  # SDL was shut down
            return MISSING

    def raw(self, source: str) -> float:
        """Return what the device itself says of a mapped control, before calibration."""
        return self._raw[source]()

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Shake both motors; nothing happens on a pad without them."""
        if self.device is not None and self.device.attached:
            try:
                self.device.rumble(strong, weak, seconds)
            except pygame.error:
                return  # unplugged between the two lines, or a driver without force feedback

    def close(self) -> None:
        """Let go of the device; others may still use it."""
        self.device = None
        self._closed = True

    def _find(self) -> None:
        fitting = [d for d in self.hub.present.values() if not self.hub.bars(d.instance) and self._fits(d)]
        if fitting and not self._closed:
            try:
                self._bind(min(fitting, key=lambda d: (d.controller is None, d.instance)))
                self.problem = ""
            except HitlError as error:
                self.problem = str(error)

    def _fits(self, device: Device) -> bool:
        if self._key:
            return device.key == self._key
        named = self.wanted.lower() in device.name.lower() or self.wanted == device.key
        return named and (device.controller is not None or bool(self.wanted) or device.joystick.get_numaxes() >= 3)

    def _bind(self, device: Device) -> None:
        table = self.tables.get(device.key, {})
        self.map = from_table(table, CONTROLLER if device.controller is not None else joystick_map(device))
        if not self.map.steer.source:
            raise DeviceError(f"{device.name} has no axis to steer with; name one with `hitl pads --set steer.source=axis0`.")
        self._raw = {source: device.reader(source) for source in self.map.sources()}
        # Some drivers report a pedal half pressed until it first moves. Until then it counts as released.
        pedals = [axis for axis in (self.map.gas, self.map.brake) if axis.source]
        self._middles = {axis.source: (axis.low + axis.high) / 2.0 for axis in pedals}
        rests = {axis.source: axis.low for axis in pedals if axis.low != 0.0 or device.controller is not None}
        self._asleep = {s: rest for s, rest in rests.items() if abs(self._raw[s]() - self._middles[s]) < 1e-3}
        self.device, self._key = device, device.key

    def _read(self, source: str) -> float:
        reader = self._raw.get(source)
        if reader is None:
            return 0.0
        value = reader()
        if source in self._asleep:
            if abs(value - self._middles[source]) < 1e-3:
                return self._asleep[source]
            del self._asleep[source]
        return value


def joystick_map(device: Device) -> PadMap:
    """Return the default mapping of a plain joystick: no more than it has, pedals released where they are now."""
    has = set(device.sources())

    def axis(default: Axis) -> Axis:
        return default if default.source in has else replace(default, source="")

    def pedal(default: Axis) -> Axis:
        if default.source in has and device.reader(default.source)() > 0.9:
            return replace(default, low=1.0, high=-1.0)  # many wheels rest at +1
        return axis(default)

    buttons = {m: tuple(s for s in sources if s in has) for m, sources in JOYSTICK.buttons.items()}
    return PadMap(axis(JOYSTICK.steer), pedal(JOYSTICK.gas), pedal(JOYSTICK.brake), buttons)


def pick_by_press(
    hub: Devices, seconds: float, *, tick: Callable[[], None] | None = None, clock: Callable[[], float] = time.monotonic
) -> Device | None:
    """Return the device on which a button goes down within `seconds`, or None. ``tick`` is called between looks."""
    before = {d.instance: d.pressed() for d in hub.present.values()}
    until = clock() + seconds
    while clock() < until:
        hub.poll()
        hub.challenge()
        for device in hub.present.values():
            pressed = device.pressed()
            if pressed - before.get(device.instance, pressed) and not hub.bars(device.instance):
                return device
            before[device.instance] = pressed
        if tick is not None:
            tick()
        pygame.time.wait(5)
    return None
