"""The newest value, from one process to another, without either ever waiting."""

from __future__ import annotations

import struct
import zlib
from typing import Any

_HEAD = struct.Struct("<QII")  # number of the write, length, checksum of both


def _checksum(data: bytes, number: int) -> int:
    return zlib.crc32(data, number & 0xFFFFFFFF)


class Slot:
    """One writer, one reader, three buffers in shared memory: the reader takes the last one that was finished.

    The writer needs two more writes to come round to the buffer that is being read. If it does, the checksum tells, and the
    reader looks again; if it has finished there, the number beside the value says that it is a newer one than was looked for.
    ``context``: of :mod:`multiprocessing`. The object itself may only be handed to a process that is being started.
    """

    def __init__(self, context: Any, size: int = 1 << 16) -> None:
        self._size = size
        self._memory = context.RawArray("B", 3 * size)
        self._count = context.RawArray("Q", 1)
        self._open()

    def _open(self) -> None:
        self._bytes = memoryview(self._memory).cast("B")
        self._seen = 0

    def __getstate__(self) -> tuple[Any, ...]:
        return self._size, self._memory, self._count

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._size, self._memory, self._count = state
        self._open()

    def write(self, data: bytes) -> bool:
        """Make ``data`` the newest value; False (and nothing done) when it is too large."""
        if len(data) + _HEAD.size > self._size:
            return False
        number = self._count[0] + 1
        base = number % 3 * self._size
        _HEAD.pack_into(self._bytes, base, number, len(data), _checksum(data, number))
        self._bytes[base + _HEAD.size : base + _HEAD.size + len(data)] = data
        self._count[0] = number
        return True

    def read(self) -> bytes | None:
        """Return the newest value if it was not read before."""
        for _ in range(3):
            number = self._count[0]
            if number <= self._seen:
                return None
            base = number % 3 * self._size
            written, length, checksum = _HEAD.unpack_from(self._bytes, base)
            if length + _HEAD.size <= self._size:
                data = bytes(self._bytes[base + _HEAD.size : base + _HEAD.size + length])
                if written >= number and _checksum(data, written) == checksum:
                    self._seen = written
                    return data
        return None
