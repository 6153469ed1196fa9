"""Zip archives and NumPy's ``.npz`` from strangers: no more is unpacked than may be, whatever their own lists say.

Python's reader takes what an archive says of its sizes for true, and unpacks bzip2 and LZMA without a bound at all. No writer of
agents or laps uses these two (torch stores, ``savez_compressed`` deflates), so they are refused.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Container, Iterator
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from data.words import number_of

MOST_ENTRIES = 1000
_PIECE = 2**20
_SMALL, _TIMES = 2**26, 30
"""An archive that unpacks to more bytes has at most so many times its own: no weights or laps pack as well."""


class TooLargeError(ValueError):
    """An archive unpacks to more than may be."""


def unpacked(
    data: bytes, most: int, wanted: Container[str] | None = None, *, most_entries: int = MOST_ENTRIES
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the entries of a zip archive, of those ``wanted`` or of all.

    Raises TooLargeError where all of them have more than ``most`` bytes, far more than the archive, or are too many; ValueError
    where it is no whole archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            whole, most = sum(e.file_size for e in entries), min(most, max(_SMALL, _TIMES * len(data)))
            if whole > most or len(entries) > most_entries:
                raise TooLargeError(
                    f"it unpacks to {whole / 2**20:,.0f} MiB in {number_of(len(entries), 'part')}, and up to "
                    f"{most / 2**20:,.0f} MiB are read"
                )
            if min((e.header_offset for e in entries), default=0) and data.startswith(b"PK\3\4"):  # one within it was found
                raise ValueError("it is cut off: its end is missing")
            for entry in entries:
                if not entry.is_dir() and (wanted is None or entry.filename in wanted):
                    yield entry.filename, _content(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(str(error) or "its end is missing") from error


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry's bytes: never more than it says, which have been counted; more make its sum wrong."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is packed by bzip2, LZMA or the like, which is not read")
    with archive.open(entry) as packed:
        return b"".join(iter(lambda: packed.read(_PIECE), b""))


def arrays_of(data: bytes, most: int, wanted: Container[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.npz``, of those ``wanted`` or of all; nothing in it is run. Raises as `unpacked`."""
    names = None if wanted is None else _Files(wanted)
    return {name.removesuffix(".npy"): _array(raw) for name, raw in unpacked(data, most, names)}


class _Files:
    """The names of the files in which arrays of these names are."""

    def __init__(self, names: Container[str]) -> None:
        self._names = names

    def __contains__(self, file: object) -> bool:
        return isinstance(file, str) and file.removesuffix(".npy") in self._names


def _array(raw: bytes) -> NDArray[Any]:
    """Return the array in a ``.npy`` file, once its head asks for no more numbers than are there. Raises ValueError."""
    file = io.BytesIO(raw)
    try:
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, by_columns, kind = readers[npy.read_magic(file)](file)
    except (KeyError, ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        # NumPy's own words quote what was found: "<ast.Call object at 0x7f…>".
        raise ValueError("the head of an array in it is damaged") from error
    if kind.hasobject or not kind.itemsize:
        raise ValueError("an array in it holds something else than numbers and text")
    if any(type(n) is not int or n < 0 for n in shape) or math.prod(shape) * kind.itemsize != len(raw) - file.tell():
        raise ValueError("an array in it claims another number of numbers than it holds")
    return np.frombuffer(raw, kind, offset=file.tell()).reshape(shape, order="F" if by_columns else "C").copy()
