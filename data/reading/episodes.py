"""Whole episodes as arrays: what importers write and exporters read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from data.connect import now, transaction
from data.fields import Count, Priority, Text, Time, one_of
from data.reading.drives import read_columns
from data.reading.schema_check import readable_rows
from data.records import AGENT, HUMAN, OUTCOMES, SEGMENT_KINDS, VERDICTS
from data.schema import INSERT_STEP, STEP_MEASURES
from data.statistics import stretches
from data.tables import lap_times


@dataclass(slots=True)
class SegmentData:
    """A segment of an :class:`EpisodeData`, ``[start, stop)`` in steps from the episode's first."""

    kind: Annotated[str, one_of(*SEGMENT_KINDS)]
    start: Count
    stop: Count
    trigger: Text = ""
    corner: Text | None = None
    priority: Priority = 1.0
    verdict: Annotated[str, one_of(*VERDICTS)] = "unreviewed"
    outcome: Annotated[str, one_of(*OUTCOMES)] = "unclear"
    interrupted: bool | int = False
    trim_start: Count = 0
    trim_stop: Count = 0
    note: Text = ""
    tags: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()
    judged_by: Text | None = None
    judged_at: Time | None = None


@dataclass(slots=True)
class EpisodeData:
    """``n`` steps in a row and what is known about them."""

    observation: np.ndarray
    """(n, O) float32"""
    executed: np.ndarray
    """(n, A) float32"""
    reward: np.ndarray
    """(n,)"""
    proposed: np.ndarray | None = None
    """(n, A); the executed action by default"""
    driver: np.ndarray | int = AGENT
    """(n,) or one for all"""
    terminated: np.ndarray | bool = False
    truncated: np.ndarray | bool = False
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    """Any of ``STEP_MEASURES``: (n,), NaN where not known"""
    checkpoint_id: np.ndarray | int | None = None
    """(n,), -1 where none"""
    last_observation: np.ndarray | None = None
    """(O,) what followed the last step"""
    purpose: str = "drive"
    end: str = "terminated"
    reason: str | None = None
    seed: int | None = None
    started: str | None = None
    ended: str | None = None
    origin: str | None = None
    """Where it came from; an origin is stored once only."""
    segments: list[SegmentData] = field(default_factory=list)
    lap_s: float | None = None
    """The time of its lap in seconds, where it was finished and that is known."""
    first_t: int = 0
    """``t`` of the first step here: not 0 when earlier ones were pruned or only a part was taken"""

    def __len__(self) -> int:
        return len(self.reward)


def _blobs(values: np.ndarray) -> list[bytes]:
    """Cut an (n, width) array into n pieces of bytes."""
    data = np.ascontiguousarray(values, np.dtype("<f4"))
    whole, width = data.tobytes(), data.shape[1] * 4
    return [whole[i : i + width] for i in range(0, len(whole), width)] if width else [b""] * len(data)


def _column(values: Any, count: int, kind: Any = np.int64) -> list[Any]:
    return [None] * count if values is None else np.broadcast_to(np.asarray(values, kind), (count,)).tolist()


