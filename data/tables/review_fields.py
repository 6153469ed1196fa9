"""A review, field by field: what it says, when each field was last set, and how reviews of two stores become one.

The fields: the verdict, the priority, the note, the trim of both ends, and each tag by itself. Of each the newest that someone
set holds, undoing included. That is the one rule for whatever comes from elsewhere: another store, a worker, a session that runs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REVIEWED = ("verdict", "priority", "note", "trim_start", "trim_stop", "judged_by", "judged_at")
MERGED = "merge"
"""Who reviews, where another store was imported."""
SET_AT = "set_at"
"""In a state that comes from elsewhere, and in the history of one that did: when each field was set there."""
TAKEN_BACK = "taken_back"
"""In a state that comes from elsewhere: for each field, when what was undone there had been set, and when it was undone."""
_ALONE = ("verdict", "priority", "note", "trim")
_TAG = "tag:"
_JUDGED = "judged"  # by whom and when: it follows from the others
_UNTOUCHED = {"verdict": "unreviewed", "priority": 1.0, "note": "", "trim": (0, 0), _JUDGED: (None, None)}

ReviewState = dict[str, Any]
When = dict[str, str]
"""When each field was last set (UTC, ISO 8601); one that no one set is missing."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A review that was undone."""

    segment: int
    by: str
    at: str
    """When it was given, or came from elsewhere; UTC, ISO 8601."""
    fields: Mapping[str, Any]
    """What it had set: ``verdict``, ``priority``, ``note``, ``trim`` (steps), ``tag:NAME`` (whether the tag was added)."""


class UndoStep:
    """Reviews that are undone together; their number is given with the first one."""

    def __init__(self) -> None:
        self.number: int | None = None

    def numbered(self, conn: sqlite3.Connection) -> int:
        """Return its number. Must be asked in the transaction that writes the review."""
        if self.number is None:
            self.number = next_batch(conn)
        return self.number


def next_batch(conn: sqlite3.Connection) -> int:
    """Return the number of a new step for undoing."""
    return int(conn.execute("SELECT coalesce(max(batch), 0) + 1 FROM judgements").fetchone()[0])


def review_state(conn: sqlite3.Connection, segment_id: int, schema: str = "main") -> ReviewState:
    """Return all that a review of a segment can change. ``schema``: "main", or what another store was attached as."""
    row = conn.execute(f"SELECT {', '.join(REVIEWED)} FROM {schema}.segments WHERE id = ?", (segment_id,)).fetchone()
    tags = [t for (t,) in conn.execute(f"SELECT tag FROM {schema}.tags WHERE segment_id = ? ORDER BY tag", (segment_id,))]
    return dict(zip(REVIEWED, row, strict=True)) | {"tags": tags}


def write_review(
    conn: sqlite3.Connection, segment_id: int, after: ReviewState, by: str, at: str, batch: int | None = None,
    when: When | None = None,
) -> bool:
    """Replace a segment's review, in one step for undoing; tells whether that changes anything.

    ``batch``: what is undone together; by default it is undone alone. ``when``: the fields that were set earlier than ``at``.
    """
    before = review_state(conn, segment_id)
    if before == after:
        return False
    _set_state(conn, segment_id, after)
    kept = after | {SET_AT: when} if when else after
    _add(conn, batch or next_batch(conn), segment_id, at, by, before, kept)
    return True


def keep_times(conn: sqlite3.Connection, segment_id: int, when: When, at: str) -> None:
    """Keep when the fields of a segment's review were set, where it came here whole: nothing that could be undone."""
    state = review_state(conn, segment_id)
    if when != _told(state):
        _add(conn, 0, segment_id, at, MERGED, state, state | {SET_AT: when})


def set_when(conn: sqlite3.Connection, segment_id: int, schema: str = "main") -> When:
    """Return when each field of a segment's review was last set, by whomever, undoing included."""
    rows = _history(conn, segment_id, schema)
    first = rows[0][3] if rows else review_state(conn, segment_id, schema)
    came_whole = bool(rows) and not _differing(first, rows[0][4])  # and it says of each field when that was set
    when: When = {} if came_whole else _told(first)

    def was_set(name: str, *times: str | None) -> None:
        when[name] = max(when.get(name, ""), *(time or "" for time in times))

    for _, at, by, before, after, undone in rows:
        told = {name: time for name, time in after.get(SET_AT, {}).items() if _is_field(name)}
        # Earlier versions took the whole review of another store over, as of when that was judged.
        at = after["judged_at"] or at if by == MERGED else at
        for name in _differing(before, after):
            if name != _JUDGED:
                was_set(name, told.get(name, at), undone)
        for name, time in told.items():
            was_set(name, time)
    return when


