"""What a field of a row from elsewhere may be: its type, range and length, written at the field and checked here.

Our own code makes rows without a check; who reads a file, a message or another store calls :func:`checked`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

_PRINTABLE = "\\A[^\\0\ud800-\udfff]*\\Z"  # what SQLite and a screen can take
MOST_NAMES = 1_000_000


def one_of(*words: str) -> Meta:
    """Return the rule for a text that is one of ``words``."""
    return Meta(pattern=rf"\A({'|'.join(words)})\Z")


Count = Annotated[int, Meta(ge=0, lt=2**31)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Flag = Annotated[int, Meta(ge=0, le=1)]
Number = int | float
"""Of any size: ``data.numbers`` says which can be learned from."""
MOST_PRIORITY = 1e6
"""The largest priority that a segment may be given."""
Priority = Annotated[float, Meta(ge=0, le=MOST_PRIORITY)]
Text = Annotated[str, Meta(max_length=4000, pattern=_PRINTABLE)]
Name = Annotated[str, Meta(max_length=200, pattern=_PRINTABLE)]
Names = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MOST_NAMES)]
Time = Annotated[str, Meta(max_length=40, pattern=_PRINTABLE)]
"""UTC, ISO 8601; see :func:`is_time`."""
SessionId = Annotated[str, Meta(max_length=200, pattern=r"\A[0-9A-Za-z-]+\Z")]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{0,64}\Z")]


def is_text(value: Any) -> bool:
    """Return whether a value is a text of at most 200 characters that SQLite and a screen can take."""
    return isinstance(value, str) and len(value) <= 200 and re.search(_PRINTABLE, value) is not None


def is_time(text: str) -> bool:
    """Return whether a text is a date and a time."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def checked(values: Any, kind: Any, what: str) -> Any:
    """Return ``values`` (a table, or an array for a kind that is one) as a ``kind``.

    Raises ValueError ("invalid session: hz") when a field is missing, of another type or out of range.
    """
    try:
        return msgspec.convert(values, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        found = re.search(r"at `\$[.\[](\w+)|field `(\w+)`", str(error))
        place = (found[1] or f"{found[2]} is missing") if found else ""
        if place.isdigit():  # in an array, which begins with its kind's name
            place = msgspec.structs.fields(kind)[int(place) - 1].name
        raise ValueError(f"invalid {what}: {place}" if place else f"invalid {what}") from error


def check_fields(item: Any, kind: Any, what: str) -> None:
    """Raise ValueError when an object that was made without a check has a field of ``kind`` that is not what it may be."""
    values = {name: getattr(item, name) for name in kind.__annotations__}
    checked({k: float(v) if isinstance(v, float) else v for k, v in values.items()}, kind, what)
