"""What people decide about segments: verdict, priority, tags, note and trim. Each review is kept, so it can be undone."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable
from typing import Any

from data.connect import now, transaction
from data.errors import UsageError, shown
from data.records import VERDICTS
from data.words import number_of

_REVIEWED = ("verdict", "priority", "note", "trim_start", "trim_stop", "judged_by", "judged_at")


class Judgements:
    """The reviews of an open store's segments (its table `judgements`)."""

    conn: sqlite3.Connection

    def label(
        self,
        ids: Iterable[int],
        verdict: str | None = None,
        priority: float | None = None,
        tags_add: Iterable[str] = (),
        tags_remove: Iterable[str] = (),
        note: str | None = None,
        trim: tuple[int, int] | None = None,
        trim_seconds: tuple[float, float] | None = None,
        by: str = "player",
    ) -> int:
        """Review segments, all or none, in one step for :func:`undo`; returns how many changed.

        ``trim``: steps moved inward at the start and at the end (0, 0 for none), ``trim_seconds`` the same in seconds; no
        step is deleted. Raises UsageError for an unknown segment, an unknown verdict, a priority that is negative or not
        finite, or a trim that leaves nothing.
        """
        if verdict is not None and verdict not in VERDICTS:
            raise UsageError(f"'{verdict}' is not a verdict: use one of {', '.join(VERDICTS)}.")
        if priority is not None and (isinstance(priority, str) or not 0.0 <= priority < float("inf")):
            raise UsageError(f"A priority is a number from 0 up, not {shown(priority)}.")
        if note is not None and not isinstance(note, str):
            raise UsageError(f"A note is a text, not {shown(repr(note))}.")
        add, remove = _tags(tags_add) - {""}, _tags(tags_remove)
        changed = 0
        with transaction(self.conn):
            batch, at = _next_batch(self.conn), now()
            for segment_id in _wanted(self.conn, ids):
                before = review_state(self.conn, segment_id)
                after = dict(before)
                if verdict is not None:
                    after["verdict"] = verdict
                if priority is not None:
                    after["priority"] = float(priority)
                if note is not None:
                    after["note"] = note
                if trim is not None or trim_seconds is not None:
                    after["trim_start"], after["trim_stop"] = _checked_trim(self.conn, segment_id, trim, trim_seconds)
                after["tags"] = sorted((set(before["tags"]) | add) - remove)
                if after == before:
                    continue
                after["judged_by"], after["judged_at"] = by, at
                changed += write_review(self.conn, segment_id, after, by, at, batch)
        return changed

    def undo(self, ids: Iterable[int] | None = None) -> list[int]:
        """Undo the last review (of all, or the last one of each of ``ids``); returns the segments concerned.

        Undone reviews stay in the history, marked as undone; calling again undoes the one before.
        """
        with transaction(self.conn):
            if ids is None:
                rows = self.conn.execute(
                    "SELECT id, segment_id, before FROM judgements WHERE undone IS NULL AND batch = "
                    "(SELECT max(batch) FROM judgements WHERE undone IS NULL)"
                ).fetchall()
            else:
                rows = self.conn.execute(
                    "SELECT id, segment_id, before FROM judgements WHERE id IN (SELECT max(id) FROM judgements WHERE "
                    "undone IS NULL AND segment_id IN (SELECT value FROM json_each(?)) GROUP BY segment_id)",
                    (json.dumps(_wanted(self.conn, ids)),),
                ).fetchall()
            for review, segment_id, before in rows:
                _set_state(self.conn, segment_id, json.loads(before))
                self.conn.execute("UPDATE judgements SET undone = ? WHERE id = ?", (now(), review))
        return [row[1] for row in rows]


# -- on a bare connection: for recorders, importers and other machines


def review_state(conn: sqlite3.Connection, segment_id: int, schema: str = "main") -> dict[str, Any]:
    """Return all that a review of a segment can change. ``schema``: "main", or what another store was attached as."""
    row = conn.execute(f"SELECT {', '.join(_REVIEWED)} FROM {schema}.segments WHERE id = ?", (segment_id,)).fetchone()
    tags = [
        t for (t,) in conn.execute(f"SELECT tag FROM {schema}.tags WHERE segment_id = ? ORDER BY tag", (segment_id,))
    ]
    return dict(zip(_REVIEWED, row, strict=True)) | {"tags": tags}


def _set_state(conn: sqlite3.Connection, segment_id: int, state: dict[str, Any]) -> None:
    conn.execute(
        f"UPDATE segments SET {', '.join(f'{name} = ?' for name in _REVIEWED)} WHERE id = ?",
        (*(state[name] for name in _REVIEWED), segment_id),
    )
    conn.execute("DELETE FROM tags WHERE segment_id = ?", (segment_id,))
    conn.executemany("INSERT INTO tags (segment_id, tag) VALUES (?, ?)", [(segment_id, tag) for tag in state["tags"]])


