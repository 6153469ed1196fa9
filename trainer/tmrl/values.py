"""What the values of a tmrl ``config.json`` mean, as people write them: numbers and truths, also between quotes."""

from __future__ import annotations

import contextlib
from typing import Any

TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "none": False, "null": False}


def plain(value: Any) -> Any:
    """Return a number or a truth that was written between quotes as what it is, anything else as it is."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if word in TRUTHS:
        return TRUTHS[word]
    for read in (int, float) if len(word) < 20 else (float,):
        with contextlib.suppress(ValueError):
            return read(word)
    return value


def number(value: Any) -> float:
    """Return a finite number. Raises ValueError."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:  # NaN is not, either
        raise ValueError("a number")
    return float(value)


def not_negative(value: Any) -> float:
    """Return a finite number from 0 up. Raises ValueError."""
    found = number(value)
    if found < 0:
        raise ValueError("a number from 0 up")
    return found


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
    """Return a number that a check can calculate with; None where the value is not one."""
    try:
        found = number(value)
    except ValueError:
        return None
    return found if abs(found) < 1e15 else None
