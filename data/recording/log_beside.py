"""Whether a store's log was there when it was needed: a file that was copied without it lacks what was driven last.

SQLite says nothing then. But a process that dies while recording leaves a log and a lock file, and the next one to open the store
sees both, and notes in the lock file that the log was there. A session that was cut off without such a note had none.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from data.recording.session_lock import is_alive, live_path

_NOTE = b"log seen\n"


def log_size(path: Path) -> int:
    """Return the bytes of a store's log; 0 when there is none."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def note_log(conn: sqlite3.Connection, path: Path) -> None:
    """Note for each session that was cut off that its log was there when the store was opened."""
    for _, uuid in _cut_off(conn, path):
        with contextlib.suppress(OSError, ValueError), live_path(path, uuid).open("wb") as file:
            file.write(_NOTE)


def without_log(conn: sqlite3.Connection, path: Path) -> list[int]:
    """Return the sessions that were cut off and whose log has not been seen since."""
    return [session for session, uuid in _cut_off(conn, path) if not _noted(path, uuid)]


def advice(path: Path) -> str:
    """Return what a missing log means, and what to do."""
    return (
        f"its log ({path.name}-wal) was not beside it. If this file is a copy, or its log was deleted, what was driven last is "
        "missing: copy the whole home folder, while nothing records."
    )


def _cut_off(conn: sqlite3.Connection, path: Path) -> list[tuple[int, str]]:
    rows = conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open'").fetchall()
    return [(int(session), uuid) for session, uuid in rows if not is_alive(path, uuid)]


def _noted(path: Path, uuid: str) -> bool:
    try:
        return os.path.getsize(live_path(path, uuid)) > 0
    except (OSError, ValueError):
        return False
