"""Whether a store's log was there when it was needed: a file that was copied without it lacks what was driven last.

SQLite says nothing then. But a process that dies while recording leaves a log and a lock file, and the next one to open the store
sees both, and notes in the lock file that the log was there. A program that has the store open already when the process dies
notes it when it closes the store (``data.connect``). Another program makes no note, but the log is in the store then, and so is
what the recorder told last (``data.recording.last_written``). A session that was cut off with neither had no log. A store that
keeps no log (an export, what a demo starts from) misses none: that is noted in the same way, before it is given one.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection
from pathlib import Path

from data.files import held
from data.files.paths import can_write
from data.recording.last_written import holds, is_told
from data.recording.session_lock import is_alive, live_path

_NOTE = b"log seen\n"


def log_size(path: Path) -> int:
    """Return the bytes of a store's log; 0 when there is none."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def keeps_log(conn: sqlite3.Connection, path: Path) -> bool:
    """Tell whether what is committed goes to a log beside the store first.

    Of a file that cannot be written and is read as ``immutable``, SQLite does not say so: then it is taken to, as nearly all do.
    """
    return bool(conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal") or not can_write(path)


def note_log(conn: sqlite3.Connection, path: Path, but: Collection[int] = ()) -> None:
    """Note for each session that was cut off, ``but`` for some, that no log was missing when the store was opened."""
    for session, uuid in _cut_off(conn, path):
        if session in but:
            continue
        with contextlib.suppress(OSError, ValueError), live_path(path, uuid).open("wb") as file:
            file.write(_NOTE)


def without_log(conn: sqlite3.Connection, path: Path) -> list[int]:
    """Return the sessions that were cut off and whose log has not been seen since; none where the store keeps no log."""
    if not keeps_log(conn, path):
        return []
    return [session for session, uuid in _cut_off(conn, path) if not _noted(conn, path, session, uuid)]


def advice(path: Path) -> str:
    """Return what a missing log means, and what to do."""
    return (
        f"its log ({path.name}-wal) was not beside it. If this file is a copy, or its log was deleted, what was driven last is "
        "missing: copy the whole home folder, while nothing records."
    )


def _cut_off(conn: sqlite3.Connection, path: Path) -> list[tuple[int, str]]:
    rows = conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open'").fetchall()
    return [(int(session), uuid) for session, uuid in rows if not is_alive(path, uuid)]


def _noted(conn: sqlite3.Connection, path: Path, session: int, uuid: str) -> bool:
    try:
        content = held.read_bytes(live_path(path, uuid))
    except (OSError, ValueError):
        return False
    return holds(conn, session, content) if is_told(content) else bool(content)
