"""The pad of another program, read as exactly as that program sends it; it is never the player's."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from hitl.agents.opening import NEXT
from hitl.pads.calibration.rest import Resting
from hitl.pads.device import Device
from hitl.pads.devices import Devices, devices
from hitl.pads.identity import parse, pick
from hitl.pads.mapping import CONTROLLER, Axis, PadMap
from hitl.pads.sdl import SdlPad, joystick_map

_NUMBERED = re.compile(r"(.*?)(?: number (\d+))?", re.S)
MOVES = 0.02  # of an axis: what moves more within a look is being driven with


class ProgramsPad(SdlPad):
    """A pad by its ``name``, a part of that, or ``NAME number N`` where several have one name, in the order of plugging in.

    The name ``next`` is the next pad that is plugged in, whatever it is called.
    It is read without dead zone and curve, because a program's stick has neither; only its axes and the button that restarts
    count. While this exists, no other reader binds that device. ``mine``: the identity of the pad that the player chose as
    theirs, which this never is.
    """

    def __init__(self, name: str, *, mine: str = "", hub: Devices | None = None) -> None:
        self._mine, self._closed, hub = parse(mine), True, hub or devices()
        hub.poll()
        self._before = set(hub.present)
        hub.claimants.append(self)
        super().__init__(name, hub=hub)

    def claims(self, instance: int) -> bool:
        """Tell whether this reads that device, or would as soon as it looks: no other reader may then."""
        if self._closed:
            return False
        if self.device is not None and self.device.instance in self.hub.present:
            return instance == self.device.instance
        known = {i: one for i, one in self.hub.identities(self).items() if i not in self._others}
        if self.identity is not None:
            found = pick(self.identity, known.values())
            return any(i == instance and one is found for i, one in known.items())
        return any(d.instance == instance for d in self._called([self.hub.present[i] for i in known]))

    def close(self) -> None:
        """Let go of the device; it is anyone's again."""
        super().close()
        if self in self.hub.claimants:
            self.hub.claimants.remove(self)

    def _fitting(self, there: list[Device]) -> list[Device]:
        fitting = self._called(there)
        self.problem = ""
        if len(fitting) > 1:
            names = ", ".join(f"pad:{call}" for call in calls(fitting, there))
            self.problem = f"Several pads are meant by 'pad:{self.wanted}': type the whole name of one ({names})."
            return []
        return fitting

    def _called(self, there: Sequence[Device]) -> list[Device]:
        """Return the devices that the name means."""
        there = self._without_mine(there)
        if self.wanted == NEXT:
            return [d for d in there if d.instance not in self._before][:1]
        found = _NUMBERED.fullmatch(self.wanted)
        assert found is not None
        name, number = found.group(1).casefold(), int(found.group(2) or 0)
        named = [d for d in there if d.name.casefold() == name] or [d for d in there if name in d.name.casefold()]
        named.sort(key=lambda d: d.instance)
        return named[number - 1 : number] if number else named

    def _without_mine(self, there: Sequence[Device]) -> list[Device]:
        if self._mine is None:
            return list(there)
        known = self.hub.identities(self)
        mine = pick(self._mine, known.values())
        return [d for d in there if mine is None or known.get(d.instance) is not mine]

    def _usual(self, device: Device) -> tuple[PadMap, bool]:
        made, guessed = (CONTROLLER, False) if device.controller is not None else joystick_map(device)
        buttons = {"restart": ("b",) if device.controller is not None else ()}
        return PadMap(_exact(made.steer), _exact(made.gas), _exact(made.brake), buttons), guessed

    def _rest(self, device: Device, made: PadMap, measured: Collection[str]) -> Resting:
        if device.controller is None:
            return super()._rest(device, made, measured)
        return Resting(made, self._read, measured=measured, slack=-1.0)  # half a trigger is what it says, and not silence


def _exact(axis: Axis) -> Axis:
    return replace(axis, dead_zone=0.0, curve=1.0)


def calls(some: Sequence[Device], there: Sequence[Device]) -> list[str]:
    """Return what each of some devices is called by ``ProgramsPad``, of all that are plugged in."""
    count = Counter(device.name.casefold() for device in there)
    said = []
    for device in some:
        same = sorted(d.instance for d in there if d.name.casefold() == device.name.casefold())
        alone = count[device.name.casefold()] == 1
        said.append(device.name if alone else f"{device.name} number {same.index(device.instance) + 1}")
    return said


def plugged_in(seconds: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> list[tuple[str, bool]]:
    """Return what each pad here is called, and whether it moves within some seconds, as one does that a program drives by."""
    hub = devices()
    hub.poll()
    there = sorted((d for d in hub.present.values() if not hub.blocks(d.instance)), key=lambda d: d.instance)
    least: dict[int, list[float]] = {}
    most: dict[int, list[float]] = {}
    until = clock() + seconds
    while True:
        hub.poll()
        for device in there:
            if device.instance in hub.present:
                now = [device.joystick.get_axis(k) for k in range(device.joystick.get_numaxes())]
                least[device.instance] = [min(a, b) for a, b in zip(now, least.get(device.instance, now), strict=True)]
                most[device.instance] = [max(a, b) for a, b in zip(now, most.get(device.instance, now), strict=True)]
        if clock() >= until:
            break
        time.sleep(0.02)
    moved = {i: any(high - low > MOVES for low, high in zip(least[i], most[i], strict=True)) for i in least}
    return [(call, moved.get(device.instance, False)) for call, device in zip(calls(there, there), there, strict=True)]


def listed(pads: Sequence[tuple[str, bool]]) -> str:
    """Return the list of pads for the player, and what to type."""
    if not pads:
        return (
            "No pad is plugged in here. Start the program whose agent is to drive: its virtual pad is one. Then "
            '`hitl play --agent "pad:"` lists it.'
        )
    width = max(len(call) for call, _ in pads) + 6
    lines = [f'  {f"pad:{call}":{width}}{"moves now" if moves else "lies still"}' for call, moves in pads]
    return "\n".join(["By these pads another program may drive (the one that moves is the one that drives):", *lines])
