"""Which sessions were driven in this home itself, and which came with another store.

What was driven here last says which game, track and layout come next, whatever an import has brought since. Among the sessions of
one kind the time decides: their ids say only in which order they came into the store.
"""

from __future__ import annotations

import json
import sqlite3

from data.connect import now
from data.tables.checkpoints import IMPORTED, imported

BROUGHT = "imported"
"""Kind of the event that says of a session that it came with another store.

It stays in this store: it belongs to no session and names one, because earlier versions take over all events of a session."""


def in_time(row: str, newest: bool = False) -> str:
    """Return SQL of an order by the time of driving, oldest (or ``newest``) first; ``row``: an alias of episodes or segments.

    Within a session the numbers say what came after what, also where the clock was set back meanwhile.
    """
    down = " DESC" if newest else ""
    at = f"max({row}.started) OVER (PARTITION BY {row}.session_id ORDER BY {row}.number)"
    return f"{at}{down}, {row}.session_id{down}, {row}.number{down}"


def note_brought(conn: sqlite3.Connection, uuid: str) -> None:
    """Note that a session came with another store."""
    conn.execute(
        "INSERT INTO events (at, level, kind, message, data) VALUES (?, 'info', ?, 'A session came with an import.', ?)",
        (now(), BROUGHT, json.dumps({"session": uuid})),
    )


def brought_sql(schema: str = "main") -> str:
    """Return SQL of the uuids of the sessions of which it is noted that they came with another store."""
    return (
        f"SELECT json_extract(data, '$.session') FROM {schema}.events WHERE session_id IS NULL AND kind = '{BROUGHT}' "
        "AND json_valid(data)"
    )


def last_first(conn: sqlite3.Connection, *, sent_last: bool = False) -> str:
    """Return SQL of a text by which sessions ``s`` are ordered: descending, the one driven here last comes first.

    After those driven here come those of other stores, then imported laps. Earlier versions noted nothing of an import: of
    theirs, those sessions are known that a checkpoint drove whose weights are not here. What workers sent is as good as driven
    here, because the home's run learns from it; with ``sent_last`` it is as what came with another store.
    """
    marked = ", ".join(str(int(session)) for session in sorted(_brought(conn)))
    sent = " OR coalesce(s.source, '') LIKE 'worker %'" if sent_last else ""
    return f"(CASE WHEN s.kind = 'import' THEN '0' WHEN s.id IN ({marked}){sent} THEN '1' ELSE '2' END || s.started)"


def is_brought(conn: sqlite3.Connection, session: int) -> bool:
    """Tell whether a session came with another store."""
    return session in _brought(conn)


def _brought(conn: sqlite3.Connection) -> set[int]:
    found = {session for (session,) in conn.execute(f"SELECT id FROM sessions WHERE uuid IN ({brought_sql()})")}
    theirs = {id_ for (id_,) in conn.execute("SELECT id FROM checkpoints WHERE kind = ?", (IMPORTED,))} & imported(conn)
    if theirs:
        listed = ", ".join(map(str, sorted(theirs)))
        found |= {id_ for (id_,) in conn.execute(f"SELECT session_id FROM episodes WHERE checkpoint_id IN ({listed})")}
    return found
