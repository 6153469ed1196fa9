"""The stalled agent that comes with the program: copy it into an empty home, find its corner, write a new one."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from data.errors import CheckpointError, HitlError
from data.files import held
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
    all_shipped = resources.files("hitl") / "stalled"
    source = folder or (all_shipped if track == SHIPPED["box2d"] else all_shipped / track)
    if not (source / "store.sqlite").is_file():
        raise HitlError("The stalled agent that comes with hitl is missing. Install hitl again.")
    home.create()
    with resources.as_file(source) as shipped:
        shutil.copyfile(shipped / "store.sqlite", home.store_path)
        for file in Path(shipped).glob("*.safetensors"):
            shutil.copyfile(file, home.checkpoints / file.name)
    Store(home.store_path).close()  # brings a store of an earlier version up to date before it is only read


def stalled_at(home: Home, track: str) -> Corner | None:
    """Return the first corner of a track that its newest evaluated checkpoint did not pass once; None where it passed all."""
    with Store(home.store_path, read_only=True) as store:
        evaluations = store.evaluations(track=track)
        corners = store.corners(track)
    if not evaluations:
        return None
    return next((c for c in sorted(corners, key=lambda c: c.from_m) if evaluations[-1].passes.get(c.name) == 0), None)


def ship(home: Home, folder: Path) -> None:
    """Write what a demo starts from to ``folder``: a store with the laps and the evaluations' outcomes, and the checkpoint.

    Of the agent's own steps only those of the last evaluation's last drive are kept, which makes it small. The other episodes
    stay without steps, so that everyone can see that it stalled. Raises CheckpointError when there is no checkpoint.
    """
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
    shutil.copyfile(home.checkpoints / newest.name, folder / newest.name)
