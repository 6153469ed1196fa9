"""Taking over what another store holds, without duplicates: whole, or only chosen segments.

A session is known everywhere by its uuid, an episode and a segment by their number in it, a step by its place in the
episode, a checkpoint by its checksum. So a merge can be repeated, also after the other store has grown, and adds only
what is new.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.connect import bulk_writing, now, transaction
from data.errors import UsageError
from data.files.paths import sqlite_uri
from data.recording.applier import close_interrupted
from data.recording.other_store import fitting, readable
from data.recording.session_lock import is_alive
from data.schema import SESSION_COLUMNS, STEP_COLUMNS
from data.tables import tracks
from data.tables.checkpoints import IMPORTED
from data.tables.corners import bring_corners
from data.tables.driven import brought_sql, note_brought
from data.tables.review_fields import (
    MERGED,
    TAKEN_BACK,
    UndoStep,
    keep_times,
    review_state,
    set_when,
    take_in,
    taken_back,
)
from data.tables.roads import MOST_STORED
from data.tables.thinned import places, told_steps


@dataclass(slots=True)
class Summary:
    """What an import brought."""

    episodes: int = 0
    steps: int = 0
    seconds: float = 0.0
    segments: int = 0
    present: int = 0
    """Episodes that were in the store already."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(what, why)"""
    notes: list[str] = field(default_factory=list)
    """Sentences about what came in."""
    reviews: list[int] = field(default_factory=list)
    """Segments that were there and whose review another store has changed."""

    def add(self, other: Summary) -> None:
        """Count another summary in."""
        for name in ("episodes", "steps", "seconds", "segments", "present"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused += other.refused
        self.notes += other.notes
        self.reviews += other.reviews


@dataclass(slots=True)
class _Into:
    """Where a merge goes, and what it knows already of it."""

    conn: sqlite3.Connection
    path: Path
    kind: str | None
    """Of the checkpoints that come; None: what they are there."""
    step: UndoStep
    corners: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """What the other store's corners are called here, by (track there, track here)."""


_SESSION = ", ".join((*(name for name in SESSION_COLUMNS if name != "track"), "ended", "status", "source"))
_UNNAMED = _SESSION.replace("source", "CASE WHEN source LIKE 'worker % %' THEN 'worker ' || substr(source, -8) ELSE source END")
"""The same without what a worker is called: often that is its machine's name, and copies go to other people. Its id stays."""
_CHECKPOINT = "name, sha256, updates, env_steps, config, created"
_EPISODE = (
    'number, purpose, seed, started, ended, "end", reason, length, "return", max_progress, last_observation, origin'
)
_SEGMENT = (
    'number, kind, "trigger", start, stop, trim_start, trim_stop, priority, verdict, outcome, interrupted, note, '
    "judged_by, judged_at, started"
)


def merge(
    conn: sqlite3.Connection,
    path: Path,
    source: Path,
    segments: Iterable[int] | None = None,
    *,
    copy: bool = False,
    tries: bool = False,
    step: UndoStep | None = None,
) -> Summary:
    """Copy sessions, episodes, steps, segments, corners and checkpoints' rows of ``source`` into the store at ``path``.

    Of a review each field that was set last holds; ``step``: what these are undone with (default: a step of this merge's own).
    With ``segments`` (ids in ``source``), only those segments and their steps, each with the one step that follows it,
    so that its last transition stays whole; and of their episodes those steps that the figures about the agent's tries are read
    from (``data.tables.thinned``). ``tries``: with these of the episodes in which no human drove, too.

    One transaction a session. The checkpoints come as imported ones (``data.tables.checkpoints``), unless the store at ``path``
    is to be a ``copy``. Raises UsageError when both are the same file, StoreError when the source is not a store, or newer than
    this program.
    """
    if source.exists() and path.exists() and source.samefile(path):
        raise UsageError("A store cannot be merged into itself.")
    summary, into = Summary(), _Into(conn, path, None if copy else IMPORTED, step or UndoStep())
    with readable(source, summary.notes) as found, fitting(source):
        conn.execute("ATTACH ? AS src", (sqlite_uri(found, "mode=ro"),))
        try:
            _choose(conn, segments, tries=tries)
            sessions = conn.execute(
                "SELECT DISTINCT s.id, s.uuid, s.hz FROM src.sessions s JOIN chosen c ON c.session_id = s.id"
            ).fetchall()
            for session, uuid, hz in sessions:
                with bulk_writing(conn), transaction(conn):
                    _merge_session(into, session, uuid, hz, summary)
            with transaction(conn):
                for (here,) in conn.execute("SELECT DISTINCT here FROM temp.track_map").fetchall():
                    tracks.settle(conn, tracks.plain(here))
        finally:
            for table in ("chosen", "episode_map", "checkpoint_map", "track_map"):
                conn.execute(f"DROP TABLE IF EXISTS temp.{table}")
            conn.execute("DETACH src")
    return summary


def _choose(conn: sqlite3.Connection, segments: Iterable[int] | None, *, tries: bool) -> None:
    """Fill ``chosen`` with the stretches of episodes to copy: (session_id, episode_id, segment_id, first, stop)."""
    conn.execute(
        "CREATE TEMP TABLE chosen (session_id INTEGER, episode_id INTEGER, segment_id INTEGER, first INTEGER, stop INTEGER)"
    )
    conn.execute("CREATE INDEX temp.chosen_episode ON chosen (episode_id)")
    conn.execute("CREATE TEMP TABLE episode_map (src INTEGER PRIMARY KEY, dst INTEGER)")
    conn.execute("CREATE TEMP TABLE checkpoint_map (src INTEGER PRIMARY KEY, dst INTEGER)")
    conn.execute("CREATE TEMP TABLE track_map (there TEXT PRIMARY KEY, here TEXT)")
    if segments is None:
        conn.execute("INSERT INTO chosen SELECT session_id, id, NULL, 0, 1 << 60 FROM src.episodes")
    else:
        conn.execute(
            "INSERT INTO chosen SELECT session_id, episode_id, id, start, coalesce(stop, start) + 1 FROM src.segments "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(segments)),),
        )
        if tries:  # those without a stored step: what is counted is in their row
            conn.execute(
                "INSERT INTO chosen SELECT session_id, id, 0, -1, -1 FROM src.episodes e WHERE \"end\" IS NOT NULL "
                "AND purpose <> 'lap' AND NOT EXISTS (SELECT 1 FROM src.segments g WHERE g.episode_id = e.id)"
            )
        known, sessions = places(conn, "src"), dict(conn.execute("SELECT DISTINCT episode_id, session_id FROM chosen").fetchall())
        for episode, _, t in told_steps(conn, sessions, known, "src"):
            rows = [(sessions[episode], episode, k, k + 1) for k in t.tolist()]
            conn.executemany("INSERT INTO chosen VALUES (?, ?, 0, ?, ?)", rows)


