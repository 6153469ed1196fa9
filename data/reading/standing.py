"""Whether a car stood at the end of an episode, and for how long."""

from __future__ import annotations

import math
import sqlite3

STANDS = 5 / 3.6
"""m/s below which a car counts as standing, as in the reward."""


def may_have_stood(purpose: str, reason: str | None) -> bool:
    """Return whether an episode ended in a way for which it matters how long the car had stood (`steps_stood`)."""
    return reason == "stalled" or (purpose == "lap" and reason != "finish")


def moved_until(conn: sqlite3.Connection, episode_id: int) -> int | None:
    """Return the steps of an episode until the car stood for good; None where that does not matter, or it goes on."""
    row = conn.execute(
        "SELECT e.purpose, e.reason, e.length, s.hz FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE e.id = ? AND "
        'e."end" IS NOT NULL',
        (episode_id,),
    ).fetchone()
    if row is None or not may_have_stood(*row[:2]):
        return None
    return int(row[2]) - steps_stood(conn, episode_id, row[3])


def steps_stood(conn: sqlite3.Connection, episode_id: int, hz: float) -> int:
    """Return in how many of an episode's last steps the car stood, by the speed and the height recorded with each.

    An end that is called stalled may be another one: what drives other people's environments may know no other word for it. A
    car whose place was never known (all zeros), or whose speed was not, was not seen to stand.
    """
    count, known, below = 0, False, None
    for speed, x, y, z in conn.execute(
        "SELECT speed, x, y, coalesce(z, 0) FROM steps WHERE episode_id = ? ORDER BY t DESC LIMIT 1000", (episode_id,)
    ):
        falling = 0.0 if below is None else (z - below) * hz
        if speed is None or not math.hypot(speed, falling) < STANDS:
            break
        known, below, count = known or bool(speed or x or y), z, count + 1
    return count if known else 0