def step_rows(episode_id: int, data: EpisodeData) -> Iterable[tuple[Any, ...]]:
    """Return rows for ``INSERT_STEP``."""
    n = len(data)
    reward = np.nan_to_num(np.asarray(data.reward, np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    observations, executed = _blobs(data.observation), _blobs(data.executed)
    proposed = executed if data.proposed is None else _blobs(data.proposed)
    checkpoints = [None if c is None or c < 0 else c for c in _column(data.checkpoint_id, n)]
    return zip(
        [episode_id] * n,
        range(data.first_t, data.first_t + n),
        _column(data.driver, n),
        reward.tolist(),
        _column(data.terminated, n),
        _column(data.truncated, n),
        *(_column(data.columns.get(name), n, np.float64) for name in STEP_MEASURES),
        checkpoints,
        observations,
        executed,
        proposed,
        strict=True,
    )


class EpisodeWriter:
    """Writes whole episodes of one session, many in a transaction; each episode is stored whole or not at all.

    Use as a context manager: leaving it commits what is left, an exception takes back the episodes since the last commit.
    """

    def __init__(self, conn: sqlite3.Connection, session_id: int, commit_steps: int = 100_000) -> None:
        self.conn, self.session_id, self._commit_steps = conn, session_id, commit_steps
        self._pending = 0

    def __enter__(self) -> EpisodeWriter:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if self.conn.in_transaction:
            self.conn.execute("ROLLBACK" if kind else "COMMIT")

    def commit(self) -> None:
        """Commit the episodes added so far."""
        if self.conn.in_transaction:
            self.conn.execute("COMMIT")
        self._pending = 0

    def add(self, data: EpisodeData) -> int | None:
        """Write one episode and return its id; None when one of the same origin is there already."""
        if not self.conn.in_transaction:
            self.conn.execute("BEGIN IMMEDIATE")
        execute = self.conn.execute
        if data.origin and execute("SELECT 1 FROM episodes WHERE origin = ?", (data.origin,)).fetchone():
            return None
        n, started = len(data), data.started or now()
        last = None if data.last_observation is None else np.asarray(data.last_observation, "<f4").tobytes()
        progress = data.columns.get("progress")
        far = None if progress is None or np.isnan(progress).all() else float(np.nanmax(progress))
        episode_id = execute(
            "INSERT INTO episodes (session_id, number, purpose, seed, started, ended, \"end\", reason, length, \"return\", "
            "max_progress, last_observation, origin) VALUES (?1, (SELECT coalesce(max(number), -1) + 1 FROM episodes WHERE "
            "session_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            (
                self.session_id, data.purpose, data.seed, started, data.ended or started, data.end, data.reason,
                data.first_t + n, float(np.nansum(data.reward)), far, last, data.origin,
            ),
        ).lastrowid  # fmt: skip
        assert episode_id is not None
        self.conn.executemany(INSERT_STEP, step_rows(episode_id, data))
        for segment in data.segments:
            self._add_segment(episode_id, segment, started)
        if data.lap_s is not None and data.reason == "finish":
            self._add_lap_time(episode_id, data.lap_s, started)
        self._pending += n
        if self._pending >= self._commit_steps:
            self.commit()
        return episode_id

    def _add_lap_time(self, episode_id: int, lap_s: float, at: str) -> None:
        (number,) = self.conn.execute("SELECT number FROM episodes WHERE id = ?", (episode_id,)).fetchone()
        kind, message, level, known = lap_times.noted(number, lap_s)
        self.conn.execute(
            "INSERT INTO events (session_id, at, level, kind, message, data) VALUES (?, ?, ?, ?, ?, ?)",
            (self.session_id, at, level, kind, message, json.dumps(known)),
        )

    def _add_segment(self, episode_id: int, segment: SegmentData, started: str) -> None:
        row = self.conn.execute(
            "INSERT INTO segments (session_id, number, episode_id, kind, start, stop, \"trigger\", corner, priority, verdict, "
            "outcome, interrupted, trim_start, trim_stop, note, judged_by, judged_at, started) VALUES (?1, (SELECT "
            "coalesce(max(number), -1) + 1 FROM segments WHERE session_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
            "?12, ?13, ?14, ?15, ?16, ?17)",
            (
                self.session_id, episode_id, segment.kind, segment.start, segment.stop, segment.trigger, segment.corner,
                segment.priority, segment.verdict, segment.outcome, int(segment.interrupted), segment.trim_start,
                segment.trim_stop, segment.note, segment.judged_by, segment.judged_at, started,
            ),
        ).lastrowid  # fmt: skip
        self.conn.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(row, tag) for tag in segment.tags])


@readable_rows()
def read_episode(
    conn: sqlite3.Connection, episode_id: int, start: int = 0, stop: int | None = None
) -> EpisodeData | None:
    """Read the steps ``[start, stop)`` of an episode with the segments that lie inside; None when there are none.

    ``last_observation`` is what followed the last step taken, also when that is not the episode's last.
    """
    with transaction(conn, "DEFERRED"):
        head = conn.execute(
            'SELECT purpose, "end", reason, seed, started, ended, origin, last_observation, session_id, number FROM episodes '
            "WHERE id = ?",
            (episode_id,),
        ).fetchone()
        span = (episode_id, start, 2**60 if stop is None else stop)
        steps = read_columns(conn, "episode_id = ? AND t >= ? AND t < ?", span)
        t = steps.pop("t")
        if head is None or not len(t):
            return None
        first, after = int(t[0]), int(t[-1]) + 1
        following = conn.execute("SELECT observation FROM steps WHERE episode_id = ? AND t = ?", (episode_id, after)).fetchone()
        segments = list(_segments(conn, episode_id, first, after))
        *head, session_id, number = head
        lap_s = lap_times.known(conn, [session_id]).get((session_id, number))
    purpose, ended_as, reason, seed, started, ended, origin, last = head
    if following is not None:
        last, ended_as, reason = following[0], "interrupted", "part"
    return EpisodeData(
        columns={name: steps.pop(name) for name in STEP_MEASURES}, **steps,
        last_observation=None if last is None else np.frombuffer(last, "<f4"),
        purpose=purpose, end=ended_as or "interrupted", reason=reason, seed=seed, started=started, ended=ended, origin=origin,
        segments=segments, first_t=first, lap_s=lap_s if reason == "finish" else None,
    )  # fmt: skip


def _segments(conn: sqlite3.Connection, episode_id: int, first: int, stop: int) -> Iterator[SegmentData]:
    rows: Sequence[tuple[Any, ...]] = conn.execute(
        'SELECT kind, start, stop, "trigger", corner, priority, verdict, outcome, interrupted, trim_start, trim_stop, note, '
        "judged_by, judged_at, (SELECT group_concat(tag, char(31)) FROM tags WHERE segment_id = segments.id) FROM segments "
        "WHERE episode_id = ? AND stop IS NOT NULL AND start >= ? AND stop <= ? ORDER BY id",
        (episode_id, first, stop),
    ).fetchall()
    for *values, by, at, tags in rows:
        segment = SegmentData(*values)
        segment.interrupted = bool(segment.interrupted)
        segment.tags, segment.judged_by, segment.judged_at = tuple(sorted(tags.split("\x1f"))) if tags else (), by, at
        yield segment


def takeovers(driver: np.ndarray) -> list[tuple[int, int]]:
    """Return ``[start, stop)`` of every run of human steps in ``driver`` (n,)."""
    return stretches(np.asarray(driver) == HUMAN)
