"""Reading pickles from strangers: a small interpreter of the pickle format that can build plain values and NumPy
arrays and nothing else.

Player runs and reference lines travel as pickles, and Python's own unpickler runs whatever code a pickle names. This
one has no way to call anything: the few names that NumPy's pickles contain stand for checked constructors, every
length is compared with what the file really holds before memory is asked for, and dictionary keys are plain. The
format: ``pickletools`` in the standard library, protocols 2 to 5.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputFileError, shown
from data.files import held

MAX_BYTES = 512 * 2**20
_MAX_NESTING = 64
_DTYPE = re.compile(r"[<>|=]?(b1|\?|[iu][1248]|f[248]|c8|c16|[SU]\d{1,4})\Z")


class _RefusedError(Exception):
    """The pickle holds what is not allowed, or is not whole."""


@dataclass(frozen=True)
class _Name:
    """A name of NumPy's that a pickle may mention."""

    build: Callable[..., Any] | None


@dataclass(eq=False)
class Holder:
    """Stands for an object of a class that the reader was told of: its name, and what it holds. Nothing of the class is run."""

    name: str
    state: dict[str, Any] = field(default_factory=dict)


class _Dtype:
    """A NumPy type on its way through the pickle; it becomes real only once its byte order is known and checked."""

    def __init__(self, text: Any, *_flags: Any) -> None:
        if not isinstance(text, str) or not _DTYPE.match(text):
            raise _RefusedError(f"an array of type '{shown(text, 20)}'")
        self.text = text

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "=") or any(state[2:5]):
            raise _RefusedError("an array of a structured type")
        self.text = ("" if state[1] == "|" else state[1]) + self.text.lstrip("<>|=")

    @property
    def real(self) -> np.dtype:
        return np.dtype(self.text)


def _empty_array(_kind: Any, shape: Any, _code: Any) -> np.ndarray:
    if shape != (0,):
        raise _RefusedError("an array that asks for memory before its numbers")
    return np.empty(0, np.int8)


