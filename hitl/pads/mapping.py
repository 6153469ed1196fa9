"""How a device's axes and buttons become steer, gas, brake and meanings: pure numbers, no device.

A *source* is a name for something on a device. On a controller that SDL's database knows: ``leftx``, ``triggerright``,
``a``, ``rightshoulder``... On anything, a wheel too: ``axis0``, ``button3``, ``hat0.left``. ``""`` is nothing.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from msgspec import Meta

from data.errors import InputFileError, UsageError
from data.files.validation import SettingPlace, filled, known, one
from hitl.pads.base import BUTTONS, PadState

_AXES = ("steer", "gas", "brake")
LEAST_TRAVEL = 0.2  # of a raw axis's -1..1 that a calibration must have seen on each side
PRESSED = 0.5  # an axis used as a button is pressed beyond this


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: where it comes from, its calibration (raw readings), its dead zone and its response.

    A stick goes ``low`` .. ``centre`` .. ``high``; a pedal from ``low`` (released) to ``high`` (pressed), ``centre``
    unused. ``high`` below ``low`` turns it round. ``dead_zone`` is the share of the travel that counts as rest;
    ``curve`` 1 is straight, 2 is gentle near rest and reaches the same end.
    """

    source: str  # what it is read from, as `hitl pads` shows it
    low: float = -1.0  # raw reading at full left, or released
    centre: float = 0.0  # raw reading at rest
    high: float = 1.0  # raw reading at full right, or pressed
    dead_zone: Annotated[float, Meta(ge=0, lt=1)] = 0.05  # share of the travel that counts as rest
    curve: Annotated[float, Meta(ge=0.1, le=10)] = 1.0  # 1 is straight, 2 is gentle near rest

    def __post_init__(self) -> None:
        if self.low == self.high:
            raise ValueError(f"the calibration of {self.source!r} has no travel")

    def stick(self, raw: float) -> float:
        """Return -1..1 for a raw reading: 0 in the dead zone, rising without a jump to both ends."""
        side = self.high - self.centre if (raw - self.centre) * (self.high - self.low) > 0.0 else self.centre - self.low
        return self._shape((raw - self.centre) / side) if side else 0.0

    def pedal(self, raw: float) -> float:
        """Return 0 (released) .. 1 (pressed) for a raw reading."""
        return max(0.0, self._shape((raw - self.low) / (self.high - self.low)))

    def _shape(self, value: float) -> float:
        if math.isnan(value):  # a NaN is no reading
            return 0.0
        size = (min(abs(value), 1.0) - self.dead_zone) / (1.0 - self.dead_zone)
        return math.copysign(size**self.curve, value) if size > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class PadMap:
    """A device's whole mapping: the three axes, and the sources of each meaning in `pads.base.BUTTONS`."""

    steer: Axis
    gas: Axis
    brake: Axis
    buttons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rests: Mapping[str, float] = field(default_factory=dict)  # where axes that are used as buttons rest, if not at 0
    more: Mapping[str, tuple[Axis, Axis]] = field(default_factory=dict)  # of ``MORE``, as two pedals: what lowers and raises it

    def state(self, raw: Callable[[str], float], rests: Mapping[str, float] | None = None) -> PadState:
        """Return the state for a way to read sources: axes -1..1 (a controller's triggers 0..1), buttons 0 or 1.

        ``rests``: where axes that are used as buttons rest; None: as the mapping says.
        """
        rest = self.rests if rests is None else rests

        def pressed(source: str) -> bool:
            at = rest.get(source, 0.0)
            return abs(raw(source) - at) > PRESSED * (1.0 + abs(at))  # of the way from its rest to the farther end

        def pedal(axis: Axis) -> float:
            return axis.pedal(raw(axis.source)) if axis.source not in ("", self.steer.source) else 0.0

        further = ((name, raises.pedal(raw(raises.source)) - lowers.pedal(raw(lowers.source)))
                   for name, (lowers, raises) in self.more.items())  # fmt: skip
        return PadState(
            steer=self.steer.stick(raw(self.steer.source)),
            gas=pedal(self.gas),
            brake=pedal(self.brake),
            buttons=frozenset(m for m, sources in self.buttons.items() if any(map(pressed, sources))),
            more=tuple((name, value) for name, value in further if value),
        )

    def sources(self) -> set[str]:
        """Return every source that is read."""
        return self._named() | {axis.source for pair in self.more.values() for axis in pair}

    def _named(self) -> set[str]:
        """Return the sources that drive or mean something."""
        named = {self.steer.source, self.gas.source, self.brake.source}
        return (named | {s for sources in self.buttons.values() for s in sources}) - {""}

    def with_free(self) -> PadMap:
        """Return the mapping without those of ``more`` that are read from what drives or means something."""
        taken = self._named()
        return replace(self, more={name: pair for name, pair in self.more.items() if taken.isdisjoint(a.source for a in pair)})


def _both_ways(source: str, low: float) -> tuple[Axis, Axis]:
    """Return the two halves of a stick's axis, which reads ``low`` at its lower end."""
    lowers = Axis(source, low=0.0, high=low, dead_zone=0.15, curve=1.3)
    return lowers, replace(lowers, high=-low)


