"""One trainer to a home folder, and how others speak to it: a lock, and two small files that say pause and stop."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

from data.errors import TrainingError
from data.recording.session_lock import LiveLock, is_alive

STOP, PAUSE = "trainer.stop", "trainer.pause"
_NAME = "trainer"


class TrainerLock:
    """Held for as long as a trainer works on a store; the operating system lets go of it when the process dies.

    Raises TrainingError on entering when another trainer is at work there.
    """

    def __init__(self, store: Path) -> None:
        self._lock = LiveLock(store, _NAME)

    def __enter__(self) -> TrainerLock:
        if not self._lock.acquire():
            raise TrainingError(
                "Another trainer is at work on this home folder: `hitl train status` shows it, `hitl train stop` ends it."
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()


def running(store: Path) -> bool:
    """Whether a trainer is at work on this store."""
    return is_alive(store, _NAME)


def ask(root: Path, name: str) -> None:
    """Leave the file ``STOP`` or ``PAUSE`` for the trainer of this home folder."""
    (root / name).write_text("", encoding="utf-8")


def withdraw(root: Path, name: str) -> None:
    """Take the file away again."""
    with contextlib.suppress(FileNotFoundError):
        (root / name).unlink()


def asked(root: Path, name: str) -> bool:
    """Whether the file is there."""
    return (root / name).exists()
