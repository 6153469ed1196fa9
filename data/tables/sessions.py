"""Sessions, what was noted for the player, and what the trainer measured."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from data.connect import now, transaction
from data.numbers import is_number
from data.reading.drives import names_of
from data.reading.schema_check import readable_rows
from data.recording import recovery
from data.recording.applier import insert_session
from data.recording.session_lock import LiveLock, is_alive
from data.records import SessionInfo, SessionRecord
from data.tables.driven import last_first

ONLY_A_PAD = "pad"
"""The kind of an agent of which only the pad is known that it drives by."""


class Sessions:
    """The sessions, events and metrics of an open store."""

    conn: sqlite3.Connection
    path: Path
    _live: dict[int, LiveLock]

    @readable_rows()
    def sessions(self, track: str | None = None) -> list[SessionRecord]:
        """Return the sessions (on a track), oldest first."""
        return session_records(self.conn, "track = coalesce(?, track)", (track,))

    @readable_rows()
    def driven_sessions(self, track: str | None = None, *, sent_last: bool = False) -> list[SessionRecord]:
        """Return the sessions in which an episode began, the one driven here last first; after them those of other stores.

        ``sent_last``: what workers sent is not driven here. Imported laps are not among them.
        """
        driven = "track = coalesce(?, track) AND kind != 'import' AND id IN (SELECT session_id FROM episodes)"
        return session_records(self.conn, driven, (track,), f"{last_first(self.conn, sent_last=sent_last)} DESC, id DESC")

    @readable_rows()
    def newest_session(self) -> SessionRecord | None:
        """Return the session that began here last; where none did, the newest one of another store. None of imported laps."""
        newest = session_records(self.conn, "kind != 'import'", (), f"{last_first(self.conn)} DESC, id DESC LIMIT 1")
        return next(iter(newest), None)

    def driving_now(self) -> list[int]:
        """Return the ids of the sessions of a player or a demo that some process drives at this moment."""
        rows = self.conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open' AND kind IN ('play', 'demo') ORDER BY id")
        return [int(session) for session, uuid in rows.fetchall() if is_alive(self.path, uuid)]

    def is_of_worker(self, session: int) -> bool:
        """Tell whether a session is driven on another machine, and came from there."""
        (source,) = self.conn.execute("SELECT coalesce(source, '') FROM sessions WHERE id = ?", (session,)).fetchone()
        return str(source).startswith("worker ")

    def start_session(self, info: SessionInfo, source: str | None = None) -> int:
        """Write a session's row for a writer that needs no recorder (importers), and return its id."""
        uuid = uuid4().hex
        lock = LiveLock(self.path, uuid)
        lock.acquire()
        try:
            with transaction(self.conn):
                session_id = insert_session(self.conn, uuid, info, now(), source)
        except BaseException:
            lock.release()
            raise
        self._live[session_id] = lock
        return session_id

    def end_session(self, session_id: int) -> None:
        """Close a session's row."""
        self.conn.execute("UPDATE sessions SET status = 'ended', ended = ? WHERE id = ?", (now(), session_id))
        if lock := self._live.pop(session_id, None):
            lock.release()

    def recover(self, *, set_aside: bool = False) -> list[str]:
        """Read spill files back and close what dead sessions left open as interrupted; one sentence for each thing done.

        ``set_aside``: try the spill files, too, that an earlier start could not read.
        """
        return recovery.recover(self.conn, self.path, set_aside=set_aside)

    def add_event(self, kind: str, message: str, level: str = "info", **more: Any) -> None:
        """Note something for the player's log; ``more``: ``session_id``, and a table ``data``."""
        add_event(self.conn, kind, message, level, **more)

    def events(self) -> list[tuple[str, str, str, str]]:
        """Return (when, level, kind, message) of what was noted, oldest first."""
        return self.conn.execute("SELECT at, level, kind, message FROM events ORDER BY id").fetchall()

    def agents(self) -> dict[int, dict[str, Any]]:
        """Return, by the session's id, what is known of each agent from elsewhere that drove one, oldest first.

        Those of other stores come before those that drove here.
        """
        rows = self.conn.execute(
            "SELECT v.session_id, v.data FROM events v JOIN sessions s ON s.id = v.session_id WHERE v.kind = 'agent' AND "
            f"json_valid(v.data) ORDER BY {last_first(self.conn)}, s.id, v.id"
        )
        found = {int(session): json.loads(data) for session, data in rows}
        return {session: known for session, known in found.items() if isinstance(known, dict)}

    def tmrl_config(self, session: int) -> str:
        """Return the name of the tmrl config.json whose reward and rate a session was driven under; "" where it was our own."""
        found = self.conn.execute(
            "SELECT json_extract(data, '$.name') FROM events WHERE session_id = ? AND kind = 'tmrl_config' AND json_valid(data)",
            (session,),
        ).fetchone()
        return str(found[0] or "") if found is not None else ""

    def map_uids(self) -> dict[str, str]:
        """Return, by track, the game's own name for the map that was loaded when it was driven last, where that is known."""
        rows = self.conn.execute(
            "SELECT s.track, json_extract(v.data, '$.map_uid') FROM events v JOIN sessions s ON s.id = v.session_id "
            f"WHERE v.kind = 'map' AND json_valid(v.data) ORDER BY {last_first(self.conn)}, s.id, v.id"
        )
        return {str(track): str(uid) for track, uid in rows if uid}

    def newest_agent(self) -> dict[str, Any] | None:
        """Return what is known of the agent from elsewhere that drove the newest session; None where none did.

        One of which only the pad is known is none: nothing can be learned from or beside what cannot be asked.
        """
        session = self.newest_session()
        known = self.agents().get(session.id) if session is not None else None
        return None if known is None or known.get("kind") == ONLY_A_PAD else known

    def add_metrics(self, update: int, values: Mapping[str, float]) -> None:
        """Write numbers the trainer measured at an update; what is not finite is stored as NULL."""
        at = now()
        rows = [(int(update), name, float(v) if math.isfinite(v) else None, at) for name, v in values.items()]
        with transaction(self.conn):
            self.conn.executemany("INSERT INTO metrics (updates, name, value, at) VALUES (?, ?, ?, ?)", rows)

    def metrics(self) -> list[tuple[int, str, float]]:
        """Return (updates, name, value) of every finite number that the trainer measured, in their order."""
        return self.conn.execute(
            "SELECT updates, name, value FROM metrics WHERE value IS NOT NULL ORDER BY updates, id"
        ).fetchall()


