"""What a pad is known by: its model, and which one of that model it is.

Two pads may have one name. A serial number tells them apart wherever they are plugged in; without one the port does, and
where the system gives neither, the order in which they were plugged in. As text, which is what `pads.toml` holds:
``NAME [GUID]``, then ``serial S``, ``port P`` or ``number N``, where they are known.
"""

from __future__ import annotations

import ctypes
import functools
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

_TEXT = re.compile(r"(?s)(.* \[[^\]]*\])(?: serial (\S+))?(?: port (\S+))?(?: number (\d+))?")


@dataclass(frozen=True, slots=True)
class Identity:
    """One pad. ``model``: its name and SDL's GUID, the same for each pad of the model."""

    model: str
    serial: str = ""
    port: str = ""
    number: int = 1  # among the pads of its model that are plugged in; it counts where nothing better is known

    @property
    def name(self) -> str:
        """What the player calls it."""
        return self.model.rsplit(" [", 1)[0]

    def __str__(self) -> str:
        text = self.model
        if self.serial:
            text += f" serial {quote(self.serial, safe='')}"
        if self.port:
            text += f" port {quote(self.port, safe='')}"
        if self.number > 1 and not self.serial and not self.port:
            text += f" number {self.number}"
        return text


def parse(text: str) -> Identity | None:
    """Return the identity that a text stands for; None where it does not stand for any."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    model, serial, port, number = found.groups()
    return Identity(model, unquote(serial or ""), unquote(port or ""), int(number or 1))


def tell_apart(identities: Sequence[Identity]) -> list[Identity]:
    """Return the pads that are plugged in, with numbers, and without the serials and ports that two of one model share.

    Some makers give all their pads one serial number, and pads on one receiver have one port.
    """
    known: list[Identity] = []
    for one in identities:
        same = [other for other in identities if other.model == one.model]
        serial = one.serial if sum(other.serial == one.serial for other in same) == 1 else ""
        port = one.port if sum(other.port == one.port for other in same) == 1 else ""
        number = sum(other.model == one.model for other in known) + 1
        known.append(replace(one, serial=serial, port=port, number=number))
    return known


def pick(wanted: Identity, there: Iterable[Identity]) -> Identity | None:
    """Return the one of the pads that are plugged in (as `tell_apart` gives them) that is the wanted one, None for none."""
    same = [one for one in there if one.model == wanted.model]
    if wanted.serial:
        if its := [one for one in same if one.serial == wanted.serial]:
            return its[0]
        same = [one for one in same if not one.serial]  # one with another number is another pad
    if wanted.port and (its := [one for one in same if one.port == wanted.port]):
        return its[0]
    if wanted.serial or wanted.port:
        return same[0] if len(same) == 1 else None  # one alone was moved to another port; of several it may be any
    same.sort(key=lambda one: one.number)
    return same[min(wanted.number, len(same)) - 1] if same else None


def own_table(tables: Mapping[str, Any], own: Identity, there: Sequence[Identity]) -> str:
    """Return the key of the stored table that belongs to a pad, "" where there is none.

    ``there``: all that are plugged in. A table without a number or a port is of the whole model, as older versions wrote it;
    of several pads of that model the first one has it, so that no two share what was measured of one.
    """
    same = [one for one in there if one.model == own.model and one != own]
    stored = {key: one for key in tables if (one := parse(key)) is not None and one.model == own.model}
    single = {key: one for key, one in stored.items() if key != own.model}
    if own.serial and (its := [key for key, one in single.items() if one.serial == own.serial]):
        return its[0]
    for key, one in single.items():
        if not (one.serial and own.serial) and own.port and one.port == own.port:
            return key
        if key == str(own):
            return key
    if own.port and not own.serial:  # moved here: the only table whose pad is not plugged in where it was
        taken = {one.port for one in same}
        moved = [key for key, one in single.items() if not one.serial and one.port and one.port not in taken]
        if len(moved) == 1:
            return moved[0]
    if own.model in stored and all(one.number > own.number for one in same):
        return own.model
    return ""


def serial_and_port(instance: int) -> tuple[str, str]:
    """Return what the system says of a joystick that is open, by SDL's instance id; "" for what it does not say."""
    try:
        sdl = _sdl()
        joystick = sdl.SDL_JoystickFromInstanceID(instance)
        if not joystick:
            return "", ""
        path = (sdl.SDL_JoystickPath(joystick) or b"").decode("utf-8", "replace")
        serial = (sdl.SDL_JoystickGetSerial(joystick) or b"").decode("utf-8", "replace")
    except (OSError, AttributeError, StopIteration):
        return "", ""
    if sys.platform.startswith("linux"):
        found, port = on_linux(path)
        return real_serial(serial or found), port
    return real_serial(serial), path


def real_serial(text: str) -> str:
    """Return a serial number; "" for one that only fills the field, such as 0000."""
    text = text.strip()
    return "" if not text.strip("0-:. ") else text


def on_linux(path: str, sys_folder: Path = Path("/sys/class")) -> tuple[str, str]:
    """Return serial number and port of a device file, by what the kernel says of it."""
    name = Path(path).name
    folder = sys_folder / ("hidraw" if name.startswith("hidraw") else "input") / name / "device"
    if not name or not folder.exists():
        return "", ""
    said = dict(line.split("=", 1) for line in _text(folder / "uevent").splitlines() if "=" in line)
    serial = _text(folder / "uniq") or said.get("HID_UNIQ", "")
    port = _text(folder / "phys") or said.get("HID_PHYS", "")
    for above in folder.resolve().parents:
        if (above / "idVendor").exists():  # the USB device itself
            serial = serial or _text(above / "serial")
            break
    return serial, port


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


@functools.cache
def _sdl() -> Any:
    """Return the SDL library that pygame has loaded: pygame itself passes neither path nor serial number on."""
    import pygame

    if sys.platform == "win32":
        path = str(Path(pygame.__file__).parent / "SDL2.dll")
    else:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        files = (line.split(maxsplit=5)[-1] for line in lines if "/" in line)
        path = next(f for f in files if Path(f).name.startswith(("libSDL2-2", "libSDL2.so")))
    library = ctypes.CDLL(path)
    library.SDL_JoystickFromInstanceID.restype = ctypes.c_void_p
    library.SDL_JoystickFromInstanceID.argtypes = [ctypes.c_int32]
    for function in (library.SDL_JoystickPath, library.SDL_JoystickGetSerial):
        function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    return library
