"""Replacing and deleting files that another program may hold open for a moment.

On Windows a virus scanner, the search indexer or an editor may have any file open, and then it can be neither replaced nor
deleted. Such a program lets go after some milliseconds, so both are tried again for about a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HELD = frozenset((5, 32, 33))
"""Windows' error numbers for a file that is in use: access denied (a deletion is pending), sharing and lock violation."""
PATIENCE_S = 1.0
_PAUSE_S = 0.01


def replace(source: Path, target: Path) -> Path:
    """Move a file over another one, whole or not at all, and return the target. Raises OSError."""
    _insist(lambda: os.replace(source, target))
    return target


def unlink(path: Path) -> None:
    """Delete a file, if it is there. Raises OSError."""
    _insist(lambda: path.unlink(missing_ok=True))


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of one. Raises OSError.

    One process at a time may write it; what a killed one has left half-written beside it is overwritten by the next.
    """
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content.encode() if isinstance(content, str) else content)
    replace(new, path)


def _insist(act: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            act()
            return
        except PermissionError as error:
            if getattr(error, "winerror", None) not in HELD or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)
