"""Attempts of corners: what counts as one, and how each went. Every count of passes goes by this rule, wherever it is shown."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from data.reading.drives import EpisodeSummary
from data.reading.schema_check import readable_rows
from data.records import DRIVING_FAULTS, By, Corner, driver_kind
from data.tables.checkpoints import strangers

RULE = "drives, practice and evaluations that came to the corner, without help between its approach and its end"
"""Which attempts are the agent's alone, as the texts beside the figures say it."""
APPROACH_M = 30.0  # m before a corner within which a takeover is meant for it, and its braking begins
BEGAN_M = 2.0  # m into a corner from which a drive that begins there has not made its entry
LAST_STEP_M = 3.0  # m that the last step may have led


class CornerAttempt(NamedTuple):
    """One approach of one corner in one episode."""

    episode_id: int
    purpose: str
    by: By
    passed: bool
    ours: bool = True
    """Whether the agent in the car, alone or helped, was the one that this home tells about."""


class _Span(NamedTuple):
    """What a human drove of an episode, metres along the line."""

    from_m: float
    to_m: float
    by: By


def outcome(corner: Corner, began_m: float, farthest_m: float, reason: str) -> bool | None:
    """Tell whether an episode passed a corner; None where it did not come there, began behind its entry, or did not decide.

    Undecided is what ended inside for a reason other than the driving: stopped, panic, time limit, a killed session.
    """
    if began_m > corner.from_m + BEGAN_M:
        return None
    if farthest_m >= corner.to_m - (LAST_STEP_M if reason == "through" else 0.0):
        return True  # practice that was cut off at its corner's end has its last stored step just before it
    return False if reason in DRIVING_FAULTS and farthest_m >= corner.from_m else None


def corner_at(corners: Iterable[Corner], progress: float) -> Corner | None:
    """Return the corner for which a takeover at this place (m) is meant; None where none is near."""
    near = (c for c in corners if c.from_m - APPROACH_M <= progress < c.to_m)
    return min(near, key=lambda c: c.from_m, default=None)


def corner_of(corners: Sequence[Corner], metres: Iterable[float]) -> Corner | None:
    """Return the corner that a takeover on this way (m) belongs to: the first that it begins at or drives into."""
    return next((corner for metre in metres if (corner := corner_at(corners, metre)) is not None), None)


def corner_most(corners: Sequence[Corner], metres: Iterable[float]) -> Corner | None:
    """Return the corner at which most of a way (m) lies, of two with as much the later one; None where it is near none."""
    found: dict[str, tuple[int, Corner]] = {}
    for metre in metres:
        if (corner := corner_at(corners, metre)) is not None:
            found[corner.name] = found.pop(corner.name, (0, corner))[0] + 1, corner
    return max(reversed(found.values()), key=lambda one: one[0], default=(0, None))[1]


def approaches(corners: Iterable[Corner]) -> dict[str, float]:
    """Return by corner the metre from which a human's driving is help there: never within the corner before."""
    ordered, begins, end = sorted(corners, key=lambda c: c.from_m), {}, 0.0
    for corner in ordered:
        begins[corner.name] = max(corner.from_m - APPROACH_M, min(end, corner.from_m))
        end = max(end, corner.to_m)
    return begins


@readable_rows()
def stored_attempts(
    conn: sqlite3.Connection, episodes: Sequence[EpisodeSummary], corners: Sequence[Corner]
) -> dict[str, list[CornerAttempt]]:
    """Return the attempts of each corner in these episodes, in their order; it needs no step of the agent's but the first."""
    ids, strange = json.dumps([e.id for e in episodes]), strangers(conn)
    began: dict[int, float] = {}
    driven_by: dict[int, By] = {}
    for number, purpose, checkpoint, driver, progress in conn.execute(
        "SELECT e.id, e.purpose, e.checkpoint_id, s.driver, (SELECT progress FROM steps WHERE episode_id = e.id AND t = 0) "
        "FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE e.id IN (SELECT value FROM json_each(?))",
        (ids,),
    ):
        began[number] = _metre(progress, math.inf if purpose == "practice" else 0.0)  # practice begins anywhere
        driven_by[number] = driver_kind(driver or "") if purpose == "lap" else "stranger" if checkpoint in strange else "agent"
    spans: dict[int, list[_Span]] = {}
    for number, driver, trigger, first, last in conn.execute(
        'SELECT g.episode_id, s.driver, g."trigger", '
        "(SELECT progress FROM steps WHERE episode_id = g.episode_id AND t = g.start), "
        "(SELECT progress FROM steps WHERE episode_id = g.episode_id AND t = g.stop - 1) FROM segments g JOIN sessions s "
        "ON s.id = g.session_id WHERE g.kind <> 'kept' AND g.episode_id IN (SELECT value FROM json_each(?))",
        (ids,),
    ):
        ends = _metre(first, -math.inf), _metre(last, math.inf)
        spans.setdefault(number, []).append(_Span(min(ends), max(ends), driver_kind(driver or "", trigger)))
    begins = approaches(corners)
    found: dict[str, list[CornerAttempt]] = {corner.name: [] for corner in corners}
    for e in episodes:
        for corner in corners:
            passed = outcome(corner, began[e.id], e.farthest, e.reason)
            if passed is not None:
                helped = (s.by for s in spans.get(e.id, ()) if s.from_m < corner.to_m and s.to_m >= begins[corner.name])
                by, ours = next(helped, driven_by[e.id]), e.checkpoint_id not in strange
                found[corner.name].append(CornerAttempt(e.id, e.purpose, by, passed, ours))
    return found


def _metre(stored: float | None, unknown: float) -> float:
    return unknown if stored is None or not math.isfinite(stored) else float(stored)
