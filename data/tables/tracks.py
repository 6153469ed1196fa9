"""Which track a session was driven on: known by its line, called by a name.

Two maps may both be called ``line``, so a track's name is no more than what people say. Here each has a row of ``tracks``:
its ``track`` is what sessions and corners refer to, its ``digest`` and ``line`` say which road it is. The first of a name is
called by the name alone, each later one ``name~3fa9c1``, with the beginning of its digest. ``name~unknown`` holds sessions that
came without a line, from older stores and programs, until their positions tell which of the name's tracks they belong to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.connect import transaction
from data.errors import UsageError
from data.tables.corners import bring_corners, rename_in_session
from data.tables.roads import MOST_STORED, Road
from data.words import number_of

UNKNOWN = "unknown"
_DIGITS = 6  # of a digest in a track's name


class SeveralTracksError(UsageError):
    """A name that more than one track has."""


@dataclass(frozen=True, slots=True)
class TrackRow:
    """A row of ``tracks``."""

    track: str
    name: str
    digest: str
    """"" where nothing but the name is known."""
    road: Road | None
    best: int | None
    """The checkpoint that evaluations on this track say is the best."""

    @property
    def alias(self) -> str:
        """A name that no other track has, not even one of the same name."""
        return f"{self.name}~{self.digest[:_DIGITS] or UNKNOWN}"


def rows(conn: sqlite3.Connection, where: str = "1", values: Sequence[Any] = ()) -> list[TrackRow]:
    """Return the known tracks, in the order in which they came."""
    found = conn.execute(
        f"SELECT track, name, coalesce(digest, ''), width_m, CASE WHEN length(line) <= {MOST_STORED} THEN line END, best "
        f"FROM tracks WHERE {where} ORDER BY rowid",
        values,
    )
    return [
        TrackRow(track, name, digest, None if line is None else Road(np.frombuffer(line, "<f4").reshape(-1, 2), width / 2), best)
        for track, name, digest, width, line, best in found
    ]


def plain(track: str) -> str:
    """Return the name that people gave it."""
    name, mark, end = track.rpartition("~")
    told = mark and (end == UNKNOWN or (len(end) >= _DIGITS and not end.strip("0123456789abcdef")))
    return name if told and name else track


def place(conn: sqlite3.Connection, track: str, digest: str = "", road: Road | None = None) -> str:
    """Return what a session that says it was driven there is filed under, with a row of its own where it is new.

    ``track``: a name, or what another store calls it. Without a digest (an older program) it is the name's unknown track, unless
    no track of that name is known by its line.
    """
    name = plain(track)
    if digest:
        found = _same(conn, digest, road)
        if found is None:
            bare = next(iter(rows(conn, "track = ?", (track,))), None)
            # What is known by its name alone goes on under the first line of that name.
            found = track if bare is None or not bare.digest else f"{name}~{digest[:_DIGITS]}"
            _write(conn, found, name, digest, road)
        elif road is not None:
            _write(conn, found, name, digest, road)
        return found
    known = rows(conn, "name = ?", (name,))
    silent = [row.track for row in known if not row.digest]
    found = track if track in silent or not known else silent[0] if silent else f"{name}~{UNKNOWN}"
    _write(conn, found, name, "", None)
    return found


def settle(conn: sqlite3.Connection, name: str) -> int:
    """File the sessions of which only the name is known under the one track of that name that they were driven on.

    Returns how many moved. What fits none, or more than one, stays.
    """
    known = rows(conn, "name = ?", (name,))
    roads = [row for row in known if row.road is not None]
    moved = 0
    with transaction(conn):
        for row in known:
            if row.digest or not roads:
                continue
            for session in _sessions(conn, row.track):
                at = _positions(conn, session)
                fits = [r.track for r in roads if r.road is not None and r.road.carries(*at)]
                if len(fits) == 1:
                    _move(conn, session, row.track, fits[0])
                    moved += 1
    return moved


class Tracks:
    """The tracks that an open store knows."""

    conn: sqlite3.Connection

    def known_tracks(self, track: str | None = None, name: str | None = None) -> list[TrackRow]:
        """Return the known tracks, driven on or not, in the order in which they came: the one filed so, or those of a name."""
        return rows(self.conn, "track = coalesce(?, track) AND name = coalesce(?, name)", (track, name))

    def enter_track(
        self, name: str, road: Road, *, built_in: bool = False, reserved: bool = False
    ) -> tuple[str, list[str]]:
        """Return what a track that is about to be driven is filed under, and what is to be told to the player.

        ``built_in``: it comes with the program, so the name is its own; ``reserved``: the name is that of another such track.
        What an older store holds under the name alone is sorted by its positions: what was driven on this road is this track's.
        """
        conn = self.conn
        said: list[str] = []
        found = _same(conn, road.digest, road)
        if found is not None and not _unsorted(conn, name, found):
            return found, _other_name(found, name)
        with transaction(conn):
            found = _same(conn, road.digest, road)  # another session may have been the first
            if found is None:
                bare = next(iter(rows(conn, "track = ?", (name,))), None)
                if not reserved and (bare is None or (bare.road is None and (built_in or _claims(conn, name, road)))):
                    found = name
                else:
                    found = f"{name}~{road.digest[:_DIGITS]}"
                    other = f" ({bare.road.length:.0f} m)" if bare is not None and bare.road is not None else ""
                    said.append(
                        f"'{name}' is another line ({road.length:.0f} m) than the one known by that name{other}: it is kept as "
                        f"'{found}', with corners, statistics and best drives of its own. If you recorded the same map anew, "
                        "what was measured along the old line stays with the old line."
                    )
            digest = conn.execute("SELECT digest FROM tracks WHERE track = ?", (found,)).fetchone()
            _write(conn, found, name, (digest[0] if digest else None) or road.digest, road)
            apart = _turn_out(conn, found, name, road)
            moved = settle(conn, name)
        if apart:
            said.append(
                f"{number_of(apart, 'older session')} called '{name}' "
                f"{'was' if apart == 1 else 'were'} driven on another map: {'it is' if apart == 1 else 'they are'} kept apart "
                "from this one's statistics."
            )
        elif moved and found != name:
            said.append(f"{number_of(moved, 'older session')} called '{name}' turned out to be this map's.")
        return found, said or _other_name(found, name)

    def resolve_track(self, wanted: str, road: Road | None = None) -> str:
        """Return the track that the player means: by its name, the beginning of its digest, both (``name~3fa9c1``), or its line.

        Raises UsageError, with the choice, where no track is meant (SeveralTracksError: more than one).
        """
        conn = self.conn
        known = rows(conn)
        if road is not None:
            found = [row for row in known if row.road is not None and (row.digest == road.digest or row.road.same(road))]
            found = found or [row for row in known if row.road is None and row.digest == road.digest]
        else:
            named = [row for row in known if row.name == wanted]
            exact = [row for row in known if wanted in (row.alias, row.track)]
            found = named if len(named) > 1 else exact or named
            if not found:
                name, _, start = wanted.rpartition("~")
                found = [
                    row for row in known if len(start) >= 4 and row.digest.startswith(start) and name in ("", row.name)
                ]
        if len(found) == 1:
            return found[0].track
        if found:
            listed = " and ".join(f"'{row.alias}' ({_about(conn, row)})" for row in found)
            raise SeveralTracksError(f"{len(found)} tracks are called '{wanted}': {listed}. Say which: --track {found[0].alias}")
        driven = {track for (track,) in conn.execute("SELECT DISTINCT track FROM sessions")}
        listed = ", ".join(row.track for row in known if row.track in driven) or "none yet"
        raise UsageError(f"Nothing was driven on a track '{wanted}'; the store knows these tracks: {listed}.")

    def track_digests(self, tracks: Iterable[str]) -> dict[str, str]:
        """Return the names of tracks that are known by their line, by digest."""
        wanted = set(tracks)
        return {row.digest: row.name for row in rows(self.conn, "digest IS NOT NULL") if row.track in wanted}


# -- inside


def _same(conn: sqlite3.Connection, digest: str, road: Road | None) -> str | None:
    known = rows(conn, "digest IS NOT NULL")
    exact = next((row.track for row in known if row.digest == digest), None)
    if exact is not None or road is None:
        return exact
    return next((row.track for row in known if row.road is not None and row.road.same(road)), None)


def _write(conn: sqlite3.Connection, track: str, name: str, digest: str, road: Road | None) -> None:
    """Make the row, or add what it did not know yet."""
    line, length, width = (None, None, None) if road is None else (road.points.tobytes(), road.length, 2 * road.half_width)
    conn.execute(
        "INSERT INTO tracks (track, name, digest, length_m, width_m, line) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (track) DO "
        "UPDATE SET digest = coalesce(digest, excluded.digest), length_m = coalesce(length_m, excluded.length_m), "
        "width_m = coalesce(width_m, excluded.width_m), line = coalesce(line, excluded.line)",
        (track, name, digest or None, length, width, line),
    )


def _sessions(conn: sqlite3.Connection, track: str) -> list[int]:
    return [id_ for (id_,) in conn.execute("SELECT id FROM sessions WHERE track = ? ORDER BY id", (track,))]


def _positions(conn: sqlite3.Connection, session: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n,) progress and (n, 2) positions from a session's longest drives."""
    found = conn.execute(
        "SELECT p.progress, p.x, p.y FROM steps p JOIN (SELECT id, length FROM episodes WHERE session_id = ? "
        "ORDER BY max_progress DESC LIMIT 3) e ON p.episode_id = e.id "
        "WHERE p.t % max(1, e.length / 40) = 0 AND p.progress > 1.0 AND p.x IS NOT NULL AND p.y IS NOT NULL",
        (session,),
    ).fetchall()
    table = np.array(found, np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1:]


