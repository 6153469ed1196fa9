"""Driven lines and episode curves, read back for pictures."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.numbers import FARTHEST, RETURN
from data.records import HUMAN


@dataclass(frozen=True, slots=True)
class DrivenPart:
    """Positions (n, 2) and progress (n,) in metres and speed (n,) in m/s of consecutive steps of one episode."""

    episode_id: int
    points: np.ndarray
    progress: np.ndarray
    speed: np.ndarray
    reason: str
    """Why the episode ended."""


@dataclass(frozen=True, slots=True)
class EpisodeSum:
    """One closed episode: return, steps, human steps, the farthest metre, and why it ended."""

    id: int
    purpose: str
    total: float
    length: int
    human_steps: int
    progress: float
    reason: str


def parts(
    conn: sqlite3.Connection,
    *,
    purposes: Sequence[str],
    from_m: float,
    to_m: float,
    human: bool = False,
    checkpoint_id: int | None = None,
    session_id: int | None = None,
    limit: int = 6,
) -> list[DrivenPart]:
    """Return what was driven between two places of the line, newest episodes first.

    ``human`` True: only the human's steps, otherwise only the agent's. Episodes with fewer than three such steps are left out.
    """
    where = [f"purpose IN ({','.join('?' * len(purposes))})", '"end" IS NOT NULL']
    values: list[object] = list(purposes)
    for name, value in (("checkpoint_id", checkpoint_id), ("session_id", session_id)):
        if value is not None:
            where.append(f"{name} = ?")
            values.append(value)
    found: list[DrivenPart] = []
    for episode, reason in conn.execute(
        f"SELECT id, coalesce(reason, '') FROM episodes WHERE {' AND '.join(where)} ORDER BY id DESC", values
    ).fetchall():
        rows = conn.execute(
            "SELECT x, y, progress, speed FROM steps WHERE episode_id = ? AND driver = ? AND progress BETWEEN ? AND ? "
            "ORDER BY t",
            (episode, HUMAN if human else 0, from_m, to_m),
        ).fetchall()
        if len(rows) >= 3:
            table = np.array(rows, np.float64)
            found.append(DrivenPart(episode, table[:, :2], table[:, 2], table[:, 3], reason))
        if len(found) == limit:
            break
    return found


def sums(conn: sqlite3.Connection, *, session_id: int | None = None) -> list[EpisodeSum]:
    """Return all closed episodes of a session (of all sessions when None), oldest first."""
    where, values = ("AND e.session_id = ?", (session_id,)) if session_id is not None else ("", ())
    return [
        EpisodeSum(*row)
        for row in conn.execute(
            f"SELECT e.id, e.purpose, coalesce({RETURN}, 0), e.length, "
            "(SELECT count(*) FROM steps s WHERE s.episode_id = e.id AND s.driver = 1), "
            f"coalesce({FARTHEST}, 0), coalesce(e.reason, '') "
            f'FROM episodes e WHERE e."end" IS NOT NULL {where} ORDER BY e.id',
            values,
        )
    ]
