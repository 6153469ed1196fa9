"""The store: one SQLite file with every step, episode and segment, and everything off the hot path that is done with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any, NoReturn, Self, cast

from data.connect import BUSY_TIMEOUT_S, FULL, is_fixed, open_store, reason
from data.errors import DamagedStoreError, DiskFullError, NoStoreError, StoreError, shown
from data.files.paths import STORE_NAME, as_option
from data.reading.drives import DriveTables
from data.schema import database
from data.tables.checkpoints import Checkpoints
from data.tables.corners import Corners
from data.tables.judgements import Judgements
from data.tables.segments import SegmentTables
from data.tables.sessions import Sessions
from data.tables.tracks import Tracks
from data.tables.upkeep import Upkeep


class Store(Sessions, DriveTables, SegmentTables, Judgements, Corners, Tracks, Checkpoints, Upkeep):
    """An open store. One thread at a time; open another for another thread. Use as a context manager or call :meth:`close`.

    ::

        with Store("~/.hitl/store.sqlite") as store:
            for episode in store.episodes(purpose="evaluation"):
                drive = store.steps(episode, columns=("progress", "speed"))
                print(episode.total, drive.speed.max())
            takeovers = store.segments(corner="corner 3", kind="takeover")
            store.label([takeovers[-1].id], verdict="star")

    Reading: :meth:`sessions`, :meth:`episodes`, :meth:`steps`, :meth:`segments`, :meth:`corners`, :meth:`checkpoints`,
    :meth:`evaluations`, :meth:`metrics`, :meth:`events`, :meth:`tracks`. Judging: :meth:`label`, :meth:`undo`. Looking after it:
    :meth:`info`, :meth:`check`, :meth:`prune`, :meth:`compact`. Each is written, with what it returns, in ``data/tables`` or
    ``data/reading/drives.py``. ``conn`` is the SQLite connection, ``db`` the same for sqlite-utils.
    """

    def __init__(
        self, path: str | Path, *, create: bool = True, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        """Open the store at ``path``, made and migrated as needed.

        Raises StoreError when it is newer than this program, damaged, locked, cannot be written, or is not there and
        ``create`` is False.
        """
        self.path = Path(os.path.abspath(Path(path).expanduser()))  # a script may change its folder
        try:
            self.conn = open_store(self.path, create=create, read_only=read_only, busy_timeout_s=busy_timeout_s)
        except (sqlite3.OperationalError, NotADirectoryError) as error:
            raise without_folder(self.path, Path(path)) or now_unusable(self.path, error, "opened") from error
        self.db = database(self.conn)
        self._live = {}
        self._read_only = read_only
        self._fixed = not read_only and is_fixed(self.conn)

    @classmethod
    def open_existing(cls, path: str | Path) -> Self:
        """Open a store that must be there; on a medium that cannot be written, for reading only."""
        try:
            return cls(path, create=False)
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                with contextlib.suppress(StoreError):
                    return cls(path, read_only=True)
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of an open store, also one that was pickled, is the same file, opened again."""
        return _reopened, (type(self), str(self.path), self._read_only)

    def close(self) -> None:
        """Close the connection; sessions started here that were not ended are left for the next start to close as
        interrupted."""
        for lock in self._live.values():
            lock.release()
        self._live.clear()
        self.conn.close()  # after the locks, as it notes that no log of these sessions is missing
        self.conn = self.db = cast(Any, Closed(self.path.name))

    @property
    def read_only(self) -> bool:
        """Whether it can only be read: it was opened so, or its file cannot be written here."""
        return self._read_only or self._fixed

    def check_writable(self) -> None:
        """Raise StoreError where it is closed, or can only be read."""
        if isinstance(self.conn, Closed):
            self.conn.refuse()
        if self.read_only:
            raise only_read(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close it; what SQLite says about a store that cannot be used now becomes a StoreError."""
        self.close()
        if isinstance(error, sqlite3.DatabaseError) and (said := self._in_words(error)) is not None:
            raise said from error

    def _in_words(self, error: sqlite3.DatabaseError) -> StoreError | None:
        """Return what SQLite says about a store that cannot be used now as a sentence; None for what is no fault of the store."""
        name = self.path.name
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
            return only_read(self.path)
        if isinstance(error, sqlite3.OperationalError):
            return now_unusable(self.path, error, "used now")
        if type(error) is sqlite3.DatabaseError:
            return DamagedStoreError(f"The store {name} is damaged ({shown(error)}): `hitl store check` says what can be saved.")
        return None


def only_read(path: Path) -> StoreError:
    """Return what is said of a store that is to be changed where it can only be read."""
    return StoreError(
        f"The store {path.name} can only be read here: it was opened with read_only, or it cannot be written. Nothing was "
        "changed."
    )


def without_folder(path: Path, typed: Path) -> StoreError | None:
    """Return what is said of a store whose folder is not there; None where it is. ``typed``: the path as it was given."""
    folder = typed.parent
    try:
        if stat.S_ISDIR(os.stat(path.parent).st_mode):
            return None
    except FileNotFoundError:
        play = f"hitl play {as_option('--home', folder)}"
        way = f"record something there first (`{play}`)"
        return StoreError(
            f"The folder '{shown(folder, 200)}' is not there, so the store {path.name} in it cannot be opened: check its name, "
            f"or {way if path.name == STORE_NAME else 'make the folder first'}."
        )
    except NotADirectoryError:
        pass
    except OSError:  # it cannot be looked at
        return None
    return StoreError(f"'{shown(folder, 200)}' is no folder, so no store can be opened in it: check its name.")


def now_unusable(path: Path, error: Exception, what: str) -> StoreError:
    """Return what is said of a store that cannot be opened, or used, at this moment."""
    why = reason(path, error)
    if why == FULL:
        return DiskFullError(f"The store {path.name} cannot be {what}: {why}. Make room on it, then try again.")
    look = "check that the folder is there and writable" if what == "opened" else "check the disk"
    return StoreError(f"The store {path.name} cannot be {what} ({why}): {look}, and that no other program holds it.")


def _reopened(kind: type[Store], path: str, read_only: bool) -> Store:
    """Open a store that was open when something was saved with it. Raises StoreError, also where it is no longer there."""
    try:
        return kind(path, create=False, read_only=read_only)
    except NoStoreError:
        raise NoStoreError(
            f"What is loaded was saved with the store {shown(path, 200)}, which is not there: put it back, or load without it (a "
            'model of Stable-Baselines3: with custom_objects={"replay_buffer_kwargs": {"store": PATH}}).'
        ) from None


class Closed:
    """Stands where the connection of a store was: whatever is asked of it raises StoreError."""

    def __init__(self, name: str) -> None:
        self._name = name

    def close(self) -> None:
        """It is closed."""

    def refuse(self) -> NoReturn:
        """Raise StoreError."""
        raise StoreError(f"The store {self._name} is closed: open it again to read it or to write to it.")

    def __getattr__(self, name: str) -> Any:
        self.refuse()

    __getitem__ = __getattr__
