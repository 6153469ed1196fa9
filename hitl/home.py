"""The folder that holds the store, the checkpoints and the logs. Nothing is written anywhere else."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from data.errors import StoreError, UsageError, shown, visible
from data.files.paths import STORE_NAME, as_option, as_typed, private_folder, refuse_share, user_path


@dataclass(frozen=True)
class Home:
    """Paths inside the home folder."""

    root: Path

    @property
    def store_path(self) -> Path:
        """The SQLite store."""
        return self.root / STORE_NAME

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
            why = error.strerror or error
            if isinstance(error, FileExistsError):
                leads_nowhere = os.path.islink(self.root) and not os.path.exists(self.root)
                why = "it is a link to a folder that is not there" if leads_nowhere else "there is a file of that name"
            what = "written" if os.path.isdir(self.root) else "made"
            raise StoreError(
                f"The home folder '{shown(self.root.name)}' cannot be {what} ({shown(why)}): choose another (on the command "
                "line: --home DIR)."
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


def add_home(parser: argparse.ArgumentParser, *, or_last_demo: bool = False) -> None:
    """Add ``--home DIR`` to a command. ``or_last_demo``: while the default home has no store, that of the last demo is used."""
    otherwise = "; while that has no store, the last demo's" if or_last_demo else ""
    parser.add_argument(
        "--home",
        type=Path,
        default=None,
        metavar="DIR",
        help=f"folder of store and checkpoints (default: $HITL_HOME or ~/.hitl{otherwise})",
    )
    parser.set_defaults(or_last_demo=or_last_demo)


@dataclass(frozen=True)
class Begun:
    """How a session was begun, as far as the commands that it tells must name that again."""

    home: Path | str | None = None
    """As it was typed; None where it was not."""
    options: tuple[str, ...] = ()
    """Options of `hitl play` that no home remembers, each with its value."""


Named = Path | str | Begun | None


def in_window(text: str, named: Named) -> str:
    """Return the same as `in_home` for a window, which is narrow and may be seen on a stream: long paths are shortened."""
    begun = named if isinstance(named, Begun) else Begun(named)
    return in_home(text, Begun(begun.home, tuple(_VALUE.sub(_shortened, option) for option in begun.options)), _short_folder)


def in_home(text: str, named: Named, typed: Callable[[str], str] = as_typed) -> str:
    """Return a sentence whose commands name a home, too: without, they would look into the usual one.

    ``named``: the home as it was typed, None where none was; or that with more that a command must name again. What a name from
    elsewhere holds for a terminal to obey is left out. ``typed`` writes the home.
    """
    begun = named if isinstance(named, Begun) else Begun(named)

    def with_more(found: re.Match[str]) -> str:
        command, words = found["command"], found["words"]
        if command in _WITHOUT_HOME or re.search(r"--help\b", words):
            return found[0]
        own = [word.partition("=")[0] for word in words.split()]
        more = [option for option in begun.options if command == "play" and not _excluded(option.split()[0], own)]
        if begun.home is not None and "--home" not in own:
            folder = str(begun.home)
            more.append(f"--home {typed(os.path.join('.', folder) if folder.startswith('-') else folder)}")
        return f"{' '.join([found[0][:-1], *more])}`"

    return _COMMAND.sub(with_more, visible(text))


def with_options(text: str, **options: str | None) -> str:
    """Return a sentence whose commands have these options, too, as far as they are given: ``track`` is `--track`."""
    given = [as_option(f"--{name}", value) for name, value in options.items() if value]
    return _COMMAND.sub(lambda found: f"{' '.join([found[0][:-1], *given])}`", text)


def _short_folder(folder: str) -> str:
    """Return a home that was typed as a window names it: a short relative one as it is, else its last folder after LEFT_OUT."""
    if not _is_absolute(folder) and len(folder) <= _LONG:
        return as_typed(folder)
    if os.path.abspath(folder) == os.path.expanduser("~"):
        return "~"  # its name is the user's
    return f"{LEFT_OUT}/{_last(folder)}"


def _shortened(found: re.Match[str]) -> str:
    value = found["quoted"] or found["bare"]
    return f"{found['before']}{LEFT_OUT}/{_last(value)}" if _is_absolute(value) else found[0]


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute() or path.startswith("~")


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


LEFT_OUT = "…"
_LONG = 24  # letters of a relative path
_VALUE = re.compile(r"""(?P<before>[ =])(?:(?P<mark>["'])(?P<quoted>.*?)(?P=mark)|(?P<bare>[^\s"']+))""")


def _excluded(option: str, words: list[str]) -> bool:
    """Tell whether a command has an option already, or another that goes in its place."""
    return option in words or (option == "--agent" and "--checkpoint" in words)


_COMMAND = re.compile(r"`hitl[ ](?P<command>[a-z]+)(?P<words>[^`|]*)`")
_WITHOUT_HOME = ("completion", "help", "version")


def demos_folder() -> Path:
    """Return the folder in which each demo without ``--home`` makes a home, named by its date."""
    return default_home() / "demos"


def last_demo() -> Home | None:
    """Return the home of the last demo without ``--home``; None where there was none."""
    with contextlib.suppress(OSError):
        homes = [Home(folder) for folder in sorted(demos_folder().iterdir(), reverse=True)]
        return next((home for home in homes if _has_store(home)), None)
    return None


def _has_store(home: Home) -> bool:
    with contextlib.suppress(OSError):  # of another user, or made by an administrator: an earlier demo's may be open to this one
        return home.store_path.is_file()
    return False


def home_path(args: argparse.Namespace) -> Home:
    """Return the home folder that the command line asked for, not created yet, as an absolute path.

    Raises StoreError when it is on a network share or is a file, UsageError for ``~`` without a known home directory.
    """
    home = _asked_for(args)
    if args.home is None and getattr(args, "or_last_demo", False) and not home.store_path.exists():
        demo = last_demo()
        if demo is not None:
            if demo.root not in _told:
                _told.add(demo.root)
                said = f"Home: that of the last demo ({demo.root.name}); nothing is recorded in {home.root.name} yet."
                print(f"{said} --home DIR chooses another.", file=sys.stderr)
            return demo
    return home


_told: set[Path] = set()  # the demo's homes that were named: once in a process


def _asked_for(args: argparse.Namespace) -> Home:
    if args.home and LEFT_OUT in Path(args.home).parts and not os.path.exists(args.home):  # else that would be made
        raise UsageError(f"'{LEFT_OUT}' stands for the beginning of a path that a window left out: give --home the whole path.")
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
