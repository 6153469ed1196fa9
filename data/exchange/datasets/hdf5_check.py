"""Whether the heaps of an HDF5 file, where its texts lie, can be walked: the library loops for ever on a damaged one.

Reading in a child process with limits of time and memory would need a job object on Windows and a way back for the arrays: more
than this check.

The layout: HDF5 File Format Specification 3.0, III.E, "Global Heap".
"""

from __future__ import annotations

import mmap
from pathlib import Path

_HEAD = b"GCOL\x01\x00\x00\x00"  # signature, version, reserved


def check_heaps(path: Path) -> None:
    """Raise ValueError at a heap with an object that takes no room or more than there is. Raises OSError."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            begin = raw.find(_HEAD)
            while begin >= 0:
                _walk(raw, begin)
                begin = raw.find(_HEAD, begin + len(_HEAD))


def _walk(raw: mmap.mmap, begin: int) -> None:
    end, at = begin + int.from_bytes(raw[begin + 8 : begin + 16], "little"), begin + 16
    if end > len(raw):
        raise ValueError("a heap in it is longer than the file")
    while at + 16 <= end:
        number, size = int.from_bytes(raw[at : at + 2], "little"), int.from_bytes(raw[at + 8 : at + 16], "little")
        step = size if number == 0 else 16 + (size + 7) // 8 * 8  # number 0 is what is free, its head included
        if not 0 < step <= end - at:
            raise ValueError("a heap in it is damaged")
        at += step
