"""The store: one SQLite file with every step, episode and segment, and everything off the hot path that is done with
it."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import uuid as uuids
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from data import checkpoints as _checkpoints
from data import segments, tracks
from data.checkpoints import CheckpointRecord, Evaluation
from data.connect import BUSY_TIMEOUT_S, database, now, open_store, transaction
from data.demos import Rule
from data.errors import StoreError
from data.recording import recovery
from data.recording.applier import insert_session
from data.recording.session_lock import LiveLock
from data.records import Corner, Segment, SessionInfo


class Store:
    """An open store. One thread at a time; open another for another thread. Use as a context manager or call
    :meth:`close`."""

    def __init__(self, path: Path, conn: sqlite3.Connection) -> None:
        self.path, self.conn = path, conn
        self.db: Database = database(conn)
        self._live: dict[int, LiveLock] = {}

    @classmethod
    def open(
        cls, path: str | Path, *, create: bool = True, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> Store:
        """Open the store at ``path``, made and migrated as needed.

        Raises StoreError when it is newer than this program, damaged, locked, cannot be written, or is not there and
        ``create`` is False.
        """
        path = Path(path)
        try:
            conn = open_store(path, create=create, read_only=read_only, busy_timeout_s=busy_timeout_s)
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"The store {path.name} cannot be opened ({error}): check that the folder is there and writable, and "
                f"that no other program holds it."
            ) from error
        return cls(path, conn)

    @classmethod
    def open_existing(cls, path: str | Path) -> Store:
        """Open a store that must be there; on a medium that cannot be written, for reading only."""
        try:
            return cls.open(path, create=False)
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                with contextlib.suppress(StoreError):
                    return cls.open(path, read_only=True)
            raise

    def close(self) -> None:
        """Close the connection; sessions started here that were not ended are left for the next start to close as
        interrupted."""
        self.conn.close()
        for lock in self._live.values():
            lock.release()
        self._live.clear()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close it; what SQLite says about a store that cannot be used now becomes a StoreError."""
        self.close()
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(
                f"The store {self.path.name} cannot be used now ({error}): check the disk, and that no other program holds it."
            ) from error
        if type(error) is sqlite3.DatabaseError:
            raise StoreError(f"The store {self.path.name} is damaged ({error}): run `hitl store check`.") from error

    # -- sessions
    # ------------------------------------------------------------------------------------------------------------------

    def start_session(self, info: SessionInfo, source: str | None = None, uuid: str | None = None) -> int:
        """Write a session's row for a writer that needs no recorder (importers), and return its id."""
        uuid = uuid or uuids.uuid4().hex
        lock = LiveLock(self.path, uuid)
        lock.acquire()
        try:
            with transaction(self.conn):
                session_id = insert_session(self.conn, uuid, info, now(), source)
        except BaseException:
            lock.release()
            raise
        self._live[session_id] = lock
        return session_id

    def end_session(self, session_id: int, status: str = "ended") -> None:
        """Close a session's row."""
        self.conn.execute("UPDATE sessions SET status = ?, ended = ? WHERE id = ?", (status, now(), session_id))
        if lock := self._live.pop(session_id, None):
            lock.release()

    def recover(self) -> list[str]:
        """Read spill files back and close what dead sessions left open as interrupted; one sentence for each thing
        done."""
        return recovery.recover(self.conn, self.path)

    def add_event(
        self,
        kind: str,
        message: str,
        level: str = "info",
        session_id: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> int:
        """Note something for the player's log."""
        cursor = self.conn.execute(
            "INSERT INTO events (session_id, at, level, kind, message, data) VALUES (?, ?, ?, ?, ?, ?)",
            (session_id, now(), level, kind, message, json.dumps(dict(data)) if data else None),
        )
        return int(cursor.lastrowid or 0)

    # -- the trainer's rows
    # ------------------------------------------------------------------------------------------------------------

    def add_checkpoint(
        self,
        name: str,
        sha256: str,
        update: int,
        env_steps: int,
        kind: str,
        config: Mapping[str, Any],
        parent: int | None = None,
    ) -> int:
        """Write the row of a checkpoint file; returns its id."""
        return _checkpoints.add(self.conn, name, sha256, update, env_steps, kind, config, parent)

    def checkpoints(self, limit: int = -1) -> list[CheckpointRecord]:
        """Return the newest ``limit`` checkpoints (default: all), newest first."""
        return _checkpoints.find(self.conn, limit=limit)

    def checkpoint(self, checkpoint_id: int) -> CheckpointRecord | None:
        """Return one checkpoint."""
        return next(iter(_checkpoints.find(self.conn, "id = ?", (checkpoint_id,))), None)

    def latest_checkpoint(self) -> CheckpointRecord | None:
        """Return the newest checkpoint."""
        return next(iter(_checkpoints.find(self.conn, limit=1)), None)

    def best_checkpoint(self, track: str | None = None) -> CheckpointRecord | None:
        """Return the checkpoint marked as best: on a track, or on the one that was evaluated last."""
        if track is not None:
            here = "id = (SELECT best FROM tracks WHERE track = ?)"
            return next(iter(_checkpoints.find(self.conn, here, (track,))), None)
        return next(iter(_checkpoints.find(self.conn, "best")), None)

    def steps_between(
        self, after: int, until: int, observation_names: Sequence[str], action_names: Sequence[str]
    ) -> dict[str, int]:
        """Return how many steps of this layout came after a step and up to another, by the purpose of their episode."""
        return dict(
            self.conn.execute(
                "SELECT e.purpose, count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON "
                "s.id = e.session_id WHERE p.id > ? AND p.id <= ? AND s.observation_names = ? AND s.action_names = ? GROUP BY 1",
                (after, until, json.dumps(list(observation_names)), json.dumps(list(action_names))),
            ).fetchall()
        )

    def set_best(self, checkpoint_id: int, track: str | None = None) -> None:
        """Mark one checkpoint as the best, and as the best on the track where that was seen."""
        _checkpoints.set_best(self.conn, checkpoint_id)
        if track is not None:
            tracks.set_best(self.conn, track, checkpoint_id)

    def evaluations(self, checkpoint_id: int | None = None, track: str | None = None) -> list[Evaluation]:
        """Sum up the evaluation episodes of each checkpoint, oldest first."""
        return _checkpoints.evaluations(self.conn, checkpoint_id, track)

    def add_metrics(self, update: int, values: Mapping[str, float]) -> None:
        """Write numbers the trainer measured at an update; what is not finite is stored as NULL."""
        at = now()
        rows = [(int(update), name, float(v) if math.isfinite(v) else None, at) for name, v in values.items()]
        with transaction(self.conn):
            self.conn.executemany("INSERT INTO metrics (updates, name, value, at) VALUES (?, ?, ?, ?)", rows)

    # -- segments
    # ------------------------------------------------------------------------------------------------------------------

    def segments(
        self,
        corner: str | None = None,
        verdict: str | Sequence[str] | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        session: int | None = None,
        min_seconds: float | None = None,
        max_seconds: float | None = None,
        **more: Any,
    ) -> list[Segment]:
        """Return the segments that meet every condition, oldest first; ``more``: see :func:`data.segments.find`."""
        return segments.find(
            self.conn, corner=corner, verdict=verdict, kind=kind, since=since, until=until, session=session,
            min_seconds=min_seconds, max_seconds=max_seconds, **more,
        )  # fmt: skip

    def rule(self) -> Rule:
        """Return what counts as a demo here: by the settings in the trainer's newest checkpoint, else the usual ones."""
        return segments.rule(self.conn)

    def label(
        self,
        ids: Iterable[int],
        verdict: str | None = None,
        priority: float | None = None,
        tags_add: Iterable[str] = (),
        tags_remove: Iterable[str] = (),
        note: str | None = None,
        trim: tuple[int, int] | None = None,
        trim_seconds: tuple[float, float] | None = None,
        by: str = "player",
    ) -> int:
        """Judge segments, all or none; returns how many changed. ``trim``: steps moved inward at each end."""
        return segments.label(
            self.conn, ids, verdict=verdict, priority=priority, tags_add=tags_add, tags_remove=tags_remove, note=note,
            trim=trim, trim_seconds=trim_seconds, by=by,
        )  # fmt: skip

    def undo(self, ids: Iterable[int] | None = None) -> list[int]:
        """Take back the last judgement (of each of ``ids``, when given); returns the segments concerned."""
        return segments.undo(self.conn, ids)

    # -- corners
    # ------------------------------------------------------------------------------------------------------------------

    def corners(self, track: str) -> list[Corner]:
        """Return the corners of a track, along the line."""
        rows = self.conn.execute("SELECT name, from_m, to_m FROM corners WHERE track = ? ORDER BY from_m", (track,))
        return [Corner(*row) for row in rows]

    def corner_sources(self, track: str) -> dict[str, str]:
        """Return who named each corner of a track: ``player``, ``track`` or ``mined``."""
        return dict(self.conn.execute("SELECT name, source FROM corners WHERE track = ?", (track,)).fetchall())

    def upsert_corner(self, track: str, name: str, from_m: float, to_m: float, source: str) -> None:
        """Write a corner, or move the one of that name."""
        self.conn.execute(
            "INSERT INTO corners (track, name, from_m, to_m, source) VALUES (?, ?, ?, ?, ?) ON CONFLICT (track, name) "
            "DO UPDATE SET "
            "from_m = excluded.from_m, to_m = excluded.to_m, source = excluded.source",
            (track, name, float(from_m), float(to_m), source),
        )