def take_in(
    conn: sqlite3.Connection, segment_id: int, state: ReviewState, when: When, by: str, at: str, step: UndoStep | None = None
) -> bool:
    """Take from another store's review each field that was set there later than here; tells whether anything changed.

    A trim that leaves nothing here is left out. ``step``: what it is undone with. What came here earlier and has been undone
    there since is undone here, too, so that no undoing brings it back.
    """
    changed = _take_later(conn, segment_id, state, when, by, at, step)
    if gone := state.get(TAKEN_BACK):
        _forget(conn, segment_id, gone)
    return changed


def _forget(conn: sqlite3.Connection, segment_id: int, gone: Mapping[str, When]) -> None:
    """Mark as undone what came here and was undone where it came from, unless that would change what is in force."""
    rows, here = _history(conn, segment_id, "main"), _parts(review_state(conn, segment_id))
    for k, (id_, given, by, before, after, undone) in enumerate(rows):
        told: When = after.get(SET_AT, {})
        names = [name for name in _differing(before, after) if name != _JUDGED]
        times = [gone.get(name, {}).get(told.get(name, ""), "") for name in names]
        if undone is not None or not times or not all(times):
            continue
        without = [*rows[:k], (id_, given, by, before, after, max(times)), *rows[k + 1 :]]
        if all(_in_force(without, name) == here.get(name, False) for name in names):
            conn.execute("UPDATE judgements SET undone = ? WHERE id = ?", (max(times), id_))
            rows = without


def taken_back(conn: sqlite3.Connection, segment_id: int, schema: str = "main") -> dict[str, When]:
    """Return what was undone of a segment's reviews, as ``TAKEN_BACK`` tells it."""
    found: dict[str, When] = {}
    for _, at, _, before, after, undone in _history(conn, segment_id, schema):
        for name in _differing(before, after):
            if undone is not None and name != _JUDGED:
                found.setdefault(name, {})[after.get(SET_AT, {}).get(name, at)] = undone
    return found


def _take_later(
    conn: sqlite3.Connection, segment_id: int, state: ReviewState, when: When, by: str, at: str, step: UndoStep | None
) -> bool:
    here, mine = review_state(conn, segment_id), set_when(conn, segment_id)
    ours, theirs = _parts(here), _parts(state)
    later = {name: time for name, time in when.items() if _is_field(name) and time > mine.get(name, "")}
    taken = {name: theirs.get(name, False) for name in later if theirs.get(name, False) != ours.get(name, False)}
    if "trim" in taken and not _fits(conn, segment_id, taken["trim"]):
        del taken["trim"]
    if not taken:
        return False
    merged = {name: value for name, value in (ours | taken).items() if value is not False}
    same = {**merged, _JUDGED: theirs[_JUDGED]} == theirs
    merged[_JUDGED] = theirs[_JUDGED] if same else max(ours[_JUDGED], theirs[_JUDGED], key=lambda judged: judged[1] or "")
    number = step.numbered(conn) if step is not None else None
    return write_review(conn, segment_id, _state(merged), by, at, number, {name: later[name] for name in taken})


def whole(state: ReviewState, here: ReviewState, at: str) -> When:
    """Return when the fields were set of a review that tells only when it was last changed: all of them then."""
    return {name: at for name in (*_parts(state), *_parts(here)) if _is_field(name)}


def take_back(conn: sqlite3.Connection, reviews: Iterable[int], at: str) -> list[Undone]:
    """Undo reviews by their ids: each field that one has set is again what the last one before says that was not undone.

    What someone set since then stays.
    """
    undone: list[Undone] = []
    for review in reviews:
        segment_id, by, given, before, after = conn.execute(
            "SELECT segment_id, by, at, before, after FROM judgements WHERE id = ?", (review,)
        ).fetchone()
        conn.execute("UPDATE judgements SET undone = ? WHERE id = ?", (at, review))
        names = _differing(json.loads(before), json.loads(after))
        rows = _history(conn, segment_id, "main")
        now = _parts(review_state(conn, segment_id))
        for name in names:
            now[name] = _in_force(rows, name)
        _set_state(conn, segment_id, _state({name: value for name, value in now.items() if value is not False}))
        new = _parts(json.loads(after))
        undone.append(Undone(segment_id, by, given, {name: new.get(name, False) for name in names if name != _JUDGED}))
    return undone


