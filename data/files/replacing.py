"""The one rule for what a command replaces: an earlier file of its own kind, and nothing else; never what a home holds."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from data.errors import InputFileError, UsageError, shown
from data.files.paths import STORE_NAME

_OF_HOME = frozenset((
    "agents", "checkpoints", "environment.log", "far-trainer.json", "game-curve.toml", "keys", "link.json", "overlay.toml",
    "pads.toml", "settings.toml", "steps-cache", "supertuxkart", "supertuxkart.log", "trainer.json", "trainer.log", "worker.json",
))  # fmt: skip
"""What a home holds beside its store, by name, that is read again or written anew."""
_OUTPUT = frozenset(("-", *(f"/{name}" for name in ("dev/stdout", "dev/stderr", "dev/fd/1", "dev/fd/2", "proc/self/fd/1"))))
"""Where sentences are printed: behind `>` it looks like a file, and what is printed would be written over it."""
_HEAD = 4096  # bytes that tell of which kind a file is


def check_target(
    path: Path, is_earlier: Callable[[bytes], bool], what: str, do: str, *, home: Path | None = None, streams: bool = False
) -> bool:
    """Return whether an earlier file of the same kind lies at ``path``, which is then replaced.

    ``is_earlier``: tells that from its first bytes; ``what`` it is; ``do``: what to type instead. ``home``: a folder that is to
    become a home. ``streams``: what is written into a pipe, too. Raises UsageError where anything else is there or that is no
    name of a file, InputFileError where nothing can be written.
    """
    refuse_name(path, do, home)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"'{shown(path.name or path)}' is a folder, and a {what} is a file: {do}.")
        if not stat.S_ISREG(mode):
            if streams and (stat.S_ISFIFO(mode) or os.fspath(path) == os.devnull or _is_terminal(path)):
                return False
            raise UsageError(f"'{shown(path)}' is no file: {do}.")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        _check_folder(path, do)
        return False
    except OSError as error:
        raise InputFileError(f"'{shown(path.name)}' cannot be written ({shown(error.strerror or error)}): {do}.") from error
    if head and not is_earlier(head):
        raise UsageError(f"'{shown(path.name)}' is there already and is no {what} of hitl, so it stays as it is: {do}.")
    _check_folder(path, do)
    return bool(head)


def refuse_present(path: Path) -> None:
    """Raise UsageError where something is at ``path`` already, or where that can be no file of its own."""
    refuse_name(path)
    if os.path.lexists(path):
        raise UsageError(f"'{shown(path.name)}' is there already: name a new one.")


def refuse_name(path: Path, do: str = "name a new one", home: Path | None = None) -> None:
    """Raise UsageError for a name that is meant for standard output, is empty, or is one that a home keeps for itself."""
    if os.fspath(path) in _OUTPUT:
        raise UsageError(f"'{path}' is no file, and this is not written to standard output: {do}.")
    if not path.name:
        raise UsageError(f"'{path}' is no name of a file: {do}.")
    folder, name = path.absolute().parent, path.name.lower()
    if (name in _OF_HOME or name.startswith(STORE_NAME)) and (folder == home or (folder / STORE_NAME).exists()):
        raise UsageError(f"'{shown(path.name)}' is a name that the home folder keeps for itself: {do}.")


def _check_folder(path: Path, do: str) -> None:
    """Raise InputFileError where nothing can be written beside ``path``."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputFileError(f"Cannot write '{shown(path.name)}': its folder does not exist. Make it first, or {do}.")
    if not os.access(folder, os.W_OK):
        raise InputFileError(f"Cannot write '{shown(path.name)}': its folder is not this user's to write into: {do}.")


def _is_terminal(path: Path) -> bool:
    """Tell whether a device is a terminal."""
    try:
        with path.open("rb", buffering=0) as device:
            return device.isatty()
    except OSError:
        return False