def _checked(dtype: Any, shape: Any, data: Any) -> tuple[np.dtype, tuple[int, ...]]:
    """Return the type and shape when they ask for exactly the bytes that are there."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise _RefusedError("an array of Python objects")
    if not isinstance(shape, tuple) or len(shape) > 8 or any(type(n) is not int or n < 0 for n in shape):
        raise _RefusedError("an array of an impossible shape")
    if math.prod(shape) * dtype.real.itemsize != len(data):
        raise _RefusedError("an array whose size does not match its numbers")
    return dtype.real, shape


def _scalar(dtype: Any, data: Any) -> Any:
    real, _ = _checked(dtype, (1,), data)
    return np.frombuffer(data, real)[0]


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    real, shape = _checked(dtype, shape, data)
    if order not in ("C", "F"):
        raise _RefusedError("an array of an unknown order")
    return np.frombuffer(data, real).reshape(shape, order=order).copy()


def _encode(text: Any, coding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
        raise _RefusedError("a text in an unexpected coding")
    return text.encode("latin1")


def _no_bytes(*args: Any) -> bytes:
    if args:
        raise _RefusedError("bytes made from something else")
    return b""


_NAMES: dict[str, _Name] = {
    "numpy ndarray": _Name(None),
    "numpy dtype": _Name(_Dtype),
    "_codecs encode": _Name(_encode),
    "builtins bytes": _Name(_no_bytes),
    "__builtin__ bytes": _Name(_no_bytes),
} | {
    f"numpy.{core}.{name}": _Name(build)
    for core in ("core", "_core")
    for name, build in (
        ("multiarray _reconstruct", _empty_array),
        ("multiarray scalar", _scalar),
        ("numeric _frombuffer", _from_buffer),
    )
}


class _Machine:
    """The stack machine; one method an opcode group, looked up by opcode in :meth:`run`."""

    def __init__(self, data: bytes, objects: tuple[str, ...] = ()) -> None:
        self.data, self.at = data, 0
        self.objects = objects
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def take(self, count: int) -> bytes:
        begin, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise _RefusedError("the end of the file where more was promised")
        return self.data[begin : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def line(self) -> str:
        end = self.data.index(b"\n", self.at, self.at + 200)
        text, self.at = self.data[self.at : end].decode("ascii"), end + 1
        return text

    def since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise _RefusedError("an append to something that is not a list")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise _RefusedError("an entry in something that is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int, bytes, float, bool):
                raise _RefusedError("a dictionary with keys that are not plain")
            target[key] = value

    def named(self, module: Any, name: Any) -> None:
        full = f"{module} {name}"
        found = _Name(lambda *_: Holder(full)) if full in self.objects else _NAMES.get(full)
        if found is None:
            raise _RefusedError(f"'{shown(module)}.{shown(name)}'")
        self.stack.append(found)

    def reduce(self) -> None:
        args, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, _Name) or name.build is None or type(args) is not tuple:
            raise _RefusedError("a call of something that is not a NumPy constructor")
        self.stack.append(name.build(*args))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Dtype):
            target.set_state(state)
        elif isinstance(target, Holder):
            if type(state) is dict:  # another state is passed over
                target.state = {k: v.text if isinstance(v, _Dtype) else v for k, v in state.items()}
        elif isinstance(target, np.ndarray) and target.size == 0 and type(state) is tuple and len(state) == 5:
            dtype, shape = _checked(state[2], state[1], state[4])
            whole: Any = (1, shape, dtype, bool(state[3]), bytes(state[4]))
            target.__setstate__(whole)
        else:
            raise _RefusedError("a state for something that has none")

    def pop_some(self, count: int) -> tuple[Any, ...]:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise IndexError
        del self.stack[-count:]
        return items

    def run(self) -> Any:
        push, take, number, data = self.stack.append, self.take, self.number, self.data
        actions: dict[int, Callable[[], Any]] = {
            0x80: lambda: take(1),
            0x95: lambda: take(8),
            ord("("): lambda: self.marks.append(len(self.stack)),
            ord("}"): lambda: push({}),
            ord("]"): lambda: push([]),
            ord(")"): lambda: push(()),
            ord("t"): lambda: push(tuple(self.since_mark())),
            ord("l"): lambda: push(self.since_mark()),
            0x85: lambda: push(self.pop_some(1)),
            0x86: lambda: push(self.pop_some(2)),
            0x87: lambda: push(self.pop_some(3)),
            ord("a"): lambda: self.append([self.stack.pop()]),
            ord("e"): lambda: self.append(self.since_mark()),
            ord("s"): lambda: self.set_items(list(self.pop_some(2))),
            ord("u"): lambda: self.set_items(self.since_mark()),
            ord("0"): lambda: self.stack.pop(),
            ord("q"): lambda: self.put(number(1)),
            ord("r"): lambda: self.put(number(4)),
            0x94: lambda: self.put(len(self.memo)),
            ord("h"): lambda: push(self.memo[number(1)]),
            ord("j"): lambda: push(self.memo[number(4)]),
            ord("N"): lambda: push(None),
            0x88: lambda: push(True),
            0x89: lambda: push(False),
            ord("J"): lambda: push(int.from_bytes(take(4), "little", signed=True)),
            ord("K"): lambda: push(number(1)),
            ord("M"): lambda: push(number(2)),
            0x8A: lambda: push(int.from_bytes(take(number(1)), "little", signed=True)),
            ord("G"): lambda: push(struct.unpack(">d", take(8))[0]),
            ord("X"): lambda: push(take(number(4)).decode("utf-8", "surrogatepass")),
            0x8C: lambda: push(take(number(1)).decode("utf-8", "surrogatepass")),
            0x8D: lambda: push(take(number(8)).decode("utf-8", "surrogatepass")),
            ord("B"): lambda: push(take(number(4))),
            ord("C"): lambda: push(take(number(1))),
            0x8E: lambda: push(take(number(8))),
            0x96: lambda: push(take(number(8))),
            ord("c"): lambda: self.named(self.line(), self.line()),
            0x93: lambda: self.named(*self.pop_some(2)),
            ord("R"): self.reduce,
            0x81: self.reduce,  # a new object: nothing but a class named in ``objects`` gives one that is not NumPy's
            ord("b"): self.build,
        }
        while True:
            code = data[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                return self.stack.pop()
            action = actions.get(code)
            if action is None:
                raise _RefusedError(f"an instruction that such files do not need (0x{code:02x})")
            action()


def _check_plain(value: Any) -> None:
    """Refuse what is nested too deeply to be walked safely; values that appear many times are looked at once."""
    seen: set[int] = set()
    level = [value]
    for _ in range(_MAX_NESTING):
        following: list[Any] = []
        for item in level:
            if isinstance(item, _Name | _Dtype):
                raise _RefusedError("a NumPy name where a value should be")
            if type(item) in (list, tuple, dict, Holder) and id(item) not in seen:
                seen.add(id(item))
                inner = item.state if type(item) is Holder else item
                following.extend(inner.values() if type(inner) is dict else inner)
        if not following:
            return
        level = following
    raise _RefusedError("values nested too deeply")


def loads_restricted(data: bytes, objects: tuple[str, ...] = ()) -> Any:
    """Return the value in a pickle: None, bool, numbers, text, bytes, lists, tuples, dictionaries, and arrays of numbers.

    ``objects``: classes and functions ("module name") for whose objects a :class:`Holder` stands, whatever they are made from.
    Raises ValueError, naming what was found, for anything else.
    """
    if not data:
        raise ValueError("it is empty")
    try:
        value = _Machine(data, objects).run()
        _check_plain(value)
        return value
    except _RefusedError as error:
        raise ValueError(f"it holds {error}") from None
    except (IndexError, KeyError, ValueError, TypeError, OverflowError, MemoryError, struct.error) as error:
        raise ValueError("it is not a whole pickle of protocol 2 to 5") from error


def load_restricted(path: str | Path, max_bytes: int = MAX_BYTES) -> Any:
    """Read a pickle file as :func:`loads_restricted`. Memory stays within a small multiple of the file's size.

    Raises InputFileError when it cannot be read, is larger than ``max_bytes``, or holds anything else than plain
    values and arrays.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > max_bytes:
            allowed = f"the {max_bytes / 2**20:.0f} MiB allowed"
            raise InputFileError(f"{path.name} is {size / 2**20:.0f} MiB, more than {allowed}: it was not read.")
        data = held.read_bytes(path, max_bytes)
    except OSError as error:
        raise InputFileError(f"{path.name} cannot be read {held.why(error, 'check the path')}.") from error
    try:
        return loads_restricted(data)
    except ValueError as error:
        raise InputFileError(
            f"{path.name} cannot be used: {error}. Nothing in it was run; only plain values and NumPy arrays are read."
        ) from error
