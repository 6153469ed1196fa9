"""Opening the store's file: settings of the connection, refusal of what is not ours, migration."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.errors import DamagedStoreError, NewerStoreError, NoStoreError, NotAStoreError, StoreError, shown
from data.files import held
from data.files.paths import as_typed, can_write, disk_is_full, refuse_share, sqlite_uri
from data.reading.schema_check import check_schema, new_schema
from data.recording.log_beside import keeps_log, log_size, note_log, without_log
from data.schema import APPLICATION_ID, MIGRATIONS, Migration, database

BUSY_TIMEOUT_S = 5.0
FULL = "the disk is full"
ANOTHER = "another file or home (on the command line: --home DIR)"
"""What is to be chosen, also by a script."""
LOG_PATIENCE_S = 0.5
"""How long a store that came without a log waits to be given one, while another program reads it."""


def now(after: str = "") -> str:
    """Return the present as ISO 8601 text in UTC with milliseconds, as every date in the store.

    ``after``: such a date; where the clock is not past it, a millisecond later than that.
    """
    moment = datetime.now(UTC)
    if after:
        moment = max(moment, datetime.fromisoformat(after) + timedelta(milliseconds=1))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class _Connection(sqlite3.Connection):
    """Notes when it is closed that no session's log was missing: as the last one, it takes the log away.

    A session may have been killed since it was opened: one that was open then, or that began later.
    """

    store: Path | None = None
    alone: frozenset[int] = frozenset()
    """Sessions whose log was missing already when the store was opened."""

    def close(self) -> None:
        if self.store is not None:
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                note_log(self, self.store, self.alone)
            self.store = None
        super().close()


def reason(path: Path, error: Exception) -> str:
    """Return why a store cannot be used now. SQLite calls a disk without room for its log or shared memory an I/O error."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    unclear = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    return FULL if code == sqlite3.SQLITE_FULL or (unclear and disk_is_full(path.parent)) else str(error)


def _open(path: Path, timeout_s: float, mode: str, *others: str) -> _Connection:
    """Open a file in the first of some URI modes in which it can be read. Raises sqlite3.Error."""
    conn: _Connection | None = None
    try:
        conn = sqlite3.connect(
            sqlite_uri(path, mode), uri=True, isolation_level=None, timeout=timeout_s, check_same_thread=False,
            factory=_Connection,
        )  # fmt: skip
        conn.execute("PRAGMA schema_version").fetchone()
        return conn
    except BaseException as error:
        if conn is not None:
            conn.close()
        if not others or not isinstance(error, sqlite3.OperationalError) or "locked" in str(error):
            raise
    return _open(path, timeout_s, *others)


