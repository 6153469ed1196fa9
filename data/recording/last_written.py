"""What a recorder committed last, told in its session's lock file: so a store without its log shows whether something is missing.

A store whose session was killed while another program had it open has no log either: that program put it into the store when it
closed it. Then what the recorder committed last is there, and where the log was deleted it is not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from data.recording.operations import AddEvent, AddStep, EndEpisode, Operation

_BEGIN = b"written "


def last_written(operations: Sequence[Operation]) -> bytes:
    """Return what to tell of operations that were committed; empty where none of them can be found again."""
    for op in reversed(operations):
        match op:
            case AddStep():
                return _told("step", op.episode, op.t)
            case EndEpisode():
                return _told("end", op.number)
            case AddEvent():
                return _told("event", op.at, op.kind)
    return b""


def is_told(content: bytes) -> bool:
    """Tell whether a lock file tells what was committed last."""
    return content.startswith(_BEGIN)


def holds(conn: sqlite3.Connection, session: int, content: bytes) -> bool:
    """Tell whether the store holds what a lock file tells of its session; False where it was cut off in being told."""
    try:
        what, *which = json.loads(content[len(_BEGIN) :])
        return conn.execute(f"SELECT EXISTS ({_FIND[what]})", (session, *which)).fetchone() == (1,)
    except (ValueError, TypeError, KeyError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        return False


_FIND = {
    "step": "SELECT 1 FROM steps WHERE episode_id = (SELECT id FROM episodes WHERE session_id = ? AND number = ?) AND t = ?",
    "end": 'SELECT 1 FROM episodes WHERE session_id = ? AND number = ? AND "end" IS NOT NULL',
    "event": "SELECT 1 FROM events WHERE session_id = ? AND at = ? AND kind = ?",
}


def _told(*what: Any) -> bytes:
    return _BEGIN + json.dumps(what).encode() + b"\n"
