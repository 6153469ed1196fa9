"""The player's pad through SDL: controllers by its database, wheels and joysticks as they are."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import pygame

from data.errors import DeviceError, HitlError, shown
from data.suggest import did_you_mean
from hitl.pads.base import MISSING, NO_PAD, PadState
from hitl.pads.calibration.rest import PEDALS, Resting
from hitl.pads.device import UNNAMED, Device
from hitl.pads.devices import Devices, devices
from hitl.pads.identity import Identity, own_table, parse, pick
from hitl.pads.mapping import CONTROLLER, JOYSTICK, Axis, PadMap, from_table
from hitl.pads.wheels.known import Model, pedals_rest, wheel_map


class SdlPad:
    """One pad, bound to the device that fits; unplugged it reads as missing, and it binds again when it comes back.

    ``chosen`` is the very pad, as `hitl pads --choose` stored it (`hitl.pads.identity`). Without it ``name`` decides: the
    device's name (any case) or its key, else a part of the name; empty takes the first, controllers before wheels, these before
    other joysticks, and never pedals alone.
    ``tables`` are stored mappings by identity. A pad that was bound never changes to another one by itself: not to another
    model, and not to its twin that lies beside it. Our own virtual pad is never bound, nor a device that may be it.
    """

    def __init__(
        self,
        name: str = "",
        *,
        chosen: str = "",
        tables: Mapping[str, Mapping[str, Any]] | None = None,
        device: Device | None = None,
        hub: Devices | None = None,
    ) -> None:
        self.hub = hub or devices()
        self.hub.poll()
        self.wanted, self.tables = name, tables or {}
        self.chosen = parse(chosen)
        self.device: Device | None = None
        self.identity: Identity | None = None  # of the device that is or was bound
        self.table_key = ""  # what its mapping is stored under, "" if nothing is
        self._resting: Resting | None = None
        self._map: PadMap = CONTROLLER
        self._measured: set[str] = set()  # pedals whose ends are stored
        self.guessed = False
        """Whether it is a wheel whose pedals are only guessed."""
        self._raw: dict[str, Callable[[], float]] = {}
        self._others: set[int] = set()  # what was plugged in beside it: never taken for it
        self._seen: dict[int, Device] = {}
        self._closed = False
        self.problem = ""  # why no device is bound, for the player, where there is more to say than that none is there
        self.refused: Device | None = None  # the one that is meant, and cannot be bound
        if device is not None:
            self._bind(device)
        else:
            self._find()

    @property
    def map(self) -> PadMap:
        """How its controls are read, pedals as their rest has told."""
        return self._resting.map if self._resting is not None else self._map

    @property
    def name(self) -> str:
        """The device's name, or what is waited for."""
        if self.device is not None:
            return self.device.called
        waits = self.identity or self.chosen
        return shown(waits.name) or UNNAMED if waits else shown(self.wanted) or NO_PAD

    def read(self) -> PadState:
        """Return the newest state: some microseconds, and never a wait."""
        self.hub.poll()
        if not self.hub.fresh:
            return MISSING
        if self.device is None or self.device.instance not in self.hub.present or self.hub.blocks(self.device.instance, self):
            lost, self.device = self.device, None
            self.hub.challenge()
            self._find()
            if self.device is None or lost is not None:
                return MISSING  # also if it is back already: what was held meanwhile was not seen
        try:
            self._look_around()
            return self._resting.state() if self._resting is not None else MISSING
        except pygame.error:  # SDL was shut down
            return MISSING

    def use_tables(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """From now on the pad has the settings that are stored for it there. Raises HitlError where it cannot have them."""
        self.tables = tables
        if self.device is not None and self.identity is not None:
            self.identity = None  # or it would keep its settings, as a pad does that comes back
            self._bind(self.device)

    def raw(self, source: str) -> float:
        """Return what the device itself says of a mapped control, before calibration."""
        return self._raw[source]()

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """Shake both motors; nothing happens on a pad without them."""
        if self.device is not None and self.device.attached:
            with contextlib.suppress(pygame.error):  # unplugged just now, or a driver without force feedback
                self.device.rumble(strong, weak, seconds)

    def close(self) -> None:
        """Let go of the device; others may still use it."""
        self.device = None
        self._closed = True

    def _find(self) -> None:
        if self._closed:
            return
        known = {instance: one for instance, one in self.hub.identities(self).items() if instance not in self._others}
        wanted = self.identity or self.chosen
        if wanted is not None:
            found = pick(wanted, known.values())
            fitting = [self.hub.present[i] for i, one in known.items() if one is found]
        else:
            fitting = self._fitting([self.hub.present[i] for i in known])
        if not fitting:
            if wanted is not None:
                self.problem = self._why_none(wanted, known.values())
            return
        best = min(fitting, key=self._order)
        try:
            self._bind(best)
            self.problem, self.refused = "", None
        except HitlError as error:
            self.problem, self.refused = str(error), best

    def candidates(self) -> list[Device]:
        """Return the devices that may be taken without being named, the likeliest first."""
        free = [self.hub.present[instance] for instance in self.hub.identities(self)]
        return sorted((d for d in free if d.may_drive or self._is_measured(d)), key=self._order)

    def _why_none(self, wanted: Identity, there: Collection[Identity]) -> str:
        if self.identity is not None or not there:
            return ""
        same = sum(one.model == wanted.model for one in there)
        called = shown(wanted.name) or UNNAMED
        if not same:
            return f"The pad that was chosen, {called}, is not plugged in; `hitl pads --choose` chooses another."
        return (
            f"The pad that was chosen, one of the model {called}, is not plugged in where it was, and "
            f"{'several of its model are' if same > 1 else 'another of its model is'}: choose with `hitl pads --choose`."
        )

    def _fitting(self, there: list[Device]) -> list[Device]:
        """Return those of the devices that are meant by the name, and say why there is none."""
        wanted = self.wanted.casefold()
        fitting = [d for d in there if wanted and d.name.casefold() == wanted]
        fitting = fitting or [d for d in there if self._fits(d)]
        self.problem = self._not_there(there) if self.wanted and there and not fitting else ""
        return fitting

    def _not_there(self, there: list[Device]) -> str:
        """Return the sentence that says that no pad has the wanted name."""
        names = [d.called for d in there]
        none = f"No pad whose name holds {shown(self.wanted)!r} is plugged in."
        return f"{none} Plugged in: {', '.join(names)}.{did_you_mean(self.wanted, names)}"

    def _order(self, device: Device) -> tuple[bool, bool, bool, int]:
        """Return what devices are sorted by of which any may be meant: the likeliest is the least."""
        return device.controller is None, not device.is_wheel, not self._is_measured(device), device.instance

    def _is_measured(self, device: Device) -> bool:
        """Tell whether the player has measured how it steers: it is one to drive with, whatever it looks like."""
        known = self.hub.identities(self)
        table = self.tables.get(own_table(self.tables, known[device.instance], list(known.values())), {})
        steer = table.get("steer", {})
        return isinstance(steer, Mapping) and not steer.keys().isdisjoint(("low", "source"))

    def _usual(self, device: Device) -> tuple[PadMap, bool]:
        """Return the mapping of a device where nothing is stored, and whether its pedals are guessed."""
        return (CONTROLLER, False) if device.controller is not None else joystick_map(device)

    def _rest(self, device: Device, made: PadMap, measured: Collection[str]) -> Resting:
        """Return what finds out where the device's axes rest."""
        return Resting(made, self._read, measured=measured)

    def _fits(self, device: Device) -> bool:
        if self.wanted:
            return self.wanted.casefold() in device.name.casefold() or self.wanted == device.key
        return device.may_drive or self._is_measured(device)

    def _bind(self, device: Device) -> None:
        known = self.hub.identities(self)
        identity = known.get(device.instance) or Identity(device.key, device.serial, device.port)
        back = self.identity is not None and self.identity.model == identity.model
        if back:
            made = self.map  # as it was: what is held when it comes back must not be taken for its rest
        else:
            self.table_key = own_table(self.tables, identity, list(known.values()))
            table = self.tables.get(self.table_key, {})
            usual, self.guessed = self._usual(device)
            made = from_table(table, usual)
            self._measured = {n for n in PEDALS if isinstance(table.get(n), Mapping) and "low" in table[n]}
            self.guessed = self.guessed and len(self._measured) < len(PEDALS)
            made = self._with_known_rests(device, made, usual)
            if made.gas.source == made.brake.source:  # both pedals on one axis rest in its middle
                self._measured = set(PEDALS)
        if not made.steer.source:
            way = "; name one with `hitl pads --set steer.source=axis0`" if device.joystick.get_numaxes() else ""
            raise DeviceError(f"{device.called} has no axis to steer with{way}.")
        self._raw = {source: device.reader(source) for source in made.sources()}
        rests, told = dict(made.rests), set(self._measured)
        if back and self._resting is not None:
            rests |= self._resting.rests
            told |= self._resting.told
        self._resting = self._rest(device, replace(made, rests=rests), told)
        self._map = made
        self.device, self.identity = device, identity
        self._others -= {device.instance}
        self._look_around()

    def _with_known_rests(self, device: Device, made: PadMap, usual: PadMap) -> PadMap:
        """Return the mapping with the ends of pedals that are known by the model: the first press must not be taken for rest."""
        rest = None if device.controller is not None else pedals_rest(Model.of(device.guid))
        if rest is None or made.gas.source == made.brake.source:
            return made
        for name in PEDALS:
            own: Axis = getattr(made, name)
            if name not in self._measured and own.source and own.source == getattr(usual, name).source:
                pressed = replace(own, low=rest, high=-rest)
                made = replace(made, gas=pressed) if name == "gas" else replace(made, brake=pressed)
                self._measured.add(name)
        return made

    def _look_around(self) -> None:
        """Remember what is plugged in beside it: the twin on the table is not the one that comes back."""
        if self.hub.present is not self._seen and self.device is not None:
            self._seen = self.hub.present
            self._others = set(self._seen) - {self.device.instance}

    def _read(self, source: str) -> float:
        return self._raw[source]() if source in self._raw else 0.0


def joystick_map(device: Device) -> tuple[PadMap, bool]:
    """Return the usual mapping of a wheel or a plain joystick, and whether it is a wheel whose pedals are guessed.

    It names no more than the device has. At which end its pedals rest, `Resting` tells.
    """
    has, model = set(device.sources()), Model.of(device.guid)
    usual, guessed = JOYSTICK, False
    if device.is_wheel:
        usual, known = wheel_map(model, device.joystick.get_numaxes())
        guessed = not known

    def axis(default: Axis) -> Axis:
        return default if default.source in has else replace(default, source="")

    buttons = {m: tuple(s for s in sources if s in has) for m, sources in usual.buttons.items()}
    return PadMap(axis(usual.steer), axis(usual.gas), axis(usual.brake), buttons), guessed


def pick_by_press(hub: Devices, seconds: float, *, tick: Callable[[], None] | None = None) -> Device | None:
    """Return the device on which a button goes down within `seconds`, or None. ``tick`` is called between looks."""
    before = {d.instance: d.pressed() for d in hub.present.values()}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        hub.poll()
        hub.challenge()
        for device in hub.present.values():
            pressed = device.pressed()
            if pressed - before.get(device.instance, pressed) and not hub.blocks(device.instance):
                return device
            before[device.instance] = pressed
        if tick is not None:
            tick()
        pygame.time.wait(5)
    return None
