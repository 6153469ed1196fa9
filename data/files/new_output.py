"""Files and folders that a command makes: there whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from data.errors import StoreError, UsageError, shown
from data.files import held
from data.files.left_behind import remove_left_behind
from data.files.replacing import refuse_name


@contextlib.contextmanager
def new_output(path: Path) -> Iterator[Path]:
    """Give a place at which the block makes a file or a folder; at its end that is moved to ``path``.

    The place has the name of ``path``, which some formats write down, in a folder of its own beside it: the move takes no time.
    After an error or Ctrl+C nothing of it is left; what a process that was killed has left is removed here. Raises UsageError
    where something is at ``path`` already, unless it is an empty folder and a folder is made; StoreError where it cannot be
    written.
    """
    try:
        with _made_beside(path) as made:
            yield made
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)  # pyarrow puts more around it
        said = f"'{shown(path.name)}' cannot be written ({shown(why)}): check the disk and the folder."
        raise StoreError(f"{said} Nothing of it is left there.") from error


@contextlib.contextmanager
def _made_beside(path: Path) -> Iterator[Path]:
    refuse_name(path)
    path = path.absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        kind = "and not an empty folder" if path.is_dir() else "already"
        raise UsageError(f"'{path.name}' is there {kind}: name a new one.")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_behind(path.parent, rf"{re.escape(path.name)}\.part-", "-[0-9a-f]{8}")
    beside = path.with_name(f"{path.name}.part-{os.getpid()}-{secrets.token_hex(4)}")
    beside.mkdir()
    made = beside / path.name
    try:
        yield made
        if made.exists():
            if path.is_dir():
                if not made.is_dir():
                    raise UsageError(f"'{path.name}' is a folder, and a file is made: name a new file.")
                path.rmdir()  # empty; Windows moves nothing over a folder
            held.replace(made, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