def _claims(conn: sqlite3.Connection, track: str, road: Road) -> bool:
    """Tell whether what is known by a name alone may be this road: some of it was driven there, or nothing contradicts it."""
    fits = [road.carries(*_positions(conn, session)) for session in _sessions(conn, track)]
    return True in fits or False not in fits


def _unsorted(conn: sqlite3.Connection, name: str, track: str) -> bool:
    """Tell whether there are sessions of that name that may belong to another track than they are filed under."""
    return (
        conn.execute(
            "SELECT 1 FROM tracks t WHERE (t.track = ?2 AND t.line IS NULL) OR (t.name = ?1 AND t.digest IS NULL AND "
            "EXISTS (SELECT 1 FROM sessions s WHERE s.track = t.track)) LIMIT 1",
            (name, track),
        ).fetchone()
        is not None
    )


def _turn_out(conn: sqlite3.Connection, track: str, name: str, road: Road) -> int:
    """File what lies under ``track`` but was driven elsewhere under the name's unknown track; returns how many sessions."""
    strange = [s for s in _sessions(conn, track) if road.carries(*_positions(conn, s)) is False]
    if strange:
        unknown = f"{name}~{UNKNOWN}"
        _write(conn, unknown, name, "", None)
        for session in strange:
            _move(conn, session, track, unknown)
        # They are measured anew: one that lies there may be the other map's.
        conn.execute("DELETE FROM corners WHERE track = ? AND source = 'track'", (track,))
    return len(strange)


