"""The time of a finished lap: an event of its session, which names the episode by its number. So no version lacks a column."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

KIND = "lap_time"
MOST_S = 1e6  # no lap takes longer


def noted(number: int, seconds: float) -> tuple[str, str, str, dict[str, Any]]:
    """Return the event (kind, message, level, data) that says how long the lap of that episode of the session was."""
    return KIND, f"A lap in {seconds:.3f} s.", "info", {"episode": number, "seconds": round(float(seconds), 3)}


def known(conn: sqlite3.Connection, sessions: Iterable[int]) -> dict[tuple[int, int], float]:
    """Return the seconds of the laps that sessions have noted, by (session, number of the episode)."""
    rows = conn.execute(
        "SELECT session_id, json_extract(data, '$.episode'), json_extract(data, '$.seconds') FROM events WHERE session_id IN "
        f"(SELECT value FROM json_each(?)) AND kind = '{KIND}' AND json_valid(data)",
        (json.dumps(sorted(set(sessions))),),
    )
    return {
        (session, number): float(seconds)
        for session, number, seconds in rows
        if isinstance(number, int) and isinstance(seconds, int | float) and 0.0 < seconds <= MOST_S
    }