def header_version(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> int | None:
    """Return the file's ``user_version``, and write nothing to it; None for no or an empty file.

    Raises StoreError when the file is not an SQLite database, is damaged or belongs to another program.

    SQLite itself must read it. Opening the file beside it and closing it again would drop, on POSIX, every lock that this
    process's other connections hold on it (https://sqlite.org/howtocorrupt.html, 2.2); the next visitor from another
    process would then take itself for the last one and remove the log that they still write to.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    if size == 0:
        return None
    if size < 512:  # the smallest page
        raise _no_store(path, "not an SQLite file, or cut off")
    # Opened for writing where that can be: only such a connection takes its log and shared memory away when it was alone.
    modes = ("mode=rw",) if can_write(path) else ("mode=ro", "mode=ro&immutable=1")
    logged = log_size(path) > 0
    try:
        with contextlib.closing(_open(path, busy_timeout_s, *modes)) as conn:
            version = version_of(conn)
            application = int(conn.execute("PRAGMA application_id").fetchone()[0])
            if logged and application == APPLICATION_ID:
                conn.store = path
    except sqlite3.OperationalError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes a damaged schema as it is
        other = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB
        raise _no_store(path, "not an SQLite file") if other else _damaged(path, error) from error
    if version and application != APPLICATION_ID:
        raise StoreError(f"{path.name} is a database of another program, not a store: choose {ANOTHER}.")
    return version


def _no_store(path: Path, what: str) -> NotAStoreError:
    return NotAStoreError(f"{path.name} is not a store ({what}): choose {ANOTHER}, or move that file away.")


def _damaged(path: Path, error: Exception) -> DamagedStoreError:
    """Return what is said of a store that cannot be opened. It names no folder: reports go to other people."""
    return DamagedStoreError(
        f"The store {path.name} is damaged or incomplete ({shown(error, 120)}): `hitl store check` says what can be saved."
    )


def way_out(path: Path) -> str:
    """Return what to type for a store whose file is damaged."""
    home = path.parent.with_name(f"{path.parent.name}-saved")
    command = " ".join(["hitl import", as_typed(path), "--home", as_typed(home)])
    learned = "" if not (path.parent / "checkpoints").is_dir() else (
        ", and the folder `checkpoints`, copied from here into it, what the agent has learned"
    )  # fmt: skip
    return (
        f"`{command}` takes what can still be read of it into a new home{learned}. A copy of the store from before, put in its "
        "place, has all of it."
    )


def _refuse_newer(path: Path, version: int, known: int) -> None:
    if version > known:
        raise NewerStoreError(
            f"The store {path.name} was written by a newer version of hitl (store version {version}, this one knows {known}): "
            "update hitl; nothing was changed."
        )


def connect(path: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S) -> _Connection:
    """Open a connection with the store's settings; transactions are begun explicitly.

    A WAL database without its log beside it (no program has it open) cannot be opened with ``mode=ro``. On a medium on which
    nothing can be written it is then read as ``immutable``. Anywhere else that would be wrong twice: such a connection sees
    nothing of a writer who comes at the same moment, and it takes no locks, so that closing it drops those that this process's
    other connections hold (see :func:`header_version`). There the file is opened for writing, and only read.

    Raises sqlite3.OperationalError when the file cannot be opened now.
    """
    reading = "mode=ro", "mode=rw" if can_write(path) else "mode=ro&immutable=1"
    conn = _open(path, busy_timeout_s, *(reading if read_only else ("mode=rwc",)))
    conn.execute("PRAGMA foreign_keys = ON")
    conn.execute("PRAGMA recursive_triggers = OFF")
    conn.execute("PRAGMA cache_size = -16000")
    conn.execute("PRAGMA trusted_schema = OFF")  # what a foreign file's views and triggers may call
    conn.execute("PRAGMA cell_size_check = ON")
    if read_only:
        conn.execute("PRAGMA query_only = ON")
    else:
        conn.execute("PRAGMA synchronous = NORMAL")
    return conn


def is_fixed(conn: sqlite3.Connection) -> bool:
    """Tell whether a store that was opened for writing cannot be written: SQLite opens such a file to read it, and says nothing.

    Only a statement that would write tells. This one changes nothing, and waits for no one: who finds it locked may write later.
    """
    timeout = conn.execute("PRAGMA busy_timeout").fetchone()[0]
    conn.execute("PRAGMA busy_timeout = 0")
    try:
        conn.execute("DELETE FROM sessions WHERE 0")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY
    finally:
        conn.execute(f"PRAGMA busy_timeout = {timeout}")
    return False


@contextlib.contextmanager
def transaction(conn: sqlite3.Connection, mode: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """Run a block in one transaction; joins the one that is already open."""
    if conn.in_transaction:
        yield conn
        return
    conn.execute(f"BEGIN {mode}")
    try:
        yield conn
        conn.execute("COMMIT")
    except BaseException:
        # A full disk rolls back by itself, and then ROLLBACK would fail and hide the cause.
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def bulk_writing(conn: sqlite3.Connection, *, checked: bool = True) -> Iterator[None]:
    """Write much in this block: every commit would else be moved from the log into the store at once, and waited for.

    The log grows to 80 MB (20,000 pages) before that is done, and pages that are changed again and again stay in memory.
    Without ``checked``, SQLite does not look for the episode and the checkpoint of every step: for a writer that has made these
    rows itself. It must not be called inside a transaction.
    """
    wanted = {"wal_autocheckpoint": 20_000, "cache_size": -200_000} | ({} if checked else {"foreign_keys": 0})
    before = {name: conn.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    try:
        for name, value in wanted.items():
            conn.execute(f"PRAGMA {name} = {value}")
        yield
    finally:
        for name, value in before.items():
            conn.execute(f"PRAGMA {name} = {value}")


def open_to_follow(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open a store that must be there and will be looked at again and again; raises as :func:`open_store`.

    Opened for writing, so that the log of a killed writer can be taken up; then held to reading.
    """
    conn = open_store(path, create=False, busy_timeout_s=busy_timeout_s)
    conn.execute("PRAGMA query_only = ON")
    return conn


def data_version(conn: sqlite3.Connection) -> int:
    """Return a number that changes when another connection has written."""
    return int(conn.execute("PRAGMA data_version").fetchone()[0])


def version_of(conn: sqlite3.Connection) -> int:
    """Return the number of migrations the store has had."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def _keep_copy(conn: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy the store as it is before a migration that changes data; a copy of that version is never overwritten."""
    copy = path.with_name(f"{path.name}.v{version}-copy")
    if not copy.exists():
        part = copy.with_name(copy.name + ".part")
        held.unlink(part)
        with contextlib.closing(sqlite3.connect(part)) as target:
            conn.backup(target)
        held.replace(part, copy)


def _use_a_log(conn: sqlite3.Connection, patience_s: float = BUSY_TIMEOUT_S) -> None:
    """Turn to write-ahead logging. SQLite does not wait for the lock that this takes when two make a new store at once."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            conn.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _bring_a_log(conn: sqlite3.Connection) -> None:
    """Turn a store that came as one file to write-ahead logging: an export, or what a demo starts from.

    Without it a program that reads holds up all that write. Where it cannot be done now (another program reads, the disk is
    full), the store is used as it came, and the next that opens it tries again.
    """
    timeout = conn.execute("PRAGMA busy_timeout").fetchone()[0]
    conn.execute(f"PRAGMA busy_timeout = {min(timeout, round(1000 * LOG_PATIENCE_S))}")
    try:
        with contextlib.suppress(sqlite3.OperationalError):
            _use_a_log(conn, LOG_PATIENCE_S)
    finally:
        conn.execute(f"PRAGMA busy_timeout = {timeout}")


def migrate(conn: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the store to the newest version, each migration in a transaction of its own; a new one at once."""
    version = version_of(conn)
    _refuse_newer(path, version, len(migrations))
    if version == len(migrations):
        return
    if version == 0:
        _use_a_log(conn)
        if statements := new_schema(migrations):
            with transaction(conn):
                if version_of(conn) == 0:  # as below
                    for statement in statements:
                        conn.execute(statement)
                    conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    conn.execute(f"PRAGMA user_version = {len(migrations)}")
        version = version_of(conn)
    while version < len(migrations):
        if version and migrations[version].changes_data:
            _keep_copy(conn, path, version)
        with transaction(conn):
            if version_of(conn) == version:  # else another process has just done it
                migrations[version].apply(database(conn))
                conn.execute(f"PRAGMA user_version = {version + 1}")
        version = version_of(conn)


def open_store(
    path: Path,
    *,
    create: bool = True,
    read_only: bool = False,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> sqlite3.Connection:
    """Open the store at ``path``, migrated and with a log unless ``read_only``.

    Raises StoreError when it is newer, damaged, not ours, or (NoStoreError) not there and ``create`` is False;
    sqlite3.OperationalError when it cannot be written now (locked, full disk, read-only mount), which a recorder
    survives.
    """
    refuse_share(path)
    logged = log_size(path) > 0  # before SQLite puts a dead session's log into the file, and takes it away
    version = header_version(path, busy_timeout_s)
    if version is None and (read_only or not create):
        raise NoStoreError(
            f"There is no store at {path}: record something first (`hitl play`), or choose {ANOTHER}."
        )
    _refuse_newer(path, version or 0, len(migrations))
    try:
        conn = connect(path, read_only=read_only, busy_timeout_s=busy_timeout_s)
        try:
            if read_only and not version_of(conn):
                raise StoreError(f"{path.name} is not a store: it holds nothing that hitl recorded. Choose another file.")
            if read_only and version_of(conn) < len(migrations):
                raise StoreError(
                    f"The store {path.name} is of an older version and cannot be read before it is migrated: run "
                    "`hitl store info`."
                )
            if not read_only:
                if version and version < len(migrations):  # what is migrated; the rest is looked at below
                    check_schema(conn, path.name, migrations[:version])
                migrate(conn, path, migrations)
            _refuse_newer(path, version_of(conn), len(migrations))
            check_schema(conn, path.name, migrations)
            if logged or not keeps_log(conn, path):
                note_log(conn, path)
            if not read_only and not keeps_log(conn, path):
                _bring_a_log(conn)
            if keeps_log(conn, path):
                conn.store, conn.alone = path, frozenset(without_log(conn, path))
        except BaseException:
            conn.close()
            raise
    except sqlite3.OperationalError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error
    return conn
