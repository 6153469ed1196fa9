"""What the review and the report read: drives as columns, and sums over episodes, without reading more than is shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.numbers import FARTHEST, RETURN
from data.reading.stretch import Stretch
from data.records import AGENT


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One closed episode, from the small tables alone."""

    id: int
    session_id: int
    purpose: str
    total: float
    length: int
    human_steps: int
    hz: float
    progress: float
    reason: str
    checkpoint_id: int | None
    started: str


def drive(conn: sqlite3.Connection, episode_id: int, first: int = 0, stop: int | None = None) -> Stretch:
    """Return the steps ``[first, stop)`` of an episode."""
    rows = conn.execute(
        "SELECT t, x, y, heading, progress, speed, risk, driver, executed, proposed FROM steps "
        "WHERE episode_id = ? AND t >= ? AND t < ? ORDER BY t",
        (episode_id, first, 2**62 if stop is None else stop),
    ).fetchall()
    return _drive(episode_id, rows)


def _drive(episode_id: int, rows: list[tuple[object, ...]]) -> Stretch:
    columns: list[tuple[object, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 10
    floats = [np.array(c, np.float64) for c in columns[1:7]]
    blobs = [np.frombuffer(b"".join(c), "<f4") for c in columns[8:]]  # type: ignore[arg-type]
    executed, proposed = (b.reshape(len(rows), -1) if rows else np.zeros((0, 1), np.float32) for b in blobs)
    human = np.array(columns[7], np.int64) != AGENT
    x, y, heading, progress, speed, risk = floats
    t = np.array(columns[0], np.int64)
    return Stretch(episode_id, t, x, y, heading, progress, speed, risk, human, executed, proposed)


def agent_drives(
    conn: sqlite3.Connection,
    track: str,
    from_m: float,
    to_m: float,
    *,
    checkpoint_id: int | None = None,
    limit: int = 1,
    tried: int = 25,
) -> list[Stretch]:
    """Return stretches that the agent drove alone between two places of a track, with the newest checkpoint first.

    ``checkpoint_id``: not with a newer one than this. They must reach at least a third of the way. Of a checkpoint's
    episodes, evaluations (greedy, alone) come first. At most ``tried`` episodes are looked into, so that the cost does not
    grow with the steps in the store.
    """
    episodes = conn.execute(
        f"SELECT e.id FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE s.track = ? AND {FARTHEST} > ? "
        "AND (?3 IS NULL OR e.checkpoint_id <= ?3) AND e.purpose != 'lap' "
        "ORDER BY e.checkpoint_id DESC, e.purpose = 'evaluation' DESC, e.id DESC LIMIT ?4",
        (track, from_m + (to_m - from_m) / 3, checkpoint_id, tried),
    ).fetchall()
    found: list[Stretch] = []
    for (episode,) in episodes:
        rows = conn.execute(
            "SELECT t, x, y, heading, progress, speed, risk, driver, executed, proposed FROM steps "
            "WHERE episode_id = ? AND progress BETWEEN ? AND ? ORDER BY t",
            (episode, from_m, to_m),
        ).fetchall()
        if len(rows) >= 3 and not any(row[7] != AGENT for row in rows):
            found.append(_drive(episode, rows))
        if len(found) == limit:
            break
    return found


def checkpoints_of(conn: sqlite3.Connection, episode_id: int, track: str) -> tuple[int | None, int | None]:
    """Return the checkpoint that drove an episode, and the newest that has driven on that track."""
    same = conn.execute("SELECT checkpoint_id FROM episodes WHERE id = ?", (episode_id,)).fetchone()
    latest = conn.execute(
        "SELECT e.checkpoint_id FROM episodes e JOIN sessions s ON s.id = e.session_id "
        "WHERE s.track = ? AND e.checkpoint_id IS NOT NULL ORDER BY e.id DESC LIMIT 1",
        (track,),
    ).fetchone()
    return (same[0] if same else None), (latest[0] if latest else None)


def difference(conn: sqlite3.Connection, episode_id: int, start: int, stop: int) -> float:
    """Return how far executed and proposed actions are apart in ``[start, stop)``: the mean over steps of the largest gap."""
    rows = conn.execute(
        "SELECT executed, proposed FROM steps WHERE episode_id = ? AND t >= ? AND t < ?", (episode_id, start, stop)
    ).fetchall()
    if not rows:
        return 0.0
    executed, proposed = (np.frombuffer(b"".join(c), "<f4").reshape(len(rows), -1) for c in zip(*rows, strict=True))
    return float(np.abs(executed - proposed).max(axis=1).mean())


def episodes(
    conn: sqlite3.Connection,
    track: str,
    *,
    session: int | None = None,
    since: str | None = None,
    until: str | None = None,
) -> list[EpisodeSummary]:
    """Return the closed episodes on a track, oldest first; human steps are counted from the takeovers."""
    rows: Iterable[tuple[object, ...]] = conn.execute(
        f"SELECT e.id, e.session_id, e.purpose, coalesce({RETURN}, 0), e.length, "
        "coalesce((SELECT sum(g.stop - g.start) FROM segments g WHERE g.episode_id = e.id AND g.stop IS NOT NULL), 0), "
        f"s.hz, coalesce({FARTHEST}, 0), coalesce(e.reason, ''), e.checkpoint_id, e.started "
        'FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE s.track = ?1 AND e."end" IS NOT NULL '
        "AND (?2 IS NULL OR e.session_id = ?2) AND (?3 IS NULL OR e.started >= ?3) AND (?4 IS NULL OR e.started < ?4) "
        "ORDER BY e.id",
        (track, session, since, until),
    )
    return [EpisodeSummary(*row) for row in rows]  # type: ignore[arg-type]


def tracks(conn: sqlite3.Connection) -> list[str]:
    """Return the tracks that were driven on, the most driven first."""
    return [
        name
        for (name,) in conn.execute(
            "SELECT s.track FROM episodes e JOIN sessions s ON s.id = e.session_id "
            "GROUP BY s.track ORDER BY sum(e.length) DESC"
        )
    ]


def driven_line(conn: sqlite3.Connection, track: str, spacing: float = 2.0) -> NDArray[np.float64] | None:
    """Return a line (n, 2) along the longest drive on a track, for a track whose own file is not at
    hand; None when there is none."""
    row = conn.execute(
        "SELECT e.id FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE s.track = ? AND e.length > 10 "
        f"ORDER BY {FARTHEST} DESC, e.id LIMIT 1",
        (track,),
    ).fetchone()
    if row is None:
        return None
    whole = drive(conn, row[0])
    good = np.isfinite(whole.points).all(axis=1) & np.isfinite(whole.progress)
    ahead = np.maximum.accumulate(np.where(good, whole.progress, -np.inf))
    good &= np.concatenate([[True], np.diff(ahead) > 1e-6])
    if good.sum() < 3:
        return None
    at = np.arange(0.0, float(whole.progress[good].max()) + spacing, spacing)
    line: NDArray[np.float64] = np.stack(
        [np.interp(at, whole.progress[good], c[good]) for c in (whole.x, whole.y)], axis=1
    )
    return line