def add_event(
    conn: sqlite3.Connection,
    kind: str,
    message: str,
    level: str = "info",
    session_id: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Note something for the player's log."""
    conn.execute(
        "INSERT INTO events (session_id, at, level, kind, message, data) VALUES (?, ?, ?, ?, ?, ?)",
        (session_id, now(), level, kind, message, json.dumps(dict(data)) if data else None),
    )


def session_records(
    conn: sqlite3.Connection, where: str, values: Sequence[Any], order: str = "started, id"
) -> list[SessionRecord]:
    """Return the sessions ``s`` that meet a condition, oldest first, or in another order."""
    rows = conn.execute(
        "SELECT id, kind, env, track, hz, driver, status, started, observation_names, action_names, reward FROM sessions s "
        f"WHERE {where} ORDER BY {order}",
        values,
    )
    return [
        SessionRecord(
            id_, kind, env, track, hz, names_of(seen), names_of(done), driver, status, _numbers(reward), started
        )
        for id_, kind, env, track, hz, driver, status, started, seen, done, reward in rows
    ]


def reopen(conn: sqlite3.Connection, uuid: str, source: str) -> None:
    """Mark a session as going on, unless it has ended, and note where it comes from."""
    conn.execute("UPDATE sessions SET source = ?, status = 'open' WHERE uuid = ? AND status != 'ended'", (source, uuid))


def _numbers(text: str | None) -> dict[str, float]:
    """Return the numbers of a session's reward settings; a row from elsewhere may hold anything."""
    try:
        values = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return {k: float(v) for k, v in values.items() if is_number(v)} if isinstance(values, dict) else {}
