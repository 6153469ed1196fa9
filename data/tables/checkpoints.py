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
from data.reading.layout_check import readable_rows


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
def find(
    conn: sqlite3.Connection, where: str = "1", values: tuple[Any, ...] = (), limit: int = -1
) -> list[CheckpointRecord]:
    """Return checkpoints, newest first."""
    sql = f"SELECT {_COLUMNS} FROM checkpoints WHERE {where} ORDER BY id DESC LIMIT ?"
    return [_record(row) for row in conn.execute(sql, (*values, limit))]


def add(
    conn: sqlite3.Connection,
    name: str,
    sha256: str,
    updates: int,
    env_steps: int,
    kind: str,
    config: Mapping[str, Any],
    parent: int | None,
) -> int:
    """Write the row of a checkpoint and return its id."""
    cursor = conn.execute(
        "INSERT INTO checkpoints (name, sha256, updates, env_steps, kind, config, parent, created) VALUES (?, ?, ?, "
        "?, ?, ?, ?, ?)",
        (name, sha256, int(updates), int(env_steps), kind, json.dumps(dict(config)), parent, now()),
    )
    return int(cursor.lastrowid or 0)


def set_best(conn: sqlite3.Connection, checkpoint_id: int) -> None:
    """Mark one checkpoint as the best and no other. Raises UsageError for an unknown one."""
    with transaction(conn):
        conn.execute("UPDATE checkpoints SET best = 0 WHERE best")
        if not conn.execute("UPDATE checkpoints SET best = 1 WHERE id = ?", (checkpoint_id,)).rowcount:
            raise UsageError(f"There is no checkpoint {checkpoint_id} in the store.")


@readable_rows()
def evaluations(
    conn: sqlite3.Connection, checkpoint_id: int | None = None, track: str | None = None
) -> list[Evaluation]:
    """Sum up the closed evaluation episodes of each checkpoint on each track, oldest first.

    A corner is passed when the episode's farthest progress lies at the corner's end or beyond it.
    """
    where = ["e.purpose = 'evaluation'", "e.\"end\" IN ('terminated', 'truncated')"]
    values: list[object] = []
    if checkpoint_id is not None:
        where.append("e.checkpoint_id = ?")
        values.append(checkpoint_id)
    if track is not None:
        where.append("s.track = ?")
        values.append(track)
    episodes = f"episodes e JOIN sessions s ON s.id = e.session_id WHERE {' AND '.join(where)}"
    passes: dict[tuple[int | None, str], dict[str, int]] = {}
    for checkpoint, driven, name, count in conn.execute(
        "SELECT v.checkpoint_id, v.track, c.name, sum(v.max_progress >= c.to_m) FROM "
        f"(SELECT e.checkpoint_id, {FARTHEST} AS max_progress, s.track FROM {episodes}) v JOIN corners c ON c.track = v.track "
        f"GROUP BY 1, 2, 3 ORDER BY c.from_m",
        values,
    ):
        passes.setdefault((checkpoint, driven), {})[name] = int(count or 0)
    return [
        Evaluation(checkpoint, count, mean, finished, passes.get((checkpoint, driven), {}), first, last, distinct, driven)
        for checkpoint, driven, count, mean, finished, first, last, distinct in conn.execute(
            f"SELECT e.checkpoint_id, s.track, count(*), avg({RETURN}), sum(e.reason = 'finish'), min(e.started), "
            f"max(e.started), count(DISTINCT quote(e.\"return\") || quote(e.length) || quote(e.max_progress) || quote(e.reason)) "
            f"FROM {episodes} GROUP BY 1, 2 ORDER BY max(e.id)",
            values,
        )
    ]
