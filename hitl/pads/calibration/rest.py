"""Finds out where the axes of a device rest: pedals that have not moved yet, triggers that rest at an end.

Many drivers report an axis in the middle of its travel until it first moves. The triggers and pedals of plain joysticks rest
at -1 or at +1, which only the first real reading tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from hitl.pads.base import PadState
from hitl.pads.mapping import Axis, PadMap

END = 0.9  # a plain axis that reads more is at its end, and so is a trigger or a pedal at rest
WOKEN = 0.75  # the same for its first real reading: it may have begun to move
STAYS = 10  # looks in a row at the very middle: no hand holds a trigger there
PEDALS = ("gas", "brake")


class Resting:
    """A mapping over the raw readings of one device.

    ``raw`` reads a source: axes -1..1, a controller's triggers 0..1, buttons 0 or 1. ``measured``: pedals whose ends the player
    has stored; those of the others are told from what a plain axis (``axis0``...) says. ``slack``: how far from
    :func:`unspoken` an axis may be that has not moved yet.
    """

    def __init__(
        self,
        mapping: PadMap,
        raw: Callable[[str], float],
        *,
        measured: Collection[str] = (),
        slack: float = 1e-3,
    ) -> None:
        self.map, self._raw, self._slack = mapping, raw, slack
        self.rests = dict(mapping.rests)
        # A pedal on the axis that steers is none: what is guessed of it would be read as steering.
        pedals = {n: axis for n in PEDALS if (axis := _axis(mapping, n)).source not in ("", mapping.steer.source)}
        self.told: set[str] = set()  # pedals whose rest is known by now
        self._guessed = {n for n, axis in pedals.items() if n not in measured and is_plain(axis.source)}
        self._doubted: dict[str, int] = {}  # axes that first read an end: looks in the middle since then
        self._buttons = as_buttons = {s for sources in mapping.buttons.values() for s in sources if is_plain(s)} - set(self.rests)
        for name in list(self._guessed):
            self._tell_pedal(name, raw(pedals[name].source), END)
        for source in as_buttons:
            self._tell_button(source, raw(source), END)
        # Until they move: pedals are released, and axes that stand for buttons are not pressed.
        watched = {axis.source for axis in pedals.values()} | (as_buttons - set(self.rests))
        self._asleep = {source for source in watched if self._is_unspoken(source, raw(source))}

    def state(self) -> PadState:
        """Return the newest state."""
        if self._asleep:
            self._wake()
        return self.map.state(self._read, self.rests)

    def _wake(self) -> None:
        """See which of the silent axes have moved, and what that says of their rest."""
        for source in tuple(self._asleep):
            value = self._raw(source)
            if self._is_unspoken(source, value):
                continue
            self._asleep.discard(source)
            for name in self._guessed:
                if getattr(self.map, name).source == source:
                    self._tell_pedal(name, value, WOKEN)
            if source in self._buttons:
                self._tell_button(source, value, WOKEN)
                if source in self.rests:
                    self._doubted[source] = 0

    def _read(self, source: str) -> float:
        if source in self._asleep:
            return next((a.low for a in (self.map.gas, self.map.brake) if a.source == source), 0.0)
        value = self._raw(source)
        if source in self._doubted:
            self._doubted[source] = self._doubted[source] + 1 if self._is_unspoken(source, value) else 0
            if self._doubted[source] >= STAYS:  # a d-pad that reads as an axis: it was pressed at the first reading
                del self.rests[source], self._doubted[source]
        return value

    def _is_unspoken(self, source: str, value: float) -> bool:
        return abs(value - unspoken(source)) < self._slack

    def _tell_pedal(self, name: str, value: float, end: float) -> None:
        """Take the end at which a pedal reads now for its rest."""
        if abs(value) > end:
            low = 1.0 if value > 0.0 else -1.0
            self.told.add(name)
            self.map = replace(self.map, **{name: replace(getattr(self.map, name), low=low, high=-low)})

    def _tell_button(self, source: str, value: float, end: float) -> None:
        if abs(value) > end:
            self.rests[source] = 1.0 if value > 0.0 else -1.0


def _axis(mapping: PadMap, name: str) -> Axis:
    found: Axis = getattr(mapping, name)
    return found


def unspoken(source: str) -> float:
    """Return what an axis reads before it first moves: the middle of its travel."""
    return 0.5 if source.startswith("trigger") else 0.0


def is_plain(source: str) -> bool:
    """Tell whether a source is an axis by number, whose rest is not known in advance."""
    return source.startswith("axis")
