"""Reading, replacing and deleting files that another program may hold open for a moment.

On Windows a virus scanner, the search indexer or an editor may have any file open, and then it can be neither replaced nor
deleted, and sometimes not even read. Such a program lets go after some milliseconds, so each is tried again for about a second.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from data.errors import shown

_T = TypeVar("_T")
HELD = frozenset((5, 32, 33))
"""Windows' error numbers for a file that is in use: access denied (a deletion is pending), sharing and lock violation."""
PATIENCE_S = 1.0
AGAIN_S = 5.0
"""After which a file that stayed in use is waited for again: some are read many times in a row, and a window waits for that."""
_PAUSE_S = 0.01
_PIECE = 2**24
_given_up: dict[Path, float] = {}


def replace(source: Path, target: Path) -> Path:
    """Move a file over another one, whole or not at all, and return the target. Raises OSError."""
    insist(lambda: os.replace(source, target))
    return target


def unlink(path: Path) -> None:
    """Delete a file, if it is there. Raises OSError."""
    insist(lambda: path.unlink(missing_ok=True))


def open_to_read(path: Path) -> BinaryIO:
    """Open a file. One that has just stayed in use for that second is not waited for again. Raises OSError."""
    if time.monotonic() < _given_up.get(path, -AGAIN_S) + AGAIN_S:
        return path.open("rb")
    try:
        return insist(lambda: path.open("rb"))
    except PermissionError:
        _given_up[path] = time.monotonic()
        raise


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Return the content of a file, which may have ``most`` bytes. Raises OSError, also where it is a device or a pipe."""
    must_end(path)
    pieces, size = list[bytes](), 0
    with open_to_read(path) as file:
        while piece := file.read(_PIECE):  # as much as may be asked for at once takes that much memory
            size += len(piece)
            if most is not None and size > most:
                raise OSError(errno.EFBIG, f"it is larger than {most / 2**20:,.0f} MiB")
            pieces.append(piece)
    return b"".join(pieces)


def must_end(path: Path) -> None:
    """Raise OSError at a device or a pipe, also behind a link: it states no size, and reading it may never end or begin."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder says what is wrong with that
        raise OSError(errno.EINVAL, "it is a device or a pipe, and no file")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of one. Raises OSError.

    One process at a time may write it; what a killed one has left half-written beside it is overwritten by the next. A link
    stays one: what it leads to is written.
    """
    path = path.resolve() if path.is_symlink() else path
    new, data = path.with_name(f"{path.name}.new"), content.encode() if isinstance(content, str) else content
    try:
        insist(lambda: new.write_bytes(data))
        replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def in_use(error: OSError) -> bool:
    """Tell whether a file was refused because another program has it open, as far as that can be told.

    Windows' number for it is lost where Python opens a file: there a file in use looks as one without the right to it.
    """
    if not isinstance(error, PermissionError):
        return False
    number = getattr(error, "winerror", None)
    return number in HELD or (number is None and sys.platform == "win32")


def why(error: OSError, otherwise: str) -> str:
    """Return the cause and the cure for a sentence, "(…): close that program"; ``otherwise``: the cure of anything else."""
    if getattr(error, "winerror", None) in (32, 33):
        return "(another program has it open): close that program"
    cause = f"({shown(error.strerror or error)})"
    return f"{cause}: close the program that has it open, or {otherwise}" if in_use(error) else f"{cause}: {otherwise}"


def insist(act: Callable[[], _T]) -> _T:
    """Return what an act on a file returns, tried again for about a second where the file is in use. Raises OSError."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except PermissionError as error:
            if not in_use(error) or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)
