"""Rows about checkpoints, and what evaluations said about each.

An import brings the rows of the checkpoints that drove in what it brings, without their weights. They say who drove, and are no
part of this home's run: :func:`imported` tells them from those of this home, and all that looks for this home's goes by it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.connect import now, transaction
from data.errors import UsageError
from data.numbers import FARTHEST, RETURN
from data.reading.schema_check import readable_rows
from data.records import CUT_OFF

RUN = "train"
"""Kind of what a trainer writes, which goes on from it."""
IMPORTED = "imported"
"""Kind of a row that came with an import: the weights stayed where they were."""

_FOLDER = "checkpoints"  # beside the store: one file for each checkpoint, by its name
_NO_LINK = (
    "SELECT id, name, kind FROM checkpoints WHERE parent IS NULL AND id NOT IN "
    "(SELECT parent FROM checkpoints WHERE parent IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A stored checkpoint's row; the weights are a file in the home folder named ``name``."""

    id: int
    name: str
    sha256: str
    updates: int
    env_steps: int
    kind: str
    config: dict[str, Any]
    parent: int | None
    best: bool
    created: str

    @property
    def of_run(self) -> bool:
        """Whether training goes on from it. An imported one that is this home's has had its weights put here since."""
        return self.kind in (RUN, IMPORTED)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the deterministic episodes of one checkpoint on one track came to."""

    checkpoint_id: int | None
    episodes: int
    return_mean: float
    finished: int
    passes: dict[str, int]
    """For each corner of the track, episodes that left its end on the road."""
    first: str
    last: str
    """When, UTC."""
    distinct: int | None = None
    """Drives that differ in return, length, farthest place or end; in a game without chance all may be the same. None: not
    known."""
    track: str = ""


_COLUMNS = "id, name, sha256, updates, env_steps, kind, config, parent, best, created"


def _record(row: tuple[Any, ...]) -> CheckpointRecord:
    values = list(row)
    values[6], values[8] = json.loads(values[6]), bool(values[8])
    return CheckpointRecord(*values)


@readable_rows()
def _find(conn: sqlite3.Connection, where: str, values: tuple[Any, ...] = (), limit: int = -1) -> list[CheckpointRecord]:
    """Return checkpoints, newest first."""
    sql = f"SELECT {_COLUMNS} FROM checkpoints WHERE {where} ORDER BY id DESC LIMIT ?"
    return [_record(row) for row in conn.execute(sql, (*values, limit))]


def imported(conn: sqlite3.Connection) -> frozenset[int]:
    """Return the ids of the checkpoints that only came with an import: no part of this home's run.

    One whose weights lie in the folder beside the store is this home's, however its row came. Earlier versions left the kind as
    it was. Such a row is known by what it lacks: weights, and a link to another row, which every checkpoint of a trainer's run
    has but a lone one. Rows of other kinds are not linked, and old weights of theirs are deleted: where there are weights of that
    kind, they are from here. A store without that folder beside it is no home, and there all rows but those marked count.
    """
    rows = conn.execute(_NO_LINK).fetchall()
    if not rows:
        return frozenset()
    file = next((path for _, name, path in conn.execute("PRAGMA database_list") if name == "main"), "")
    there: set[str] | None = None
    with contextlib.suppress(OSError):
        there = set(os.listdir(Path(file).parent / _FOLDER))
    if there is None:
        return frozenset(id_ for id_, _, kind in rows if kind == IMPORTED)
    made_here = {kind for _, name, kind in rows if name in there} - {IMPORTED, RUN}
    return frozenset(id_ for id_, name, kind in rows if name not in there and kind not in made_here)


_OURS = "id NOT IN (SELECT value FROM json_each(?))"


def others(conn: sqlite3.Connection) -> str:
    """Return the same as JSON, for ``json_each`` in a query."""
    return json.dumps(sorted(imported(conn)))


def strangers(conn: sqlite3.Connection) -> frozenset[int]:
    """Return the ids of the checkpoints that are another agent's than the one that this home tells about.

    That one is this home's own. A home without a checkpoint of its own tells about the agent that came with the import.
    """
    found = imported(conn)
    (ours,) = conn.execute(f"SELECT EXISTS (SELECT 1 FROM checkpoints WHERE {_OURS})", (json.dumps(sorted(found)),)).fetchone()
    return found if ours else frozenset()


class Checkpoints:
    """What an open store says of its checkpoints, and of how well each drives."""

    conn: sqlite3.Connection

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
        cursor = self.conn.execute(
            "INSERT INTO checkpoints (name, sha256, updates, env_steps, kind, config, parent, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (name, sha256, int(update), int(env_steps), kind, json.dumps(dict(config)), parent, now()),
        )
        return int(cursor.lastrowid or 0)

    def checkpoints(self, limit: int = -1, kind: str | None = None) -> list[CheckpointRecord]:
        """Return this home's newest ``limit`` checkpoints (default: all), of one kind where that is given, newest first.

        Those that came with an import are not among them: their weights are not here.
        """
        return _find(self.conn, f"kind = coalesce(?, kind) AND {_OURS}", (kind, others(self.conn)), limit)

    def imported_checkpoints(self) -> frozenset[int]:
        """Return the ids of the checkpoints that only came with an import: another home's agent drove with them."""
        return imported(self.conn)

    def strange_checkpoints(self) -> frozenset[int]:
        """Return those of them that are another agent's than the one that this home tells about (:func:`strangers`)."""
        return strangers(self.conn)

    def checkpoint(self, checkpoint_id: int) -> CheckpointRecord | None:
        """Return one checkpoint, one that came with an import, too."""
        return next(iter(_find(self.conn, "id = ?", (checkpoint_id,))), None)

    def latest_checkpoint(self) -> CheckpointRecord | None:
        """Return this home's newest checkpoint."""
        return next(iter(self.checkpoints(1)), None)

    def best_checkpoint(self, track: str | None = None) -> CheckpointRecord | None:
        """Return the checkpoint marked as best: on a track, or on the one that was evaluated last."""
        if track is not None:
            here = f"id = (SELECT best FROM tracks WHERE track = ?) AND {_OURS}"
            return next(iter(_find(self.conn, here, (track, others(self.conn)))), None)
        return next(iter(_find(self.conn, f"best AND {_OURS}", (others(self.conn),))), None)

    def count_checkpoints(self, kind: str) -> int:
        """Return how many checkpoints of a kind this home has."""
        sql = f"SELECT count(*) FROM checkpoints WHERE kind = ? AND {_OURS}"
        return int(self.conn.execute(sql, (kind, others(self.conn))).fetchone()[0])

    def set_best(self, checkpoint_id: int, track: str | None = None) -> None:
        """Mark one checkpoint as the best and no other, and as the best on the track where that was seen.

        Raises UsageError for an unknown one.
        """
        with transaction(self.conn):
            self.conn.execute("UPDATE checkpoints SET best = 0 WHERE best")
            if not self.conn.execute("UPDATE checkpoints SET best = 1 WHERE id = ?", (checkpoint_id,)).rowcount:
                raise UsageError(f"There is no checkpoint {checkpoint_id} in the store.")
            if track is not None:
                self.conn.execute("UPDATE tracks SET best = ? WHERE track = ?", (checkpoint_id, track))

    @readable_rows()
    def evaluations(self, track: str | None = None) -> list[Evaluation]:
        """Sum up the evaluation episodes of each checkpoint on each track that ended by themselves, oldest first.

        A corner is passed when the episode's farthest progress lies at the corner's end or beyond it. Evaluations of imported
        checkpoints are another agent's, and left out.
        """
        where = ["e.purpose = 'evaluation'", "e.\"end\" IN ('terminated', 'truncated')"]
        where.append(f"coalesce(e.reason, '') NOT IN ({', '.join('?' * len(CUT_OFF))})")
        where.append("(e.checkpoint_id IS NULL OR e.checkpoint_id NOT IN (SELECT value FROM json_each(?)))")
        values: list[object] = [*CUT_OFF, others(self.conn)]
        if track is not None:
            where.append("s.track = ?")
            values.append(track)
        episodes = f"episodes e JOIN sessions s ON s.id = e.session_id WHERE {' AND '.join(where)}"
        passes: dict[tuple[int | None, str], dict[str, int]] = {}
        for checkpoint, driven, name, count in self.conn.execute(
            "SELECT v.checkpoint_id, v.track, c.name, sum(v.max_progress >= c.to_m) FROM (SELECT e.checkpoint_id, "
            f"{FARTHEST} AS max_progress, s.track FROM {episodes}) v JOIN corners c ON c.track = v.track "
            f"GROUP BY 1, 2, 3 ORDER BY c.from_m",
            values,
        ):
            passes.setdefault((checkpoint, driven), {})[name] = int(count or 0)
        return [
            Evaluation(checkpoint, count, mean, finished, passes.get((checkpoint, driven), {}), first, last, distinct, driven)
            for checkpoint, driven, count, mean, finished, first, last, distinct in self.conn.execute(
                f"SELECT e.checkpoint_id, s.track, count(*), coalesce(avg({RETURN}), 0), sum(e.reason = 'finish'), "
                "min(e.started), max(e.started), count(DISTINCT quote(e.\"return\") || quote(e.length) || "
                f"quote(e.max_progress) || quote(e.reason)) FROM {episodes} GROUP BY 1, 2 ORDER BY max(e.started), max(e.id)",
                values,
            )
        ]


def newest_name(conn: sqlite3.Connection) -> str:
    """Return the name of this home's newest checkpoint, "" while there is none."""
    row = conn.execute(f"SELECT name FROM checkpoints WHERE {_OURS} ORDER BY id DESC LIMIT 1", (others(conn),)).fetchone()
    return str(row[0]) if row else ""


def newest_settings(conn: sqlite3.Connection) -> tuple[Any, int]:
    """Return what the newest checkpoint of this home's run holds as settings, and its updates; {} and 0 while there is none."""
    sql = f"SELECT config, updates FROM checkpoints WHERE kind IN (?, ?) AND {_OURS} ORDER BY id DESC LIMIT 1"
    row = conn.execute(sql, (RUN, IMPORTED, others(conn))).fetchone()
    return (json.loads(row[0]), int(row[1])) if row else ({}, 0)


def id_of(conn: sqlite3.Connection, name: str) -> int | None:
    """Return the newest checkpoint of that name, None where there is none."""
    found: int | None = conn.execute("SELECT max(id) FROM checkpoints WHERE name = ?", (name,)).fetchone()[0]
    return found
