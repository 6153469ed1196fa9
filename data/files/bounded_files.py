"""Files from elsewhere, of which no more is read than they may hold: that bounds what is built of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from data.errors import InputFileError, shown

MOST_SETTINGS = 2**20
"""Bytes of a file of settings or of a track's segments; real ones have a few thousand."""
MOST_LINE = 2**20
"""Characters of one line of a table; real ones have a few thousand."""


def read_bytes(path: Path, most: int = MOST_SETTINGS) -> bytes:
    """Return the content of a file of at most ``most`` bytes.

    Raises InputFileError when it is longer (no more than that is read), and OSError.
    """
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise InputFileError(
            f"'{shown(path.name)}' is larger than the {most / 2**20:g} MiB that such a file may have: it was not read. Check "
            "that it is the right one."
        )
    return raw


def lines(file: TextIO, most: int = MOST_LINE) -> Iterator[str]:
    """Yield the lines of a text. Raises ValueError at one of more than ``most`` characters."""
    while line := file.readline(most + 1):
        if len(line) > most:
            raise ValueError(f"it has a line of more than {most:,} characters")
        yield line
