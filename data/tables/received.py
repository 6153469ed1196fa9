"""How far a worker's recordings have come in a trainer's store: told with each message, kept there, and told back.

A worker's own note of it is not enough: the trainer may have a new home, or its store may have been put back from a copy.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self

from msgspec import Meta, Struct

from data.connect import now, transaction
from data.fields import checked
from data.reading.news import Marks

KIND = "received"
"""Of the event that keeps it, one for each worker: in the store itself, so that a copy of it that is put back tells the truth."""
_Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Row(Struct):
    step: _Id = 0
    episode: _Id = 0
    segment: _Id = 0
    event: _Id = 0
    open: Annotated[tuple[_Id, ...], Meta(max_length=10_000)] = ()


@dataclass(frozen=True)
class Received:
    """``open``: sessions whose end has not been sent."""

    marks: Marks
    open: tuple[int, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """Return it as it travels, and is kept."""
        return asdict(self.marks) | {"open": list(self.open)}

    @classmethod
    def read(cls, row: Any) -> Self:
        """Return what :meth:`as_row` gave, here or in a newer version. Raises ValueError."""
        given = checked(row, _Row, "received")
        return cls(Marks(given.step, given.episode, given.segment, given.event), given.open)

    def before(self, other: Received) -> Received:
        """Return how far both have come, with every session that is open for either."""
        mine, theirs = asdict(self.marks), asdict(other.marks)
        marks = Marks(**{name: min(at, theirs[name]) for name, at in mine.items()})
        return Received(marks, tuple(dict.fromkeys((*self.open, *other.open))))


def kept(conn: sqlite3.Connection, worker: str) -> dict[str, Any]:
    """Return what the trainer's store tells a worker: how far it has come, else how many of its sessions are here."""
    if (found := _row(conn, worker)) is not None:
        try:
            return Received.read(json.loads(found[1])["received"]).as_row()
        except (ValueError, KeyError, TypeError):
            pass  # of a newer version, or another program's: it counts as not told
    (count,) = conn.execute(
        "SELECT count(*) FROM sessions WHERE source LIKE 'worker %' AND substr(source, -9) = ' ' || substr(?, 1, 8)", (worker,)
    ).fetchone()
    return {"sessions": int(count)}


def keep(conn: sqlite3.Connection, worker: str, name: str, so_far: Received) -> None:
    """Note in the trainer's store how far a worker's recordings have come."""
    data = json.dumps({"worker": worker, "received": so_far.as_row()})
    message = f"How far the recordings of worker '{name}' have come."
    with transaction(conn):
        if (found := _row(conn, worker)) is not None:
            conn.execute("UPDATE events SET at = ?, message = ?, data = ? WHERE id = ?", (now(), message, data, found[0]))
        else:
            conn.execute(
                "INSERT INTO events (at, level, kind, message, data) VALUES (?, 'info', ?, ?, ?)", (now(), KIND, message, data)
            )


def _row(conn: sqlite3.Connection, worker: str) -> tuple[int, str] | None:
    row: tuple[int, str] | None = conn.execute(
        "SELECT id, data FROM events WHERE session_id IS NULL AND kind = ? AND json_valid(data) AND "
        "json_extract(data, '$.worker') = ?",
        (KIND, worker),
    ).fetchone()
    return row
