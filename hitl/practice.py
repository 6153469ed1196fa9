"""Practice: one corner again and again, each try begun shortly before it with the state of a recorded approach."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from hitl.corners import Corner
from hitl.games.base import Start
from hitl.line import ReferenceLine

LEAD_S = 1.0  # s before the corner at which a try begins
BEHIND_M = 4.0  # m behind the corner at which it ends
NEWEST = 40  # approaches that are used: the agent arrives today as it drives today
MAX_OFF = 1.0  # share of half the road's width beyond which a recorded approach is no place to start


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a recorded car was when it came to the corner. Metres, m/s, radians."""

    x: float
    y: float
    heading: float
    speed: float
    progress: float


def approaches(conn: sqlite3.Connection, track: str, corner: Corner, lead_s: float = LEAD_S) -> list[Passage]:
    """Return where recorded cars were ``lead_s`` before they came to the corner, newest first.

    The agent's own approaches go before those of laps: the ones it drove without help in between, in real attempts (not in
    practice, whose beginnings would breed themselves).
    """
    own = list(_passages(conn, track, corner, lead_s, "e.purpose IN ('drive', 'evaluation')", agent=True))
    return own or list(_passages(conn, track, corner, lead_s, "e.purpose IN ('drive', 'lap')", agent=False))


def _passages(
    conn: sqlite3.Connection, track: str, corner: Corner, lead_s: float, purposes: str, *, agent: bool
) -> Iterator[Passage]:
    found = conn.execute(
        f"""SELECT e.id, s.hz, (SELECT min(t) FROM steps WHERE episode_id = e.id AND progress >= ?1) AS entry
            FROM episodes e JOIN sessions s ON s.id = e.session_id
            WHERE s.track = ?2 AND {purposes} AND e.max_progress >= ?1 ORDER BY e.id DESC LIMIT ?3""",
        (corner.from_m, track, NEWEST),
    ).fetchall()
    for episode, hz, entry in found:
        if entry is None:
            continue
        t = entry - round(lead_s * hz)
        row = conn.execute(
            "SELECT x, y, heading, speed, progress FROM steps WHERE episode_id = ? AND t = ?", (episode, t)
        ).fetchone()
        helped = (
            agent
            and conn.execute(
                "SELECT 1 FROM steps WHERE episode_id = ? AND t BETWEEN ? AND ? AND driver = 1 LIMIT 1",
                (episode, t, entry),
            ).fetchone()
        )
        if row is not None and not helped and row[4] < corner.from_m:
            yield Passage(*row)


def start_at(passage: Passage, line: ReferenceLine, half_width: float) -> Start | None:
    """Return the start that puts a car there; None where it was hardly on the road."""
    place = line.locate(passage.x, passage.y, passage.progress)
    if abs(place.offset) > MAX_OFF * half_width:
        return None
    turn = (passage.heading - place.heading + math.pi) % (2 * math.pi) - math.pi
    return Start(place.s, place.offset, turn, passage.speed)


def starts(conn: sqlite3.Connection, track: str, corner: Corner, line: ReferenceLine, half_width: float) -> list[Start]:
    """Return starts for tries at a corner, newest approach first; empty when nobody has come there yet."""
    found = (start_at(passage, line, half_width) for passage in approaches(conn, track, corner))
    return [start for start in found if start is not None]
