"""What is new in a store since its steps and changes were last looked at: what a worker sends on."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from data.schema import SESSION_COLUMNS, STEP_COLUMNS

MarkRow = tuple[Any, ...]


@dataclass(frozen=True)
class Marks:
    """How far a store was read."""

    step: int = 0
    episode: int = 0  # revisions
    segment: int = 0
    event: int = 0


def marks_now(conn: sqlite3.Connection) -> tuple[Marks, int]:
    """Return how far the store has come, and the first session that is still open (else the next one's id)."""
    marks = conn.execute(
        "SELECT (SELECT max(id) FROM steps), (SELECT max(revision) FROM episodes), (SELECT max(revision) FROM segments), "
        "(SELECT max(id) FROM events)"
    ).fetchone()
    (first,) = conn.execute(
        "SELECT coalesce((SELECT min(id) FROM sessions WHERE status = 'open'), (SELECT max(id) + 1 FROM sessions), 0)"
    ).fetchone()
    return Marks(*(mark or 0 for mark in marks)), int(first)


def page_mark(conn: sqlite3.Connection) -> str:
    """Return what changes with everything that a page of the store shows: episodes, segments, reviews, checkpoints, corners."""
    marks = conn.execute(
        "SELECT (SELECT max(revision) FROM episodes), (SELECT max(revision) FROM segments), (SELECT max(id) FROM judgements), "
        "(SELECT count(*) FROM judgements WHERE undone IS NOT NULL), (SELECT max(id) FROM checkpoints), "
        "(SELECT max(id) FROM sessions), (SELECT count(*) FROM sessions WHERE status = 'open'), "
        "(SELECT total(from_m + to_m) || group_concat(name) FROM corners)"
    ).fetchone()
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:16]


def review_mark(conn: sqlite3.Connection) -> MarkRow:
    """Return what changes with every segment and every review."""
    row: MarkRow = conn.execute(
        "SELECT (SELECT max(revision) FROM segments), (SELECT max(id) FROM judgements), "
        "(SELECT count(*) FROM judgements WHERE undone IS NOT NULL)"
    ).fetchone()
    return row


def next_session(conn: sqlite3.Connection, marks: Marks) -> int | None:
    """Return the session of the first new step, else of the first changed episode or segment, else of the first new event.

    None where nothing is new. A session that ended before its first step has nothing but events.
    """
    row = conn.execute(
        "SELECT session_id FROM (SELECT e.session_id, s.id AS at FROM steps s JOIN episodes e ON e.id = s.episode_id "
        "WHERE s.id > ? ORDER BY s.id LIMIT 1) UNION ALL SELECT session_id FROM (SELECT session_id FROM episodes WHERE "
        "revision > ? ORDER BY revision LIMIT 1) UNION ALL SELECT session_id FROM (SELECT session_id FROM segments "
        "WHERE revision > ? ORDER BY revision LIMIT 1) UNION ALL SELECT session_id FROM (SELECT session_id FROM events "
        "WHERE id > ? AND session_id IS NOT NULL ORDER BY id LIMIT 1) LIMIT 1",
        (marks.step, marks.episode, marks.segment, marks.event),
    ).fetchone()
    return None if row is None else int(row[0])


def step_bytes(conn: sqlite3.Connection, after: int) -> int | None:
    """Return about how many bytes the next step takes; None without one."""
    row = conn.execute(
        "SELECT length(observation) + 2 * length(executed) + 120 FROM steps WHERE id > ? LIMIT 1", (after,)
    ).fetchone()
    return None if row is None else int(row[0])


def new_steps(conn: sqlite3.Connection, after: int, limit: int) -> list[MarkRow]:
    """Return (id, session, episode, number of the episode, column, …) of the next steps, the columns as they are recorded."""
    columns = ", ".join(f"s.{name}" for name in STEP_COLUMNS[1:])
    return conn.execute(
        f"SELECT s.id, e.session_id, e.id, e.number, {columns} FROM steps s JOIN episodes e ON e.id = s.episode_id "
        "WHERE s.id > ? ORDER BY s.id LIMIT ?",
        (after, limit),
    ).fetchall()


