"""Some of Windows' rules, kept on Linux, so that tests meet them: ``WINFS=1 python -m pytest tests/data``.

WINFS=1      A file that any process has open can be neither deleted nor moved (Python and SQLite open files without
             FILE_SHARE_DELETE there), and a rename never overwrites. Locks are taken as msvcrt.locking takes them: at the file's
             position, which is moved to the byte that is locked and stays there.
WINCLOCK=1   time.monotonic and time.time count in 15.625 ms, as before Python 3.13.
WINCP=cp1250 Text files that are opened without an encoding take that code page.
WINVENV=1    A process has another id than its parent was told: a virtual environment's python.exe is a launcher.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import functools
import importlib.machinery
import io
import math
import os
import stat
import subprocess  # before anything stands for msvcrt: this module would take it for Windows' own  # noqa: F401
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

SHARING_VIOLATION = 32
TICK_S = 0.015625
LOCKS = "data.recording.session_lock"


@functools.cache
def install() -> None:
    """Keep to the rules that the environment names. Calling it again changes nothing."""
    if os.environ.get("WINFS"):
        refuse_held_files()
        lock_as_windows_does()
    if os.environ.get("WINCLOCK"):
        coarse_clocks()
    if os.environ.get("WINCP"):
        code_page(os.environ["WINCP"])
    if os.environ.get("WINVENV"):
        own_id = os.getpid
        os.getpid = lambda: own_id() + 1_000_000


def is_held(path: Any) -> bool:
    """Whether any process has the file open."""
    try:
        wanted = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(wanted.st_mode) and any(os.path.samestat(found, wanted) for found in _open_files())


def _open_files() -> Any:
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            descriptors = os.listdir(f"/proc/{process}/fd")
        except OSError:  # it has ended, or is not ours
            continue
        for descriptor in descriptors:
            try:
                yield os.stat(f"/proc/{process}/fd/{descriptor}")
            except OSError:
                continue


def _require_free(path: Any) -> None:
    if is_held(path):
        error = PermissionError(errno.EACCES, "The process cannot access the file because it is being used by another process")
        error.filename, error.winerror = os.fspath(path), SHARING_VIOLATION  # type: ignore[attr-defined]
        raise error


def refuse_held_files() -> None:
    """Let ``os`` refuse what Windows refuses."""

    def checked(real: Callable[..., Any], *, overwrites: bool = True) -> Callable[..., Any]:
        def act(path: Any, *more: Any, dir_fd: int | None = None, **options: Any) -> Any:
            if dir_fd is None:
                for one in (path, *more):
                    _require_free(one)
                if not overwrites and os.path.lexists(more[0]):
                    raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists", os.fspath(more[0]))
            elif real in (unlink, remove):
                options["dir_fd"] = dir_fd
            return real(path, *more, **options)

        return act

    unlink, remove, rename, replace = os.unlink, os.remove, os.rename, os.replace
    os.unlink, os.remove, os.replace = checked(unlink), checked(remove), checked(replace)  # type: ignore[assignment]
    os.rename = checked(rename, overwrites=False)  # type: ignore[assignment]


def lock_as_windows_does() -> None:
    """Let the module of locks take its way for Windows once it is imported, over a stand-in for msvcrt."""
    msvcrt = types.ModuleType("msvcrt")
    msvcrt.LK_NBLCK = 2  # type: ignore[attr-defined]
    msvcrt.locking = lambda fd, mode, count: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[attr-defined]

    one_at_a_time = threading.Lock()

    def patch(module: Any) -> None:
        real = module.try_lock
        module.sys = types.SimpleNamespace(platform="win32")

        def try_lock(fd: int) -> bool:
            with one_at_a_time:
                sys.modules["msvcrt"] = msvcrt  # no longer than needed: other modules would take it for Windows' own
                try:
                    return bool(real(fd))
                finally:
                    sys.modules.pop("msvcrt", None)

        module.try_lock = try_lock

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            if name != LOCKS:
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                execute = spec.loader.exec_module
                spec.loader.exec_module = lambda module: (execute(module), patch(module))[0]  # type: ignore[method-assign]
            return spec

    if LOCKS in sys.modules:
        patch(sys.modules[LOCKS])
    else:
        sys.meta_path.insert(0, Finder)


def coarse_clocks() -> None:
    """Let the clocks count in ticks."""
    monotonic, wall = time.monotonic, time.time
    time.monotonic = lambda: math.floor(monotonic() / TICK_S) * TICK_S
    time.time = lambda: math.floor(wall() / TICK_S) * TICK_S
    time.monotonic_ns = lambda: int(time.monotonic() * 1e9)


def code_page(name: str) -> None:
    """Let text files that are opened without an encoding take a code page."""
    real = io.open

    def open_text(
        file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *more: Any, **options: Any
    ) -> Any:
        if "b" not in mode and encoding in (None, "locale"):
            encoding = name
        return real(file, mode, buffering, encoding, *more, **options)

    io.open = builtins.open = open_text  # type: ignore[assignment]
    io.text_encoding = lambda encoding, stacklevel=2: encoding or name  # type: ignore[assignment]
