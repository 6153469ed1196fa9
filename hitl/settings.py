"""What the player has set: ``settings.toml`` (theirs, only read) and ``pads.toml`` (written by ``hitl pads``) in the home.

    # settings.toml
    [pad]
    use = "sdl"            # sdl, keyboard, inputs or auto
    name = "xbox"          # part of the device's name
    [takeover]             # the fields of hitl.arbiter.Settings
    mode = "touch"
    ramp_s = 0.2
    [help]                 # the fields of HelpSettings
    offer = "all"
    [controls]             # for gym:ID, which control moves each action number: steer, gas, brake, gas_brake, none, -steer …
    "CarRacing-v3" = ["steer", "gas", "brake"]
    [pictures]             # for gym:ID, the fields of PictureSettings
    rows = 48
    [trackmania]           # the fields of TrackManiaSettings
    port = 9000
    [tmrl]                 # the fields of TmrlSettings
    folder = "D:/rl"       # where TmrlData lies, if not in your own folder

``pads.toml`` holds one table for each device under ``[devices]``; see docs/pads.md.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from data.errors import InputFileError, shown
from data.files.text_files import read_toml
from data.suggest import did_you_mean
from hitl.arbiter import Settings as TakeoverSettings
from hitl.home import Home

SECTIONS = ("pad", "takeover", "help", "controls", "pictures", "trackmania", "tmrl")
KINDS = ("auto", "sdl", "keyboard", "inputs")
CONTROLS = ("steer", "gas", "brake", "gas_brake", "none")


@dataclass(frozen=True, slots=True)
class HelpSettings:
    """The section ``[help]`` of settings.toml: when the wheel is offered, and how often the agent may ask."""

    offer: str = "failing"  # before corners: where the agent fails; "all"; "off"
    offer_s: float = 2.0  # s before a corner, by the car's own speed
    requests_per_minute: float = 4.0  # the agent asks so often at most; 0 never
    rumble: bool = True  # when the wheel is offered or changes hands

    def __post_init__(self) -> None:
        if self.offer not in ("failing", "all", "off"):
            raise ValueError("offer is failing, all or off")
        if self.offer_s < 0.0 or self.requests_per_minute < 0.0:
            raise ValueError("offer_s and requests_per_minute cannot be negative")


@dataclass(frozen=True)
class PadChoice:
    """Which device the player uses; an empty name is the first one that fits.

    ``id``: the very pad that was chosen (`hitl.pads.identity`), where several have one name.
    """

    use: str = "auto"
    name: str = ""
    id: str = field(default="", compare=False)


@dataclass(frozen=True)
class TrackManiaSettings:
    """Where the game is and how its plugin speaks."""

    host: str = "127.0.0.1"
    port: int = 9000
    layout: int = 0  # numbers a frame, 11, 20 or 33; 0: found out
    settle_s: float = 1.5  # s from a restart until the car may drive
    controls: str = "auto"  # pad, keys, or auto: keys where no virtual pad can be had

    def __post_init__(self) -> None:
        if self.layout not in (0, 11, 20, 33) or not 0 < self.port < 65536 or self.settle_s < 0:
            raise ValueError("layout is 0, 11, 20 or 33, port 1 to 65535, settle_s not negative")
        if self.controls not in ("auto", "pad", "keys"):
            raise ValueError("controls is auto, pad or keys")


@dataclass(frozen=True)
class PictureSettings:
    """How pictures are seen: shrunk to so many rows and columns, the newest ``frames`` of them."""

    rows: int = 24
    columns: int = 24
    frames: int = 2

    def __post_init__(self) -> None:
        if not all(1 <= n <= 256 for n in (self.rows, self.columns)) or not 1 <= self.frames <= 16:
            raise ValueError("rows and columns are 1 to 256, frames 1 to 16")


@dataclass(frozen=True)
class TmrlSettings:
    """Where tmrl's own settings are."""

    folder: str = ""  # that holds TmrlData; empty: the user's own


@dataclass(frozen=True)
class Settings:
    """All settings of a home, checked."""

    pad: PadChoice = field(default_factory=PadChoice)
    takeover: TakeoverSettings = field(default_factory=TakeoverSettings)
    help: HelpSettings = field(default_factory=HelpSettings)
    controls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by Gymnasium id
    trackmania: TrackManiaSettings = field(default_factory=TrackManiaSettings)
    tmrl: TmrlSettings = field(default_factory=TmrlSettings)
    pictures: PictureSettings = field(default_factory=PictureSettings)
    devices: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # by `pads.identity`, for pads.mapping.from_table


def settings_path(home: Home) -> Path:
    """Return the player's own file."""
    return home.root / "settings.toml"


def pads_path(home: Home) -> Path:
    """Return the file of calibrations and mappings."""
    return home.root / "pads.toml"


