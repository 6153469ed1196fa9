"""Whole drives read back as columns, without their observations: for statistics about places on a track."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.numbers import FARTHEST, MOST


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """One episode: what its steps say of where the car was, how fast, who drove and whether it braked."""

    episode_id: int
    purpose: str
    """``drive``, ``lap``, ``evaluation`` or ``practice``."""
    reason: str
    """Why it ended; empty while it is open or when its session died."""
    hz: float
    driver: NDArray[np.uint8]
    """(n,) ``AGENT`` or ``HUMAN``."""
    progress: NDArray[np.float64]
    """(n,) metres along the line before each step."""
    speed: NDArray[np.float64]
    """(n,) m/s before each step."""
    brake: NDArray[np.float64]
    """(n,) 0..1, of the executed action."""
    farthest: float
    """Metres: the farthest place, the one after the last step included."""


def drives(conn: sqlite3.Connection, track: str, since: str | None = None) -> Iterator[Drive]:
    """Yield every episode of a track that has steps, oldest first; ``since`` as the store writes dates."""
    episodes = conn.execute(
        f"SELECT e.id, e.purpose, coalesce(e.reason, ''), s.hz, s.action_names, coalesce({FARTHEST}, 0) "
        "FROM episodes e JOIN sessions s ON s.id = e.session_id "
        "WHERE s.track = ? AND e.started >= coalesce(?, '') ORDER BY e.id",
        (track, since),
    ).fetchall()
    for episode, purpose, reason, hz, names, farthest in episodes:
        rows = conn.execute(
            "SELECT driver, progress, speed, executed FROM steps WHERE episode_id = ?1 AND abs(progress) <= ?2 "
            "AND abs(speed) <= ?2 ORDER BY t",
            (episode, MOST),
        ).fetchall()
        if not rows:
            continue
        driver, progress, speed, executed = zip(*rows, strict=True)
        actions = np.frombuffer(b"".join(executed), dtype="<f4").reshape(len(rows), -1)
        where = np.array(progress, dtype=np.float64)
        yield Drive(
            episode,
            purpose,
            reason,
            float(hz),
            np.array(driver, dtype=np.uint8),
            where,
            np.array(speed, dtype=np.float64),
            _brake(actions, json.loads(names)),
            max(float(farthest), float(where.max())),
        )


def tracks(conn: sqlite3.Connection) -> list[str]:
    """Return the tracks that were driven on, the newest first."""
    return [str(t) for (t,) in conn.execute("SELECT track FROM sessions GROUP BY track ORDER BY max(id) DESC")]


def _brake(actions: NDArray[np.float32], names: list[str]) -> NDArray[np.float64]:
    if "brake" in names:
        pressed = actions[:, names.index("brake")]
    elif "gas_brake" in names:
        pressed = -actions[:, names.index("gas_brake")]
    else:
        pressed = np.zeros(len(actions), dtype=np.float32)
    return np.clip(pressed, 0.0, 1.0).astype(np.float64)
