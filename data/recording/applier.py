"""The one place that writes a session's operations into the store.

Each operation may be applied twice without harm, so a spill file can be read back by another process, and again after that
process was killed half-way.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import astuple

from data.connect import now, transaction
from data.recording.operations import (
    AddEvent,
    AddStep,
    BeginEpisode,
    BeginSegment,
    EndEpisode,
    EndSegment,
    EndSession,
    Judge,
    Operation,
    SetOutcome,
    as_row,
)  # fmt: skip
from data.records import SessionInfo
from data.schema import INSERT_STEP, SESSION_COLUMNS
from data.tables.judgements import accept_review
from data.tables.tracks import place

REFUSED = (
    sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError,
    OverflowError, KeyError, TypeError, ValueError,
)  # fmt: skip
"""What an operation that the store's own rules refuse raises, or one whose values it cannot hold."""


def insert_session(conn: sqlite3.Connection, uuid: str, info: SessionInfo, started: str, source: str | None = None) -> int:
    """Write the row of a session, or find it by its uuid, and return its id."""
    found = conn.execute("SELECT id FROM sessions WHERE uuid = ?", (uuid,)).fetchone()
    if found:
        return int(found[0])
    track = place(conn, info.track, info.track_digest)
    row = dataclasses.asdict(info) | {"uuid": uuid, "track": track, "hz": float(info.hz), "started": started}
    row |= {name: json.dumps(row[name]) for name in ("observation_names", "action_names", "reward")}
    row["frame_shape"] = json.dumps(info.frame_shape) if info.frame_shape else None
    cursor = conn.execute(
        f"INSERT INTO sessions ({', '.join(SESSION_COLUMNS)}, status, source) VALUES "
        f"({', '.join('?' * len(SESSION_COLUMNS))}, 'open', ?)",
        (*(row[name] for name in SESSION_COLUMNS), source),
    )
    return int(cursor.lastrowid or 0)


