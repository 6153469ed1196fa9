"""What is wrong with a store: its file, its rows, and what dead sessions left behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from data.errors import shown
from data.reading.unusable import unusable_sentences
from data.recording.log_beside import advice, without_log
from data.recording.session_lock import is_alive
from data.recording.spill_file import find_spills
from data.words import number_of

_RULES = (
    ("steps whose observation does not fit their session's layout",
     "SELECT count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id WHERE "
     "length(p.observation) <> 4 * json_array_length(s.observation_names)"),
    ("steps whose actions do not fit their session's layout",
     "SELECT count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id WHERE "
     "length(p.executed) <> 4 * json_array_length(s.action_names) OR length(p.proposed) <> 4 * "
     "json_array_length(s.action_names)"),
    ("steps with a driver that is neither agent nor human", "SELECT count(*) FROM steps WHERE driver NOT IN (0, 1)"),
    ("episodes with steps after their end",
     "SELECT count(*) FROM episodes e WHERE e.\"end\" IS NOT NULL AND length < (SELECT max(t) + 1 FROM steps WHERE episode_id = "
     "e.id)"),
    ("segments that end before they begin or are trimmed to nothing",
     "SELECT count(*) FROM segments WHERE stop < start OR (stop > start AND trim_start + trim_stop >= stop - start)"),
    ("segments that reach beyond their episode",
     "SELECT count(*) FROM segments g JOIN episodes e ON e.id = g.episode_id WHERE e.\"end\" IS NOT NULL AND g.stop > e.length"),
    ("steps with a reward that is not finite", "SELECT count(*) FROM steps WHERE NOT abs(reward) <= 3.4e38"),
    ("steps with an impossible number", "SELECT count(*) FROM steps WHERE t NOT BETWEEN 0 AND 1 << 28"),
    ("sessions without a layout or a rate",
     "SELECT count(*) FROM sessions WHERE json_type(observation_names) <> 'array' OR json_type(action_names) <> 'array' OR "
     "NOT hz BETWEEN 1e-3 AND 1000"),
    ("tracks whose line is malformed",
     "SELECT count(*) FROM tracks WHERE line IS NOT NULL AND (length(line) % 8 <> 0 OR length(line) < 16 OR digest IS NULL OR "
     "NOT coalesce(width_m, 0) BETWEEN 0.1 AND 2000)"),
    ("sessions with an invalid id", "SELECT count(*) FROM sessions WHERE uuid GLOB '*[^0-9A-Za-z-]*' OR uuid = ''"),
    ("segments that begin before their episode or are trimmed outwards",
     "SELECT count(*) FROM segments WHERE start < 0 OR trim_start < 0 OR trim_stop < 0 OR NOT priority BETWEEN 0 AND 1e9"),
    ("segments of an unknown verdict",
     "SELECT count(*) FROM segments WHERE verdict NOT IN ('unreviewed', 'good', 'bad', 'star')"),
)  # fmt: skip


def findings(conn: sqlite3.Connection, path: Path) -> list[str]:
    """Return what is wrong with the store, a sentence each; an empty list: nothing."""
    said = faults(conn)
    if said and said[0].startswith("The file is damaged"):
        return said
    said += unusable_sentences(conn)
    dead = [session for session, uuid in open_sessions(conn) if not is_alive(path, uuid)]
    if dead:
        said.append(f"Session {', '.join(map(str, dead))} was cut off; the next start closes it as interrupted.")
    if alone := without_log(conn, path):
        said.append(f"Session {', '.join(map(str, alone))} was cut off and the store opened alone; {advice(path)}")
    waiting = find_spills(path)
    if waiting:
        said.append(f"{number_of(len(waiting), 'spill file waits', 'spill files wait')} to be read back; the next start does it.")
    return said


def faults(conn: sqlite3.Connection) -> list[str]:
    """Return what is wrong with the rows and the file itself."""
    try:
        said = [
            f"The file is damaged: {shown(text, 200)}." for (text,) in conn.execute("PRAGMA integrity_check(20)") if text != "ok"
        ]
        if said:
            return said
        broken = conn.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            tables = ", ".join(sorted({row[0] for row in broken}))
            rows = number_of(len(broken), "row refers", "rows refer")
            said.append(f"{rows} to something that is not there (in {tables}).")
        for what, sql in _RULES:
            (count,) = conn.execute(sql).fetchone()
            if count:
                said.append(f"There are {count} {what}.")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes a damaged schema as it is
        return [f"The file is damaged: {shown(error, 200)}."]
    return said


def open_sessions(conn: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return (id, uuid) of the sessions that have not ended."""
    return [(int(i), str(u)) for i, u in conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open'")]
