"""What is wrong with a store: its file, its rows, and what dead sessions left behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from data.connect import bulk_writing, transaction
from data.errors import shown
from data.reading.unusable import unusable_sentences
from data.recording.log_beside import advice, without_log
from data.recording.session_lock import is_alive
from data.recording.spill_file import session_prefix, spills_of
from data.records import VERDICTS
from data.tables.roads import MOST_STORED
from data.words import number_of, numbers_text

DAMAGED = "The file is damaged"
NAMED = 8  # numbers in a sentence, at most
_RULES: tuple[tuple[str, str, str], ...] = (
    ("step whose observation does not fit its session's layout",
     "steps whose observations do not fit their session's layout",
     "SELECT count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id WHERE "
     "length(p.observation) <> 4 * json_array_length(s.observation_names)"),
    ("step whose actions do not fit its session's layout", "steps whose actions do not fit their session's layout",
     "SELECT count(*) FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id WHERE "
     "length(p.executed) <> 4 * json_array_length(s.action_names) OR length(p.proposed) <> 4 * "
     "json_array_length(s.action_names)"),
    ("step with a driver that is neither agent nor human", "steps with a driver that is neither agent nor human",
     "SELECT count(*) FROM steps WHERE driver NOT IN (0, 1)"),
    ("episode with steps after its end", "episodes with steps after their end",
     "SELECT count(*) FROM episodes e WHERE e.\"end\" IS NOT NULL AND length < (SELECT max(t) + 1 FROM steps WHERE episode_id = "
     "e.id)"),
    ("segment that ends before it begins or is trimmed to nothing",
     "segments that end before they begin or are trimmed to nothing",
     "SELECT count(*) FROM segments WHERE stop < start OR (stop > start AND trim_start + trim_stop >= stop - start)"),
    ("segment that reaches beyond its episode", "segments that reach beyond their episode",
     "SELECT count(*) FROM segments g JOIN episodes e ON e.id = g.episode_id WHERE e.\"end\" IS NOT NULL AND g.stop > e.length"),
    ("step with a reward that is not finite", "steps with a reward that is not finite",
     "SELECT count(*) FROM steps WHERE NOT abs(reward) <= 3.4e38"),
    ("step with an impossible number", "steps with an impossible number",
     "SELECT count(*) FROM steps WHERE t NOT BETWEEN 0 AND 1 << 28"),
    ("session without a layout or a rate", "sessions without a layout or a rate",
     "SELECT count(*) FROM sessions WHERE json_type(observation_names) <> 'array' OR json_type(action_names) <> 'array' OR "
     "NOT hz BETWEEN 1e-3 AND 1000"),
    ("track whose line is malformed", "tracks whose line is malformed",
     "SELECT count(*) FROM tracks WHERE line IS NOT NULL AND (length(line) % 8 <> 0 OR length(line) NOT BETWEEN 16 AND "
     f"{MOST_STORED} OR digest IS NULL OR NOT coalesce(width_m, 0) BETWEEN 0.1 AND 2000)"),
    ("session with an invalid id", "sessions with an invalid id",
     "SELECT count(*) FROM sessions WHERE uuid GLOB '*[^0-9A-Za-z-]*' OR uuid = ''"),
    ("segment that begins before its episode or is trimmed outwards",
     "segments that begin before their episode or are trimmed outwards",
     "SELECT count(*) FROM segments WHERE start < 0 OR trim_start < 0 OR trim_stop < 0"),
)  # fmt: skip
"""What must not be there, one and many of it, and SQL that counts it."""

_JUDGED = (
    ("priority", "below 0 or beyond 1,000,000,000", "--priority 1", "NOT priority BETWEEN 0 AND 1e9"),
    ("verdict", "that hitl does not know", "--verdict unreviewed", f"verdict NOT IN {VERDICTS}"),
)
"""What only another program can have written into a segment: what a player gives there fixes it."""


def not_read_back(conn: sqlite3.Connection, path: Path) -> str:
    """Return a sentence where what was driven while the store could not be written still lies beside it; else "".

    A session that is alive reads its own back.
    """
    waiting = [spill for spill in spills_of(conn, path)[0] if not is_alive(path, session_prefix(spill)) and _holds_any(spill)]
    if not waiting:
        return ""
    files = number_of(len(waiting), "spill file waits", "spill files wait")
    back = "it" if len(waiting) == 1 else "them"
    apart = {spill.parent.name for spill in waiting if spill.parent != path.resolve().parent}
    where = f"beside the store or in the temporary folder {shown(min(apart))}" if apart else "beside the store"
    return f"{files} {where}: what was driven then is not in it yet. `hitl store recover` reads {back} back."


def _holds_any(spill: Path) -> bool:
    try:
        return spill.stat().st_size > 0
    except OSError:  # read back meanwhile
        return False


def findings(conn: sqlite3.Connection, path: Path) -> list[str]:
    """Return what is wrong with the store, a sentence each; an empty list: nothing."""
    said = faults(conn)
    if is_damaged(said):
        return said
    said += unusable_sentences(conn)
    dead = [session for session, uuid in open_sessions(conn) if not is_alive(path, uuid)]
    if dead:
        said.append(f"{_sessions(dead)} cut off; the next start closes {_them(dead)} as interrupted.")
    if alone := without_log(conn, path):
        said.append(f"{_sessions(alone)} cut off and the store opened alone; {advice(path)}")
    waiting, _ = spills_of(conn, path)
    if waiting:
        said.append(f"{number_of(len(waiting), 'spill file waits', 'spill files wait')} to be read back; the next start does it.")
    return said


def _sessions(numbers: list[int]) -> str:
    return f"Session {numbers[0]} was" if len(numbers) == 1 else f"Sessions {numbers_text(numbers)} were"


def _them(numbers: list[int]) -> str:
    return "it" if len(numbers) == 1 else "them"


def is_damaged(said: list[str]) -> bool:
    """Tell whether what was found is that the file itself is damaged."""
    return said[:1] != [] and said[0].startswith(DAMAGED)


def faults(conn: sqlite3.Connection, *, elsewhere: bool = False) -> list[str]:
    """Return what is wrong with the rows and the file itself. ``elsewhere``: of another home, so without what to type here."""
    try:
        said = [
            f"{DAMAGED}: {shown(text, 200)}." for (text,) in conn.execute("PRAGMA integrity_check(20)") if text != "ok"
        ]
        if said:
            return said
        broken = conn.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            tables = ", ".join(sorted({row[0] for row in broken}))
            rows = number_of(len(broken), "row refers", "rows refer")
            fixed = "." if elsewhere else ": `hitl store check --repair` drops what belongs to it."
            said.append(f"{rows} to something that is not there (in {tables}){fixed}")
        for one, many, sql in _RULES:
            (count,) = conn.execute(sql).fetchone()
            if count:
                said.append(f"There {'is' if count == 1 else 'are'} {number_of(count, one, many)}.")
        said += [text for judged in _JUDGED if (text := _judged(conn, *judged, elsewhere=elsewhere))]
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes a damaged schema as it is
        return [f"{DAMAGED}: {shown(error, 200)}."]
    return said


def _judged(conn: sqlite3.Connection, column: str, why: str, fixed: str, where: str, *, elsewhere: bool) -> str:
    """Say of which segments a review is none, and how it is fixed; "" where all are good."""
    rows = conn.execute(f"SELECT id, {column} FROM segments WHERE {where} ORDER BY id").fetchall()
    if not rows:
        return ""
    numbers = " ".join(str(number) for number, _ in rows[:NAMED])
    has = number_of(len(rows), "segment has", "segments have")
    what = f"{has} a {column} {why} ({shown(rows[0][1], 40)})"
    return f"{what}." if elsewhere else f"{what}: `hitl label {numbers} {fixed}` fixes it."


def drop_lost(conn: sqlite3.Connection) -> dict[str, int]:
    """Bring rows that refer to something that is not there back to a sound state; returns by table how many were changed.

    What belongs to it is deleted (a segment's tags and reviews, an episode's steps). Where it is only named (the checkpoint that
    drove), it is named no longer.
    """
    changed: dict[str, int] = {}
    with bulk_writing(conn, checked=False), transaction(conn):
        while broken := conn.execute("PRAGMA foreign_key_check").fetchall():
            for table, row, _, key in broken:
                columns = {k: column for k, _, _, column, *_ in conn.execute(f"PRAGMA foreign_key_list({table})")}
                needed = {name: bool(must or part) for _, name, _, must, _, part in conn.execute(f"PRAGMA table_info({table})")}
                column = columns[key]
                if needed[column]:
                    conn.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
                else:
                    conn.execute(f"UPDATE {table} SET {column} = NULL WHERE rowid = ?", (row,))
                changed[table] = changed.get(table, 0) + 1
    return changed


def open_sessions(conn: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return (id, uuid) of the sessions that have not ended."""
    return [(int(i), str(u)) for i, u in conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open'")]
