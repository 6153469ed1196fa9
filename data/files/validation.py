"""The one check of settings, from a file or from the command line: a table of values against the fields of a dataclass.

A field's type says what is allowed: ``Annotated[float, Meta(ge=0)]``, ``Literal["a", "b"]``, ``tuple[int, ...]``, ``… | None``
(written "none", since TOML has no word for it). Errors are sentences that name the file, the setting and what it may be.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, get_type_hints

import msgspec
from msgspec import inspect

from data.errors import HitlError, InputFileError, shown
from data.extras import UNLESS_INSTALLED, Additions
from data.suggest import did_you_mean, nearest

T = TypeVar("T")
MOST = 1e15
"""Of a number with decimals that has no bound of its own: larger ones are no whole number of steps or milliseconds any more."""


@dataclass(frozen=True)
class SettingPlace:
    """Where values stand: ``settings.toml``, ``[takeover]``; both empty for the command line."""

    file: str = ""
    section: str = ""
    error: type[HitlError] = InputFileError
    noun: str = "setting"
    """What a value is called."""
    in_python: bool = False
    """Whether a script gives the values, and so ``None`` where a file says "none"."""

    def wrong(self, sentence: str) -> HitlError:
        """Return the error to raise."""
        return self.error(f"{self.file}: {sentence}" if self.file else sentence)

    def key(self, name: str) -> str:
        """Return a setting's full name."""
        return f"{self.section}.{name}" if self.section else name


@dataclass(frozen=True, eq=False)
class OneOf:
    """Annotates a text that must be a word of a table; the table may grow: ``Annotated[str, OneOf(NETWORKS)]``."""

    table: Collection[str]


