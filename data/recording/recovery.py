"""What the next start does about sessions that died: reads their spill files back and closes what they left open."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from itertools import islice
from pathlib import Path

from data.connect import now, transaction
from data.errors import shown
from data.files import held
from data.recording.applier import REFUSED, Applier, close_interrupted
from data.recording.log_beside import advice, without_log
from data.recording.operations import Operation
from data.recording.session_lock import forget, is_alive, try_lock
from data.recording.spill_file import SET_ASIDE, read_operations, read_spill, session_prefix, spills_of
from data.records import SessionInfo
from data.words import number_of

BLOCK = 5_000
"""Operations of a spill file applied in one transaction."""


def recover(conn: sqlite3.Connection, path: Path, *, set_aside: bool = False) -> list[str]:
    """Bring back what dead sessions left; returns one sentence for each thing done. Living sessions are not touched.

    ``set_aside``: try the spill files, too, that an earlier start could not read.
    """
    no_log = without_log(conn, path)  # first: what is read back below may open sessions that were closed long ago
    spills, others = spills_of(conn, path)
    if set_aside:
        spills += spills_of(conn, path, SET_ASIDE)[0]
    said = [text for spill in spills if (text := _read_back(conn, path, spill))]
    if set_aside:
        said += [_of_another(spill) for spill in others]
    for session_id, uuid in conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open'").fetchall():
        if is_alive(path, uuid):
            continue
        episodes, segments, steps = close_interrupted(conn, session_id)
        text = (
            f"Session {session_id} was cut off and is closed as interrupted: "
            f"{number_of(episodes, 'open episode')} of {number_of(steps, 'step')} and {number_of(segments, 'open segment')}."
        )
        if session_id in no_log:
            text += f" The store was opened alone; {advice(path)}"
        said.append(text)
        conn.execute(
            "INSERT INTO events (session_id, at, level, kind, message) VALUES (?, ?, 'warning', 'recovered', ?)",
            (session_id, now(), text),
        )
        forget(path, uuid)
    return said


def _of_another(spill: Path) -> str:
    return (
        f"{spill.name} in the temporary folder {shown(spill.parent.name)} is of another store, which was here before: it is left "
        "there. To read it into this one all the same, move it beside the store and type `hitl store recover` again."
    )


def _read_back(conn: sqlite3.Connection, path: Path, spill: Path) -> str | None:
    try:
        with spill.open("r+b") as file:
            if not try_lock(file.fileno()):
                return None  # its session lives and reads it back itself
            if not spill.stat().st_size:  # all of it was read back, and then it could not be deleted
                if is_alive(path, session_prefix(spill)):
                    return None  # no: it was just begun
                text = None
            else:
                uuid, started, info, ops = _whose(conn, spill)
                if is_alive(path, uuid):
                    return None
                with contextlib.closing(ops):
                    text = _apply(conn, Applier(conn, uuid, info, started), ops)
                file.truncate(0)  # in case that it cannot be deleted
    except FileNotFoundError:  # another start was faster
        return None
    except REFUSED as error:
        return _set_aside(spill, error)
    with contextlib.suppress(OSError):  # empty: the next start deletes it
        held.unlink(spill)
    return text


def _whose(conn: sqlite3.Connection, spill: Path) -> tuple[str, str, SessionInfo, Generator[Operation, None, None]]:
    """Return (uuid, start, session, operations) of a spill file.

    Files that an earlier version began on Windows do not say whose they are: then it is the session that the file is named
    after. Raises ValueError, KeyError or TypeError where the store does not hold that one.
    """
    try:
        header, info, ops = read_spill(spill)
        return header["uuid"], header["started"], info, ops
    except REFUSED:
        cursor = conn.execute("SELECT * FROM sessions WHERE substr(uuid, 1, 16) = ?", (session_prefix(spill),))
        rows = [dict(zip((column[0] for column in cursor.description), row, strict=True)) for row in cursor]
        if len(rows) != 1:
            raise
        return rows[0]["uuid"], rows[0]["started"], SessionInfo.from_json(rows[0]), read_operations(spill)


def _apply(conn: sqlite3.Connection, applier: Applier, ops: Generator[Operation, None, None]) -> str:
    _open_again(conn, applier.uuid)
    count = 0
    while block := list(islice(ops, BLOCK)):
        applier.apply(block)
        count += len(block)
    left_out = len(applier.refused)
    text = f"{count - left_out} recorded operations that the store could not take at the time were read back."
    return f"{text} {left_out} more are damaged and were left out." if left_out else text


def _open_again(conn: sqlite3.Connection, uuid: str) -> None:
    """Open the episode and the segments of a session that were closed where the store ended: more of them comes now."""
    cut = "session_id = ?1 AND \"end\" = 'interrupted' AND reason = 'killed'"
    with transaction(conn):
        row = conn.execute("SELECT id FROM sessions WHERE uuid = ? AND status = 'interrupted'", (uuid,)).fetchone()
        if row is None:
            return
        conn.execute(
            "UPDATE segments SET stop = NULL, interrupted = 0 WHERE interrupted = 1 AND EXISTS (SELECT 1 FROM episodes WHERE "
            f"id = segments.episode_id AND length = segments.stop AND {cut})",
            row,
        )
        conn.execute(f'UPDATE episodes SET "end" = NULL, reason = NULL, ended = NULL WHERE {cut}', row)
        conn.execute("UPDATE sessions SET status = 'open', ended = NULL WHERE id = ?", row)


def _set_aside(spill: Path, error: Exception) -> str | None:
    if spill.suffix == SET_ASIDE:
        return f"{spill.name} still cannot be read ({error}): it is kept."
    kept = spill.with_suffix(SET_ASIDE)
    try:
        held.replace(spill, kept)
    except OSError:
        return f"The spill file {spill.name} cannot be read back ({error}): it is kept, and tried again at the next start."
    return f"A spill file could not be read back and was kept as {kept.name}. `hitl store recover` tries it again."
