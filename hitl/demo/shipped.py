"""The stalled agent that comes with the program: copied into an empty home, recognised in it, and written anew."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from data.errors import CheckpointError, UsageError
from data.records import Corner
from data.store import Store
from hitl.home import Home


def open_shipped(home: Home) -> None:
    """Copy the stalled agent and its two laps into an empty home folder.

    Raises:
        UsageError: the folder already holds a store.
    """
    if home.store_path.exists():
        raise UsageError(f"The folder '{home.root.name}' already holds a store, and a demo needs an empty folder.")
    home.create()
    with resources.as_file(resources.files("hitl") / "stalled") as shipped:
        shutil.copyfile(shipped / "store.sqlite", home.store_path)
        for file in Path(shipped).glob("*.safetensors"):
            shutil.copyfile(file, home.checkpoints / file.name)
    Store(home.store_path).close()  # brings a store of an earlier version up to date before it is only read


def stalled_at(home: Home, track: str) -> Corner | None:
    """Return the corner of a track that the stored evaluations of its newest checkpoint did not pass once."""
    with Store(home.store_path, read_only=True) as store:
        evaluations = store.evaluations(track=track)
        corners = store.corners(track)
    if not evaluations:
        return None
    last = evaluations[-1]
    for corner in sorted(corners, key=lambda c: c.from_m):
        if last.passes.get(corner.name) == 0:
            return corner
    return None


def ship(home: Home, folder: Path) -> None:
    """Write what a demo starts from to ``folder``: a store with the laps and the evaluations' outcomes, and the checkpoint.

    The agent's own steps are left out, which makes it small; its evaluations stay as episodes without steps, so that
    anyone can see that it stalled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "store.sqlite"
    target.unlink(missing_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    with Store(home.store_path) as store:
        newest = store.latest_checkpoint()
        store.copy_laps(target)
    if newest is None:
        raise CheckpointError("There is no checkpoint to ship. Train first.")
    shutil.copyfile(home.checkpoints / newest.name, folder / newest.name)
