"""Which numbers can be learned from: one rule for live sessions, importers, other machines, and the reader.

A number that is NaN, infinite, or larger than any measurement makes the learner's own numbers overflow; one is enough.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError, shown
from data.words import number_of

MOST = 1e9
"""The largest size of a number: beyond any measurement in its unit, and far below where 32 bits overflow when it is squared."""


def _known(column: str) -> str:
    return f"CASE WHEN abs({column}) <= {MOST} THEN {column} END"


FARTHEST, RETURN = _known("e.max_progress"), _known('e."return"')
"""SQL of an episode ``e``: its farthest metre and its return, NULL where an older store holds an impossible number."""


def is_number(value: Any) -> bool:
    """Whether one value is a number that can be learned from."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(-MOST <= value <= MOST)


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number that a script has given as ``name``, of whatever whole type. Raises UsageError for another one."""
    try:
        found = operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, bool) or found < least:
        raise UsageError(f"{name} is a whole number from {least} up, not {shown(value)}.")
    return found


def all_numbers(values: Any) -> bool:
    """Whether an array of any shape holds nothing but numbers that can be learned from; costs a few microseconds."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        return False
    # Of values with a NaN, the maximum and the minimum are NaN, which fails both comparisons.
    return not array.size or bool(array.max() <= MOST and array.min() >= -MOST)


def no_numbers(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where an array holds what cannot be learned from."""
    return ~(np.abs(values) <= MOST)


def usable_rows(*arrays: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (N,): in which rows of some arrays, (N, …) each, every number can be learned from."""
    good = np.ones(len(arrays[0]), bool)
    for array in arrays:
        if not all_numbers(array):
            bad = no_numbers(array)
            good &= ~(bad.any(axis=1) if bad.ndim == 2 else bad)
    return good


def which(names: Sequence[str], values: NDArray[Any]) -> dict[str, float]:
    """Return the numbers of a vector that cannot be learned from, by name."""
    return {names[k]: float(values[k]) for k in np.flatnonzero(no_numbers(values)).tolist()}


def said(found: dict[str, float], most: int = 3) -> str:
    """Return these numbers as part of a sentence: ``speed (nan), gear (inf) and 4 more``."""
    shown = [f"{name} ({_short(value)})" for name, value in list(found.items())[:most]]
    return ", ".join(shown) + (f" and {len(found) - most} more" if len(found) > most else "")


def counted(steps: int, names: dict[str, int]) -> str:
    """Return how many steps hold such numbers, and under which names, as part of a sentence."""
    order = sorted(names.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} in {count:,}" for name, count in order[:3])
    more = f" and {number_of(len(order) - 3, 'more name')}" if len(order) > 3 else ""
    holds = number_of(steps, "step holds a number", "steps hold numbers")
    return f"{holds} that cannot be learned from ({listed}{more})"


def _short(value: float) -> str:
    return str(value) if not math.isfinite(value) else f"{value:.3g}"
