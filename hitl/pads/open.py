"""Open the pad that the player means, by settings and command line."""

from __future__ import annotations

from data.errors import DeviceError
from data.suggest import did_you_mean
from hitl.pads.base import Pad
from hitl.settings import KINDS, Settings


def open_pad(settings: Settings, use: str = "", name: str = "") -> Pad:
    """Return the pad of ``use`` ("auto", "sdl", "keyboard", "inputs"; empty: as set) and ``name`` (a name or a part of one).

    "auto" is a pad if one is plugged in, else the keyboard. "sdl" waits for its pad: it reads as missing until it is
    there. Raises `DeviceError` where the kind cannot work at all.
    """
    kind = use or settings.pad.use
    # A name goes with the kind it was set for.
    stored = kind in (settings.pad.use, "auto") and not name
    name = settings.pad.name if stored else name
    if kind == "keyboard":
        from hitl.pads.keyboard import KeyboardPad

        return KeyboardPad()
    if kind == "inputs":
        from hitl.pads.inputs_pad import InputsPad

        return InputsPad(name, tables=settings.devices)
    if kind not in KINDS:
        raise DeviceError(f"There is no kind of pad {kind!r}; known are {', '.join(KINDS)}.{did_you_mean(kind, KINDS)}")
    from hitl.pads.sdl import SdlPad

    pad = SdlPad(name, chosen=settings.pad.id if stored else "", tables=settings.devices)
    if kind == "auto" and pad.device is None:
        pad.close()
        from hitl.pads.keyboard import KeyboardPad

        return KeyboardPad()
    return pad