def _merge_session(into: _Into, session: int, uuid: str, hz: float, summary: Summary) -> None:
    conn = into.conn
    execute = conn.execute
    found = execute("SELECT id FROM main.sessions WHERE uuid = ?", (uuid,)).fetchone()
    if found is None:
        execute(
            f"INSERT INTO main.sessions (track, {_SESSION}) SELECT ?, {_SESSION if into.kind else _UNNAMED} FROM src.sessions "
            "WHERE id = ?",
            (_track_here(conn, session), session),
        )
        found = execute("SELECT last_insert_rowid()").fetchone()
        # What was imported there may have been driven here; a copy knows what its store knows.
        if into.kind or execute(f"SELECT ?1 IN ({brought_sql('src')})", (uuid,)).fetchone()[0]:
            note_brought(conn, uuid)
    else:
        # It ran when it came the last time, or had ended here for want of the rest.
        execute(
            "UPDATE main.sessions SET (status, ended) = (SELECT status, ended FROM src.sessions WHERE id = ?1) WHERE id = ?2 AND "
            "status = 'interrupted' AND (SELECT status FROM src.sessions WHERE id = ?1) = 'ended'",
            (session, found[0]),
        )
    target = int(found[0])
    execute(
        "INSERT OR REPLACE INTO temp.track_map SELECT s.track, m.track FROM src.sessions s, main.sessions m "
        "WHERE s.id = ? AND m.id = ?",
        (session, target),
    )
    _merge_checkpoints(conn, session, into.kind)
    execute("DELETE FROM temp.episode_map")
    for (episode,) in execute(
        "SELECT DISTINCT episode_id FROM chosen WHERE session_id = ? ORDER BY episode_id", (session,)
    ).fetchall():
        _merge_episode(conn, episode, target, hz, summary)
    _merge_segments(into, session, target, summary)
    execute(
        "INSERT INTO main.events (session_id, at, level, kind, message, data) SELECT ?1, at, level, kind, message, data "
        "FROM src.events e WHERE session_id = ?2 AND NOT EXISTS (SELECT 1 FROM main.events m "
        "WHERE m.session_id = ?1 AND m.at = e.at AND m.kind = e.kind AND m.message = e.message)",
        (target, session),
    )
    (status,) = execute("SELECT status FROM main.sessions WHERE id = ?", (target,)).fetchone()
    if status == "open" and not is_alive(into.path, uuid):  # one that is recorded here goes on
        close_interrupted(conn, target)