class Applier:
    """Applies operations of one session; every call to :meth:`apply` is one transaction."""

    def __init__(self, conn: sqlite3.Connection, uuid: str, info: SessionInfo, started: str) -> None:
        self.conn, self.uuid, self.info, self.started = conn, uuid, info, started
        self.session_id: int | None = None
        self.refused: list[str] = []
        self._episodes: dict[int, int] = {}

    def apply(self, ops: Sequence[Operation]) -> None:
        """Write all of them or none.

        Raises sqlite3.OperationalError (locked, full, read-only) with nothing written. An operation that the store's
        own rules refuse is left out and named in ``refused``, so that one bad row never holds up what comes after it.
        """
        try:
            with transaction(self.conn):
                self._open_session()
                self._apply(ops)
        except REFUSED:
            self._episodes.clear()
            with transaction(self.conn):
                self._open_session()
                for op in ops:
                    self._apply_alone(op)
        except BaseException:
            self._episodes.clear()
            raise

    def _open_session(self) -> None:
        known = self.conn.execute("SELECT 1 FROM sessions WHERE id = ?", (self.session_id,)).fetchone()
        if known is None:
            self.session_id = insert_session(self.conn, self.uuid, self.info, self.started)

    def _apply(self, ops: Iterable[Operation]) -> None:
        steps: list[tuple[Any, ...]] = []
        for op in ops:
            if isinstance(op, AddStep):
                steps.append((self._episode(op.episode), *astuple(op)[1:]))
                continue
            if steps:
                self.conn.executemany(INSERT_STEP, steps)
                steps = []
            self._one(op)
        if steps:
            self.conn.executemany(INSERT_STEP, steps)

    def _apply_alone(self, op: Operation) -> None:
        self.conn.execute("SAVEPOINT one")
        try:
            self._apply([op])
        except REFUSED as error:
            self.conn.execute("ROLLBACK TO one")
            self._episodes.clear()
            self.refused.append(f"{' '.join(map(str, as_row(op)[:2]))}: {error}")
        self.conn.execute("RELEASE one")

    def _episode(self, number: int) -> int:
        found = self._episodes.get(number)
        if found is None:
            row = self.conn.execute(
                "SELECT id FROM episodes WHERE session_id = ? AND number = ?", (self.session_id, number)
            ).fetchone()
            if row is None:
                raise KeyError(f"episode {number} of session {self.session_id} is not in the store")
            found = self._episodes[number] = int(row[0])
        return found

    def _one(self, op: Operation) -> None:
        execute, session = self.conn.execute, self.session_id
        assert session is not None
        if isinstance(op, BeginEpisode):
            execute(
                "INSERT OR IGNORE INTO episodes (session_id, number, purpose, seed, checkpoint_id, started) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (session, *astuple(op)),
            )
        elif isinstance(op, BeginSegment):
            number, episode, *rest = astuple(op)
            execute(
                'INSERT OR IGNORE INTO segments (session_id, number, episode_id, kind, start, "trigger", corner, '
                "priority, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (session, number, self._episode(episode), *rest),
            )
            if op.corner is not None:  # only while it runs: later the player may have filed it elsewhere
                execute(
                    "UPDATE segments SET corner = ? WHERE session_id = ? AND number = ? AND corner IS NULL AND (stop IS NULL OR "
                    "interrupted)",
                    (op.corner, session, number),
                )
        elif isinstance(op, EndSegment):
            execute(
                "UPDATE segments SET stop = ?, outcome = ?, interrupted = ? WHERE session_id = ? AND number = ?",
                (op.stop, op.outcome, int(op.interrupted), session, op.number),
            )
        elif isinstance(op, SetOutcome):
            execute("UPDATE segments SET outcome = ? WHERE session_id = ? AND number = ?", (op.outcome, session, op.number))
        elif isinstance(op, EndEpisode):
            number, *rest = astuple(op)
            execute(
                'UPDATE episodes SET "end" = ?, reason = ?, last_observation = ?, length = ?, "return" = ?, '
                "max_progress = ?, ended = ? WHERE id = ?",
                (*rest, self._episode(number)),
            )
        elif isinstance(op, AddEvent):
            execute(
                "INSERT INTO events (session_id, at, level, kind, message, data) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT "
                "EXISTS (SELECT 1 FROM events WHERE session_id = ?1 AND at = ?2 AND kind = ?4 AND message = ?5)",
                (session, *astuple(op)),
            )
        elif isinstance(op, Judge):
            accept_review(self.conn, session, *astuple(op))
        elif isinstance(op, EndSession):
            execute("UPDATE sessions SET status = ?, ended = ? WHERE id = ?", (*astuple(op), session))
        else:
            raise ValueError("unknown operation")


def close_interrupted(conn: sqlite3.Connection, session_id: int) -> tuple[int, int, int]:
    """Close what a dead session left open; returns how many episodes, segments and steps that concerned.

    The observation after the last step is not known, so ``last_observation`` stays NULL and that step is no transition.
    """
    with transaction(conn):
        found = conn.execute('SELECT id FROM episodes WHERE session_id = ? AND "end" IS NULL', (session_id,))
        open_episodes = [id_ for (id_,) in found]
        segments = conn.execute(
            "UPDATE segments SET interrupted = 1, stop = max(start, coalesce((SELECT max(t) + 1 FROM steps WHERE "
            "episode_id = segments.episode_id), 0)) WHERE session_id = ? AND stop IS NULL",
            (session_id,),
        ).rowcount
        steps = 0
        for episode in open_episodes:
            length, total, far = conn.execute(
                "SELECT coalesce(max(t) + 1, 0), sum(reward), max(progress) FROM steps WHERE episode_id = ?", (episode,)
            ).fetchone()
            steps += length
            conn.execute(
                "UPDATE episodes SET \"end\" = 'interrupted', reason = 'killed', length = ?, \"return\" = ?, "
                "max_progress = ?, ended = ? WHERE id = ?",
                (length, total, far, now(), episode),
            )
        closing = "UPDATE sessions SET status = 'interrupted', ended = ? WHERE id = ? AND status = 'open'"
        conn.execute(closing, (now(), session_id))
    return len(open_episodes), segments, steps
