"""Looking after a store: what is in it, whether it is sound, making it smaller."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.connect import transaction, version_of
from data.errors import StoreError, shown
from data.reading.unusable import unusable_sentences
from data.recording.log_beside import advice, without_log
from data.recording.session_lock import is_alive
from data.recording.spill_file import find_spills

PRUNE_BLOCK = 20_000
"""Steps deleted in one transaction: short enough that a session recording meanwhile never waits long."""


@dataclass(frozen=True, slots=True)
class Info:
    """What a store holds."""

    version: int
    bytes: int
    """Of the file and its log."""
    free_bytes: int
    """Of these, space left by deleted rows."""
    sessions: int
    episodes: int
    steps: int
    seconds: float
    human_seconds: float
    takeovers: int
    laps: int
    checkpoints: int
    first: str | None
    last: str | None
    bytes_by_day: float
    """Growth over the last 30 days that were driven."""

    @property
    def bytes_per_step(self) -> float:
        """Size of the file for each step."""
        return self.bytes / self.steps if self.steps else 0.0


def size_on_disk(path: Path) -> int:
    """Return the bytes of the file and its log."""
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def info(conn: sqlite3.Connection, path: Path) -> Info:
    """Count what is in the store."""

    def one(sql: str) -> tuple:
        return tuple(conn.execute(sql).fetchone())

    page, free = one("PRAGMA page_size")[0], one("PRAGMA freelist_count")[0]
    steps, seconds, human = one(
        "SELECT count(*), coalesce(sum(1.0 / s.hz), 0), coalesce(sum((p.driver = 1) / s.hz), 0) FROM steps p JOIN episodes e ON "
        "e.id = p.episode_id JOIN sessions s ON s.id = e.session_id"
    )
    first, last = one("SELECT min(started), max(coalesce(ended, started)) FROM sessions")
    days = one(
        "SELECT count(DISTINCT date(started)), coalesce(sum(length), 0) FROM episodes WHERE started >= (SELECT "
        "strftime('%Y-%m-%dT%H:%M:%S', max(started), '-30 days') FROM episodes)"
    )
    size = size_on_disk(path)
    return Info(
        version=version_of(conn), bytes=size, free_bytes=page * free,
        sessions=one("SELECT count(*) FROM sessions")[0], episodes=one("SELECT count(*) FROM episodes")[0],
        steps=steps, seconds=seconds, human_seconds=human,
        takeovers=one("SELECT count(*) FROM segments WHERE kind = 'takeover'")[0],
        laps=one("SELECT count(*) FROM segments WHERE kind = 'lap'")[0],
        checkpoints=one("SELECT count(*) FROM checkpoints")[0], first=first, last=last,
        bytes_by_day=size / steps * days[1] / days[0] if steps and days[0] else 0.0,
    )  # fmt: skip


_RULES = (
    ("steps whose observation does not fit their session's layout",
     "SELECT count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id WHERE "
     "length(p.observation) <> 4 * json_array_length(s.observation_names)"),
    ("steps whose actions do not fit their session's layout",
     "SELECT count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id WHERE "
     "length(p.executed) <> 4 * json_array_length(s.action_names) OR length(p.proposed) <> 4 * "
     "json_array_length(s.action_names)"),
    ("steps with a driver that is neither agent nor human", "SELECT count(*) FROM steps WHERE driver NOT IN (0, 1)"),
    ("episodes with steps behind their end",
     "SELECT count(*) FROM episodes e WHERE e.\"end\" IS NOT NULL AND length < (SELECT max(t) + 1 FROM steps WHERE episode_id = "
     "e.id)"),
    ("segments that end before they begin or are trimmed to nothing",
     "SELECT count(*) FROM segments WHERE stop < start OR (stop > start AND trim_start + trim_stop >= stop - start)"),
    ("segments that reach behind their episode",
     "SELECT count(*) FROM segments g JOIN episodes e ON e.id = g.episode_id WHERE e.\"end\" IS NOT NULL AND g.stop > e.length"),
    ("steps with a reward that is not finite", "SELECT count(*) FROM steps WHERE NOT abs(reward) <= 3.4e38"),
    ("steps before the first, or of an impossible number", "SELECT count(*) FROM steps WHERE t NOT BETWEEN 0 AND 1 << 28"),
    ("sessions without a layout or a rate",
     "SELECT count(*) FROM sessions WHERE json_type(observation_names) <> 'array' OR json_type(action_names) <> 'array' OR "
     "NOT hz BETWEEN 1e-3 AND 1000"),
    ("tracks whose line is none",
     "SELECT count(*) FROM tracks WHERE line IS NOT NULL AND (length(line) % 8 <> 0 OR length(line) < 16 OR digest IS NULL OR "
     "NOT coalesce(width_m, 0) BETWEEN 0.1 AND 2000)"),
    ("sessions whose uuid is none", "SELECT count(*) FROM sessions WHERE uuid GLOB '*[^0-9A-Za-z-]*' OR uuid = ''"),
    ("segments that begin before their episode or are trimmed outwards",
     "SELECT count(*) FROM segments WHERE start < 0 OR trim_start < 0 OR trim_stop < 0 OR NOT priority BETWEEN 0 AND 1e9"),
    ("segments of an unknown verdict",
     "SELECT count(*) FROM segments WHERE verdict NOT IN ('unreviewed', 'good', 'bad', 'star')"),
)  # fmt: skip


def check(conn: sqlite3.Connection, path: Path) -> list[str]:
    """Return what is wrong with the store, a sentence each; an empty list means it is sound."""
    said = faults(conn)
    if said and said[0].startswith("The file is damaged"):
        return said
    said += unusable_sentences(conn)
    dead = [session for session, uuid in open_sessions(conn) if not is_alive(path, uuid)]
    if dead:
        said.append(f"Session {', '.join(map(str, dead))} was cut off; the next start closes it as interrupted.")
    if alone := without_log(conn, path):
        said.append(f"Session {', '.join(map(str, alone))} was cut off and the store opened alone; {advice(path)}")
    waiting = find_spills(path)
    if waiting:
        said.append(f"{len(waiting)} spill file(s) wait to be read back; the next start does it.")
    return said


def faults(conn: sqlite3.Connection) -> list[str]:
    """Return what is wrong with the rows and the file itself."""
    try:
        said = [
            f"The file is damaged: {shown(text, 200)}." for (text,) in conn.execute("PRAGMA integrity_check(20)") if text != "ok"
        ]
        if said:
            return said
        broken = conn.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            tables = ", ".join(sorted({row[0] for row in broken}))
            said.append(f"{len(broken)} rows refer to something that is not there (in {tables}).")
        for what, sql in _RULES:
            (count,) = conn.execute(sql).fetchone()
            if count:
                said.append(f"There are {count} {what}.")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes a damaged schema as it is
        return [f"The file is damaged: {shown(error, 200)}."]
    return said


def open_sessions(conn: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return (id, uuid) of the sessions that have not ended."""
    return [(int(i), str(u)) for i, u in conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open'")]


def compact(conn: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """Give the space of deleted rows back to the disk; returns the bytes before and after.

    Raises StoreError while a session is recording or another program holds the store.
    """
    if any(is_alive(path, uuid) for _, uuid in open_sessions(conn)):
        raise StoreError("A session is recording into the store: compact it afterwards.")
    before = size_on_disk(path)
    try:
        conn.execute("VACUUM")
        conn.execute("PRAGMA optimize")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"The store cannot be compacted now ({error}): it needs as much free disk as it is large, and nobody else using it."
        ) from error
    return before, size_on_disk(path)


_OLD = """e.started < ? AND e."end" IS NOT NULL AND e.purpose <> 'lap'"""
_SPARE = """
    p.driver = 0 AND p.id < (SELECT max(id) FROM steps)
    AND NOT EXISTS (SELECT 1 FROM segments g WHERE g.episode_id = p.episode_id
                    AND p.t >= g.start AND p.t <= coalesce(g.stop, p.t))
"""


def prunable(conn: sqlite3.Connection, before: str) -> tuple[int, int]:
    """Return (steps, episodes) that :func:`prune` would take from."""
    steps, episodes = conn.execute(
        "SELECT count(*), count(DISTINCT p.episode_id) FROM steps p JOIN episodes e ON e.id = p.episode_id "
        f"WHERE {_OLD} AND {_SPARE}",
        (before,),
    ).fetchone()
    return int(steps), int(episodes)


def prune(conn: sqlite3.Connection, before: str, on_steps: Callable[[int], None] | None = None) -> int:
    """Delete the agent's steps of episodes that began before a date (UTC, ISO); returns how many.

    Never deleted: a human's step, a step inside any segment or the one right after it (the successor of its last step), a lap,
    an open episode. Episodes keep their row with length and return. The space is given back by :func:`compact`.
    """
    total = 0
    for episodes in _blocks(conn, before):
        marks = ", ".join("?" * len(episodes))
        with transaction(conn):
            gone = conn.execute(
                f"DELETE FROM steps WHERE id IN (SELECT p.id FROM steps p WHERE p.episode_id IN ({marks}) AND {_SPARE})", episodes
            ).rowcount
        total += gone
        if on_steps and gone:
            on_steps(gone)
    return total


def _blocks(conn: sqlite3.Connection, before: str) -> Iterator[list[int]]:
    """Go through the episodes once, some at a time: together they have about as many steps as a transaction may delete."""
    old = conn.execute(f"SELECT e.id, e.length FROM episodes e WHERE {_OLD} ORDER BY e.id", (before,)).fetchall()
    block: list[int] = []
    steps = 0
    for id_, length in old:
        if block and (steps + length > PRUNE_BLOCK or len(block) >= 500):
            yield block
            block, steps = [], 0
        block.append(id_)
        steps += length
    if block:
        yield block