def _corners_here(into: _Into, session: int, target: int) -> dict[str, str]:
    """Return what the corners of a session's track in the other store are called here; those that are new come in."""
    (there,) = into.conn.execute("SELECT track FROM src.sessions WHERE id = ?", (session,)).fetchone()
    (here,) = into.conn.execute("SELECT track FROM main.sessions WHERE id = ?", (target,)).fetchone()
    if (there, here) not in into.corners:
        corners = into.conn.execute(
            "SELECT name, from_m, to_m, source FROM src.corners WHERE track = ? ORDER BY from_m", (there,)
        ).fetchall()
        into.corners[there, here] = bring_corners(into.conn, here, corners)
    return into.corners[there, here]


def _track_here(conn: sqlite3.Connection, session: int) -> str:
    """Return what the track of a session in the other store is filed under here."""
    track, digest, width, line = conn.execute(
        f"SELECT s.track, t.digest, t.width_m, CASE WHEN length(t.line) <= {MOST_STORED} THEN t.line END "
        "FROM src.sessions s LEFT JOIN src.tracks t ON t.track = s.track WHERE s.id = ?",
        (session,),
    ).fetchone()
    road = tracks.Road(np.frombuffer(line, "<f4").reshape(-1, 2), width / 2) if line and digest else None
    return tracks.place(conn, track, digest or "", road)


def _merge_checkpoints(conn: sqlite3.Connection, session: int, kind: str | None) -> None:
    """Give the checkpoints that drove in a session a row here, of this ``kind`` (None: of the one that they have there)."""
    conn.execute("DELETE FROM temp.checkpoint_map")
    used = conn.execute(
        "SELECT checkpoint_id FROM src.episodes WHERE session_id = ?1 AND checkpoint_id IS NOT NULL UNION SELECT "
        "p.checkpoint_id FROM src.steps p JOIN src.episodes e ON e.id = p.episode_id WHERE e.session_id = ?1 AND "
        "p.checkpoint_id IS NOT NULL",
        (session,),
    ).fetchall()
    for (checkpoint,) in used:
        found = conn.execute(
            "SELECT m.id FROM main.checkpoints m JOIN src.checkpoints s ON s.sha256 = m.sha256 AND s.name = m.name "
            "WHERE s.id = ?",
            (checkpoint,),
        ).fetchone()
        if found is None:
            conn.execute(
                f"INSERT INTO main.checkpoints ({_CHECKPOINT}, kind) SELECT {_CHECKPOINT}, coalesce(?, kind) "
                "FROM src.checkpoints WHERE id = ?",
                (kind, checkpoint),
            )
            found = conn.execute("SELECT last_insert_rowid()").fetchone()
        conn.execute("INSERT INTO temp.checkpoint_map VALUES (?, ?)", (checkpoint, found[0]))


