"""The stalled agent that comes with the program: copy it into an empty home, find its corner, write a new one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from data.errors import CheckpointError, HitlError, InputFileError, StoreError, UsageError, shown
from data.files import held
from data.files.paths import STORE_NAME
from data.records import Corner
from data.store import Store
from hitl.home import Home

SHIPPED = {"box2d": "default", "supertuxkart": "fortmagma"}
"""The track of each game for which a stalled agent comes with hitl."""


def open_shipped(home: Home, track: str = "default", folder: Path | None = None) -> None:
    """Copy a track's stalled agent, with the laps in its memory if it had any, into an empty home folder.

    ``folder``: where ``ship`` has written another one. Raises UsageError when the home already holds a store, HitlError when the
    agent is missing.
    """
    home.require_empty()
    with _shipped(track, folder) as shipped:
        _copy_weights(shipped, home)
        _copy(shipped / STORE_NAME, home.store_path)
    Store(home.store_path).close()  # brings a store of an earlier version up to date before it is only read


def add_shipped(home: Home, track: str = "default") -> None:
    """Bring a track's stalled agent into a home in which something was driven, and nothing learned. Raises as `open_shipped`."""
    from data.exchange.merge import merge

    with _shipped(track) as shipped, Store(home.store_path) as store:
        if store.latest_checkpoint() is not None:
            raise UsageError(f"The folder '{home.root.name}' already holds an agent, and another one needs a folder of its own.")
        _copy_weights(shipped, home)  # first: a checkpoint whose weights are not here counts as another home's
        merge(store.conn, home.store_path, shipped / "store.sqlite", copy=True)


@contextlib.contextmanager
def _shipped(track: str, folder: Path | None = None) -> Iterator[Path]:
    all_shipped = resources.files("hitl") / "stalled"
    source = folder or (all_shipped if track == SHIPPED["box2d"] else all_shipped / track)
    if not (source / "store.sqlite").is_file():
        raise HitlError("The stalled agent that comes with hitl is missing. Install hitl again.")
    with resources.as_file(source) as shipped:
        yield shipped


def _copy_weights(shipped: Path, home: Home) -> None:
    home.create()
    for file in shipped.glob("*.safetensors"):
        _copy(file, home.checkpoints / file.name)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all. Raises StoreError where it cannot be written."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            held.unlink(target)
        where = shown(target.parent.parent.name if target.parent.name == "checkpoints" else target.parent.name)
        raise StoreError(
            f"'{shown(target.name)}' cannot be written into '{where}' ({shown(error.strerror or error)}): make room on that "
            "disk, or choose a folder on another one."
        ) from error


def stalled_at(home: Home, track: str) -> Corner | None:
    """Return the first corner of a track that its newest evaluated checkpoint did not pass once; None where it passed all."""
    with Store(home.store_path, read_only=True) as store:
        evaluations = store.evaluations(track=track)
        corners = store.corners(track)
    if not evaluations:
        return None
    return next((c for c in sorted(corners, key=lambda c: c.from_m) if evaluations[-1].passes.get(c.name) == 0), None)


def check_ship(home: Home, folder: Path) -> None:
    """Raise HitlError where nothing can be shipped to ``folder``, or something else than an earlier agent would be lost."""
    do = "name another folder with --ship"
    if not folder.name or os.fspath(folder) == "-" or (os.path.lexists(folder) and not folder.is_dir()):
        raise UsageError(f"'{shown(folder)}' is no folder: {do}.")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputFileError(f"Nothing can be written into the folder '{shown(folder.name)}': {do}.")
    if folder.absolute() == home.root:
        raise UsageError(f"'{shown(folder.name)}' is the home that the agent is trained in: {do}.")
    if _holds_something(folder) and not _is_shipped(folder):
        raise UsageError(f"What is in '{shown(folder.name)}' is no agent that was shipped, so it stays as it is: {do}.")


def _holds_something(folder: Path) -> bool:
    """Tell whether a folder holds anything that shipping to it would replace."""
    return (folder / STORE_NAME).exists() or any(folder.glob("*.safetensors"))


def _is_shipped(folder: Path) -> bool:
    """Tell whether a folder is what `ship` has made: a store, and beside it the one checkpoint that it names."""
    weights = [path.name for path in folder.glob("*.safetensors")]
    if len(weights) != 1 or (folder / "checkpoints").exists():
        return False
    try:
        with Store(folder / STORE_NAME, read_only=True) as store:
            newest = store.latest_checkpoint()
    except HitlError:
        return False
    return newest is not None and newest.name == weights[0]


def ship(home: Home, folder: Path) -> None:
    """Write what a demo starts from to ``folder``: a store with the laps and the evaluations' outcomes, and the checkpoint.

    Of the agent's own steps only those of the last evaluation's last drive are kept, which makes it small. The other episodes
    stay without steps, so that everyone can see that it stalled. Raises CheckpointError when there is no checkpoint, and as
    `check_ship`.
    """
    check_ship(home, folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "store.sqlite"
    held.unlink(target)
    for old in folder.glob("*.safetensors"):
        held.unlink(old)
    with Store(home.store_path) as store:
        newest = store.latest_checkpoint()
        store.copy_small(target)
    if newest is None:
        raise CheckpointError("There is no checkpoint to ship. Train first.")
    _copy(home.checkpoints / newest.name, folder / newest.name)
