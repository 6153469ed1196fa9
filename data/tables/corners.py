"""Corners: named stretches of a track's line. A corner is known by where it is; its name is what people call it here."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Collection, Sequence

from data.connect import transaction
from data.reading.attempts import corner_at
from data.records import Corner

Sourced = tuple[str, float, float, str]
"""(name, from, to, source) of a corner."""


def same_stretch(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Tell whether two stretches (m) mean the same corner: half of the shorter one lies in the longer one."""
    return _shared(one, other) >= 0.5 * min(one[1] - one[0], other[1] - other[0])


def bring_corners(conn: sqlite3.Connection, track: str, corners: Sequence[Sourced]) -> dict[str, str]:
    """Bring corners from elsewhere to a track; returns what each is called here, by what it is called there.

    The same stretch keeps the name that it has here, another stretch of a name that is taken gets one that is free.
    """
    known: dict[str, tuple[float, float]] = {
        name: (a, b) for name, a, b in conn.execute("SELECT name, from_m, to_m FROM corners WHERE track = ?", (track,))
    }
    free, called, new = dict(known), dict[str, str](), list[str]()
    for name, from_m, to_m, _ in corners:  # first those that agree: another one in the same stretch has its own name then
        if name in free and same_stretch(free[name], (from_m, to_m)):
            called[name] = name
            del free[name]
    for name, from_m, to_m, source in corners:
        if name in called:
            continue
        here = (from_m, to_m)
        same = [other for other, stretch in free.items() if same_stretch(stretch, here)]
        if same:
            called[name] = max(same, key=lambda other: _shared(free[other], here))
            del free[called[name]]
            continue
        called[name] = _free_name(name, known)
        known[called[name]] = here
        new.append(called[name])
        conn.execute(
            "INSERT INTO corners (track, name, from_m, to_m, source) VALUES (?, ?, ?, ?, ?)",
            (track, called[name], from_m, to_m, source),
        )
    if new:
        _file_anew(conn, track, new)
    return called


def rename_in_session(conn: sqlite3.Connection, session: int, called: dict[str, str]) -> None:
    """Give the corners that a session's segments name other names, all at once."""
    conn.execute(
        "UPDATE segments SET corner = (SELECT value FROM json_each(?1) WHERE key = corner) WHERE session_id = ?2 AND corner IN "
        "(SELECT key FROM json_each(?1) WHERE key <> value)",
        (json.dumps(called), session),
    )


Filed = dict[str | None, int]
"""How many segments were filed to each corner (None: they lie in none)."""


def _file_anew(conn: sqlite3.Connection, track: str, changed: Collection[str], meant: Collection[str] = ()) -> Filed:
    """File what was driven on a track anew, now that these corners came, moved or went; returns how many changed their corner.

    What lies in its corner stays there; else it goes to the corner in which most of it lies, or that it comes to. ``meant``: what
    ended before these stays, because the player had taken over for them.
    """
    rows = conn.execute("SELECT name, from_m, to_m FROM corners WHERE track = ?", (track,))
    corners = {row[0]: Corner(*row) for row in rows}
    filed: Filed = {}
    for segment, was, low, high in conn.execute(_WAYS, (track,)).fetchall():
        lies = {} if low is None else {c.name: _shared((c.from_m, c.to_m), (low, high)) for c in corners.values()}
        if was in corners and (low is None or lies[was] > 0 or (was in meant and high < corners[was].from_m)):
            continue
        most = max(lies, key=lambda corner: lies[corner], default=None)
        inside = most is not None and lies[most] > 0
        near = None if low is None or inside else corner_at(corners.values(), high)
        here = most if inside else near.name if near is not None else None
        comes = here in changed and (was is None or (was in corners and inside))
        if here != was and (was in changed or comes):
            conn.execute("UPDATE segments SET corner = ? WHERE id = ?", (here, segment))
            filed[here] = filed.get(here, 0) + 1
    return filed


_WAYS = (
    "SELECT g.id, g.corner, (SELECT min(progress) FROM steps WHERE episode_id = g.episode_id AND t >= g.start AND t < g.stop), "
    "(SELECT max(progress) FROM steps WHERE episode_id = g.episode_id AND t >= g.start AND t < g.stop) "
    "FROM segments g JOIN sessions s ON s.id = g.session_id WHERE s.track = ? AND g.kind <> 'lap'"
)


def _free_name(name: str, taken: Collection[str]) -> str:
    names = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
    return next(one for one in names if one not in taken)


def _shared(one: tuple[float, float], other: tuple[float, float]) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])


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

    def upsert_corner(self, track: str, name: str, from_m: float, to_m: float, source: str) -> Filed:
        """Write a corner, or move the one of that name; what was driven there is filed to it, and what was not elsewhere."""
        with transaction(self.conn):
            known = next(((c.from_m, c.to_m) for c in self.corners(track) if c.name == name), None)
            self.conn.execute(
                "INSERT INTO corners (track, name, from_m, to_m, source) VALUES (?, ?, ?, ?, ?) ON CONFLICT (track, name) "
                "DO UPDATE SET from_m = excluded.from_m, to_m = excluded.to_m, source = excluded.source",
                (track, name, float(from_m), float(to_m), source),
            )
            meant = [name] if known is not None and same_stretch(known, (from_m, to_m)) else []
            return _file_anew(self.conn, track, [name], meant)

    def rename_corner(self, track: str, old: str, new: str) -> None:
        """Rename a corner, also in the segments driven there; from now on it counts as named by the player."""
        with transaction(self.conn):
            self.conn.execute("UPDATE corners SET name = ?, source = 'player' WHERE track = ? AND name = ?", (new, track, old))
            self.conn.execute(
                "UPDATE segments SET corner = ? WHERE corner = ? AND session_id IN (SELECT id FROM sessions WHERE track = ?)",
                (new, old, track),
            )

    def remove_corner(self, track: str, name: str) -> Filed:
        """Remove a corner; what was driven there is filed to the corner in which most of it lies, or that it comes to."""
        with transaction(self.conn):
            self.conn.execute("DELETE FROM corners WHERE track = ? AND name = ?", (track, name))
            return _file_anew(self.conn, track, [name])