def _tags(given: Iterable[str]) -> set[str]:
    """Return tags without blanks around them; a text alone is one tag. Raises UsageError."""
    try:
        return {tag.strip() for tag in ([given] if isinstance(given, str) else given)}
    except (TypeError, AttributeError):
        raise UsageError(f"Tags are a list of texts, for example ['exit', 'late'], not {shown(repr(given))}.") from None


def _wanted(conn: sqlite3.Connection, ids: Iterable[int]) -> list[int]:
    try:
        wanted = list(dict.fromkeys(int(i) for i in ids))
    except (TypeError, ValueError, OverflowError):
        raise UsageError(
            f"Segments are named by a list of their ids, for example [3, 4] or [takeover.id], not {shown(repr(ids))}."
        ) from None
    found = conn.execute("SELECT id FROM segments WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(wanted),))
    known = {id_ for (id_,) in found}
    if missing := [id_ for id_ in wanted if id_ not in known]:
        raise UsageError(
            f"There is no segment {', '.join(map(str, missing))}: `hitl segments` lists them; nothing was changed."
        )
    return wanted


def _next_batch(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT coalesce(max(batch), 0) + 1 FROM judgements").fetchone()[0])


def write_review(
    conn: sqlite3.Connection, segment_id: int, after: dict[str, Any], by: str, at: str, batch: int | None = None
) -> bool:
    """Replace a segment's review, in one step for :func:`undo`; tells whether that changes anything.

    ``batch``: what is undone together; by default it is undone alone.
    """
    before = review_state(conn, segment_id)
    if before == after:
        return False
    batch = batch or _next_batch(conn)
    _set_state(conn, segment_id, after)
    conn.execute(
        "INSERT INTO judgements (batch, segment_id, at, by, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        (batch, segment_id, at, by, json.dumps(before), json.dumps(after)),
    )
    return True


def last_review(conn: sqlite3.Connection, session_id: int, number: int) -> tuple[dict[str, Any], str] | None:
    """Return the review of a segment (by its number in a session), and when it last changed, undoing included.

    None when the segment was never reviewed.
    """
    segment_id, at = conn.execute(
        "SELECT g.id, (SELECT max(max(at, coalesce(undone, ''))) FROM judgements WHERE segment_id = g.id) FROM segments g "
        "WHERE session_id = ? AND number = ?",
        (session_id, number),
    ).fetchone()
    return None if at is None else (review_state(conn, segment_id), str(at))


def accept_review(conn: sqlite3.Connection, session_id: int, number: int, state: dict[str, Any], at: str) -> bool:
    """Accept a review from another machine, unless there is a later one here; tells whether anything changed.

    Accepting the same twice does no harm. Raises KeyError for a malformed review or an unknown segment.
    """
    row = conn.execute(
        "SELECT id, start, stop FROM segments WHERE session_id = ? AND number = ?", (session_id, number)
    ).fetchone()
    if row is None:
        raise KeyError(f"segment {number} is not in the store")
    segment_id, start, stop = row
    if not _well_formed(state, start, stop) or not isinstance(at, str):
        raise KeyError(f"the review of segment {number} is malformed")
    here = last_review(conn, session_id, number)
    if here is not None and here[1] >= at:
        return False
    after = {name: state[name] for name in _REVIEWED} | {"tags": sorted(state["tags"])}
    return write_review(conn, segment_id, after, state["judged_by"] or "player", at)


def _well_formed(state: Any, start: int, stop: int | None) -> bool:
    """Tell whether a review from another machine has every value, each within its range."""
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


def _pair(given: tuple[float, float], unit: str) -> tuple[float, float]:
    """Return both numbers of a trim. Raises UsageError."""
    try:
        first, last = map(float, given)
        if math.isfinite(first) and math.isfinite(last):
            return first, last
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"A trim is two numbers of {unit}, for example (2, 3), not {shown(repr(given))}.")


def _checked_trim(
    conn: sqlite3.Connection, segment_id: int, steps: tuple[int, int] | None, seconds: tuple[float, float] | None
) -> tuple[int, int]:
    """Return a trim in steps, given in steps or in seconds. Raises UsageError."""
    start, stop, hz = conn.execute(
        "SELECT g.start, g.stop, s.hz FROM segments g JOIN sessions s ON s.id = g.session_id WHERE g.id = ?",
        (segment_id,),
    ).fetchone()
    if seconds is not None:
        before, after = _pair(seconds, "seconds")
        steps = round(before * hz), round(after * hz)
    first, last = map(int, _pair(steps or (0, 0), "steps"))
    if stop is None:
        raise UsageError(f"Segment {segment_id} is still being recorded and cannot be trimmed yet.")
    if first < 0 or last < 0 or first + last >= stop - start:
        raise UsageError(
            f"Segment {segment_id} has {number_of(stop - start, 'step')}: a trim of {first} and {number_of(last, 'step')} leaves "
            "nothing (label it bad "
            "instead)."
        )
    return first, last
