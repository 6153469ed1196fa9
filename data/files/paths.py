"""Where a store may lie, and how SQLite is told: every address of a database is made here."""

from __future__ import annotations

import errno
import functools
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from data.errors import StoreError, UsageError, shown

STORE_NAME = "store.sqlite"
"""What a home calls its store."""
FILE_SUFFIXES = (".sqlite", ".sqlite3", ".db")
"""What the name of a store's file ends with. Any other name is a home folder's, dots or not: ``lr0.001`` is no file."""
ROOM = 128 * 1024
"""Bytes: SQLite keeps 32 KiB of shared memory beside a store, and a log."""
_SHARES = frozenset(
    (
        "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ncpfs", "davfs", "ceph", "lustre",
        "glusterfs", "beegfs", "gpfs", "orangefs", "pvfs2", "coda", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "fuse.sshfs",
        "fuse.smbnetfs", "fuse.glusterfs", "fuse.rclone", "fuse.davfs2", "fuse.gvfsd-fuse", "fuse.curlftpfs", "fuse.cifs",
        "fuse.nfs", "fuse.s3fs", "fuse.vmhgfs-fuse", "fuse.ceph", "fuse.juicefs",
    )
)  # fmt: skip
"""File systems of another machine, as Linux calls them, and of a host that is seen from within a virtual machine."""
_MOUNTS = Path("/proc/self/mounts")
_REMOTE = 4  # what GetDriveTypeW says of a mapped drive


def user_path(text: str | Path) -> Path:
    """Return a path as it was written, with ``~`` for the user's folder, which not every shell puts in.

    Raises UsageError when that folder is not known.
    """
    path = os.path.expanduser(os.fspath(text))
    if path == "~" or path.startswith(("~/", "~\\")):
        raise UsageError(
            "Your home folder is unknown (HOME is not set): write the full path of the folder, for example with --home DIR."
        )
    if path.startswith("~") and not os.path.lexists(path):
        raise UsageError(f"There is no user of that name, so '{shown(path)}' is not a folder: write its full path.")
    return Path(path)


def as_typed(path: str | Path) -> str:
    """Return a path as it is typed on a command line, in quotes where it needs them."""
    text = str(path)
    if sys.platform != "win32" and re.search(r'["$`!\\]', text):
        return shlex.quote(text)
    if sys.platform == "win32" and re.search(r"[$`]", text):
        # PowerShell would put a variable in, and cmd.exe knows no other quotes: for such rare names, the usual shell's.
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"' if not text or re.search(r"[^\w./\\:~+-]", text) else text


def as_option(name: str, value: str | Path) -> str:
    """Return an option and its value as they are typed; after a blank, one that begins with a dash would be another option."""
    return f"{name}{'=' if str(value).startswith('-') else ' '}{as_typed(value)}"


def disk_is_full(folder: Path) -> bool:
    """Tell whether there is no room on a folder's disk for what a store needs beside it to be opened."""
    try:
        return shutil.disk_usage(folder).free < ROOM
    except OSError:  # no such folder, or it cannot be asked
        return False


def is_no_room(error: OSError) -> bool:
    """Tell whether something could not be written because the disk is full, or the user's share of it."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def private_folder(path: Path) -> None:
    """Make a folder, and those above it, that only its owner can open. Raises OSError.

    On Windows it is as private as the folder around it. There, Python makes of the mode 0700 a folder of the owner alone, and the
    owner of what an administrator's console makes is not the user, who then could not open it from another console.
    """
    path.mkdir(mode=0o777 if sys.platform == "win32" else 0o700, parents=True, exist_ok=True)


def can_write(path: Path) -> bool:
    """Tell whether this user may write a file that is there, and what lies beside it."""
    return os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)


def sqlite_uri(path: Path, mode: str) -> str:
    """Return the address of a database file, opened as ``mode`` says (``mode=ro``, …), whatever characters are in its path."""
    whole = os.path.abspath(path)
    if whole.startswith("\\\\?\\") and whole[5:6] == ":":  # Windows' mark of a long path would be taken for a share
        whole = whole[4:]
    return f"{Path(whole).as_uri()}?{mode}"


def refuse_share(path: Path) -> None:
    """Raise StoreError when a file would lie on a share of another machine: SQLite's log cannot be shared from there."""
    path = Path(os.path.abspath(path))
    real = os.path.realpath(path)
    kind = _drive_share(str(path)) or _drive_share(real) or _mount_share(real)
    if kind:
        raise StoreError(
            f"{shown(path.name)} lies on {kind}, where several programs cannot use SQLite's log together: choose a folder on a "
            "disk of this machine (on the command line: --home DIR), and copy the file there first if there is one."
        )


def _drive_share(path: str) -> str:
    """Return what kind of share a path of Windows begins with, or nothing."""
    if path.startswith(("\\\\?\\", "\\\\.\\")) and not path[4:8].upper().startswith("UNC\\"):
        path = path[4:]
    if path.startswith("\\\\"):
        return "a network share"
    if sys.platform == "win32" and path[1:2] == ":":
        import ctypes

        ask = ctypes.WinDLL("kernel32").GetDriveTypeW
        ask.argtypes, ask.restype = [ctypes.c_wchar_p], ctypes.c_uint
        if ask(path[:2] + "\\") == _REMOTE:
            return f"the drive {path[:2].upper()}, which is a network share"
    return ""


def _mount_share(real: str) -> str:
    """Return what kind of share a path of Linux without links lies on, or nothing."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        table = _MOUNTS.read_bytes()
    except OSError:
        return ""
    return _kind_of_mount(table, real)


@functools.lru_cache(maxsize=64)
def _kind_of_mount(table: bytes, path: str) -> str:
    """Return the share among ``/proc/self/mounts`` that a real path lies on, or nothing."""
    found, kind = b"", ""
    where = os.fsencode(path).rstrip(b"/") + b"/"
    for row in table.splitlines():
        fields = row.split(b" ")
        if len(fields) < 3:
            continue
        # Blanks, tabs, line ends and backslashes stand there as octal numbers.
        name = re.sub(rb"\\([0-3][0-7]{2})", lambda code: bytes((int(code[1], 8),)), fields[1])
        mount = name.rstrip(b"/") + b"/"
        if where.startswith(mount) and len(mount) >= len(found):  # of two at one place, the later one lies on top
            found, kind = mount, fields[2].decode("ascii", "replace")
    # Where even the root is one (a container, a machine that boots from the network), there is no other disk to choose.
    return f"a network share ({kind})" if kind in _SHARES and found != b"/" else ""


def page_uri(path: Path) -> str:
    """Return the address at which a browser on this machine opens a file."""
    return Path(os.path.abspath(path)).as_uri()