def steps_after(conn: sqlite3.Connection, after: int, first: int = 0) -> int:
    """Return how many steps came after one, in the sessions from ``first`` on."""
    (count,) = conn.execute(
        "SELECT count(*) FROM steps s JOIN episodes e ON e.id = s.episode_id WHERE s.id > ? AND e.session_id >= ?", (after, first)
    ).fetchone()
    return int(count)


def changed_episodes(conn: sqlite3.Connection, after: int) -> list[MarkRow]:
    """Return (session, revision, id) of the episodes that changed since a revision."""
    return conn.execute("SELECT session_id, revision, id FROM episodes WHERE revision > ? ORDER BY revision", (after,)).fetchall()


def changed_segments(conn: sqlite3.Connection, after: int) -> list[MarkRow]:
    """Return (session, revision, …) of the segments that changed since a revision, with what begins and ends them."""
    return conn.execute(
        'SELECT g.session_id, g.revision, g.number, e.number, g.kind, g.start, g."trigger", g.corner, g.priority, '
        "g.started, g.stop, g.outcome, g.interrupted FROM segments g JOIN episodes e ON e.id = g.episode_id "
        "WHERE g.revision > ? ORDER BY g.revision",
        (after,),
    ).fetchall()


def new_events(conn: sqlite3.Connection, after: int) -> list[MarkRow]:
    """Return (id, session, at, level, kind, message, data) of the events since one."""
    return conn.execute(
        "SELECT id, session_id, at, level, kind, message, data FROM events WHERE id > ? ORDER BY id", (after,)
    ).fetchall()


def sessions_of_steps(conn: sqlite3.Connection, after: int, limit: int = 10_000) -> list[MarkRow]:
    """Return (session, id) of the next steps."""
    return conn.execute(
        "SELECT e.session_id, s.id FROM steps s JOIN episodes e ON e.id = s.episode_id WHERE s.id > ? ORDER BY s.id LIMIT ?",
        (after, limit),
    ).fetchall()


def episode_begun(conn: sqlite3.Connection, episode: int) -> MarkRow:
    """Return (number, purpose, seed, checkpoint, started) of an episode."""
    row: MarkRow = conn.execute(
        "SELECT number, purpose, seed, checkpoint_id, started FROM episodes WHERE id = ?", (episode,)
    ).fetchone()
    return row


def episode_ended(conn: sqlite3.Connection, episode: int) -> MarkRow | None:
    """Return (number, end, reason, last observation, length, return, farthest, ended) of an episode; None while it is open."""
    row: MarkRow | None = conn.execute(
        'SELECT number, "end", reason, last_observation, length, "return", max_progress, ended FROM episodes '
        'WHERE id = ? AND "end" IS NOT NULL',
        (episode,),
    ).fetchone()
    return row


def session_status(conn: sqlite3.Connection, session: int) -> tuple[str, str | None] | None:
    """Return (status, ended) of a session; None where it is not there."""
    row: tuple[str, str | None] | None = conn.execute(
        "SELECT status, ended FROM sessions WHERE id = ?", (session,)
    ).fetchone()
    return row


def sessions_until(conn: sqlite3.Connection, marks: Marks, first: int) -> int:
    """Return how many sessions, from ``first`` on, have drives up to some marks."""
    (count,) = conn.execute(
        "SELECT count(DISTINCT session_id) FROM episodes WHERE session_id >= ? AND revision <= ?", (first, marks.episode)
    ).fetchone()
    return int(count)


def session_described(conn: sqlite3.Connection, session: int) -> dict[str, Any]:
    """Return a session's row, with the digest of its track, as ``SessionInfo.from_json`` takes it."""
    row = conn.execute(
        f"SELECT {', '.join(SESSION_COLUMNS)}, coalesce((SELECT digest FROM tracks t WHERE t.track = sessions.track), '') "
        "FROM sessions WHERE id = ?",
        (session,),
    ).fetchone()
    return dict(zip((*SESSION_COLUMNS, "track_digest"), row, strict=True))


def checkpoint_names(conn: sqlite3.Connection, ids: set[int]) -> dict[int, str]:
    """Return the names of checkpoints by their ids, which differ from store to store."""
    found = "SELECT id, name FROM checkpoints WHERE id IN (SELECT value FROM json_each(?))"
    return dict(conn.execute(found, (json.dumps(sorted(ids)),)).fetchall())
