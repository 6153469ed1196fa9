"""Finding segments again, and judging them: verdict, priority, tags, note and trim, each judgement kept so that it can
be undone."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from data.connect import now, transaction
from data.demos import MOVED, Rule
from data.errors import UsageError
from data.reading.layout_check import readable_rows
from data.records import VERDICTS, Segment, SegmentRecord

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
_JUDGED = ("verdict", "priority", "note", "trim_start", "trim_stop", "judged_by", "judged_at")


_RECORD = f"""
SELECT g.id, g.episode_id, g.kind, g.start, coalesce(g.stop, g.start), g.trim_start, g.trim_stop, g.verdict, g.priority,
       g.outcome, g.stop IS NOT NULL, s.hz, {MOVED}, g.revision
FROM segments g JOIN sessions s ON s.id = g.session_id WHERE g.revision > ? ORDER BY g.revision
"""


def changed(conn: sqlite3.Connection, revision: int = 0) -> list[tuple[SegmentRecord, int]]:
    """Return what a learner needs of the segments that are new or changed since a revision, each with its own revision."""
    found = []
    for *values, new in conn.execute(_RECORD, (revision,)):
        values[10] = bool(values[10])
        found.append((SegmentRecord(*values), new))
    return found


def _segment(row: Sequence[Any]) -> Segment:
    values = list(row)
    values[14], values[15] = bool(values[14]), bool(values[15])
    values[17] = tuple(json.loads(values[17]))
    return Segment(*values)


@readable_rows()
def find(
    conn: sqlite3.Connection,
    *,
    ids: Iterable[int] | None = None,
    corner: str | None = None,
    verdict: str | Sequence[str] | None = None,
    kind: str | None = None,
    outcome: str | None = None,
    tag: str | None = None,
    track: str | None = None,
    since: str | None = None,
    until: str | None = None,
    session: int | None = None,
    episode: int | None = None,
    min_seconds: float | None = None,
    max_seconds: float | None = None,
) -> list[Segment]:
    """Return the segments that meet every condition given, oldest first; ``since`` and ``until`` are ISO dates
    (UTC)."""
    where: list[str] = []
    values: list[Any] = []

    def need(condition: str, *given: Any) -> None:
        where.append(condition)
        values.extend(given)

    if ids is not None:
        need("g.id IN (SELECT value FROM json_each(?))", json.dumps(list(ids)))
    if verdict is not None:
        need(
            "g.verdict IN (SELECT value FROM json_each(?))",
            json.dumps([verdict] if isinstance(verdict, str) else list(verdict)),
        )
    equal = {
        "g.corner": corner, "g.kind": kind, "g.outcome": outcome, "s.track": track, "g.session_id": session,
        "g.episode_id": episode,
    }  # fmt: skip
    for column, value in equal.items():
        if value is not None:
            need(f"{column} = ?", value)
    if tag is not None:
        need("g.id IN (SELECT segment_id FROM tags WHERE tag = ?)", tag)
    if since is not None:
        need("g.started >= ?", since)
    if until is not None:
        need("g.started < ?", until)
    if min_seconds is not None:
        need("seconds >= ?", min_seconds)
    if max_seconds is not None:
        need("seconds <= ?", max_seconds)
    sql = _SELECT + (f" WHERE {' AND '.join(where)}" if where else "") + " ORDER BY g.id"
    return [_segment(row) for row in conn.execute(sql, values)]


@readable_rows()
def rule(conn: sqlite3.Connection) -> Rule:
    """Return what counts as a demo in this store: by the settings in the trainer's newest checkpoint, else the usual ones."""
    row = conn.execute("SELECT config FROM checkpoints WHERE kind = 'train' ORDER BY id DESC LIMIT 1").fetchone()
    settings = json.loads(row[0]) if row else {}
    return Rule.of(settings if isinstance(settings, dict) else {})


def counting(conn: sqlite3.Connection, **where: Any) -> list[Segment]:
    """Return the segments that count as demos among those that :func:`find` finds."""
    said = rule(conn)
    return [s for s in find(conn, **where) if said.judge(s).counts]


def _state(conn: sqlite3.Connection, segment_id: int) -> dict[str, Any]:
    row = conn.execute(f"SELECT {', '.join(_JUDGED)} FROM segments WHERE id = ?", (segment_id,)).fetchone()
    tags = [tag for (tag,) in conn.execute("SELECT tag FROM tags WHERE segment_id = ? ORDER BY tag", (segment_id,))]
    return dict(zip(_JUDGED, row, strict=True)) | {"tags": tags}


