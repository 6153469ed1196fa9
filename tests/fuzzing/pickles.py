"""Pickles that want something: one of each way in which a pickle can call, find or fill something."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from data.exchange.unpickle import loads_restricted
from tests.fuzzing.harness import Reader, RefusedError
from tests.fuzzing.mutate import dump_odd, mutate_bytes, mutate_value, odd_array, odd_values


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _short(value: str) -> bytes:
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def armed(target: Path) -> dict[str, bytes]:
    """Return pickles that make the file ``target`` when Python's own unpickler reads them."""
    name = str(target)
    command = f"touch {name}"
    code = f"open({name!r}, 'w').close()"
    line = command.encode() + b"\n"
    return {
        "GLOBAL, REDUCE os.system": b"\x80\x02cos\nsystem\n" + _text(command) + b"\x85R.",
        "GLOBAL posix.system in protocol 0": b"cposix\nsystem\n(V" + line + b"tR.",
        "GLOBAL nt-like by the old name": b"\x80\x02c__builtin__\neval\n" + _text(code) + b"\x85R.",
        "STACK_GLOBAL builtins.exec": b"\x80\x04"
        + _short("builtins")
        + _short("exec")
        + b"\x93"
        + _text(code)
        + b"\x85R.",
        "STACK_GLOBAL from the memo": b"\x80\x04"
        + _short("os")
        + b"\x94"
        + _short("system")
        + b"\x94"
        + b"h\x00h\x01\x93"
        + _text(command)
        + b"\x85R.",
        "INST": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "OBJ": b"\x80\x02(cos\nsystem\n" + _text(command) + b"o.",
        "getattr chain": b"\x80\x04"
        + _short("builtins")
        + _short("getattr")
        + b"\x93"
        + _short("builtins")
        + _short("__import__")
        + b"\x93"
        + _short("os")
        + b"\x85R"
        + _short("system")
        + b"\x86R"
        + _text(command)
        + b"\x85R.",
        "dotted STACK_GLOBAL": b"\x80\x04"
        + _short("shutil")
        + _short("os.system")
        + b"\x93"
        + _text(command)
        + b"\x85R.",
        "NEWOBJ subprocess.Popen": b"\x80\x02csubprocess\nPopen\n)\x81}("
        + _text("x")
        + b"Nub0csubprocess\ncall\n]("
        + _text("touch")
        + _text(name)
        + b"e\x85R.",
        "NEWOBJ_EX, then a call": b"\x80\x04"
        + _short("builtins")
        + _short("dict")
        + b"\x93)}\x920"
        + _short("os")
        + _short("system")
        + b"\x93"
        + _text(command)
        + b"\x85R.",
        "BUILD with __setstate__": b"\x80\x04"
        + _short("types")
        + _short("SimpleNamespace")
        + b"\x93)R}"
        + _short("__setstate__")
        + _short("os")
        + _short("system")
        + b"\x93sb"
        + _text(command)
        + b"b.",
        "REDUCE inside an array's state": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R("
        b"K\x01K\x01\x85cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R\x89]cos\nsystem\n" + _text(command) + b"\x85Ratb.",
        "REDUCE as a dictionary's key": b"\x80\x02}cos\nsystem\n" + _text(command) + b"\x85RNs.",
        "REDUCE thrown away": b"\x80\x02cos\nsystem\n" + _text(command) + b"\x85R0N.",
        "call behind a frame": b"\x80\x04\x95"
        + struct.pack("<Q", 24 + len(name) + 13)
        + b"cos\nsystem\n"
        + _text(command)
        + b"\x85R.",
        "operator.methodcaller": b"\x80\x04"
        + _short("operator")
        + _short("attrgetter")
        + b"\x93"
        + _short("system")
        + b"\x85R"
        + _short("importlib")
        + _short("import_module")
        + b"\x93"
        + _short("os")
        + b"\x85R\x85R"
        + _text(command)
        + b"\x85R.",
        "runpy of a text": b"\x80\x04"
        + _short("code")
        + _short("InteractiveInterpreter")
        + b"\x93)R0"
        + _short("builtins")
        + _short("eval")
        + b"\x93"
        + _text(code)
        + b"\x85R.",
    }


def hostile() -> dict[str, bytes]:
    """Return pickles that ask for code, memory or time in other ways; some of them no unpickler takes."""
    nested = b"\x80\x04)" + b"\x94h\x00" * 1
    for i in range(200):
        nested += b"h" + bytes([i]) + b"\x86\x94"
    half = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    kind = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00<NNN"
    kind += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    objects = b"cnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87R"
    return {
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT2": b"\x80\x02\x83\x01\x01.",
        "EXT4": b"\x80\x02\x84\x01\x01\x01\x01.",
        "PERSID": b"Pos.system\n.",
        "BINPERSID": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "NEXT_BUFFER": b"\x80\x05\x97.",
        "READONLY_BUFFER": b"\x80\x05C\x01a\x98.",
        "NEWOBJ": b"\x80\x02cbuiltins\nobject\n)\x81.",
        "NEWOBJ_EX": b"\x80\x04cbuiltins\nobject\n)}\x92.",
        "OBJ of a class": b"\x80\x02(cbuiltins\nlist\no.",
        "INST of a class": b"(ibuiltins\nlist\n.",
        "BUILD on a name": b"\x80\x02cnumpy\nndarray\n}b.",
        "BUILD on a dictionary": b"\x80\x02}}b.",
        "REDUCE on a class": half + b"K\x00\x85C\x01b\x87R0cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.",
        "LONG4 of two gigabytes": b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
        "LONG4 below zero": b"\x80\x02\x8b\xff\xff\xff\xff\x01.",
        "a frame of a terabyte": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"cos\nsystem\nN\x85R.",
        "BYTEARRAY8 of a terabyte": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
        "BINBYTES8 of an exabyte": b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",
        "BINUNICODE8 of an exabyte": b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.",
        "a memo slot far out": b"\x80\x02Nr\xff\xff\xff\xffN.",
        "memo never written": b"\x80\x02j\x10\x00\x00\x00.",
        "tuples folded 200 times as a key": b"\x80\x04}" + nested[2:] + b"Ns.",
        "a tuple that holds itself in a key": b"\x80\x02}]\x94h\x00ah\x00\x85Ns.",
        "a hundred thousand lists in each other": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "marks without end": b"\x80\x02" + b"(" * 100_000 + b"t" * 99_999 + b".",
        "array of objects": half + b"K\x00\x85C\x01b\x87R(K\x01K\x01\x85" + objects + b"\x89]Natb.",
        "array of a terabyte": half
        + b"K\x00\x85C\x01b\x87R(K\x01\x8a\x06\x00\x00\x00\x00\x00\x01\x85"
        + kind
        + b"\x89C\x08aaaaaaaatb.",
        "array of a shape below zero": half
        + b"K\x00\x85C\x01b\x87R(K\x01J\xff\xff\xff\xff\x85"
        + kind
        + b"\x89C\x08aaaaaaaatb.",
        "array of a shape that overflows": half
        + b"K\x00\x85C\x01b\x87R(K\x01("
        + b"\x8a\x05\x00\x00\x00\x00\x01" * 4
        + b"t"
        + kind
        + b"\x89C\x00tb.",
        "array of 65 dimensions": half
        + b"K\x00\x85C\x01b\x87R(K\x01("
        + b"K\x01" * 65
        + b"t"
        + kind
        + b"\x89C\x08aaaaaaaatb.",
        "_reconstruct of a wrong shape": half + b"J\xff\xff\xff\x7f\x85C\x01b\x87R.",
        "_reconstruct of objects": half + b"K\x01\x85C\x01O\x87R.",
        "_reconstruct of another class": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncbuiltins\nlist\nK\x00\x85C\x01b\x87R.",
        "scalar of objects": b"\x80\x02cnumpy.core.multiarray\nscalar\n" + objects + b"C\x08aaaaaaaa\x86R.",
        "dtype with fields": b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00V8K\x00K\x01\x87R.",
        "dtype of a text that is evaluated": b"\x80\x02cnumpy\ndtype\n"
        + _text("(1000000000,)f8")
        + b"K\x00K\x01\x87R.",
        "dtype of a large item": b"\x80\x02cnumpy\ndtype\n" + _text("S2000000000") + b"K\x00K\x01\x87R.",
        "_frombuffer of objects": b"\x80\x05cnumpy.core.numeric\n_frombuffer\n(C\x08aaaaaaaa"
        + objects
        + b"K\x01\x85X\x01\x00\x00\x00CtR.",
        "a name with a dot": b"\x80\x04" + _short("numpy") + _short("ndarray.__subclasses__") + b"\x93)R.",
        "numpy's own loader": b"\x80\x02cnumpy\nload\nX\x01\x00\x00\x00x\x85R.",
        "_codecs.encode of a wide coding": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00idna_\x86R.",
        "a dictionary with an array as its key": b"\x80\x02}cnumpy\nndarray\nNs.",
        "a set": pickle.dumps({1, 2}, 4),
        "an instance": pickle.dumps(Path("x"), 4),
        "a function": pickle.dumps(len, 4),
        "an exception": pickle.dumps(ValueError("x"), 4),
        "protocol 0": pickle.dumps([1.0], 0),
        "a number of a bad line": b"I1e9\n.",
        "nothing": b"",
        "only a mark": b"(.",
        "only a stop": b".",
    }


def plain(value: Any) -> bool:
    """Whether nothing but plain values and arrays of numbers came out."""
    seen: set[int] = set()
    todo = [value]
    while todo:
        item = todo.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if type(item) in (list, tuple):
            todo.extend(item)
        elif type(item) is dict:
            todo.extend((*item.keys(), *item.values()))
        elif isinstance(item, np.ndarray):
            if item.dtype.hasobject or item.dtype.fields:
                return False
        elif not isinstance(item, type(None) | bool | int | float | str | bytes | bytearray | np.generic | complex):
            return False
    return True


def _make_pickle(rng: Random) -> bytes:
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(list(hostile().values()))
    if kind < 0.4:
        codes = bytes(
            rng.choice(
                b"(}])t\x85\x86\x87laesu0qr\x94hjN\x88\x89JKM\x8aGX\x8c\x8dBC\x8e\x96c\x93Rb.oi\x81\x92PQ\x82\x83"
            )
            for _ in range(30)
        )
        return rng.choice((b"\x80\x02", b"\x80\x04", b"")) + codes + b"."
    value = [odd_array(rng), mutate_value(rng, {"format": 1, "samples": [(1.0, "a"), [2]]}), odd_values(rng)]
    data = dump_odd(rng, value)
    return mutate_bytes(rng, mutate_bytes(rng, data) + rng.choice(list(hostile().values())) if kind > 0.9 else data, 6)


def _use_pickle(data: bytes, folder: Path) -> None:
    try:
        value = loads_restricted(data)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    assert plain(value), f"{type(value)}"


READERS = (Reader("pickle", _make_pickle, _use_pickle, lambda: pickle.dumps([np.eye(3), {"a": (1, 2.0, None)}], 4)),)
