"""What processes that were killed have left: files and folders in whose names stands who made them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

import psutil

from data.files.held import unlink


def remove_left_behind(folder: Path, before: str, after: str = "") -> None:
    """Remove what is named ``before``, the number of a process, ``after`` (both regular expressions), where that has ended.

    This process's own stay: who calls knows which of them are in use.
    """
    named = re.compile(f"{before}([0-9]+){after}")
    with contextlib.suppress(OSError):  # no such folder, or not to be read: nothing is removed
        for path in list(folder.iterdir()):
            found = named.fullmatch(path.name)
            if found is None or int(found[1]) == os.getpid() or _runs(int(found[1])):
                continue
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    unlink(path)


def _runs(process: int) -> bool:
    """Whether there is such a process. The number of one that has ended may be another's by now: then it counts as running."""
    try:
        return bool(psutil.pid_exists(process))
    except (OSError, OverflowError):  # no number of a process
        return True
