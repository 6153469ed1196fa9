"""What travels between machines: plain values only, so that a sender cannot run code here.

tlspyo's own default is pickle, which can. This is a small binary form of None, booleans, numbers, text, bytes, lists and tables.
It is not MessagePack, and stays as it is because workers and trainers of earlier versions read and write it.
"""

from __future__ import annotations

import struct
from typing import Any

DEPTH = 20
_CONSTANTS = {"n": None, "t": True, "f": False}
_NUMBER, _SIZE = struct.Struct("<d"), struct.Struct("<I")


def encode(value: Any) -> bytes:
    """Return a value as bytes. Raises TypeError for anything but plain values; lists and tuples both return as tuples."""
    parts: list[bytes] = []
    _put(value, parts)
    return b"".join(parts)


def _put(value: Any, parts: list[bytes]) -> None:
    if value is None:
        parts.append(b"n")
    elif isinstance(value, bool):
        parts.append(b"t" if value else b"f")
    elif isinstance(value, int):
        text = str(value).encode()
        parts += (b"i", _SIZE.pack(len(text)), text)
    elif isinstance(value, float):
        parts += (b"d", _NUMBER.pack(value))
    elif isinstance(value, str):
        raw = value.encode()
        parts += (b"s", _SIZE.pack(len(raw)), raw)
    elif isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        parts += (b"b", _SIZE.pack(len(raw)), raw)
    elif isinstance(value, list | tuple):
        parts += (b"l", _SIZE.pack(len(value)))
        for item in value:
            _put(item, parts)
    elif isinstance(value, dict):
        parts += (b"m", _SIZE.pack(len(value)))
        for key, item in value.items():
            _put(key, parts)
            _put(item, parts)
    else:
        raise TypeError(f"a {type(value).__name__} cannot be sent")


def decode(raw: bytes) -> Any:
    """Return the value. Raises ValueError for bytes that :func:`encode` does not make."""
    try:
        value, end = _get(memoryview(bytes(raw)), 0, 0)
    except (struct.error, IndexError, UnicodeDecodeError, TypeError) as error:  # TypeError: a key that cannot be one
        raise ValueError("a message was cut off or is not one of ours") from error
    if end != len(raw):
        raise ValueError("a message holds more than one value")
    return value


def _get(raw: memoryview, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEPTH:
        raise ValueError("a message is nested too deeply")
    kind, at = chr(raw[at]), at + 1
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at
    if kind == "d":
        return _NUMBER.unpack_from(raw, at)[0], at + 8
    size, at = _SIZE.unpack_from(raw, at)[0], at + 4
    if kind in "isb":
        if at + size > len(raw) or (kind == "i" and size > 40):
            raise ValueError("a message was cut off or is not one of ours")
        piece = bytes(raw[at : at + size])
        return (int(piece) if kind == "i" else piece.decode() if kind == "s" else piece), at + size
    if kind == "l":
        items = []
        for _ in range(size):
            item, at = _get(raw, at, depth + 1)
            items.append(item)
        return tuple(items), at
    if kind == "m":
        table = {}
        for _ in range(size):
            key, at = _get(raw, at, depth + 1)
            table[key], at = _get(raw, at, depth + 1)
        return table, at
    raise ValueError("a message was cut off or is not one of ours")
