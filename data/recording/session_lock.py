"""Who is alive: a session holds a lock on a small file beside the store for as long as its process lives.

The operating system lets go of the lock when the process dies, however it dies, so a later start knows which open
sessions are dead even while others are recording into the same store.

The package filelock cannot take this over: a spill file that is already open is locked too, a dead session's lock file holds a
note (``data.recording.log_beside``), and sessions of other versions must find the lock at the same byte on Windows.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from data.files import held

_TRIES, _MOMENT_S = 5, 0.01
_LOCKED_BYTE = 0x7FFF0000


def try_lock(fd: int) -> bool:
    """Lock an open file for as long as it stays open; False when another holds it, in this process or in any other."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)  # far behind the content: Windows forbids reading a locked byte
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def live_path(store: Path, uuid: str) -> Path:
    """Return the lock file of a session."""
    return store.with_name(f"{store.name}.live-{uuid[:16]}")


class LiveLock:
    """Held while a session lives; ``acquire`` may be tried again when the disk was full or read-only."""

    def __init__(self, store: Path, uuid: str) -> None:
        self.path = live_path(store, uuid)
        self._fd: int | None = None
        self.problem = ""
        """Why the file cannot be made, where that is so, and what to do: `data.files.held.why`."""

    def acquire(self) -> bool:
        """Take the lock; False when it is held by another, or the file cannot be made now."""
        if self._fd is not None:
            return True
        for _ in range(_TRIES):
            try:
                fd = held.insist(lambda: os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644))
            except OSError as error:
                self.problem = held.why(error, "make the folder writable")
                return False
            self.problem = ""
            if not try_lock(fd):
                os.close(fd)
                time.sleep(_MOMENT_S)  # perhaps another process only checks whether it is free
            elif not _still_there(fd, self.path):
                os.close(fd)  # it was removed between opening and locking: no other process would see this lock
            else:
                self._fd = fd
                return True
        return False

    def tell(self, content: bytes) -> None:
        """Write into the file, instead of what it told before: what whoever finds it left behind should know."""
        if self._fd is not None:
            with contextlib.suppress(OSError):  # a full disk
                os.lseek(self._fd, 0, os.SEEK_SET)
                os.write(self._fd, content)
                os.ftruncate(self._fd, len(content))

    def release(self) -> None:
        """Let go and remove the file."""
        if self._fd is not None:
            _remove(self._fd, self.path)
            self._fd = None


def is_alive(store: Path, uuid: str) -> bool:
    """Whether some process still holds the session's lock, as far as can be told: who cannot be asked may be alive."""
    try:
        fd = _open_to_ask(live_path(store, uuid))
    except PermissionError:  # another program, or the one whose it is, has the file open for itself alone
        return True
    except (OSError, ValueError):  # ValueError: an invalid session id, from a damaged store
        return False
    alive = not try_lock(fd)
    os.close(fd)
    return alive


def _open_to_ask(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR)
    except PermissionError:  # of another user, perhaps: to ask for a lock, it is enough to read
        return os.open(path, os.O_RDONLY)


def forget(store: Path, uuid: str) -> None:
    """Remove the lock file of a dead session."""
    with contextlib.suppress(OSError, ValueError):
        path = live_path(store, uuid)
        fd = os.open(path, os.O_RDWR)
        if try_lock(fd) and _still_there(fd, path):
            _remove(fd, path)
        else:
            os.close(fd)


def _remove(fd: int, path: Path) -> None:
    """Remove a lock file that is held, and let go of it."""
    windows = sys.platform == "win32"  # where a file that is open cannot be removed
    with contextlib.suppress(OSError):
        if not windows:
            held.unlink(path)  # before letting go: no other process may lock a file that is about to go
    os.close(fd)
    with contextlib.suppress(OSError):
        if windows:
            held.unlink(path)


def _still_there(fd: int, path: Path) -> bool:
    """Whether an open file is the one that lies under its name now."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False
