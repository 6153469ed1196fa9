"""What can still be read of a damaged store, row by row, into a new file: a player's laps are worth more than the file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.connect import migrate, transaction
from data.errors import StoreError, shown
from data.files.paths import sqlite_uri
from data.schema import APPLICATION_ID, MIGRATIONS
from data.tables.checks import drop_lost

FURTHEST = 1 << 40
"""Rows that are skipped at most to find one behind a damaged place: more means that there is none."""


def salvage(source: Path, target: Path) -> None:
    """Write what can be read of a damaged store into a new file. Raises StoreError where nothing can be."""
    with (
        contextlib.closing(sqlite3.connect(sqlite_uri(source, "mode=ro"), uri=True)) as damaged,
        contextlib.closing(sqlite3.connect(target, isolation_level=None)) as whole,
    ):
        try:
            damaged.execute("PRAGMA trusted_schema = OFF")
            damaged.execute("PRAGMA cell_size_check = ON")
            damaged.execute("PRAGMA writable_schema = ON")  # else a file that was cut off is not read at all
            version, made_by = (damaged.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
            held = {name for (name,) in damaged.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0")}
            known = made_by == APPLICATION_ID and 0 < version <= len(MIGRATIONS)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            known = False
        if not known:
            raise StoreError(f"The store {shown(source.name)} is too damaged, nothing of it can be read: only a copy helps.")
        migrate(whole, target, MIGRATIONS[:version])  # our own tables: what the file calls its schema may be anything
        whole.execute("PRAGMA foreign_keys = OFF")
        tables = [name for (name,) in whole.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        with transaction(whole):
            for table in [name for name in tables if name in held]:  # a view may be without end
                _copy(damaged, whole, table)
        drop_lost(whole)


def _copy(damaged: sqlite3.Connection, whole: sqlite3.Connection, table: str) -> None:
    columns = [f'"{name}"' for _, name, *_ in whole.execute(f"PRAGMA table_info({table})")]
    insert = f'INSERT OR IGNORE INTO "{table}" ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})'
    for row in _rows(damaged, f"SELECT s.rowid, {', '.join(f's.{c}' for c in columns)} FROM \"{table}\" s WHERE s.rowid >= ?"):
        with contextlib.suppress(sqlite3.IntegrityError):  # what is read of a damaged page may be anything
            whole.execute(insert, row)


def _rows(conn: sqlite3.Connection, select: str) -> Iterator[tuple[Any, ...]]:
    """Yield what can be read of a table, in its order, without the number that each row begins with."""
    at: int | None = 0
    while at is not None:
        try:
            for number, *row in conn.execute(f"{select} ORDER BY s.rowid", (at,)):
                at = int(number) + 1
                yield tuple(row)
            return
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            pass
        found, read = _first(conn, select, at)
        while read and found is not None:  # one by one up to the place: whoever reads on reads a row ahead
            at = int(found[0]) + 1
            yield tuple(found[1:])
            found, read = _first(conn, select, at)
        at = None if read else _behind(conn, select, at)


def _first(conn: sqlite3.Connection, select: str, at: int) -> tuple[tuple[Any, ...] | None, bool]:
    """Return the first row from ``at`` on (None: there is none), and whether it could be read."""
    try:
        return conn.execute(f"{select} ORDER BY s.rowid LIMIT 1", (at,)).fetchone(), True
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None, False


def _behind(conn: sqlite3.Connection, select: str, at: int) -> int | None:
    """Return where the rows can be read again behind a damaged place; None where nowhere."""
    skip = 1
    while not _first(conn, select, at + skip)[1]:
        skip *= 2
        if skip > FURTHEST:
            return None
    low, high = at + skip // 2, at + skip
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _first(conn, select, middle)[1] else (middle, high)
    return high
