"""Whether the file that is open still lies at its place: SQLite reads and writes on in one that was deleted or replaced."""

from __future__ import annotations

import os
from pathlib import Path

from data.errors import StoreGoneError, StoreReplacedError


class InPlace:
    """A store that was just opened at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.stat()

    def check(self) -> None:
        """Raise StoreGoneError or StoreReplacedError where it is no longer at its place."""
        name = self._path.name
        try:
            if os.path.samestat(self._file, self._path.stat()):
                return
        except (FileNotFoundError, NotADirectoryError):
            raise StoreGoneError(
                f"The store {name} is no longer at its place: it was deleted or moved, perhaps with its home folder. If it was "
                "moved, name its new home with --home DIR."
            ) from None
        except OSError:  # it cannot be looked at for a moment
            return
        raise StoreReplacedError(f"The store {name} was replaced by another file.")
