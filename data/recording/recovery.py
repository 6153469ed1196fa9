"""What the next start does about sessions that died: reads their spill files back and closes what they left open."""

from __future__ import annotations

import sqlite3
from itertools import islice
from pathlib import Path

from data.connect import now
from data.recording.applier import REFUSED, Applier, close_interrupted
from data.recording.log_beside import advice, without_log
from data.recording.session_lock import forget, is_alive, try_lock
from data.recording.spill_file import find_spills, read_spill

BLOCK = 5_000
"""Operations of a spill file applied in one transaction."""


def recover(conn: sqlite3.Connection, path: Path) -> list[str]:
    """Bring back what dead sessions left; returns one sentence for each thing done. Living sessions are not touched."""
    said = [text for spill in find_spills(path) if (text := _read_back(conn, path, spill))]
    no_log = without_log(conn, path)
    for session_id, uuid in conn.execute("SELECT id, uuid FROM sessions WHERE status = 'open'").fetchall():
        if is_alive(path, uuid):
            continue
        episodes, segments, steps = close_interrupted(conn, session_id)
        text = (
            f"Session {session_id} was cut off and is closed as interrupted: {episodes} open episode(s) "
            f"of {steps} steps and {segments} open segment(s)."
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


def _read_back(conn: sqlite3.Connection, path: Path, spill: Path) -> str | None:
    try:
        with spill.open("r+b") as held:
            if not try_lock(held.fileno()):
                return None  # its session lives and reads it back itself
            header, info, ops = read_spill(spill)
            if is_alive(path, header["uuid"]):
                return None
            applier = Applier(conn, header["uuid"], info, header["started"])
            count = 0
            while block := list(islice(ops, BLOCK)):
                applier.apply(block)
                count += len(block)
        spill.unlink(missing_ok=True)
    except FileNotFoundError:  # another start was faster
        return None
    except REFUSED:
        spill.replace(spill.with_suffix(".unreadable"))
        return f"A spill file could not be read back and was kept as {spill.with_suffix('.unreadable').name}."
    left_out = len(applier.refused)
    text = f"{count - left_out} recorded operations that the store could not take at the time were read back."
    return f"{text} {left_out} more are damaged and were left out." if left_out else text
