"""Taking over what another store holds, without duplicates: whole, or only chosen segments.

A session is known everywhere by its uuid, an episode and a segment by their number in it, a step by its place in the
episode, a checkpoint by its checksum. So a merge can be repeated, also after the other store has grown, and adds only
what is new.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.connect import bulk_writing, connect, header_version, now, open_store, transaction
from data.errors import StoreError, UsageError, shown
from data.files.paths import refuse_share, sqlite_uri
from data.recording.applier import close_interrupted
from data.recording.log_beside import advice, without_log
from data.schema import MIGRATIONS, SESSION_COLUMNS, STEP_COLUMNS
from data.tables import tracks
from data.tables.checkpoints import IMPORTED
from data.tables.checks import faults
from data.tables.judgements import review_state, write_review


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

    def add(self, other: Summary) -> None:
        """Count another summary in."""
        for name in ("episodes", "steps", "seconds", "segments", "present"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused += other.refused
        self.notes += other.notes


_SESSION = ", ".join((*(name for name in SESSION_COLUMNS if name != "track"), "ended", "status", "source"))
_CHECKPOINT = "name, sha256, updates, env_steps, config, created"
_EPISODE = (
    'number, purpose, seed, started, ended, "end", reason, length, "return", max_progress, last_observation, origin'
)
_SEGMENT = (
    'number, kind, "trigger", corner, start, stop, trim_start, trim_stop, priority, verdict, outcome, interrupted, note, '
    "judged_by, judged_at, started"
)


@contextlib.contextmanager
def _readable(source: Path, notes: list[str]) -> Iterator[Path]:
    """Give a path that can be attached: the source itself, or a migrated copy of an older store (which is left as it is).

    ``notes`` takes a sentence when the source came without its log.
    """
    refuse_share(source)
    if not 0 < (header_version(source) or 0) < len(MIGRATIONS):
        opened = open_store(source, create=False)
        if without_log(opened, source):
            notes.append(f"{shown(source.name)} was cut off while it recorded, and {advice(source)}")
        opened.close()
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "source.sqlite"
        with (
            contextlib.closing(connect(source, read_only=True)) as conn,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            conn.backup(target)
        open_store(copy).close()
        yield copy


def merge(
    conn: sqlite3.Connection, path: Path, source: Path, segments: Iterable[int] | None = None, *, copy: bool = False
) -> Summary:
    """Copy sessions, episodes, steps, segments, corners and checkpoints' rows of ``source`` into the store at ``path``.

    With ``segments`` (ids in ``source``), only those segments and their steps, each with the one step that follows it,
    so that its last transition stays whole. One transaction a session. The checkpoints come as imported ones
    (``data.tables.checkpoints``), unless the store at ``path`` is to be a ``copy``. Raises UsageError when both are the same
    file, StoreError when the source is not a store, or newer than this program.
    """
    if source.exists() and path.exists() and source.samefile(path):
        raise UsageError("A store cannot be merged into itself.")
    summary = Summary()
    with _readable(source, summary.notes) as readable, _fitting(source):
        _refuse_unsound(readable, source)
        conn.execute("ATTACH ? AS src", (sqlite_uri(readable, "mode=ro"),))
        try:
            _choose(conn, segments)
            sessions = conn.execute(
                "SELECT DISTINCT s.id, s.uuid, s.hz FROM src.sessions s JOIN chosen c ON c.session_id = s.id"
            ).fetchall()
            for session, uuid, hz in sessions:
                with bulk_writing(conn), transaction(conn):
                    _merge_session(conn, session, uuid, hz, summary, None if copy else IMPORTED)
            with transaction(conn):
                conn.execute(
                    "INSERT OR IGNORE INTO main.corners (track, name, from_m, to_m, source) SELECT m.here, c.name, c.from_m, "
                    "c.to_m, c.source FROM src.corners c JOIN temp.track_map m ON m.there = c.track"
                )
                for (here,) in conn.execute("SELECT DISTINCT here FROM temp.track_map").fetchall():
                    tracks.settle(conn, tracks.plain(here))
        finally:
            for table in ("chosen", "episode_map", "checkpoint_map", "track_map"):
                conn.execute(f"DROP TABLE IF EXISTS temp.{table}")
            conn.execute("DETACH src")
    return summary


@contextlib.contextmanager
def _fitting(source: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
        raise StoreError(
            f"The store {shown(source.name)} does not fit into this one ({shown(error, 120)}): `hitl store check` says what is "
            "wrong with it. The sessions before that one came in."
        ) from error


def _refuse_unsound(readable: Path, source: Path) -> None:
    """A store whose own rows contradict each other would bring its faults along."""
    with contextlib.closing(connect(readable, read_only=True)) as conn:
        said = faults(conn)
    if said:
        raise StoreError(f"The store {shown(source.name)} is not sound, so nothing was taken from it. {said[0]}")


def _choose(conn: sqlite3.Connection, segments: Iterable[int] | None) -> None:
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


def _merge_session(conn: sqlite3.Connection, session: int, uuid: str, hz: float, summary: Summary, kind: str | None) -> None:
    execute = conn.execute
    found = execute("SELECT id FROM main.sessions WHERE uuid = ?", (uuid,)).fetchone()
    if found is None:
        execute(
            f"INSERT INTO main.sessions (track, {_SESSION}) SELECT ?, {_SESSION} FROM src.sessions WHERE id = ?",
            (_track_here(conn, session), session),
        )
        found = execute("SELECT last_insert_rowid()").fetchone()
    target = int(found[0])
    execute(
        "INSERT OR REPLACE INTO temp.track_map SELECT s.track, m.track FROM src.sessions s, main.sessions m "
        "WHERE s.id = ? AND m.id = ?",
        (session, target),
    )
    _merge_checkpoints(conn, session, kind)
    execute("DELETE FROM temp.episode_map")
    for (episode,) in execute(
        "SELECT DISTINCT episode_id FROM chosen WHERE session_id = ? ORDER BY episode_id", (session,)
    ).fetchall():
        _merge_episode(conn, episode, target, hz, summary)
    summary.segments += _merge_segments(conn, session, target)
    execute(
        "INSERT INTO main.events (session_id, at, level, kind, message, data) SELECT ?1, at, level, kind, message, data "
        "FROM src.events e WHERE session_id = ?2 AND NOT EXISTS (SELECT 1 FROM main.events m WHERE m.session_id = ?1 AND "
        "m.at = e.at AND m.kind = e.kind AND m.message = e.message)",
        (target, session),
    )
    if execute("SELECT status FROM main.sessions WHERE id = ?", (target,)).fetchone()[0] == "open":
        close_interrupted(conn, target)


def _track_here(conn: sqlite3.Connection, session: int) -> str:
    """Return what the track of a session in the other store is filed under here."""
    track, digest, width, line = conn.execute(
        "SELECT s.track, t.digest, t.width_m, t.line FROM src.sessions s LEFT JOIN src.tracks t ON t.track = s.track "
        "WHERE s.id = ?",
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
            '(SELECT "end" IS NOT NULL AND length > main.episodes.length FROM src.episodes WHERE id = ?1)',
            (episode, target),
        )
        if steps:  # tells those who follow this store that the episode has more steps now
            execute("UPDATE main.episodes SET length = length WHERE id = ?", (target,))
    summary.steps += steps
    summary.seconds += steps / hz
    summary.episodes += bool(new or steps)
    summary.present += not (new or steps)


def _merge_segments(conn: sqlite3.Connection, session: int, target: int) -> int:
    wanted = "(c.segment_id IS NULL OR c.segment_id = g.id)"
    rows = conn.execute(
        f"SELECT DISTINCT g.id, g.number, m.dst FROM src.segments g JOIN temp.episode_map m ON m.src = g.episode_id "
        f"JOIN chosen c ON c.episode_id = g.episode_id AND {wanted} WHERE g.session_id = ? ORDER BY g.id",
        (session,),
    ).fetchall()
    added = 0
    for segment, number, episode in rows:
        found = conn.execute(
            "SELECT id, judged_at FROM main.segments WHERE session_id = ? AND number = ?", (target, number)
        ).fetchone()
        if found is None:
            row = conn.execute(
                f"INSERT INTO main.segments (session_id, episode_id, {_SEGMENT}) SELECT ?, ?, {_SEGMENT} FROM src.segments "
                "WHERE id = ?",
                (target, episode, segment),
            ).lastrowid
            conn.execute("INSERT INTO main.tags SELECT ?, tag FROM src.tags WHERE segment_id = ?", (row, segment))
            added += 1
        else:
            _merge_review(conn, segment, *found)
    return added


def _merge_review(conn: sqlite3.Connection, segment: int, target: int, judged_at: str | None) -> None:
    """Take over the other store's review when it is the newer one; it can be undone like any other."""
    judged, *ending = conn.execute(
        "SELECT judged_at, stop, outcome, interrupted FROM src.segments WHERE id = ?", (segment,)
    ).fetchone()
    conn.execute(
        "UPDATE main.segments SET stop = ?2, outcome = ?3, interrupted = ?4 WHERE id = ?1 AND ?2 > coalesce(stop, 0)",
        (target, *ending),
    )
    if judged is None or (judged_at is not None and judged_at >= judged):
        return
    write_review(conn, target, review_state(conn, segment, "src"), "merge", now())