def _move(conn: sqlite3.Connection, session: int, before: str, after: str) -> None:
    """File a session elsewhere, with the corners that its segments name."""
    conn.execute("UPDATE sessions SET track = ? WHERE id = ?", (after, session))
    known = conn.execute("SELECT 1 FROM tracks WHERE track = ? AND line IS NOT NULL", (after,)).fetchone() is not None
    named = (
        "SELECT c.name FROM corners c WHERE c.track = ?1 AND (c.source != 'track' OR NOT ?2) AND EXISTS "
        "(SELECT 1 FROM segments g WHERE g.session_id = ?3 AND g.corner = c.name)"
    )
    corners = conn.execute(
        f"SELECT name, from_m, to_m, source FROM corners WHERE track = ?1 AND name IN ({named}) ORDER BY from_m",
        (before, known, session),
    ).fetchall()
    called = bring_corners(conn, after, corners)
    conn.execute(
        "DELETE FROM corners WHERE track = ?1 AND source != 'track' AND name IN "
        "(SELECT corner FROM segments WHERE session_id = ?2) AND NOT EXISTS "
        "(SELECT 1 FROM segments g JOIN sessions s ON s.id = g.session_id WHERE s.track = ?1 AND "
        "g.corner = corners.name)",
        (before, session),
    )
    rename_in_session(conn, session, called)


def _other_name(track: str, name: str) -> list[str]:
    same = plain(track) == name
    return [] if same else [f"This is the line that is known here as '{track}': '{name}' is only another name for it."]


def _about(conn: sqlite3.Connection, row: TrackRow) -> str:
    (last,) = conn.execute("SELECT max(started) FROM sessions WHERE track = ?", (row.track,)).fetchone()
    length = f"{row.road.length:.0f} m" if row.road is not None else "its line is not known"
    return f"{length}, driven last on {last[:10]}" if last else length
