"""Another store, before anything is taken from it: readable, whole, and sound."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from data.connect import connect, header_version, open_store
from data.errors import DamagedStoreError, StoreError, shown
from data.files.paths import STORE_NAME, refuse_share
from data.recording.log_beside import advice, without_log
from data.recording.salvage import salvage
from data.recording.session_lock import is_alive
from data.recording.spill_file import find_spills, session_prefix, spills_of
from data.schema import MIGRATIONS
from data.tables.checks import faults, is_damaged
from data.words import number_of


@contextlib.contextmanager
def readable(source: Path, notes: list[str]) -> Iterator[Path]:
    """Give a path that can be attached and whose rows agree. The source is left as it is.

    It is the source itself; of an older store a migrated copy; of a damaged one what can be read of it. ``notes`` takes a
    sentence for that, and when what was driven last there is not in it: its log is missing, or spill files wait beside it.

    Raises StoreError, also where the rows contradict each other: the faults would come along.
    """
    refuse_share(source)
    with tempfile.TemporaryDirectory() as folder:
        try:
            notes += _waiting(source)
            found = _of_today(source, Path(folder) / "source.sqlite", notes)
            said = _faults(found)
            damaged = is_damaged(said)
        except (DamagedStoreError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.OperationalError):  # it cannot be opened now
                raise
            damaged = True
        if damaged:
            found = Path(folder) / "salvaged.sqlite"
            salvage(source, found)
            open_store(found).close()  # an older one is migrated
            said = _faults(found)
            name = shown(source.name)
            notes.append(f"The store {name} is damaged: what can still be read of it came in, and the rest is lost.")
        if said:
            raise StoreError(
                f"The store {shown(source.name)} is not sound, so nothing was taken from it. {said[0]} The store check of the "
                "home that it comes from says how that is fixed."
            )
        yield found


def _of_today(source: Path, copy: Path, notes: list[str]) -> Path:
    """Return a store of today's version: the source, or a copy of an older one that was migrated."""
    if not 0 < (header_version(source) or 0) < len(MIGRATIONS):
        opened = open_store(source, read_only=True)  # an export stays the one file that it is
        if without_log(opened, source):
            notes.append(f"{shown(source.name)} was cut off while it recorded, and {advice(source)}")
        opened.close()
        return source
    with contextlib.closing(connect(source, read_only=True)) as conn, contextlib.closing(sqlite3.connect(copy)) as target:
        conn.backup(target)
    open_store(copy).close()
    return copy


def _faults(path: Path) -> list[str]:
    with contextlib.closing(connect(path, read_only=True)) as conn:
        return faults(conn, elsewhere=True)


def _waiting(source: Path) -> list[str]:
    """Say that operations wait beside a store which it could not take at the time, and what brings them in."""
    if not find_spills(source):
        return []
    with contextlib.closing(connect(source, read_only=True)) as conn:
        waiting, _ = spills_of(conn, source)
    if not waiting:
        return []
    files = number_of(len(waiting), "spill file waits", "spill files wait")
    if any(is_alive(source, session_prefix(path)) for path in waiting):
        then = "It is being recorded into: import it again when that session has ended."
    elif source.name == STORE_NAME:
        then = "Type `hitl store recover` first, then import it again."
    else:
        then = "Start what recorded it once more, then import it again."
    return [f"{files} beside {shown(source.name)} to be read back, so some of what was driven there did not come in. {then}"]


@contextlib.contextmanager
def fitting(source: Path) -> Iterator[None]:
    """Say in a sentence that rows of the other store are refused by the rules of this one. Raises StoreError."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
        raise StoreError(
            f"The store {shown(source.name)} does not fit into this one ({shown(error, 120)}): `hitl store check` says what is "
            "wrong with it. The sessions before that one came in."
        ) from error