def _set_state(conn: sqlite3.Connection, segment_id: int, state: dict[str, Any]) -> None:
    conn.execute(
        f"UPDATE segments SET {', '.join(f'{name} = ?' for name in _JUDGED)} WHERE id = ?",
        (*(state[name] for name in _JUDGED), segment_id),
    )
    conn.execute("DELETE FROM tags WHERE segment_id = ?", (segment_id,))
    conn.executemany("INSERT INTO tags (segment_id, tag) VALUES (?, ?)", [(segment_id, tag) for tag in state["tags"]])


def _wanted(conn: sqlite3.Connection, ids: Iterable[int]) -> list[int]:
    wanted = list(dict.fromkeys(int(i) for i in ids))
    known = {
        i
        for (i,) in conn.execute(
            "SELECT id FROM segments WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(wanted),)
        )
    }
    missing = [i for i in wanted if i not in known]
    if missing:
        raise UsageError(
            f"There is no segment {', '.join(map(str, missing))}: `hitl segments` lists them; nothing was changed."
        )
    return wanted


def label(
    conn: sqlite3.Connection,
    ids: Iterable[int],
    *,
    verdict: str | None = None,
    priority: float | None = None,
    tags_add: Iterable[str] = (),
    tags_remove: Iterable[str] = (),
    note: str | None = None,
    trim: tuple[int, int] | None = None,
    trim_seconds: tuple[float, float] | None = None,
    by: str = "player",
) -> int:
    """Judge segments, all or none, as one judgement that :func:`undo` takes back; returns how many changed.

    ``trim``: steps moved inward at the start and at the end (0, 0 for none), ``trim_seconds`` the same in seconds; no
    step is deleted. Raises UsageError for an unknown segment, an unknown verdict, a priority that is negative or not
    finite, or a trim that leaves nothing.
    """
    if verdict is not None and verdict not in VERDICTS:
        raise UsageError(f"'{verdict}' is no verdict: use one of {', '.join(VERDICTS)}.")
    if priority is not None and not 0.0 <= priority < float("inf"):
        raise UsageError(f"A priority is a number from 0 up, not {priority}.")
    add, remove = {t.strip() for t in tags_add} - {""}, {t.strip() for t in tags_remove}
    changed = 0
    with transaction(conn):
        batch, at = _next_batch(conn), now()
        for segment_id in _wanted(conn, ids):
            before = _state(conn, segment_id)
            after = dict(before)
            if verdict is not None:
                after["verdict"] = verdict
            if priority is not None:
                after["priority"] = float(priority)
            if note is not None:
                after["note"] = note
            if trim_seconds is not None:
                trim = _in_steps(conn, segment_id, trim_seconds)
            if trim is not None:
                after["trim_start"], after["trim_stop"] = _checked_trim(conn, segment_id, trim)
            after["tags"] = sorted((set(before["tags"]) | add) - remove)
            if after == before:
                continue
            after["judged_by"], after["judged_at"] = by, at
            _judge(conn, segment_id, before, after, by, at, batch)
            changed += 1
    return changed


