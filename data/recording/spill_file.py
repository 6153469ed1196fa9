"""The spill file: where operations go while the store cannot be written, and how the next start reads them back.

One JSON line an operation. A torn last line (the process was killed, or this disk is full as well) is simply left out.
The file lies beside the store when that folder can be written, else in the user's temporary folder, under a name made
from a hash of the store's path. There it outlives a store that is deleted, so its first line names a session of that store.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import getpass
import hashlib
import json
import os
import sqlite3
import stat
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO, Any

from data.files import held
from data.files.paths import FILE_SUFFIXES, private_folder, sqlite_uri
from data.recording.operations import Operation, Unknown, as_row, from_row
from data.recording.session_lock import try_lock
from data.records import SessionInfo

SPILLED, SET_ASIDE = ".jsonl", ".unreadable"
_STEM = "hitl-spill-"
_PREFIX = 16  # letters of the session's uuid in a file's name


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} cannot be spilled")


def _decode(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["b"]) if value.keys() == {"b"} else value


def _stem(store: Path) -> str:
    return _STEM + hashlib.sha256(str(store.resolve()).encode()).hexdigest()[:16]


def spill_folders(store: Path) -> list[Path]:
    """Return the folders tried, best first."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in the system's list
        user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    return [store.resolve().parent, Path(tempfile.gettempdir()) / f"hitl-{user}"]


class SpillFile:
    """Append-only; each :meth:`write` reaches the disk before it returns.

    When the disk it lies on fills up as well, it goes on in the next folder, as a second file: ``paths`` in order.
    """

    def __init__(self, store: Path, uuid: str, info: SessionInfo, started: str) -> None:
        self.store, self.uuid = store, uuid
        self.first: str | None = None
        """The uuid of the store's first session: a start tells this store from a later one at its place by it. None: unknown."""
        self._header = {"uuid": uuid, "started": started, "info": dataclasses.asdict(info)}
        self._files: list[IO[bytes]] = []  # all stay open, for their locks
        self.paths: list[Path] = []
        self.written = 0

    def write(self, ops: Sequence[Operation]) -> None:
        """Append operations. Raises OSError, with nothing counted as written, when no folder takes them."""
        data = b"".join(json.dumps(as_row(op), default=_encode, separators=(",", ":")).encode() + b"\n" for op in ops)
        if not (self._files and self._append(data)):
            self._begin(data)
        self.written += len(ops)

    def _begin(self, data: bytes) -> None:
        """Begin a file with ``data`` in the first folder after the one in use that takes it."""
        folders = spill_folders(self.store)
        used = {path.parent for path in self.paths}
        last = max((i for i, folder in enumerate(folders) if folder in used), default=-1)
        for folder in folders[last + 1 :]:
            path = folder / f"{_stem(self.store)}-{self.uuid[:_PREFIX]}{SPILLED}"
            try:
                private_folder(folder)
                if not _trusted(folder, self.store):
                    continue
                file = path.open("ab")
            except OSError:
                continue
            try_lock(file.fileno())  # says to another start that this session still lives
            self._files.append(file)
            self.paths.append(path)
            # By its size: the lock may have moved the file's position (on Windows it does).
            known = self._header if self.first is None else {**self._header, "first": self.first}
            header = b"" if os.fstat(file.fileno()).st_size else json.dumps(known).encode() + b"\n"
            if self._append(header + data):
                return
            self._files.pop().close()
            held.unlink(self.paths.pop())
        raise OSError("no folder can hold the spill file")

    def _append(self, data: bytes) -> bool:
        """Write and sync; on failure the file is cut back to what it was, so that a retry does not follow a torn line."""
        fd = self._files[-1].fileno()
        size = os.fstat(fd).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            return False
        return True

    def remove(self) -> None:
        """Empty, close and delete it: all of it is in the store now. An empty one that cannot be deleted does no harm."""
        for file in self._files:
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), 0)
        self.close()
        for path in self.paths:
            with contextlib.suppress(OSError):
                held.unlink(path)
        self.paths, self.written = [], 0

    def close(self) -> None:
        """Close it and leave it for the next start."""
        for file in self._files:
            file.close()
        self._files = []


