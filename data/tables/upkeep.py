"""Looking after a store: what is in it, what is wrong with it, making it smaller, copying it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.connect import connect, transaction, version_of
from data.errors import StoreError
from data.recording.session_lock import is_alive
from data.records import ROADLESS
from data.tables.checkpoints import imported
from data.tables.checks import drop_lost, findings, open_sessions
from data.tables.thinned import places, told_steps

PRUNE_BLOCK = 20_000
"""Steps deleted in one transaction: short enough that a session recording meanwhile never waits long."""
FINISHED_LAP = (
    "kind = 'lap' AND (outcome = 'cleared' OR outcome = 'unclear' AND (\"trigger\" = 'imported' OR stop IS NOT NULL "
    f"AND session_id IN (SELECT id FROM sessions WHERE substr(env, 1, {len(ROADLESS)}) = '{ROADLESS}')))"
)
"""SQL: a lap that was finished: of what was imported as one, or driven to its end where there is no road, no more is known."""
OTHER_LAP = f"kind = 'lap' AND stop IS NOT NULL AND NOT ({FINISHED_LAP})"


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
    driven: int
    """Steps driven, pruned ones and those of evaluations that came without them included; those of open episodes not."""
    driven_seconds: float
    steps: int
    """Steps that are stored."""
    seconds: float
    human_seconds: float
    takeovers: int
    laps: int
    """Finished ones."""
    unfinished_laps: int
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


_OLD = """e.started < ? AND e."end" IS NOT NULL AND e.purpose <> 'lap'"""
_SPARE = """
    p.driver = 0 AND p.id < (SELECT max(id) FROM steps)
    AND NOT EXISTS (SELECT 1 FROM segments g WHERE g.episode_id = p.episode_id
                    AND p.t >= g.start AND p.t <= coalesce(g.stop, p.t))
