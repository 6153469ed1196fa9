"""Whether a store's file has the tables that it must have, and what is said when rows in it cannot be read.

A store may come from anybody. SQLite keeps it from running code, but a file can hold a view without end where a table should be,
or a trigger that does something at every write (https://sqlite.org/security.html).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from data.errors import StoreError, shown
from data.schema import Migration, database

Tables = tuple[dict[str, frozenset[str]], frozenset[str]]
"""Columns by table, and the triggers."""
Schema = tuple[tuple[bytes, bytes, bytes, bytes | None], ...]
"""Kind, name, table and SQL of each part of the schema, in the order in which they were made, as bytes: a file may hold any."""

F = TypeVar("F", bound=Callable[..., Any])

_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError)
_COPY = "Put a copy of the store in its place."
_SCHEMA = (
    "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master ORDER BY rowid"
)


def _tables(conn: sqlite3.Connection) -> Tables:
    names = [str(n) for (n,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    # `hidden`: a column that is worked out when it is read, or one of a virtual table
    columns = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0"
    tables = {name: frozenset(str(c) for (c,) in conn.execute(columns, (name,))) for name in names}
    triggers = frozenset(str(n) for (n,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    return tables, triggers


@functools.lru_cache(maxsize=8)
def _wanted(migrations: tuple[Migration, ...]) -> tuple[Tables, Schema, bool]:
    """Return what these migrations make of an empty file, and whether they put rows into it."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as conn:
        for migration in migrations:
            migration.apply(database(conn))
        return _tables(conn), tuple(conn.execute(_SCHEMA)), conn.total_changes > 0


def new_schema(migrations: Sequence[Migration]) -> list[str]:
    """Return the SQL that makes in an empty file what these migrations make; none where they put rows into it."""
    _, schema, has_rows = _wanted(tuple(migrations))
    return [] if has_rows else [sql.decode() for *_, sql in schema if sql]


def check_schema(conn: sqlite3.Connection, name: str, migrations: Sequence[Migration]) -> None:
    """See that a store of the version that these migrations make has their tables and columns, and no foreign triggers.

    Tables and views beside them are the player's own business. Raises StoreError, sqlite3.DatabaseError when it is damaged.
    """
    (tables, triggers), schema, _ = _wanted(tuple(migrations))
    if set(conn.execute(_SCHEMA)) == set(schema):  # word for word, as in nearly every store
        return
    held, found = _tables(conn)
    for table, columns in tables.items():
        if not columns <= held.get(table, frozenset()):
            raise StoreError(f"The store {name} is damaged: its table '{table}' is not there or not whole. {_COPY}")
    if foreign := found - triggers:
        raise StoreError(
            f"The store {name} holds instructions that hitl did not put there (the trigger '{shown(min(foreign), 40)}'): it was "
            f"not used. {_COPY}"
        )
    if triggers - found:
        raise StoreError(f"The store {name} is damaged: the trigger '{min(triggers - found)}' is missing. {_COPY}")


def _takes(reader: Callable[..., Any], values: Sequence[Any], named: Mapping[str, Any]) -> bool:
    """Tell whether a function can be called with these arguments."""
    try:
        inspect.signature(reader).bind(*values, **named)
    except TypeError:
        return False
    return True


class readable_rows(contextlib.ContextDecorator):  # noqa: N801 (used as a function)
    """Say in a sentence that rows cannot be understood; also a decorator. Arguments that do not fit remain a TypeError."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise StoreError for what reading a row raises."""
        if isinstance(error, _UNREADABLE):
            raise StoreError(
                f"The store holds rows that cannot be read ({shown(error, 120)}): `hitl store check` says which. {_COPY}"
            ) from error

    def __call__(self, reader: F) -> F:
        """Return the function, which says so of its rows."""
        reading: Any = super().__call__(reader)

        @functools.wraps(reader)
        def read(*values: Any, **named: Any) -> Any:
            try:
                return reading(*values, **named)
            except StoreError as error:
                if isinstance(error.__cause__, TypeError) and not _takes(reader, values, named):
                    raise error.__cause__ from None
                raise

        return cast(F, read)