@functools.cache
def types(kind: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass, with its bounds."""
    return get_type_hints(kind, include_extras=True)


@functools.cache
def _defaults(kind: type) -> dict[str, Any]:
    """Return what each field of a dataclass is where nothing is said."""
    return {f.name: f.default for f in fields(kind)}


def checked(kind: type, table: object, place: SettingPlace) -> dict[str, Any]:
    """Return a table's values as the fields of ``kind`` want them (whole numbers as floats, lists as tuples).

    Raises ``place.error``: no table, an unknown name, a value of another type or beyond its bounds.
    """
    if not isinstance(table, Mapping):
        raise place.wrong(f"[{place.section}] must be a table of settings, each on a line of its own.")
    hints, defaults = types(kind), _defaults(kind)
    return {k: one(hints[k], k, v, place, defaults[k]) for k, v in table.items() if known(k, hints, place)}


def known(name: str, names: Collection[str], place: SettingPlace) -> bool:
    """Return True for a name that is known. Raises ``place.error`` for any other one."""
    if name in names:
        return True
    meant = nearest(name, names)
    listed = ", ".join(names) if len(names) <= 20 else "listed by `hitl config show`"
    more = f"Did you mean '{place.key(meant)}'?" if meant else f"Known {place.noun}s are {listed}."
    raise place.wrong(f"unknown {place.noun} '{place.key(shown(name))}'. {more}")


def one(hint: Any, name: str, value: object, place: SettingPlace, example: object = None) -> Any:
    """Return one value as its type wants it. Raises ``place.error``, with the example if there is one."""
    most = ""
    try:
        if not _finite(value):
            raise ValueError
        if value == "none" and _optional(hint) and not place.in_python:
            return None
        if isinstance(value, float) and value.is_integer() and isinstance(_bare(hint), inspect.IntType):
            value = int(value)
        found = msgspec.convert(value, hint)
        if (table := _table(hint)) is not None and found not in table:
            raise ValueError
        if not _finite(found, MOST):
            most = f", at most {MOST:,.0f}"
            raise ValueError
        return found
    except (msgspec.ValidationError, ValueError, OverflowError):
        sign, bare = (" = ", False) if place.file else ("=", True)
        like = "" if example in (None, "", ()) else f", for example {name}{sign}{written(example, bare)}"
        words = choices(hint)
        meant = did_you_mean(str(value), map(str, words)) if words else ""
        if isinstance(_table(hint), Additions) and isinstance(value, str):
            meant = meant or UNLESS_INSTALLED
        sentence = f"{place.key(name)} must be {allowed(hint, place.in_python)}{most}{like}, not {shown(written(value))}.{meant}"
        raise place.wrong(sentence) from None


def filled(base: T, table: object, place: SettingPlace) -> T:
    """Return a dataclass with a table's values over its own. Raises ``place.error``, also where values do not go together."""
    values = checked(type(base), table, place)
    try:
        return replace(base, **values)  # type: ignore[type-var]
    except ValueError as error:
        raise place.wrong(f"[{place.section}] cannot be used: {shown(error, 120)}.") from None


def choices(hint: Any) -> tuple[Any, ...]:
    """Return the words that a setting may be, or true and false; empty for numbers and free text."""
    if hint is bool:
        return (True, False)
    table = _table(hint)
    return tuple(getattr(_bare(hint), "values", ()) if table is None else table)


def allowed(hint: Any, in_python: bool = False) -> str:
    """Return in words what a setting may be."""
    table = _table(hint)
    words = _words(_bare(hint)) if table is None else _listed(sorted(table))
    none = "None" if in_python else '"none"'
    return f"{words}, or {none}" if _optional(hint) else words


def written(value: object, bare: bool = False) -> str:
    """Return a value as it is written in TOML; ``bare``: as on the command line, without quotes around text."""
    if isinstance(value, str):
        return value if bare else json.dumps(value, ensure_ascii=False)
    if value is None:
        return "none" if bare else '"none"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def _finite(value: object, most: float = sys.float_info.max) -> bool:
    """Tell whether all numbers with decimals in a value are finite, and at most ``most`` up or down."""
    if isinstance(value, list | tuple | Mapping):
        return all(_finite(part, most) for part in (value.values() if isinstance(value, Mapping) else value))
    return not isinstance(value, float) or abs(value) <= most  # of NaN, this is false


@functools.cache
def _info(hint: Any) -> inspect.Type:
    return inspect.type_info(hint)


def _optional(hint: Any) -> bool:
    return isinstance(_info(hint), inspect.UnionType)


def _bare(hint: Any) -> inspect.Type:
    """Return what a setting is when it is not none."""
    info = _info(hint)
    if isinstance(info, inspect.UnionType):
        return next(t for t in info.types if not isinstance(t, inspect.NoneType))
    return info


def _table(hint: Any) -> Collection[str] | None:
    """Return the table whose words a setting may be; None for other settings."""
    return next((mark.table for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, OneOf)), None)


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _words(info: inspect.Type) -> str:
    if isinstance(info, inspect.LiteralType):
        return _listed(list(map(str, info.values)))
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return ("a whole number" if isinstance(info, inspect.IntType) else "a number") + _bounds(info)
    if isinstance(info, inspect.TupleType):
        return f"a list of {len(info.item_types)} {_plural(info.item_types[0])}"
    if isinstance(info, inspect.DictType):
        return f"a table, each value {_words(info.value_type)}"
    if isinstance(info, inspect.VarTupleType):
        return f"a list of {_plural(info.item_type)}"
    return "true or false" if isinstance(info, inspect.BoolType) else "a text"


def _plural(info: inspect.Type) -> str:
    return _words(info).replace("a text", "texts").replace("a whole number", "whole numbers").replace("a number", "numbers")


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    ge, gt, le, lt = (
        "" if v is None else f"{int(v) if v == int(v) else v:,}" for v in (info.ge, info.gt, info.le, info.lt)
    )
    if ge:
        return f" from {ge}" + (f" to {le}" if le else f" to below {lt}" if lt else " up")
    return f" above {gt}" + (f", at most {le}" if le else "") if gt else ""
