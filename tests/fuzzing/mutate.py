"""Making bad inputs from good ones: seeded, so that each can be made again."""

from __future__ import annotations

import json
import pickle
import struct
from random import Random
from typing import Any

import numpy as np

_BYTES = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\r\n", b"\xef\xbb\xbf", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80",
    struct.pack("<Q", 2**63), struct.pack("<Q", 2**40), struct.pack("<d", float("nan")), struct.pack("<f", 1e38),
)  # fmt: skip
_TOKENS = (
    "nan", "inf", "-inf", "1e999", "-1e308", "0", "-0.0", "1e-320", "9" * 25, "7" * 5000, "true", "null", "''", '""',
    "[]", "{}", "[" * 3000, '{"a":' * 3000, "\x00", "\ufeff", "\u2028", "\ud83d\ude00", ",", ",,", "=", '"', "'",
    "#", "\\", "\n", "\r", "../../../etc/passwd", "<script>alert(1)</script>", "%s%n", "${HOME}", "1_000", "0x1f",
    "1979-05-27T07:32:00Z",
)  # fmt: skip

_MOST = 2**28
"""Characters that a line is repeated to at most: the machine has to hold the input itself, too."""


def odd_values(rng: Random) -> Any:
    """Return a value that few expect."""
    return rng.choice(_VALUES)(rng)


def _nested(rng: Random) -> Any:
    value: Any = 1
    for _ in range(rng.choice((5, 60, 500))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


_VALUES: tuple[Any, ...] = (
    lambda r: None,
    lambda r: True,
    lambda r: False,
    lambda r: 0,
    lambda r: -1,
    lambda r: 2**63,
    lambda r: -(2**200),
    lambda r: 10 ** r.choice((5, 9, 12, 30, 400)),
    lambda r: float("nan"),
    lambda r: float("inf"),
    lambda r: -float("inf"),
    lambda r: r.choice((1e-320, 1e308, -1e30, 0.5, 3.0)),
    lambda r: "",
    lambda r: "x" * r.choice((1, 300, 70_000)),
    lambda r: "a\nb\x00c",
    lambda r: "\ud800",
    lambda r: r.choice(_TOKENS),
    lambda r: [],
    lambda r: {},
    lambda r: [None] * 3,
    lambda r: [1.0] * r.choice((1, 3, 2000)),
    lambda r: {"": {}},
    lambda r: {"a": 1, "b": [2]},
    _nested,
    lambda r: [["x"]],
    lambda r: r.random() * 1e3,
    lambda r: r.randrange(-5, 300),
)


def mutate_bytes(rng: Random, data: bytes, hits: int = 8) -> bytes:
    """Return the bytes with some of them flipped, put in, taken out, repeated or cut off."""
    out = bytearray(data)
    for _ in range(rng.randint(1, hits)):
        kind, at = rng.randrange(8), rng.randrange(len(out) + 1)
        if kind == 0:
            out[at:at] = rng.choice(_BYTES)
        elif kind == 1:
            del out[at : at + rng.choice((1, 2, 8, 100))]
        elif kind == 2:
            out[at:at] = out[at : at + rng.choice((1, 8, 64))]
        elif kind == 3 and rng.random() < 0.3:
            del out[at:]
        elif kind == 4:
            piece = rng.choice(_BYTES)
            out[at : at + len(piece)] = piece
        elif out:
            at = min(at, len(out) - 1)
            out[at] = out[at] ^ (1 << rng.randrange(8)) if kind < 7 else rng.randrange(256)
    return bytes(out)


def mutate_text(rng: Random, text: str) -> bytes:
    """Return a text with numbers and words replaced, lines repeated, moved and torn; sometimes not even text."""
    import re

    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        kind = rng.randrange(5)
        if kind <= 1:
            found = list(re.finditer(r"[-+]?\d+(\.\d+)?|\w+", text))
            if found:
                m = rng.choice(found)
                if m.group()[0].isdigit() and rng.random() < 0.5:
                    text = (
                        text[: m.start()]
                        + str(round(rng.uniform(-2, 2) * 10 ** rng.randrange(-2, 4), 3))
                        + text[m.end() :]
                    )
                    continue
                text = text[: m.start()] + rng.choice(_TOKENS) + text[m.end() :]
        elif kind == 2:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(_TOKENS) + text[at:]
        else:
            lines = text.splitlines(keepends=True) or [""]
            i = rng.randrange(len(lines))
            more = rng.choice((1, 2, 50)) if kind == 3 else 0
            lines[i:i] = lines[i : i + 1] * min(more, _MOST // max(1, len(lines[i])))
            if kind == 4:
                rng.shuffle(lines)
            text = "".join(lines)
    raw = text.encode("utf-8", "surrogatepass")
    return mutate_bytes(rng, raw, 3) if rng.random() < 0.15 else raw


def mutate_value(rng: Random, value: Any, hits: int = 3) -> Any:
    """Return nested plain values with some of their parts replaced, left out or added."""
    for _ in range(rng.randint(1, hits)):
        value = _replace(rng, value)
    return value


def _replace(rng: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.92:
        key = rng.choice(list(value))
        kind = rng.random()
        if kind < 0.07:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.12:
            return {**value, rng.choice(("", "x", "hitl", "../x", 3)): odd_values(rng)}
        return {**value, key: _replace(rng, value[key])}
    if isinstance(value, list | tuple) and value and rng.random() < 0.85:
        i = rng.randrange(len(value))
        items = list(value)
        kind = rng.random()
        if kind < 0.1:
            del items[i]
        elif kind < 0.15:
            items.insert(i, odd_values(rng))
        else:
            items[i] = _replace(rng, items[i])
        return type(value)(items) if type(value) in (list, tuple) else items
    return odd_values(rng)


def dump_odd(rng: Random, value: Any) -> bytes:
    """Return a pickle of a value; one that cannot be pickled becomes None's."""
    try:
        return pickle.dumps(value, rng.choice((2, 3, 4, 4, 5)))
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError):
        return pickle.dumps(None, 4)


def odd_array(rng: Random) -> np.ndarray:
    """Return an array of some shape, type and content."""
    shape = rng.choice(((0,), (3,), (5, 3), (40, 3), (200, 3), (3, 40), (1, 3), (4, 4, 3), (), (0, 3), (2, 2)))
    kind = rng.choice(("f4", "f8", "i8", "u1", "?", "c8", "U3", "S2", ">f8", "f2"))
    values = np.array([rng.gauss(0, rng.choice((1, 100, 1e30))) for _ in range(int(np.prod(shape)))]).reshape(shape)
    with np.errstate(all="ignore"):
        return np.asfortranarray(values.astype(kind)) if rng.random() < 0.2 else values.astype(kind)


def dump_json(value: Any) -> bytes:
    """Return a value as JSON with NaN and infinity as Python writes them."""
    try:
        return json.dumps(value).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        return b"{}"


def finite(*arrays: Any) -> bool:
    """Whether every number is finite."""
    return all(bool(np.isfinite(np.asarray(a)).all()) for a in arrays)
