"""One trainer to a home folder, and how others speak to it: a lock, and small files that say pause, stop and catch up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from data.errors import TrainingError, shown
from data.files import held
from data.recording.session_lock import LiveLock, is_alive, live_path

STOP, PAUSE = "trainer.stop", "trainer.pause"
CATCH_UP = "trainer.catch-up."
"""With a name of the session's own behind it. Such a file is taken away by the trainer once all that was in the store is learned
from, and a checkpoint of that is written."""
_NAME = "trainer"


@contextlib.contextmanager
def trainer_lock(store: Path) -> Iterator[None]:
    """Hold the lock of a trainer that works on a store; the operating system lets go of it when the process dies.

    Raises TrainingError when another trainer is at work there, or nothing can be written.
    """
    lock = LiveLock(store, _NAME)
    if not lock.acquire():
        if lock.problem:
            home = shown(store.parent.name)
            raise TrainingError(
                f"The trainer cannot write into the home folder '{home}': {lock.path.name} {lock.problem}, or choose another "
                "with --home DIR."
            )
        raise TrainingError(
            "Another trainer is at work on this home folder: `hitl train status` shows it, `hitl train stop` ends it."
        )
    lock.tell(str(os.getpid()).encode())
    try:
        yield
    finally:
        lock.release()


def running(store: Path) -> bool:
    """Whether a trainer is at work on this store."""
    return is_alive(store, _NAME)


def process(store: Path) -> int:
    """Return the process id of the trainer at work on this store; 0 where that is not known."""
    try:
        return int(held.read_bytes(live_path(store, _NAME))) if running(store) else 0
    except (OSError, ValueError):  # of an earlier version, or begun on a full disk
        return 0


def ask(root: Path, name: str) -> None:
    """Leave the file ``STOP``, ``PAUSE`` or one of ``CATCH_UP`` for the trainer of this home folder. Raises OSError."""
    held.insist(lambda: (root / name).write_bytes(b""))


def withdraw(root: Path, name: str) -> None:
    """Take the file away again."""
    with contextlib.suppress(OSError):  # it is gone, or in use for a moment (on Windows), and then it stays asked
        held.unlink(root / name)


def catch_ups(root: Path) -> list[str]:
    """Return the names of the files ``CATCH_UP`` that are there."""
    try:
        return [name for name in os.listdir(root) if name.startswith(CATCH_UP)]
    except OSError:  # a folder of another machine that is away for a moment
        return []


def asked(root: Path, name: str) -> bool:
    """Whether the file is there."""
    return (root / name).exists()
