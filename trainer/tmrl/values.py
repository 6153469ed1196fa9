"""What the values of a tmrl ``config.json`` mean, as people write them: numbers and truths, also between quotes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from data.errors import InputFileError, shown

OLDEST = (0, 6, 0)
SECTIONS = ("MODEL", "ALG", "PLAYER_RUNS", "ENV", "DEBUGGER", "REWARD_CONFIG")
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "none": False, "null": False}


def check_schema(values: Any, name: str) -> None:
    """Raise InputFileError, with the true reason, unless these are the settings of tmrl 0.6.0 or newer.

    A file that names no version is one when it has their sections.
    """
    if not isinstance(values, dict):
        raise InputFileError(f"The configuration '{name}' is no table of settings: give a tmrl config.json.")
    version = values.get("__VERSION__")
    if version is None:
        if not any(isinstance(values.get(section), dict) for section in ("ALG", "MODEL", "ENV")):
            raise InputFileError(
                f"The configuration '{name}' has no __VERSION__ and none of the sections ALG, MODEL and ENV, as those of tmrl "
                "0.6.0 or newer do: give the config.json of the run."
            )
        return
    numbers = tuple(int(part) for part in re.findall(r"\d{1,9}", str(version))[:3])
    if numbers + (0,) * (3 - len(numbers)) < OLDEST or not numbers:
        raise InputFileError(
            f"The configuration '{name}' is of version {shown(version, 20) or 'unknown'}; 0.6.0 or newer is needed: let tmrl "
            "write it anew."
        )


def entries(values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (section, key, value) of every layout, the root's keys first: what a section says goes before them."""
    for key, value in values.items():
        if key != "__VERSION__" and not (key in SECTIONS and isinstance(value, Mapping)):
            yield "", key, value
    for section in SECTIONS:
        table = values.get(section)
        for key, value in table.items() if isinstance(table, Mapping) else ():
            if key == "REWARD_CONFIG" and isinstance(value, Mapping):
                yield from ((f"{section}.{key}", k, v) for k, v in value.items())
            else:
                yield section, key, value


def plain(value: Any) -> Any:
    """Return a number or a truth that was written between quotes as what it is, anything else as it is."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if word in TRUTHS:
        return TRUTHS[word]
    try:
        return int(word) if len(word) < 20 else float(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        return value


def number(value: Any) -> float:
    """Return a finite number. Raises ValueError."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:  # NaN is not, either
        raise ValueError("a number")
    return float(value)


def whole(value: Any) -> int:
    """Return a whole number, also one written as 512.0. Raises ValueError."""
    found = number(value)
    if not found.is_integer():
        raise ValueError("a whole number")
    return int(found)


def truth(value: Any) -> bool:
    """Return a truth. Raises ValueError."""
    value = plain(value)
    if value is None or (isinstance(value, int | float) and value in (0, 1)):
        return bool(value)
    raise ValueError("true or false")


def pair(value: Any) -> tuple[float, ...]:
    """Return two numbers. Raises ValueError."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("a list of two numbers")
    return tuple(number(v) for v in value)


def known_number(value: Any) -> float | None:
    """Return a number that a check can reckon with; None where there is none."""
    try:
        found = number(value)
    except ValueError:
        return None
    return found if math.isfinite(found) and abs(found) < 1e15 else None