def _next_batch(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT coalesce(max(batch), 0) + 1 FROM judgements").fetchone()[0])


def _judge(
    conn: sqlite3.Connection,
    segment_id: int,
    before: dict[str, Any],
    after: dict[str, Any],
    by: str,
    at: str,
    batch: int,
) -> None:
    _set_state(conn, segment_id, after)
    conn.execute(
        "INSERT INTO judgements (batch, segment_id, at, by, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        (batch, segment_id, at, by, json.dumps(before), json.dumps(after)),
    )


def judge_as(conn: sqlite3.Connection, segment_id: int, state: dict[str, Any], by: str, at: str) -> None:
    """Take over a judgement made elsewhere, all of it at once; :func:`undo` takes it back."""
    before = _state(conn, segment_id)
    if before != state:
        _judge(conn, segment_id, before, state, by, at, _next_batch(conn))


def judgement(conn: sqlite3.Connection, session_id: int, number: int) -> tuple[dict[str, Any], str] | None:
    """Return how a segment (by its number in a session) is judged now, and when that was last changed, undoing included;
    None where it never was."""
    segment_id, at = conn.execute(
        "SELECT g.id, (SELECT max(max(at, coalesce(undone, ''))) FROM judgements WHERE segment_id = g.id) FROM segments g "
        "WHERE session_id = ? AND number = ?",
        (session_id, number),
    ).fetchone()
    return None if at is None else (_state(conn, segment_id), str(at))


def take_judgement(conn: sqlite3.Connection, session_id: int, number: int, state: dict[str, Any], at: str) -> bool:
    """Take over how another machine judges a segment, unless it was judged here later; tells whether anything changed.

    Taking the same twice does no harm. Raises KeyError for what is no judgement of a segment that is here.
    """
    row = conn.execute(
        "SELECT id, start, stop FROM segments WHERE session_id = ? AND number = ?", (session_id, number)
    ).fetchone()
    if row is None:
        raise KeyError(f"segment {number} is not in the store")
    segment_id, start, stop = row
    if not _sound(state, start, stop) or not isinstance(at, str):
        raise KeyError(f"what came as a judgement of segment {number} is none")
    here = judgement(conn, session_id, number)
    if here is not None and here[1] >= at:
        return False
    before = _state(conn, segment_id)
    after = {name: state[name] for name in (*_JUDGED, "tags")} | {"tags": sorted(state["tags"])}
    if before == after:
        return False
    _judge(conn, segment_id, before, after, state["judged_by"] or "player", at, _next_batch(conn))
    return True


def _sound(state: Any, start: int, stop: int | None) -> bool:
    """Tell whether a judgement from elsewhere is one."""
    try:
        first, last, tags = state["trim_start"], state["trim_stop"], state["tags"]
        return (
            state["verdict"] in VERDICTS
            and isinstance(state["priority"], float)
            and 0.0 <= state["priority"] < math.inf
            and isinstance(state["note"], str)
            and all(type(v) is int and v >= 0 for v in (first, last))
            and first + last < max(1, (start if stop is None else stop) - start)
            and all(isinstance(tag, str) for tag in tags)
            and all(state[name] is None or isinstance(state[name], str) for name in ("judged_by", "judged_at"))
        )
    except (TypeError, KeyError):
        return False


def _in_steps(conn: sqlite3.Connection, segment_id: int, seconds: tuple[float, float]) -> tuple[int, int]:
    (hz,) = conn.execute(
        "SELECT hz FROM sessions WHERE id = (SELECT session_id FROM segments WHERE id = ?)", (segment_id,)
    ).fetchone()
    if not all(math.isfinite(s) for s in seconds):
        raise UsageError("A trim is two numbers of seconds.")
    return round(seconds[0] * hz), round(seconds[1] * hz)


def _checked_trim(conn: sqlite3.Connection, segment_id: int, trim: tuple[int, int]) -> tuple[int, int]:
    start, stop = conn.execute("SELECT start, stop FROM segments WHERE id = ?", (segment_id,)).fetchone()
    first, last = int(trim[0]), int(trim[1])
    if stop is None:
        raise UsageError(f"Segment {segment_id} is still being recorded and cannot be trimmed yet.")
    if first < 0 or last < 0 or first + last >= stop - start:
        raise UsageError(
            f"Segment {segment_id} has {stop - start} steps: a trim of {first} and {last} steps leaves nothing (label "
            f"it bad instead)."
        )
    return first, last


def undo(conn: sqlite3.Connection, ids: Iterable[int] | None = None) -> list[int]:
    """Take back the last judgement (of all, or the last one of each of ``ids``); returns the segments concerned.

    Undone judgements stay in the history, marked as undone; calling again goes one further back.
    """
    with transaction(conn):
        if ids is None:
            rows = conn.execute(
                "SELECT id, segment_id, before FROM judgements WHERE undone IS NULL AND batch = "
                "(SELECT max(batch) FROM judgements WHERE undone IS NULL)"
            ).fetchall()
        else:
            rows = conn.execute(
                "SELECT id, segment_id, before FROM judgements WHERE id IN (SELECT max(id) FROM judgements WHERE "
                "undone IS NULL AND "
                "segment_id IN (SELECT value FROM json_each(?)) GROUP BY segment_id)",
                (json.dumps(_wanted(conn, ids)),),
            ).fetchall()
        for judgement, segment_id, before in rows:
            _set_state(conn, segment_id, json.loads(before))
            conn.execute("UPDATE judgements SET undone = ? WHERE id = ?", (now(), judgement))
    return [row[1] for row in rows]
