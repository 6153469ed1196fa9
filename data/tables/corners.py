"""Corners: named stretches of a track's line."""

from __future__ import annotations

import sqlite3

from data.connect import transaction
from data.records import Corner


class Corners:
    """The corners in an open store."""

    conn: sqlite3.Connection

    def corners(self, track: str) -> list[Corner]:
        """Return the corners of a track, along the line."""
        rows = self.conn.execute("SELECT name, from_m, to_m FROM corners WHERE track = ? ORDER BY from_m", (track,))
        return [Corner(*row) for row in rows]

    def corner_sources(self, track: str) -> dict[str, str]:
        """Return who named each corner of a track: ``player``, ``track`` or ``mined``."""
        return dict(self.conn.execute("SELECT name, source FROM corners WHERE track = ?", (track,)).fetchall())

    def upsert_corner(self, track: str, name: str, from_m: float, to_m: float, source: str) -> None:
        """Write a corner, or move the one of that name."""
        self.conn.execute(
            "INSERT INTO corners (track, name, from_m, to_m, source) VALUES (?, ?, ?, ?, ?) ON CONFLICT (track, name) "
            "DO UPDATE SET from_m = excluded.from_m, to_m = excluded.to_m, source = excluded.source",
            (track, name, float(from_m), float(to_m), source),
        )

    def rename_corner(self, track: str, old: str, new: str) -> None:
        """Rename a corner, also in the segments driven there; from now on it counts as named by the player."""
        with transaction(self.conn):
            self.conn.execute("UPDATE corners SET name = ?, source = 'player' WHERE track = ? AND name = ?", (new, track, old))
            self.conn.execute(
                "UPDATE segments SET corner = ? WHERE corner = ? AND session_id IN (SELECT id FROM sessions WHERE track = ?)",
                (new, old, track),
            )
