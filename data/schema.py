"""The tables of the store and the migrations that lead to them.

A migration is never destructive and is never edited once a store may have been made with it. ``user_version`` counts
those applied.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite_utils import Database

_IMPORTING = threading.Lock()

APPLICATION_ID = 0x4849544C
"""Written into the file's header ("HITL"), so that another program's database is not taken for a store."""

SESSION_COLUMNS = (
    "uuid", "kind", "env", "track", "hz", "observation_names", "action_names", "reward", "frame_shape", "seed", "driver",
    "started",
)  # fmt: skip
"""What is written of a session when it begins; lists are JSON text."""

STEP_MEASURES = ("progress", "x", "y", "z", "heading", "speed", "risk")
"""Columns of a step that may be unknown: NULL in the store, NaN in arrays."""

STEP_COLUMNS = (
    "episode_id", "t", "driver", "reward", "terminated", "truncated", *STEP_MEASURES, "checkpoint_id", "observation",
    "executed", "proposed",
)  # fmt: skip
INSERT_STEP = f"INSERT OR IGNORE INTO steps ({', '.join(STEP_COLUMNS)}) VALUES ({', '.join('?' * len(STEP_COLUMNS))})"


class _NoPandas:
    """Among what finds modules: to the thread that made it, pandas is not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for pandas, and leave all else to the others."""
        if name == "pandas" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError("pandas is not needed here", name=name)


@contextlib.contextmanager
def _without_pandas() -> Iterator[None]:
    """Let sqlite-utils not find pandas, which it loads for one type that no store has: half a second of every start.

    Other threads may load it meanwhile. They may be going through the list of finders just now: it is replaced, not changed.
    """
    if "sqlite_utils" in sys.modules:
        yield
        return
    none: Any = _NoPandas()
    sys.meta_path = [none, *sys.meta_path]
    try:
        yield
    finally:
        sys.meta_path = [finder for finder in sys.meta_path if finder is not none]


@dataclass(frozen=True)
class Migration:
    """One step from a version of the store to the next."""

    apply: Callable[[Database], None]
    changes_data: bool = False
    """True when rows that are already there are altered: a copy of the file is kept first."""


def database(conn: sqlite3.Connection) -> Database:
    """Wrap a connection for sqlite-utils; the triggers of the schema rely on recursion being off."""
    with _IMPORTING, _without_pandas():
        from sqlite_utils import Database
    return Database(conn, recursive_triggers=False, execute_plugins=False)


def _table(db: Database, name: str, columns: dict[str, Any], **options: Any) -> None:
    db.table(name).create(columns, pk=options.pop("pk", "id"), strict=True, **options)


def _on_change(db: Database, table: str, columns: Sequence[str]) -> None:
    """Stamp a row with the next ``revision`` whenever one of ``columns`` changes, whoever changes it.

    A follower then finds what is new by ``revision > last``. The rows of these tables are never deleted, so a revision
    is never given twice.
    """
    stamp = f"UPDATE {table} SET revision = (SELECT coalesce(max(revision), 0) + 1 FROM {table}) WHERE id = NEW.id"
    db.execute(f"CREATE TRIGGER {table}_added AFTER INSERT ON {table} BEGIN {stamp}; END")
    db.execute(f"CREATE TRIGGER {table}_changed AFTER UPDATE OF {', '.join(columns)} ON {table} BEGIN {stamp}; END")


def _first_tables(db: Database) -> None:
    _table(
        db,
        "sessions",
        {
            "id": int, "uuid": str, "kind": str, "env": str, "track": str, "hz": float, "observation_names": str,
            "action_names": str, "reward": str, "frame_shape": str, "seed": int, "driver": str, "started": str,
            "ended": str, "status": str, "source": str,
        },
        not_null={"uuid", "kind", "env", "track", "hz", "observation_names", "action_names", "started", "status"},
    )  # fmt: skip
    db.table("sessions").create_index(["uuid"], unique=True)
    _table(
        db,
        "checkpoints",
        {
            "id": int, "name": str, "sha256": str, "updates": int, "env_steps": int, "kind": str, "config": str,
            "parent": int, "best": int, "created": str,
        },
        not_null={"name", "sha256", "updates", "env_steps", "kind", "config", "best", "created"},
        defaults={"best": 0},
        foreign_keys=[("parent", "checkpoints", "id")],
    )  # fmt: skip
    db.table("checkpoints").create_index(["sha256"])
    _table(
        db,
        "episodes",
        {
            "id": int, "session_id": int, "number": int, "purpose": str, "seed": int, "checkpoint_id": int,
            "started": str, "ended": str, "end": str, "reason": str, "length": int, "return": float,
            "max_progress": float, "last_observation": bytes, "origin": str, "revision": int,
        },
        not_null={"session_id", "number", "purpose", "started", "length"},
        defaults={"length": 0},
        foreign_keys=[("session_id", "sessions", "id"), ("checkpoint_id", "checkpoints", "id")],
    )  # fmt: skip
    db.table("episodes").create_index(["session_id", "number"], unique=True)
    db.table("episodes").create_index(["checkpoint_id"])
    db.table("episodes").create_index(["revision"])
    db.execute("CREATE UNIQUE INDEX idx_episodes_origin ON episodes(origin) WHERE origin IS NOT NULL")
    _table(
        db,
        "steps",
        {
            "id": int, "episode_id": int, "t": int, "driver": int, "reward": float, "terminated": int,
            "truncated": int, "progress": float, "x": float, "y": float, "z": float, "heading": float,
            "speed": float, "risk": float, "checkpoint_id": int, "observation": bytes, "executed": bytes,
            "proposed": bytes,
        },
        not_null={"episode_id", "t", "driver", "reward", "terminated", "truncated", "observation", "executed",
                  "proposed"},
        foreign_keys=[("episode_id", "episodes", "id"), ("checkpoint_id", "checkpoints", "id")],
    )  # fmt: skip
    db.table("steps").create_index(["episode_id", "t"], unique=True)
    _table(
        db,
        "segments",
        {
            "id": int, "session_id": int, "episode_id": int, "number": int, "kind": str, "trigger": str,
            "corner": str, "start": int, "stop": int, "trim_start": int, "trim_stop": int, "priority": float,
            "verdict": str, "outcome": str, "interrupted": int, "note": str, "judged_by": str, "judged_at": str,
            "started": str, "revision": int,
        },
        not_null={"session_id", "episode_id", "number", "kind", "trigger", "start", "trim_start", "trim_stop",
                  "priority", "verdict", "outcome", "interrupted", "note", "started"},
        defaults={"trigger": "", "trim_start": 0, "trim_stop": 0, "priority": 1.0, "verdict": "unreviewed",
                  "outcome": "unclear", "interrupted": 0, "note": ""},
        foreign_keys=[("session_id", "sessions", "id"), ("episode_id", "episodes", "id")],
    )  # fmt: skip
    db.table("segments").create_index(["session_id", "number"], unique=True)
    db.table("segments").create_index(["episode_id"])
    db.table("segments").create_index(["revision"])
    tags = {"segment_id": int, "tag": str}
    _table(db, "tags", tags, pk=("segment_id", "tag"), foreign_keys=[("segment_id", "segments", "id")])
    _table(
        db,
        "judgements",
        {"id": int, "batch": int, "segment_id": int, "at": str, "by": str, "before": str, "after": str, "undone": str},
        not_null={"batch", "segment_id", "at", "by", "before", "after"},
        foreign_keys=[("segment_id", "segments", "id")],
    )
    db.table("judgements").create_index(["segment_id"])
    _table(
        db,
        "corners",
        {"id": int, "track": str, "name": str, "from_m": float, "to_m": float, "source": str},
        not_null={"track", "name", "from_m", "to_m", "source"},
    )
    db.table("corners").create_index(["track", "name"], unique=True)
    _table(
        db,
        "metrics",
        {"id": int, "updates": int, "name": str, "value": float, "at": str},
        not_null={"updates", "name", "at"},
    )
    db.table("metrics").create_index(["name", "updates"])
    _table(
        db,
        "events",
        {"id": int, "session_id": int, "at": str, "level": str, "kind": str, "message": str, "data": str},
        not_null={"at", "level", "kind", "message"},
        foreign_keys=[("session_id", "sessions", "id")],
    )
    db.table("events").create_index(["session_id", "at"])
    _on_change(db, "episodes", ["end", "purpose", "last_observation", "length"])
    _on_change(
        db, "segments", ["start", "stop", "trim_start", "trim_stop", "priority", "verdict", "outcome", "interrupted"]
    )
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _views(db: Database) -> None:
    """Tables as a person asks for them: readable columns, lengths in seconds."""
    db.create_view(
        "takeovers",
        """
        SELECT g.id, g.started, s.track, g.corner, round((g.stop - g.start - g.trim_start - g.trim_stop) / s.hz, 2) AS seconds,
               g.outcome, g.verdict, g.priority, g."trigger", s.driver,
               (SELECT group_concat(tag, ', ') FROM tags WHERE segment_id = g.id) AS tags, g.note, g.judged_by, g.judged_at,
               g.session_id, g.episode_id
        FROM segments g JOIN sessions s ON s.id = g.session_id WHERE g.kind = 'takeover' AND g.stop > g.start
        """,
    )
    db.create_view(
        "drives",
        """
        SELECT e.id, e.started, s.kind AS session_kind, s.env, s.track, e.purpose, e.length AS steps,
               round(e.length / s.hz, 1) AS seconds,
               (SELECT round(sum(g.stop - g.start) / s.hz, 1) FROM segments g WHERE g.episode_id = e.id AND g.kind = 'takeover')
               AS seconds_of_takeover,
               round(e."return", 2) AS "return", round(e.max_progress, 1) AS farthest_m, e."end", e.reason,
               c.name AS checkpoint, e.session_id
        FROM episodes e JOIN sessions s ON s.id = e.session_id LEFT JOIN checkpoints c ON c.id = e.checkpoint_id
        """,
    )


def _tracks(db: Database) -> None:
    """What a track is known by; of what is there already only the name is known (``data.tables.tracks``)."""
    _table(
        db,
        "tracks",
        {"track": str, "name": str, "digest": str, "length_m": float, "width_m": float, "line": bytes, "best": int},
        pk="track",
        not_null={"name"},
        foreign_keys=[("best", "checkpoints", "id")],
    )
    db.table("tracks").create_index(["digest"], unique=True)
    db.execute(
        "INSERT INTO tracks (track, name) SELECT track, track FROM sessions UNION SELECT track, track FROM corners"
    )


MIGRATIONS: tuple[Migration, ...] = (Migration(_first_tables), Migration(_views), Migration(_tracks))
