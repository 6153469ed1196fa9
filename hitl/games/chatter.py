"""What a foreign environment prints goes to a file: the terminal belongs to the session and its messages.

The printing thread tells whose output it is. What a native library writes past Python still goes to the terminal.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

NAME = "environment.log"
MOST = 2**20
"""Characters that are kept of one session: an environment that prints in each step must not fill the disk."""


class Chatter:
    """Keeps what threads print other than the one that made it, and what that one prints inside ``here``.

    Each session that has something to keep overwrites the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._ours = path, {threading.get_ident(), threading.main_thread().ident}
        self._inside = threading.local()
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._left = MOST
        self._open = True
        self._before = (sys.stdout, sys.stderr)
        self._after = (_Split(sys.stdout, self), _Split(sys.stderr, self))
        sys.stdout, sys.stderr = self._after

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Keep what this thread prints, too: while the environment is imported and made."""
        self._inside.so = True
        try:
            yield
        finally:
            self._inside.so = False

    def close(self) -> None:
        """Give the terminal back."""
        if sys.stdout is self._after[0]:
            sys.stdout = self._before[0]
        if sys.stderr is self._after[1]:
            sys.stderr = self._before[1]
        with self._lock:
            self._open = False
            if self._file is not None:
                self._file.close()

    def takes(self) -> bool:
        """Tell whether what is printed now is the environment's."""
        return self._open and (threading.get_ident() not in self._ours or getattr(self._inside, "so", False))

    def keep(self, text: str) -> None:
        """Write it to the file, if there is room and the folder can be written."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if not self._open or self._left <= 0 or not text:
                return
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
            self._left -= len(text)
            self._file.write(text if self._left > 0 else f"{text}\n(more was printed than is kept)\n")


class _Split:
    """Stands for the terminal: ours goes there, the rest to the file."""

    def __init__(self, real: Any, chatter: Chatter) -> None:
        self._real, self._chatter = real, chatter

    def write(self, text: str) -> int:
        if not self._chatter.takes():
            return int(self._real.write(text) or 0)
        self._chatter.keep(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if not self._chatter.takes():
            self._real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
