"""The file of a field kit: what may be in it, and how it is written and read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from data.errors import HitlError, InputFileError, UsageError
from data.fields import Count, Text, checked, one_of
from data.files import held
from data.files.replacing import refuse_name
from data.files.text_files import read_json

FORMAT, VERSION = "hitl-field-kit", 1
MOST_BYTES = 2**20
"""Real ones have some ten thousand."""
DONE, SKIPPED, MISSING, FAILED = "done", "skipped", "missing", "failed"

_NAME = Meta(pattern=r"\A[a-z][a-z0-9_]*\Z", max_length=60)
FigureName = Annotated[str, _NAME]
FigureNumber = Annotated[float, Meta(ge=-1e15, le=1e15)] | Annotated[int, Meta(ge=-(10**15), le=10**15)]
Single = FigureNumber | bool | Text | None
"""None: there is no such figure here."""
KitFigures = Annotated[dict[FigureName, Single | Annotated[list[Single], Meta(max_length=200)]], Meta(max_length=200)]
"""By name, which ends with the unit. Lists of one measurement that belong together are as long as each other."""


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one measurement gave; ``problem`` says why there is nothing, "" where it is done.

    ``state``: ``done``; ``skipped`` by the player; ``missing``: something that it needs; ``failed``: by a fault of ours.
    """

    name: FigureName
    state: Annotated[str, one_of(DONE, SKIPPED, MISSING, FAILED)]
    wall_s: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    problem: Text = ""
    figures: KitFigures = {}


class Kit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file. ``env``: the environment that the player meant."""

    format: Annotated[str, one_of(FORMAT)]
    version: Count
    hitl: Annotated[str, Meta(max_length=40)]
    env: Annotated[str, Meta(max_length=40)]
    measurements: Annotated[tuple[Measured, ...], Meta(max_length=50)]


def check_target(path: Path) -> None:
    """Raise UsageError where a kit cannot be written there, or something else would be lost."""
    refuse_name(path, "name another file")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder for {path.name} there; name a file in a folder that exists.")
    if path.is_dir():
        raise UsageError(f"{path.name} is a folder; name a file.")
    if path.exists():
        try:
            read(path)
        except HitlError:
            raise UsageError(f"{path.name} is there already and is no field kit; name another file.") from None


def write(path: Path, kit: Kit) -> None:
    """Write the file, whole or not at all. Raises UsageError where that fails."""
    try:
        held.write_whole(path, msgspec.json.format(msgspec.json.encode(kit), indent=1) + b"\n")
    except OSError as error:
        raise UsageError(f"{path.name} cannot be written {held.why(error, 'name a file elsewhere')}.") from None


def read(path: Path) -> Kit:
    """Return the kit in a file, which may be anyone's. Raises InputFileError."""
    values = read_json(path, MOST_BYTES)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputFileError(f"{path.name} is no field kit; `hitl doctor --record` makes one.")
    if values.get("version") != VERSION:
        raise InputFileError(f"{path.name} is a field kit of another version of hitl; read it with that version.")
    try:
        kit: Kit = checked(values, Kit, "field kit")
    except ValueError as error:
        raise InputFileError(f"{path.name} is damaged or was changed by hand ({error}); ask for another one.") from None
    return kit


def finite(value: float, digits: int = 4) -> float | None:
    """Return a figure as it is stored: rounded; None where it is not a number."""
    return round(float(value), digits) if math.isfinite(value) else None