# -- inside

_Row = tuple[int, str, str, ReviewState, ReviewState, str | None]


def _history(conn: sqlite3.Connection, segment_id: int, schema: str) -> list[_Row]:
    """Return (id, at, by, before, after, undone) of a segment's reviews, oldest first, without another store's malformed ones."""
    rows: list[_Row] = []
    reviews = "SELECT id, at, by, before, after, undone FROM main.judgements WHERE segment_id = ? ORDER BY id"
    for id_, at, by, before, after, undone in conn.execute(reviews.replace("main", schema), (segment_id,)):
        try:
            old, new = json.loads(before), json.loads(after)
            _differing(old, new)
            times = *new.get(SET_AT, {}).values(), new["judged_at"] or "", old["judged_at"] or ""
            if not all(isinstance(time, str) for time in times):
                continue
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        rows.append((id_, at, by, old, new, undone))
    return rows


def _in_force(rows: list[_Row], name: str) -> Any:
    """Return what a field is by a segment's history."""
    value, first = None, True
    for _, _, _, before, after, undone in rows:
        if name in _differing(before, after):
            if first:
                value, first = _parts(before).get(name, False), False
            if undone is None:
                value = _parts(after).get(name, False)
    return value


def _told(state: ReviewState) -> When:
    """Return when fields were set, as far as a state tells that has no history."""
    at = state["judged_at"]
    parts = _parts(state)
    return {name: at for name in parts if _is_field(name) and parts[name] != _UNTOUCHED.get(name)} if at else {}


def _is_field(name: str) -> bool:
    return name in _ALONE or name.startswith(_TAG)


def _parts(state: ReviewState) -> dict[str, Any]:
    """Return the fields of a state; a tag that it does not have is not among them."""
    alone = {
        "verdict": state["verdict"], "priority": state["priority"], "note": state["note"],
        "trim": (state["trim_start"], state["trim_stop"]), _JUDGED: (state["judged_by"], state["judged_at"]),
    }  # fmt: skip
    return alone | {f"{_TAG}{tag}": True for tag in state["tags"]}


def _state(parts: Mapping[str, Any]) -> ReviewState:
    (first, last), (by, at) = parts["trim"], parts[_JUDGED]
    tags = sorted(name.removeprefix(_TAG) for name in parts if name.startswith(_TAG))
    return {
        "verdict": parts["verdict"], "priority": parts["priority"], "note": parts["note"], "trim_start": first,
        "trim_stop": last, "judged_by": by, "judged_at": at, "tags": tags,
    }  # fmt: skip


def _differing(before: ReviewState, after: ReviewState) -> list[str]:
    """Return the fields in which two states differ."""
    old, new = _parts(before), _parts(after)
    return [name for name in {**old, **new} if old.get(name, False) != new.get(name, False)]


def _fits(conn: sqlite3.Connection, segment_id: int, trim: tuple[int, int]) -> bool:
    start, stop = conn.execute("SELECT start, coalesce(stop, start) FROM segments WHERE id = ?", (segment_id,)).fetchone()
    return sum(trim) < max(1, stop - start)


def _set_state(conn: sqlite3.Connection, segment_id: int, state: ReviewState) -> None:
    conn.execute(
        f"UPDATE segments SET {', '.join(f'{name} = ?' for name in REVIEWED)} WHERE id = ?",
        (*(state[name] for name in REVIEWED), segment_id),
    )
    conn.execute("DELETE FROM tags WHERE segment_id = ?", (segment_id,))
    conn.executemany("INSERT INTO tags (segment_id, tag) VALUES (?, ?)", [(segment_id, tag) for tag in state["tags"]])


def _add(
    conn: sqlite3.Connection, batch: int, segment_id: int, at: str, by: str, before: ReviewState, after: ReviewState
) -> None:
    conn.execute(
        "INSERT INTO judgements (batch, segment_id, at, by, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        (batch, segment_id, at, by, json.dumps(before), json.dumps(after)),
    )
