"""What people decide about segments: verdict, priority, tags, note and trim. Each review is kept, so it can be undone."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable
from typing import Any

from data.connect import now, transaction
from data.errors import UsageError, shown
from data.fields import MOST_PRIORITY
from data.records import VERDICTS
from data.tables.review_fields import (
    SET_AT,
    TAKEN_BACK,
    Undone,
    UndoStep,
    review_state,
    set_when,
    take_back,
    take_in,
    taken_back,
    whole,
    write_review,
)  # fmt: skip
from data.words import number_of, numbers_text

_ENDLESS = 2.0**53  # steps


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
        steps: list[int] | None = None,
    ) -> int:
        """Review segments, all or none, in one step for :meth:`undo`; returns how many changed.

        ``trim``: steps moved inward at the start and at the end (0, 0 for none), ``trim_seconds`` the same in seconds; no
        step is deleted. ``steps`` takes the number of this step, for :meth:`undo_step`. Raises UsageError for an unknown segment,
        an unknown verdict, a priority that is not from 0 to ``MOST_PRIORITY``, or a trim that is negative or leaves nothing.
        """
        if verdict is not None and verdict not in VERDICTS:
            raise UsageError(f"'{verdict}' is not a verdict: use one of {', '.join(VERDICTS)}.")
        if priority is not None and (isinstance(priority, str) or not 0.0 <= priority <= MOST_PRIORITY):
            raise UsageError(f"A priority is a number from 0 to {MOST_PRIORITY:,.0f}, not {shown(priority)}.")
        if note is not None and not isinstance(note, str):
            raise UsageError(f"A note is a text, not {shown(repr(note))}.")
        add = {" ".join(tag.split()) for tag in _tags(tags_add)} - {""}  # on one line
        remove = _tags(tags_remove)
        remove |= {" ".join(tag.split()) for tag in remove}  # or as an earlier version took it
        changed = 0
        with transaction(self.conn):
            step, at = UndoStep(), now()
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
                changed += write_review(self.conn, segment_id, after, by, at, step.numbered(self.conn))
        if changed and steps is not None and step.number is not None:
            steps.append(step.number)
        return changed

    def undo(self, ids: Iterable[int] | None = None) -> list[int]:
        """Undo the last review (of all, or the last one of each of ``ids``); returns the segments concerned.

        Undone reviews stay in the history, marked as undone; calling again undoes the one before.
        """
        return [review.segment for review in self.undo_step(ids)]

    def undo_step(self, ids: Iterable[int] | None = None, *, of: Iterable[int] | None = None) -> list[Undone]:
        """Undo as :meth:`undo` does; returns the reviews. ``of``: only the last of these steps, as :meth:`label` told them."""
        with transaction(self.conn):
            if ids is None:
                steps = None if of is None else json.dumps(list(of))
                rows = self.conn.execute(
                    "SELECT id FROM judgements WHERE undone IS NULL AND batch = (SELECT max(batch) FROM judgements WHERE undone "
                    "IS NULL AND batch > 0 AND (?1 IS NULL OR batch IN (SELECT value FROM json_each(?1)))) ORDER BY id",
                    (steps,),
                ).fetchall()
            else:
                rows = self.conn.execute(
                    "SELECT max(id) FROM judgements WHERE undone IS NULL AND batch > 0 AND segment_id IN "
                    "(SELECT value FROM json_each(?)) GROUP BY segment_id",
                    (json.dumps(_wanted(self.conn, ids)),),
                ).fetchall()
            return take_back(self.conn, [review for (review,) in rows], now())


# -- on a bare connection: for recorders, importers and other machines


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
            f"There is no segment {numbers_text(missing)}: `hitl segments` lists those that there are; nothing was changed."
        )
    return wanted


def last_review(conn: sqlite3.Connection, session_id: int, number: int) -> tuple[dict[str, Any], str] | None:
    """Return the review of a segment (by its number in a session) with when each field was set, and when it last changed.

    Undoing included. None when the segment was never reviewed.
    """
    (segment_id,) = conn.execute(
        "SELECT id FROM segments WHERE session_id = ? AND number = ?", (session_id, number)
    ).fetchone()
    when = set_when(conn, segment_id)
    told = {SET_AT: when, TAKEN_BACK: taken_back(conn, segment_id)}
    return (review_state(conn, segment_id) | told, max(when.values())) if when else None


def accept_review(conn: sqlite3.Connection, session_id: int, number: int, state: dict[str, Any], at: str) -> bool:
    """Accept from a review of another machine what was set later there than here; tells whether anything changed.

    Accepting the same twice does no harm. An older program does not tell when each field was set: its review counts as a whole.
    Raises KeyError for a malformed review or an unknown segment.
    """
    row = conn.execute(
        "SELECT id, start, stop FROM segments WHERE session_id = ? AND number = ?", (session_id, number)
    ).fetchone()
    if row is None:
        raise KeyError(f"segment {number} is not in the store")
    segment_id, start, stop = row
    if not _well_formed(state, start, stop) or not isinstance(at, str):
        raise KeyError(f"the review of segment {number} is malformed")
    when = state.get(SET_AT)
    if when is None:
        if max(set_when(conn, segment_id).values(), default="") >= at:
            return False
        when = whole(state, review_state(conn, segment_id), at)
    return take_in(conn, segment_id, state, when, state["judged_by"] or "player", at)


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
            and _times_well_formed(state.get(SET_AT, {}))
            and all(isinstance(name, str) and _times_well_formed(when) for name, when in state.get(TAKEN_BACK, {}).items())
            and all(state[name] is None or isinstance(state[name], str) for name in ("judged_by", "judged_at"))
        )
    except (TypeError, KeyError, AttributeError):
        return False


def _times_well_formed(when: Any) -> bool:
    return isinstance(when, dict) and all(isinstance(text, str) for pair in when.items() for text in pair)


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
        before, after = (max(-_ENDLESS, min(s * hz, _ENDLESS)) for s in _pair(seconds, "seconds"))  # the product may be infinite
        steps = round(before), round(after)
    first, last = map(int, _pair(steps or (0, 0), "steps"))
    if stop is None:
        raise UsageError(f"Segment {segment_id} is still being recorded and cannot be trimmed yet.")
    given = (first, last) if seconds is None else _pair(seconds, "seconds")
    if min(given) < 0:
        raise UsageError(f"A trim cuts off 0 {'steps' if seconds is None else 'seconds'} or more at an end, not {min(given):g}.")
    if first + last >= stop - start:
        whole, cut = number_of(stop - start, "step"), f"{first} and {number_of(last, 'step')}"
        if seconds is not None:
            whole, cut = f"{(stop - start) / hz:.2f} s", f"{given[0]:g} s and {given[1]:g} s"
        raise UsageError(f"Segment {segment_id} has {whole}: a trim of {cut} leaves nothing (label it bad instead).")
    return first, last