"""


@dataclass(frozen=True, slots=True)
class Glance:
    """What is in a store, counted without looking at a single step."""

    sessions: int
    episodes: int
    steps: int
    """Steps driven, as :attr:`Info.driven`."""
    laps: int
    """Finished ones."""
    unfinished_laps: int
    unreviewed: int
    """Takeovers without a verdict."""
    unreviewed_others: int
    """Laps and kept drives without one, which the review lists, too."""


class Upkeep:
    """How an open store is looked after."""

    conn: sqlite3.Connection
    path: Path

    def info(self) -> Info:
        """Count what is in the store."""

        def one(sql: str) -> tuple:
            return tuple(self.conn.execute(sql).fetchone())

        page, free = one("PRAGMA page_size")[0], one("PRAGMA freelist_count")[0]
        steps, seconds, human = one(
            "SELECT count(*), coalesce(sum(1.0 / s.hz), 0), coalesce(sum((p.driver = 1) / s.hz), 0) FROM steps p "
            "JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id"
        )
        driven, driven_seconds = one(
            "SELECT coalesce(sum(length), 0), coalesce(sum(length / s.hz), 0) "
            "FROM episodes e JOIN sessions s ON s.id = e.session_id"
        )
        first, last = one("SELECT min(started), max(coalesce(ended, started)) FROM sessions")
        days = one(
            "SELECT count(DISTINCT date(started)), coalesce(sum(length), 0) FROM episodes WHERE started >= (SELECT "
            "strftime('%Y-%m-%dT%H:%M:%S', max(started), '-30 days') FROM episodes)"
        )
        size, glance = size_on_disk(self.path), self.glance()
        return Info(
            version=version_of(self.conn), bytes=size, free_bytes=page * free,
            sessions=one("SELECT count(*) FROM sessions")[0], episodes=one("SELECT count(*) FROM episodes")[0],
            driven=driven, driven_seconds=driven_seconds, steps=steps, seconds=seconds, human_seconds=human,
            takeovers=one("SELECT count(*) FROM segments WHERE kind = 'takeover'")[0],
            laps=glance.laps, unfinished_laps=glance.unfinished_laps,
            checkpoints=one("SELECT count(*) FROM checkpoints")[0] - len(imported(self.conn)), first=first, last=last,
            bytes_by_day=size / steps * days[1] / days[0] if steps and days[0] else 0.0,
        )  # fmt: skip

    def glance(self) -> Glance:
        """Count what a player asks first; in a moment, however large the store is.

        A drive that was imported again in another layout (its origin has a # then) is one lap.
        """
        row = self.conn.execute(
            "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM episodes), (SELECT coalesce(sum(length), 0) FROM "
            f"episodes), count(*) FILTER (WHERE {FINISHED_LAP}), "
            f"count(*) FILTER (WHERE {OTHER_LAP}), count(*) FILTER (WHERE g.kind = "
            "'takeover' AND verdict = 'unreviewed' AND stop IS NOT NULL), count(*) FILTER (WHERE g.kind <> 'takeover' AND "
            "verdict = 'unreviewed' AND stop IS NOT NULL) FROM (SELECT kind, \"trigger\", start, stop, outcome, "
            "verdict, session_id FROM segments WHERE episode_id NOT IN (SELECT id FROM episodes WHERE instr(origin, '#'))) g "
            "JOIN (SELECT id FROM sessions) s ON s.id = g.session_id"
        ).fetchone()
        return Glance(*row)

    def laps_not_finished(self) -> int:
        """Count the laps of people that are over, and of which it is known that they ended before the finish."""
        row = self.conn.execute(
            "SELECT count(*) FROM segments WHERE kind = 'lap' AND outcome = 'failed' AND \"trigger\" NOT IN ('scripted', "
            "'imported') AND session_id IN (SELECT id FROM sessions WHERE driver <> 'scripted')"
        ).fetchone()
        return int(row[0])

    def check(self) -> list[str]:
        """Return what is wrong with the store, a sentence each."""
        return findings(self.conn, self.path)

    def repair(self) -> dict[str, int]:
        """Drop rows that belong to something that is not there; returns by table how many were changed."""
        return drop_lost(self.conn)

    def quick_check(self) -> str:
        """Return what SQLite says of the file's structure, "ok" where nothing is wrong; about a second for a million steps."""
        return str(self.conn.execute("PRAGMA quick_check(1)").fetchone()[0])

    def compact(self) -> tuple[int, int]:
        """Give the space of deleted rows back to the disk; returns the bytes before and after.

        Raises StoreError while a session is recording or another program holds the store.
        """
        if any(is_alive(self.path, uuid) for _, uuid in open_sessions(self.conn)):
            raise StoreError("A session is recording into the store: compact it afterwards.")
        before = size_on_disk(self.path)
        try:
            self.conn.execute("VACUUM")
            self.conn.execute("PRAGMA optimize")
            self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"The store cannot be compacted now ({error}): it needs as much free disk as it is large, and no other "
                "program using it."
            ) from error
        return before, size_on_disk(self.path)

    def prunable(self, before: str) -> tuple[int, int]:
        """Return (steps, episodes) that :func:`prune` would take from."""
        steps = episodes = 0
        for spare in self._spare(before):
            steps += len(spare)
            episodes += len({episode for episode, _ in spare})
        return steps, episodes

    def prune(self, before: str, on_steps: Callable[[int], None] | None = None) -> int:
        """Delete the agent's steps of episodes that began before a date (UTC, ISO); returns how many.

        Never deleted: a human's step, a step inside any segment or the one right after it (the successor of its last
        step), a lap, an open episode, and what the figures about the agent's tries are read from (``data.tables.thinned``).
        Episodes keep their row with length and return. The space is given back by :func:`compact`.
        """
        total = 0
        for spare in self._spare(before):
            with transaction(self.conn):
                ids = json.dumps([step for _, step in spare])
                # Looked at once more: a segment may have been added since, or the step have become the newest.
                wanted = f"SELECT p.id FROM steps p WHERE p.id IN (SELECT value FROM json_each(?)) AND {_SPARE}"
                gone = self.conn.execute(f"DELETE FROM steps WHERE id IN ({wanted})", (ids,)).rowcount
            total += gone
            if on_steps and gone:
                on_steps(gone)
        return total

    def _spare(self, before: str) -> Iterator[list[tuple[int, int]]]:
        """Yield (episode, step) of what may be deleted, in blocks of whole episodes."""
        known = places(self.conn)
        for episodes in _blocks(self.conn, before):
            stays = {step for _, ids, _ in told_steps(self.conn, episodes, known) for step in ids.tolist()}
            rows = self.conn.execute(
                f"SELECT p.episode_id, p.id FROM steps p WHERE p.episode_id IN (SELECT value FROM json_each(?)) AND {_SPARE}",
                (json.dumps(episodes),),
            )
            if spare := [row for row in rows if row[1] not in stays]:
                yield spare

    def copy_small(self, target: Path) -> None:
        """Copy the store to a new file with no steps but those of laps and of the newest drive, and without metrics.

        All episodes keep their row.
        """
        self.conn.execute("VACUUM INTO ?", (str(target),))
        kept = "purpose = 'lap' OR id = (SELECT max(id) FROM episodes)"
        with contextlib.closing(connect(target)) as conn:
            with transaction(conn):
                conn.execute(f"DELETE FROM steps WHERE episode_id NOT IN (SELECT id FROM episodes WHERE {kept})")
                conn.execute("DELETE FROM metrics")
                conn.execute(f"UPDATE episodes SET last_observation = NULL WHERE NOT ({kept})")
            conn.execute("VACUUM")
            conn.execute("PRAGMA journal_mode = DELETE")


def _blocks(conn: sqlite3.Connection, before: str) -> Iterator[list[int]]:
    """Yield the ids of old episodes in blocks; each has about as many steps as one transaction may delete."""
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
