"""Segments: finding them, and which of them count."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from data.demos import MOVED, DemoRule
from data.reading.drives import sessions_of
from data.reading.new_steps import Layout
from data.reading.schema_check import readable_rows
from data.records import ROADLESS, Segment, SegmentRecord
from data.tables.checkpoints import newest_settings
from data.tables.driven import in_time

_SELECT = f"""
SELECT g.id, g.session_id, g.episode_id, g.kind, g."trigger", g.corner, g.start, coalesce(g.stop, g.start),
       g.trim_start, g.trim_stop,
       max(0, coalesce(g.stop, (SELECT max(t) + 1 FROM steps WHERE episode_id = g.episode_id), g.start)
           - g.start - g.trim_start - g.trim_stop) / s.hz AS seconds,
       g.priority, g.verdict, g.outcome, g.interrupted, g.stop IS NOT NULL, g.note,
       (SELECT json_group_array(tag) FROM (SELECT tag FROM tags WHERE segment_id = g.id ORDER BY tag)),
       g.judged_by, g.judged_at, g.started, s.env, s.track, s.hz, s.driver, e.purpose,
       (SELECT progress FROM steps WHERE episode_id = g.episode_id AND t = g.start + g.trim_start),
       (SELECT progress FROM steps WHERE episode_id = g.episode_id AND t = g.stop - g.trim_stop - 1),
       {MOVED}
FROM segments g JOIN episodes e ON e.id = g.episode_id JOIN sessions s ON s.id = g.session_id
"""


_RECORD = f"""
SELECT g.id, g.episode_id, g.kind, g.start, coalesce(g.stop, g.start), g.trim_start, g.trim_stop, g.verdict, g.priority,
       g.outcome, g.stop IS NOT NULL, s.hz, {MOVED}, g."trigger", s.env, g.revision
FROM segments g JOIN sessions s ON s.id = g.session_id WHERE g.revision > ? ORDER BY g.revision
"""


def changed(conn: sqlite3.Connection, revision: int = 0) -> list[tuple[SegmentRecord, int]]:
    """Return what a learner needs of the segments that are new or changed since a revision, each with its own revision."""
    found = []
    for *values, new in conn.execute(_RECORD, (revision,)):
        values[10], values[14] = bool(values[10]), str(values[14]).startswith(ROADLESS)
        found.append((SegmentRecord(*values), new))
    return found


def _segment(row: Sequence[Any]) -> Segment:
    values = list(row)
    values[14], values[15] = bool(values[14]), bool(values[15])
    values[17] = tuple(json.loads(values[17]))
    return Segment(*values)


class SegmentTables:
    """What an open store says of its segments."""

    conn: sqlite3.Connection

    @readable_rows()
    def segments(
        self,
        corner: str | None = None,
        verdict: str | Sequence[str] | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        session: int | None = None,
        min_seconds: float | None = None,
        max_seconds: float | None = None,
        *,
        ids: Iterable[int] | None = None,
        numbers: Iterable[int] | None = None,
        outcome: str | None = None,
        tag: str | None = None,
        track: str | None = None,
        episode: int | None = None,
    ) -> list[Segment]:
        """Return the segments that meet every condition given, oldest first.

        ``since`` and ``until``: ISO dates (UTC); ``numbers``: as their session counts them; ``session``, ``episode``: ids.
        """

        def among(given: Iterable[int | str] | None) -> str | None:
            return None if given is None else json.dumps(list(given))

        conditions: dict[str, object] = {
            "g.id IN (SELECT value FROM json_each(?))": among(ids),
            "g.number IN (SELECT value FROM json_each(?))": among(numbers),
            "g.verdict IN (SELECT value FROM json_each(?))": among([verdict] if isinstance(verdict, str) else verdict),
            "g.corner = ?": corner, "g.kind = ?": kind, "g.outcome = ?": outcome, "s.track = ?": track,
            "g.session_id = ?": session, "g.episode_id = ?": episode, "g.started >= ?": since, "g.started < ?": until,
            "g.id IN (SELECT segment_id FROM tags WHERE tag = ?)": tag,
            "seconds >= ?": min_seconds, "seconds <= ?": max_seconds,
        }  # fmt: skip
        wanted = {condition: value for condition, value in conditions.items() if value is not None}
        sql = f"{_SELECT} WHERE {' AND '.join(wanted) or '1'} ORDER BY {in_time('g')}"
        return [_segment(row) for row in self.conn.execute(sql, tuple(wanted.values()))]

    def takeovers_that_show(self) -> tuple[list[Segment], int]:
        """Return all takeovers that show something, and how many more show nothing (`DemoRule.takeovers`).

        Those of a drive that was imported again in another layout (its origin has a # then) are not among them.
        """
        again = {number for (number,) in self.conn.execute("SELECT id FROM episodes WHERE instr(origin, '#')")}
        return self.rule().takeovers(s for s in self.segments(kind="takeover") if s.episode_id not in again)

    @readable_rows()
    def rule(self) -> DemoRule:
        """Return what counts as a demo here: by the settings in the trainer's newest checkpoint, else the usual ones."""
        settings, updates = newest_settings(self.conn)
        return DemoRule.of(settings if isinstance(settings, dict) else {}, begins=not updates)

    def count_laps(self, layout: Layout) -> tuple[int, int]:
        """Return how many laps count as demos, and how many there are, of those who see and do what ``layout`` names."""
        here, rule = sessions_of(self.conn, layout), self.rule()
        laps = [s for s in self.segments(kind="lap") if s.session_id in here]
        return sum(rule.judge(s).counts for s in laps), len(laps)

    def corners_named(self) -> list[tuple[str, str]]:
        """Return each (track, corner) that a segment names."""
        return self.conn.execute(
            "SELECT DISTINCT s.track, g.corner FROM segments g JOIN sessions s ON s.id = g.session_id "
            "WHERE g.corner IS NOT NULL ORDER BY 1, 2"
        ).fetchall()

    def tags(self) -> list[str]:
        """Return the tags that segments have, by name."""
        return [tag for (tag,) in self.conn.execute("SELECT DISTINCT tag FROM tags ORDER BY 1")]
