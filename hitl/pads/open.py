"""Open the pad that the player means, by settings and command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data.errors import DeviceError
from data.extras import imported
from data.suggest import did_you_mean
from hitl.pads import PADS
from hitl.pads.base import Pad
from hitl.pads.keyboard import KeyboardPad
from hitl.settings import Settings

if TYPE_CHECKING:
    from hitl.pads.inputs_pad import InputsPad
    from hitl.pads.sdl import SdlPad


def open_pad(settings: Settings, use: str = "", name: str = "") -> Pad:
    """Return the pad of ``use`` (a kind of `PADS`; empty: as set) and ``name`` (a name or a part of one).

    "auto" is a pad if one is plugged in, else the keyboard. "sdl" waits for its pad: it reads as missing until it is
    there. Raises `DeviceError` where the kind cannot work at all.
    """
    kind = use or settings.pad.use
    if kind not in PADS:
        raise DeviceError(f"There is no kind of pad {kind!r}; known are {', '.join(PADS)}.{did_you_mean(kind, PADS)}")
    # A name goes with the kind it was set for; one of "auto" is meant for the pad that SDL reads.
    set_for = settings.pad.use
    stored = (kind in (set_for, "auto") or (kind == "sdl" and set_for == "auto")) and not name
    name, identity = (settings.pad.name, settings.pad.id) if stored else (name, "")
    pad: Pad = imported(f"The pad '{kind}'", PADS[kind], DeviceError)(settings, name, identity)
    return pad


def auto_pad(settings: Settings, name: str, identity: str) -> Pad:
    """Open a pad if one is plugged in, else the keyboard, which knows why."""
    found = sdl_pad(settings, name, identity)
    return found if found.device is not None else KeyboardPad(meanings=settings.keys.meanings, instead_of=found)


def sdl_pad(settings: Settings, name: str, identity: str) -> SdlPad:
    """Open a pad by SDL."""
    from hitl.pads.sdl import SdlPad

    return SdlPad(name, chosen=identity, tables=settings.devices)


def inputs_pad(settings: Settings, name: str, identity: str) -> InputsPad:
    """Open a pad by the package inputs."""
    from hitl.pads.inputs_pad import InputsPad

    return InputsPad(name, tables=settings.devices)


def keyboard_pad(settings: Settings, name: str, identity: str) -> KeyboardPad:
    """Open the keyboard."""
    return KeyboardPad(meanings=settings.keys.meanings)
