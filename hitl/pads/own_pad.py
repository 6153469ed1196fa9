"""Never read our own virtual pad as the player's.

Both have the same name, GUID and vendor, and no index tells them apart. So: what SDL saw before ours was made is not
ours; whatever appears afterwards is a suspect, and must not be bound. A suspect is challenged: random values are
written to the right stick of our pad, which no driving game steers by, and a device that repeats them is ours. One
that stays silent is not ours, and free: after one challenge if our pad is known and repeated each value beside
it, else after two, each waiting long for a slow driver. Each new plugging-in begins again.

`Guard.tick` does a step of this without waiting. It is called while a pad is looked for (`Devices.challenge`), so it goes on
while a session is paused, on the thread that reads the devices.
"""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hitl.pads.device import Device

#: Our virtual pads that exist now. Readers that cannot challenge a device must be opened before there is one.
own_pads: weakref.WeakSet[object] = weakref.WeakSet()

ROUNDS = 4  # values that must all come back; a hand on the stick repeats none of them by chance
PATIENCE = 12  # looks at each value before it counts as unanswered
CHALLENGES = 2  # unanswered ones that free a suspect as long as our own pad has not been found
_NEAR = 0.02  # 8-bit sticks and rounding


class Hub(Protocol):
    """What is asked of the devices (``hitl.pads.devices.Devices``)."""

    present: dict[int, Device]
    guards: list[Guard]

    def poll(self) -> None:
        """Look for devices that came or went."""


class Guard:
    """Watches the devices while one of our virtual pads exists. Make it before that pad, and give it `write` after."""

    def __init__(self, hub: Hub) -> None:
        hub.poll()
        self.hub = hub
        self.own: set[int] = set()
        self.cleared: set[int] = set(hub.present)
        self.write: Callable[[float, float], None] | None = None  # moves the right stick of our pad
        self._nonce: tuple[float, float] | None = None
        self._round = self._looks = 0
        self._answers: dict[int, int] = {}
        self._answered: set[int] = set()
        self._silent: dict[int, int] = {}
        self._heard: int | None = None  # the look at which our own pad repeated the value
        self._closed = False
        self._last: set[int] = set()
        hub.guards.append(self)

    def blocks(self, instance: int) -> bool:
        """Tell whether a device must not be read as the player's."""
        return instance in self._last if self._closed else instance not in self.cleared

    @property
    def suspects(self) -> list[Device]:
        """The devices that are not yet known to be ours or the player's."""
        known = self.own | self.cleared
        return [d for d in self.hub.present.values() if d.instance not in known]

    def tick(self) -> None:
        """Do one step: look at what the suspects say, and write the next value."""
        self.hub.poll()
        suspects = self.suspects
        if self.write is None:
            return
        if not suspects:
            if self._nonce is not None:
                self._end()
            return
        if self._nonce is None:
            self._answers, self._round = {}, 0
            self._next()
            return
        self._looks += 1
        for device in suspects:
            if device.instance not in self._answered and _echoes(device, self._nonce):
                self._answered.add(device.instance)
                self._answers[device.instance] = self._answers.get(device.instance, 0) + 1
        ours = [d for d in self.hub.present.values() if d.instance in self.own]
        if self._heard is None and any(_echoes(device, self._nonce) for device in ours):
            self._heard = self._looks
        # What our pad has repeated, a second reading of it has repeated too, at the latest one look later.
        heard = self._heard is not None and self._looks > self._heard
        if self._looks < PATIENCE and not heard and not all(d.instance in self._answered for d in suspects):
            return
        self._round += 1
        if self._round < ROUNDS:
            self._next()
            return
        for device in suspects:
            if self._answers.get(device.instance, 0) == ROUNDS:
                self.own.add(device.instance)
            elif device.instance in self._answers:
                self._silent[device.instance] = 0  # neither yes nor no: it came late, or moved by hand; ask again
            else:
                self._silent[device.instance] = self._silent.get(device.instance, 0) + 1
                if self._silent[device.instance] >= (1 if ours else CHALLENGES):
                    self.cleared.add(device.instance)
        self._end()

    def close(self) -> None:
        """Our pad is being unplugged: only what is or may be that pad stays blocked, as long as SDL still shows it."""
        self._last = self.own | {d.instance for d in self.suspects}
        self._closed, self.write = True, None

    def _next(self) -> None:
        x, y = (random.choice((-1.0, 1.0)) * random.uniform(0.25, 0.95) for _ in range(2))
        self._nonce, self._looks, self._answered, self._heard = (x, y), 0, set(), None
        assert self.write is not None
        self.write(*self._nonce)

    def _end(self) -> None:
        self._nonce = None
        if self.write is not None:
            self.write(0.0, 0.0)


def _echoes(device: Device, nonce: tuple[float, float]) -> bool:
    """Tell whether the right stick (on a plain joystick, any two axes) shows both values, whichever way up it points."""
    if device.controller is not None:
        seen = [abs(device.reader(s)()) for s in ("rightx", "righty")]
    else:
        seen = [abs(device.joystick.get_axis(k)) for k in range(device.joystick.get_numaxes())]
    return all(any(abs(abs(n) - value) < _NEAR for value in seen) for n in nonce)
