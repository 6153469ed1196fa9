"""What a player asks of one pad: which one is meant, and what is set of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError, HitlError, UsageError
from hitl.pads.calibration.rest import END, PEDALS, is_plain
from hitl.pads.mapping import PadMap, from_table, table_of
from hitl.pads.sdl import SdlPad

if TYPE_CHECKING:
    from hitl.pads.device import Device
    from hitl.pads.identity import Identity

_MEASURED = ("low", "centre", "high")


def meant(pad: SdlPad, *, wheel: bool = False) -> Device:
    """Return the device that is meant, even where its own settings keep it from being read. Raises DeviceError for none.

    ``wheel``: it has to be one, and is the likeliest where the pad is a gamepad.
    """
    device = pad.device or pad.refused
    if wheel and (device is None or device.controller is not None) and not pad.problem:
        device = next((d for d in pad.candidates() if d.controller is None), device)
    if device is not None:
        return device
    if pad.problem:
        raise DeviceError(pad.problem)
    there = [d.called for d in pad.hub.present.values() if not pad.hub.blocks(d.instance)]
    if not there:
        raise DeviceError("No pad is plugged in; plug it in and start again.")
    raise DeviceError(
        f"None of what is plugged in is a gamepad or a wheel ({', '.join(there)}), so none is used by itself. Add --name and a "
        "part of its name, or type `hitl pads --choose` and press a button on it."
    )


def which(own: Identity | None, there: Collection[Identity]) -> str:
    """Return which of several pads of one model this is; "" where it is the only one."""
    if own is None or sum(one.model == own.model for one in there) < 2:
        return ""
    said = f"serial number {own.serial}" if own.serial else f"at {own.port}" if own.port else f"number {own.number}"
    return f" ({said})"


def laid_over(device: Device, pad: SdlPad, stored: Mapping[str, Any], wishes: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the table to store for a device: the wishes over what is stored; and what the player should know of it.

    ``pad``: any, for its devices. Raises HitlError for a wish that makes no sense, or that the device cannot have.
    """

    def read(table: Mapping[str, Any]) -> SdlPad:
        bare = SdlPad(device=device, hub=pad.hub)
        return SdlPad(device=device, hub=pad.hub, tables={str(bare.identity): table}) if table else bare

    wished, table = table_of(wishes), dict(stored)
    from_table(wished, read({}).map, file="")  # raises where a wish makes no sense
    for name in ("steer", *PEDALS):
        far = next((k for k in _MEASURED if abs(float(wished.get(name, {}).get(k, 0.0))) > 1.0), None)
        if far is not None:
            raise UsageError(f"{name}.{far}={wished[name][far]:g} is no reading: they go from -1 to 1.")
    for name, value in wished.items():
        kept = {k: v for k, v in table.get(name, {}).items() if not ("source" in value and k in _MEASURED)}
        table[name] = {**kept, **value}  # what was measured on another axis is dropped
    made = read(table)  # raises where the device lacks a control that was named
    if any("source" in wished.get(name, {}) for name in ("steer", *PEDALS)):
        _one_use(made.map)
    try:
        before = read(stored).map
    except HitlError:  # what is stored was wrong, and is mended now
        before = read({}).map
    pressed = wished.get("buttons", {})
    named = {s for sources in pressed.values() for s in sources if is_plain(s)}
    rests = {s: round(made.raw(s), 4) for s in sorted(named) if abs(made.raw(s)) > END}  # a trigger that is not pulled now
    if rests:
        table["rests"] = {**table.get("rests", {}), **rests}
    return table, _given_up(before, made.map, pressed)


def _one_use(made: PadMap) -> None:
    """Raise UsageError where an axis would steer and be a pedal."""
    steer = made.steer.source
    if pedal := next((name for name in PEDALS if steer and getattr(made, name).source == steer), ""):
        raise UsageError(
            f"steer and {pedal} would both be {steer}. Name the axes of both in one line, as in "
            "`hitl pads --set steer.source=axis0 --set gas.source=axis1`."
        )


def _given_up(before: PadMap, after: PadMap, pressed: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each meaning that a button was taken from, and where none takes over any more."""
    told = []
    for meaning, sources in pressed.items():
        for source in sources:
            for other, had in before.buttons.items():
                if other != meaning and source in had and source not in after.buttons.get(other, ()):
                    left = ", ".join(after.buttons.get(other, ()))
                    told.append(f"{source} was {other}, and is {meaning} now; {other} is {left or 'on no button of this pad'}.")
    if not after.buttons.get("takeover") and before.buttons.get("takeover"):
        told.append(
            "No button of this pad takes over now: the keyboard does, and stick and pedals do where [takeover] in settings.toml "
            'says mode = "touch".'
        )
    return told