def load(home: Home) -> Settings:
    """Read both files (each may be missing); raise `InputFileError` with the line at fault."""
    path = settings_path(home)
    table, pads = _read(path), _read(pads_path(home))
    if not isinstance(pads.get("use", {}), dict) or not isinstance(table.get("pad", {}), dict):
        raise InputFileError("[pad] in settings.toml and [use] in pads.toml must be tables: mend or delete them.")
    unknown = set(table) - set(SECTIONS)
    if unknown:
        raise InputFileError(
            f"{path.name} has a section [{shown(min(unknown))}] that means nothing; known are {', '.join(SECTIONS)}."
            f"{did_you_mean(min(unknown), SECTIONS)}"
        )
    merged = {**pads.get("use", {}), **table.get("pad", {})}  # what the player wrote goes before what was stored
    named = table.get("pad", {}).get("name", "")
    if "id" not in table.get("pad", {}) and named and str(named).lower() not in str(pads.get("use", {}).get("name")).lower():
        merged.pop("id", None)  # another pad than the one that was chosen
    choice = _fill(PadChoice, merged, path, "pad")
    if choice.use not in KINDS:
        raise InputFileError(
            f"{path.name}: pad.use is one of {', '.join(KINDS)}, not '{shown(choice.use)}'.{did_you_mean(choice.use, KINDS)}"
        )
    devices = pads.get("devices", {})
    if not isinstance(devices, dict) or not all(isinstance(v, dict) for v in devices.values()):
        raise InputFileError("pads.toml: [devices] must hold one table a device; delete the file to begin anew.")
    takeover = _fill(TakeoverSettings, table.get("takeover", {}), path, "takeover")
    helping = _fill(HelpSettings, table.get("help", {}), path, "help")
    game = _fill(TrackManiaSettings, table.get("trackmania", {}), path, "trackmania")
    tmrl = _fill(TmrlSettings, table.get("tmrl", {}), path, "tmrl")
    pictures = _fill(PictureSettings, table.get("pictures", {}), path, "pictures")
    controls = _controls(table.get("controls", {}), path)
    return Settings(choice, takeover, helping, controls, game, tmrl, pictures, devices)


def save_pads(
    home: Home,
    *,
    use: PadChoice | None = None,
    device: str = "",
    table: Mapping[str, Any] | None = None,
    forget: str = "",
) -> Path:
    """Store a choice, or one device's table, and leave the rest of ``pads.toml`` as it is. Returns its path.

    ``forget``: the device under which the same pad's table was stored so far.
    """
    path = pads_path(home)
    pads = _read(path)
    if use is not None:
        pads["use"] = {"use": use.use, "name": use.name, **({"id": use.id} if use.id else {})}
    if device:
        pads.setdefault("devices", {}).pop(forget, None)
        pads["devices"][device] = dict(table or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".toml.new")
    temporary.write_text(dumps(pads), encoding="utf-8")
    os.replace(temporary, path)
    return path


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path) if os.path.lexists(path) else {}


def _controls(table: Any, path: Path) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise InputFileError(f"{path.name}: [controls] must hold one list for each environment.")
    for name, row in table.items():
        if not isinstance(row, list) or not all(isinstance(c, str) and c.removeprefix("-") in CONTROLS for c in row):
            raise InputFileError(
                f"{path.name}: controls.{shown(name)} must be a list of {', '.join(CONTROLS)}, each with a minus in front if "
                "reversed."
            )
    return {name: tuple(row) for name, row in table.items()}


def _fill(kind: type[Any], table: Any, path: Path, section: str) -> Any:
    known = {f.name: f for f in fields(kind)}
    if not isinstance(table, dict) or set(table) - set(known):
        name = min(set(table) - set(known)) if isinstance(table, dict) else section
        raise InputFileError(
            f"{path.name}: {section}.{shown(name)} means nothing; known are {', '.join(known)}.{did_you_mean(name, known)}"
        )
    values = {}
    for name, value in table.items():
        wanted = type(known[name].default)
        if wanted is float and type(value) is int:
            value = float(value) if abs(value) < 1e15 else math.inf
        if type(value) is not wanted or (isinstance(value, float) and not math.isfinite(value)):
            raise InputFileError(f"{path.name}: {section}.{name} must be a {_SORTS[wanted]}, not {shown(repr(value))}.")
        values[name] = value
    try:
        return kind(**values)
    except ValueError as error:
        raise InputFileError(f"{path.name}: [{section}] cannot be used: {shown(error, 120)}.") from None


_SORTS = {float: "number", int: "whole number", str: "text", bool: "true or false"}


def dumps(table: Mapping[str, Any]) -> str:
    """Return nested tables of text, numbers, truths and lists of them as TOML."""
    lines: list[str] = []
    _dump(table, [], lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _dump(table: Mapping[str, Any], path: list[str], lines: list[str]) -> None:
    if path:
        lines += ["", f"[{'.'.join(_text(p) for p in path)}]"]
    lines += [f"{_text(k)} = {_value(v)}" for k, v in table.items() if not isinstance(v, Mapping)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            _dump(value, [*path, key], lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return _text(str(value))


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