def read_spill(path: Path) -> tuple[dict[str, Any], SessionInfo, Generator[Operation, None, None]]:
    """Return (header, session, operations) of a spill file.

    Raises ValueError, KeyError or TypeError when its first line does not say whose it is.
    """
    with path.open("rb") as file:
        header = json.loads(file.readline())
    return header, SessionInfo.from_json(header["info"]), read_operations(path, from_line=2)


def read_operations(path: Path, from_line: int = 1) -> Generator[Operation, None, None]:
    """Yield the operations of a spill file; a line that cannot be read is an `Unknown`."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number < from_line:
                continue
            if not line.endswith(b"\n"):
                return
            try:
                yield from_row(json.loads(line, object_hook=_decode))
            except (ValueError, TypeError, LookupError):  # the store refuses it alone, and takes what follows
                yield Unknown(f"line {number} of a spill file")


def _trusted(folder: Path, store: Path) -> bool:
    """Return whether only this user can have put files there: the system's temporary folder is open to all."""
    try:
        if folder == store.resolve().parent:
            return folder.is_dir()
        found = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
    return stat.S_ISDIR(found.st_mode) and mine


def find_spills(store: Path, kind: str = SPILLED) -> list[Path]:
    """List the spill files left for this store; with ``kind=SET_ASIDE`` those that an earlier start could not read.

    Beside the only store of a folder all are this one's: they are named after where it was when they were written.
    """
    found = [
        path
        for folder in dict.fromkeys(spill_folders(store))
        if _trusted(folder, store)
        for path in sorted(folder.glob(f"{_stem(store)}-*{kind}"))
    ]
    here = store.resolve()
    if all(other == here for end in FILE_SUFFIXES for other in here.parent.glob(f"*{end}")):
        found += [path for path in sorted(here.parent.glob(f"{_STEM}*-*{kind}")) if path not in found]
    return found


def spills_of(conn: sqlite3.Connection, store: Path, kind: str = SPILLED) -> tuple[list[Path], list[Path]]:
    """Return the spill files of this open store, and those of another one that was at its place before."""
    found = find_spills(store, kind)
    others = [path for path in found if _of_another(conn, path, store)]
    return [path for path in found if path not in others], others


def _of_another(conn: sqlite3.Connection, spill: Path, store: Path) -> bool:
    """Tell whether a spill file is of a store that is not there any more; where nothing tells, it is this one's.

    A store without any session has had none. What lies beside the store is its own: it would have gone with the other one.
    """
    if spill.parent == store.resolve().parent:
        return False
    try:
        header = read_spill(spill)[0]
        known = header["first"], header["uuid"]
        return conn.execute("SELECT 1 FROM sessions WHERE uuid IN (?, ?)", known).fetchone() is None
    except (OSError, ValueError, LookupError, TypeError, sqlite3.Error):  # of an earlier version, or of a store never written
        return False


_PEEKED: list[sqlite3.Connection] = []


def first_session(path: Path) -> str | None:
    """Return the uuid of the first session of a store that cannot be opened now, as on a full disk; None where it is unknown.

    The connection stays open: to close one that took no lock drops those of this process's other connections (POSIX).
    """
    if not os.path.isfile(path):
        return None
    try:
        conn = sqlite3.connect(sqlite_uri(path, "mode=ro&immutable=1"), uri=True, check_same_thread=False)
        if os.name == "posix":
            _PEEKED.append(conn)
        row = conn.execute("SELECT uuid FROM sessions ORDER BY id LIMIT 1").fetchone()
        if os.name != "posix":
            conn.close()
    except sqlite3.Error:
        return None
    return row and str(row[0])


def session_prefix(path: Path) -> str:
    """Return the beginning of the uuid of the session that a spill file is named after."""
    return path.stem.rpartition("-")[2]
