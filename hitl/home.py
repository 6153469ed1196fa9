"""The folder that holds the store, the checkpoints and the logs. Nothing is written anywhere else."""

from __future__ import annotations

import argparse
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from data.errors import StoreError, UsageError, shown
from data.files.paths import private_folder, refuse_share, user_path


@dataclass(frozen=True)
class Home:
    """Paths inside the home folder."""

    root: Path

    @property
    def store_path(self) -> Path:
        """The SQLite store."""
        return self.root / "store.sqlite"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, one ``.safetensors`` file each."""
        return self.root / "checkpoints"

    @property
    def line(self) -> Path:
        """The reference line that ``hitl line record`` writes when no other file is named."""
        return self.root / "line.csv"

    def create(self) -> Home:
        """Make the folders if they are not there yet; a new home is its owner's alone. Raises StoreError."""
        refuse_share(self.store_path)
        try:
            private_folder(self.root)
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = "there is a file of that name" if isinstance(error, FileExistsError) else error.strerror or error
            raise StoreError(
                f"The home folder '{shown(self.root.name)}' cannot be made ({shown(why)}): choose another with --home."
            ) from error
        return self

    def require_empty(self) -> None:
        """Raise UsageError when the folder already holds a store."""
        if self.store_path.exists():
            raise UsageError(f"The folder '{self.root.name}' already holds a store, and a new agent needs an empty folder.")


def default_home() -> Path:
    """Return ``$HITL_HOME``, else ``~/.hitl``."""
    named = os.environ.get("HITL_HOME", "").strip().strip('"')  # cmd.exe's `set` keeps the quotes
    return user_path(named or Path("~") / ".hitl")


def add_home(parser: argparse.ArgumentParser) -> None:
    """Add ``--home DIR`` to a command."""
    parser.add_argument(
        "--home",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder of store and checkpoints (default: $HITL_HOME or ~/.hitl)",
    )


def home_path(args: argparse.Namespace) -> Home:
    """Return the home folder that the command line asked for, not created yet, as an absolute path.

    Raises StoreError when it is on a network share or is a file, UsageError for ``~`` without a known home directory.
    """
    home = Home(Path(os.path.abspath(user_path(args.home) if args.home else default_home())))
    refuse_share(home.store_path)
    try:
        if not stat.S_ISDIR(home.root.stat().st_mode):
            raise StoreError(f"'{shown(home.root.name)}' is a file, and a home is a folder: give another --home DIR.")
    except FileNotFoundError:
        pass  # it is made when something is recorded
    except OSError as error:
        why = shown(error.strerror or error)
        raise StoreError(f"The home folder '{shown(home.root.name)}' cannot be used ({why}): give another --home DIR.") from error
    return home