#: What an Xbox-like controller does unless told otherwise.
CONTROLLER = PadMap(
    steer=Axis("leftx", dead_zone=0.08, curve=1.3),
    gas=Axis("triggerright", low=0.0),
    brake=Axis("triggerleft", low=0.0),
    buttons={
        "takeover": ("rightshoulder", "a"),
        "pause": ("start",),
        "panic": ("back",),
        "rewind": ("leftshoulder",),
        "star": ("y",),
        "discard": ("b",),
        "keep": ("dpup",),
        "restart": ("x",),
        "quit": ("rightstick",),  # pressed down: no finger lies there while driving
        "settings": ("leftstick",),  # pressed down, too, while the session is paused
    },
    more={
        "right_x": _both_ways("rightx", -1.0),
        "right_y": _both_ways("righty", 1.0),  # SDL's down is positive
        "stick_y": _both_ways("lefty", 1.0),
        "cross_x": (Axis("dpleft", low=0.0), Axis("dpright", low=0.0)),
    },
)
#: A plain joystick or wheel: the usual order of axes; pedals rest at one end and read -1 there or +1 (calibrate).
JOYSTICK = PadMap(
    steer=Axis("axis0", dead_zone=0.02),
    gas=Axis("axis1", low=-1.0),
    brake=Axis("axis2", low=-1.0),
    buttons={"takeover": ("button0",), "pause": ("button1",), "panic": ("button2",), "star": ("button3",)},
)


def to_table(mapping: PadMap) -> dict[str, Any]:
    """Return a mapping as plain tables, for a TOML file."""
    axes = {name: {f.name: getattr(getattr(mapping, name), f.name) for f in fields(Axis)} for name in _AXES}
    buttons = {meaning: list(sources) for meaning, sources in mapping.buttons.items()}
    return {**axes, "buttons": buttons, **({"rests": dict(mapping.rests)} if mapping.rests else {})}


def from_table(table: Mapping[str, Any], default: PadMap, file: str = "pads.toml") -> PadMap:
    """Return `default` changed by what a table says; raise `InputFileError`, which names the file, for what it cannot say."""
    mapping = default
    for name, value in table.items():
        known(name, (*_AXES, "buttons", "rests"), SettingPlace(file))
        place = SettingPlace(file, name)
        if not isinstance(value, Mapping):
            raise place.wrong(f"[{name}] must be a table of settings, each on a line of its own.")
        if name in _AXES:
            said = {k: v if k == "source" else _number(v) for k, v in value.items()}
            mapping = replace(mapping, **{name: filled(getattr(mapping, name), said, place)})
        elif name == "buttons":
            pressed = {k: _sources(v, k, place) for k, v in value.items() if known(k, BUTTONS, place)}
            mapping = replace(mapping, buttons={**_free(mapping.buttons, pressed), **pressed})
        else:
            rests = {k: one(Annotated[float, Meta(ge=-1, le=1)], k, _number(v), place) for k, v in value.items()}
            mapping = replace(mapping, rests={**mapping.rests, **rests})
    return mapping.with_free()


def _free(usual: Mapping[str, tuple[str, ...]], pressed: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the usual buttons without those to which a player has given another meaning: a button means one thing."""
    taken = {source for sources in pressed.values() for source in sources}
    return {meaning: tuple(s for s in sources if s not in taken) for meaning, sources in usual.items()}


def _sources(value: object, meaning: str, place: SettingPlace) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    return tuple(s for s in one(tuple[str, ...], meaning, given, place) if s)


def _number(value: object) -> object:
    """Return the number that a text says (``low = "-0.9"``), as earlier versions read it; anything else as it is."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def table_of(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the table for texts as they are typed: ``steer.dead_zone=0.1``, ``takeover=a,b``. Raises `UsageError`."""
    table: dict[str, Any] = {}
    for pair in pairs:
        what, equals, value = pair.partition("=")
        part, _, name = what.partition(".")
        if not equals:
            raise UsageError(f"--set {pair} has no value; write for example --set steer.dead_zone=0.1.")
        if part in BUTTONS and not name:
            table.setdefault("buttons", {})[part] = [s for s in value.split(",") if s]
            continue
        table.setdefault(part, {})[name] = value if name == "source" else _number(value)
    return table


def calibrated(mapping: PadMap, rest: Mapping[str, float], seen: Mapping[str, tuple[float, float]]) -> PadMap:
    """Return the mapping with ends as measured: ``rest`` hands off, ``seen`` (lowest, highest), both by source.

    Raises `InputFileError` for an axis that hardly moved, since a calibration on it would make every twitch a full lock.
    """
    changed: dict[str, Any] = {}
    for name in _AXES:
        axis: Axis = getattr(mapping, name)
        if not axis.source:
            continue
        low, high = seen[axis.source]
        centre = rest[axis.source]
        if name == "steer":
            moved = min(high - centre, centre - low)
            ends = (low, high) if axis.high > axis.low else (high, low)
        else:
            far = high if high - centre >= centre - low else low
            if mapping.gas.source == mapping.brake.source:  # one axis for both pedals: each has its half
                far = high if axis.high > axis.low else low
            moved, ends = abs(far - centre), (centre, far)
        if moved < LEAST_TRAVEL:
            raise InputFileError(f"{name} ({axis.source}) hardly moved; calibrate again and move it to both ends.")
        changed[name] = replace(axis, low=round(ends[0], 4), centre=round(centre, 4), high=round(ends[1], 4))
    pressed = {source for sources in mapping.buttons.values() for source in sources}
    rests = {source: round(at, 4) for source, at in rest.items() if source in pressed}
    return replace(mapping, **changed, rests={**mapping.rests, **rests})
