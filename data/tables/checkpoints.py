"""Rows about checkpoints, and what evaluations said about each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.connect import now, transaction
from data.errors import UsageError
from data.numbers import FARTHEST, RETURN
from data.reading.schema_check import readable_rows
from data.records import CUT_OFF


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
        """Return the newest ``limit`` checkpoints (default: all), of one kind where that is given, newest first."""
        return _find(self.conn, "kind = coalesce(?, kind)", (kind,), limit)

    def checkpoint(self, checkpoint_id: int) -> CheckpointRecord | None:
        """Return one checkpoint."""
        return next(iter(_find(self.conn, "id = ?", (checkpoint_id,))), None)

    def latest_checkpoint(self) -> CheckpointRecord | None:
        """Return the newest checkpoint."""
        return next(iter(self.checkpoints(1)), None)

    def best_checkpoint(self, track: str | None = None) -> CheckpointRecord | None:
        """Return the checkpoint marked as best: on a track, or on the one that was evaluated last."""
        if track is not None:
            here = "id = (SELECT best FROM tracks WHERE track = ?)"
            return next(iter(_find(self.conn, here, (track,))), None)
        return next(iter(_find(self.conn, "best")), None)

    def count_checkpoints(self, kind: str) -> int:
        """Return how many checkpoints of a kind there are."""
        return int(self.conn.execute("SELECT count(*) FROM checkpoints WHERE kind = ?", (kind,)).fetchone()[0])

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

        A corner is passed when the episode's farthest progress lies at the corner's end or beyond it.
        """
        where = ["e.purpose = 'evaluation'", "e.\"end\" IN ('terminated', 'truncated')"]
        where.append(f"coalesce(e.reason, '') NOT IN ({', '.join('?' * len(CUT_OFF))})")
        values: list[object] = [*CUT_OFF]
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
                f"quote(e.max_progress) || quote(e.reason)) FROM {episodes} GROUP BY 1, 2 ORDER BY max(e.id)",
                values,
            )
        ]


def newest_name(conn: sqlite3.Connection) -> str:
    """Return the name of the newest checkpoint, "" while there is none."""
    row = conn.execute("SELECT name FROM checkpoints ORDER BY id DESC LIMIT 1").fetchone()
    return str(row[0]) if row else ""


def id_of(conn: sqlite3.Connection, name: str) -> int | None:
    """Return the newest checkpoint of that name, None where there is none."""
    found: int | None = conn.execute("SELECT max(id) FROM checkpoints WHERE name = ?", (name,)).fetchone()[0]
    return found