def _merge_episode(conn: sqlite3.Connection, episode: int, session: int, hz: float, summary: Summary) -> None:
    execute = conn.execute
    number, origin = execute("SELECT number, origin FROM src.episodes WHERE id = ?", (episode,)).fetchone()
    found = execute("SELECT id FROM main.episodes WHERE session_id = ? AND number = ?", (session, number)).fetchone()
    if found is None and origin and execute("SELECT 1 FROM main.episodes WHERE origin = ?", (origin,)).fetchone():
        summary.present += 1
        return
    new = found is None
    if new:
        execute(
            f"INSERT INTO main.episodes (session_id, checkpoint_id, {_EPISODE}) SELECT ?, (SELECT dst FROM "
            f"temp.checkpoint_map WHERE src = e.checkpoint_id), {_EPISODE} FROM src.episodes e WHERE id = ?",
            (session, episode),
        )
        found = execute("SELECT last_insert_rowid()").fetchone()
    target = int(found[0])
    execute("INSERT INTO temp.episode_map VALUES (?, ?)", (episode, target))
    before = conn.total_changes
    columns = ", ".join(f"p.{name}" for name in STEP_COLUMNS[1:])
    columns = columns.replace("p.checkpoint_id", "(SELECT dst FROM temp.checkpoint_map WHERE src = p.checkpoint_id)")
    execute(
        f"INSERT OR IGNORE INTO main.steps ({', '.join(STEP_COLUMNS)}) SELECT ?1, {columns} FROM src.steps p WHERE p.episode_id "
        "= ?2 AND EXISTS (SELECT 1 FROM chosen c WHERE c.episode_id = ?2 AND p.t >= c.first AND p.t < c.stop) ORDER BY p.t",
        (target, episode),
    )
    steps = conn.total_changes - before
    if not new:
        # It has grown since the last merge, or was cut off here when it was still being driven there.
        execute(
            'UPDATE main.episodes SET ("end", reason, length, "return", max_progress, last_observation, ended) = (SELECT "end", '
            'reason, length, "return", max_progress, last_observation, ended FROM src.episodes WHERE id = ?1) WHERE id = ?2 AND '
            '(SELECT "end" IS NOT NULL AND (length > main.episodes.length OR (length = main.episodes.length AND '
            "main.episodes.reason = 'killed' AND reason IS NOT 'killed')) FROM src.episodes WHERE id = ?1)",
            (episode, target),
        )
        if steps:  # tells those who follow this store that the episode has more steps now
            execute("UPDATE main.episodes SET length = length WHERE id = ?", (target,))
    summary.steps += steps
    summary.seconds += steps / hz
    summary.episodes += bool(new or steps)
    summary.present += not (new or steps)


def _merge_segments(into: _Into, session: int, target: int, summary: Summary) -> None:
    conn, corners = into.conn, json.dumps(_corners_here(into, session, target))
    wanted = "(c.segment_id IS NULL OR c.segment_id = g.id)"
    rows = conn.execute(
        f"SELECT DISTINCT g.id, g.number, m.dst FROM src.segments g JOIN temp.episode_map m ON m.src = g.episode_id "
        f"JOIN chosen c ON c.episode_id = g.episode_id AND {wanted} WHERE g.session_id = ? ORDER BY g.id",
        (session,),
    ).fetchall()
    for segment, number, episode in rows:
        when = set_when(conn, segment, "src")
        found = conn.execute("SELECT id FROM main.segments WHERE session_id = ? AND number = ?", (target, number)).fetchone()
        if found is None:
            row = conn.execute(
                f"INSERT INTO main.segments (session_id, episode_id, corner, {_SEGMENT}) SELECT ?, ?, coalesce((SELECT value "
                f"FROM json_each(?) WHERE key = corner), corner), {_SEGMENT} FROM src.segments WHERE id = ?",
                (target, episode, corners, segment),
            ).lastrowid
            conn.execute("INSERT INTO main.tags SELECT ?, tag FROM src.tags WHERE segment_id = ?", (row, segment))
            keep_times(conn, int(row or 0), when, now())
            summary.segments += 1
            continue
        _merge_ending(conn, segment, found[0], corners)
        state = review_state(conn, segment, "src") | {TAKEN_BACK: taken_back(conn, segment, "src")}
        if when and take_in(conn, found[0], state, when, MERGED, now(), into.step):
            summary.reviews.append(found[0])


def _merge_ending(conn: sqlite3.Connection, segment: int, target: int, corners: str) -> None:
    """A segment that was still open when it came, here or there, ends where it went on to, in the corner that it came to."""
    conn.execute(
        "UPDATE main.segments SET (stop, outcome, interrupted, corner) = (SELECT stop, outcome, interrupted, "
        "coalesce(main.segments.corner, (SELECT value FROM json_each(?3) WHERE key = s.corner), s.corner) "
        "FROM src.segments s WHERE id = ?2) WHERE id = ?1 AND (SELECT s.stop > coalesce(segments.stop, 0) OR "
        "(s.stop = segments.stop AND segments.interrupted AND NOT s.interrupted) FROM src.segments s WHERE s.id = ?2)",
        (target, segment, corners),
    )
