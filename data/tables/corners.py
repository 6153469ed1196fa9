"""Corners: named stretches of a track's line."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from data.connect import transaction


@dataclass(frozen=True, slots=True)
class Corner:
    """A named stretch of a track's line, metres."""

    track: str
    name: str
    from_m: float
    to_m: float
    source: str
    """``player``, ``track`` or ``mined``."""


class Corners:
    """The corners in an open store."""

    conn: sqlite3.Connection

    def corners(self, track: str | None = None) -> list[Corner]:
        """Return the corners of a track (or all), along the line."""
        rows = self.conn.execute(
            "SELECT track, name, from_m, to_m, source FROM corners WHERE track = coalesce(?, track) ORDER BY track, from_m",
            (track,),
        )
        return [Corner(*row) for row in rows]

    def upsert_corner(self, track: str, name: str, from_m: float, to_m: float, source: str) -> None:
        """Write a corner, or move the one of that name."""
        self.conn.execute(
            "INSERT INTO corners (track, name, from_m, to_m, source) VALUES (?, ?, ?, ?, ?) ON CONFLICT (track, name) "
            "DO UPDATE SET from_m = excluded.from_m, to_m = excluded.to_m, source = excluded.source",
            (track, name, float(from_m), float(to_m), source),
        )

    def rename_corner(self, track: str, old: str, new: str) -> None:
        """Rename a corner, also in the segments driven there; from now on it is the player's, wherever it came from."""
        with transaction(self.conn):
            self.conn.execute("UPDATE corners SET name = ?, source = 'player' WHERE track = ? AND name = ?", (new, track, old))
            self.conn.execute(
                "UPDATE segments SET corner = ? WHERE corner = ? AND session_id IN (SELECT id FROM sessions WHERE track = ?)",
                (new, old, track),
            )
