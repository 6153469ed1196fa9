"""Where SuperTuxKart's karts and tracks are on this machine: an installed game, the engine package's cache, or our own copy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from data.errors import shown
from data.files import held
from data.words import listed
from hitl.home import Home, default_home
from hitl.road.kart_tracks import KART_TRACKS

ENGINE = "1.5"  # the version of the game that the engine is of, and whose data it asks for
VARIABLE = "SUPERTUXKART_DATADIR"  # the engine's own, too
_MARK = f"supertuxkart.{ENGINE}"  # the file by which the engine knows its data
_ALSO = ("supertuxkart.1.4",)  # earlier data that it drives as well, step for step; only the mark and a skin are missing
_NEEDED = ("tracks", "karts", "stk_config.xml", "kart_characteristics.xml")


@dataclass(frozen=True)
class Found:
    """A folder with the game's data. ``root``: what the engine is given; ``where``: for people, without a path."""

    root: Path
    where: str

    def tracks(self) -> tuple[str, ...]:
        """Return those of the tracks that hitl knows which are in it."""
        return tuple(name for name in KART_TRACKS if (self.root / "data" / "tracks" / name).is_dir())


def engine_version() -> str | None:
    """Return the version of the engine's package; None where it is not installed. Imports nothing of it."""
    try:
        return metadata.version("pysupertuxkart2") if util.find_spec("pystk2") is not None else None
    except metadata.PackageNotFoundError:
        return "of an unknown version"


def own_folder(home: Home) -> Path:
    """Return the folder in the home for all that the game writes, and for data that hitl has fetched."""
    return home.root / "supertuxkart"


def fetched_folder(home: Home) -> Path:
    """Return the folder that holds data which hitl has fetched, or which was put there by hand: ``data/`` in it."""
    return own_folder(home) / ENGINE


def find(home: Home) -> Found | None:
    """Return the data to drive with; None where there is none that the engine can use. Only looks, and writes nothing."""
    for root, where in _places(home):
        if not _lacks(root):
            return Found(root, where)
    return None


def tracks_there(home: Home) -> tuple[str, ...]:
    """Return the tracks that can be driven with the data that are here; all that we know where there are none yet."""
    found = find(home)
    return KART_TRACKS if found is None else found.tracks()


def named_in_vain() -> str:
    """Return a sentence where SUPERTUXKART_DATADIR names a folder that cannot be used: what is missing there; else ""."""
    named = os.environ.get(VARIABLE)
    if not named:
        return ""
    root = Path(named).absolute()
    said = f"{VARIABLE} names '{shown(root.name or root)}'"
    if not os.path.isdir(root):
        return f"{said}, which is no folder that is there, so it is passed over."
    if _lacks(root.parent) == [] and root.name == "data":
        return f"{said}, the folder of the data itself: it must name the one above it, so it is passed over."
    lacking = _lacks(root)
    return f"{said}, which lacks {listed(lacking)}, so it is passed over." if lacking else ""


def _lacks(root: Path) -> list[str]:
    """Return what a folder lacks of what the engine needs: nothing where it can be used."""
    if not (root / "data").is_dir():
        return ["the folder data"]
    lacking = [f"data/{name}" for name in _NEEDED if not (root / "data" / name).exists()]
    return lacking if _mark(root) else [*lacking, f"data/{_MARK} (it is of another version)"]


def usable(found: Found, home: Home) -> Path:
    """Return the folder to give to the engine: the data itself or, for those of the version before, links to them."""
    if _mark(found.root) == _MARK:
        return found.root
    linked, theirs = own_folder(home) / "linked", found.root / "data"
    if (linked / "data" / _MARK).is_file() and (linked / "data" / "tracks").resolve() == (theirs / "tracks").resolve():
        return linked
    fresh = own_folder(home) / f"linked-{os.getpid()}"
    ours, skins = fresh / "data", theirs / "skins"
    (ours / "skins").mkdir(parents=True)
    for entry in theirs.iterdir():
        if entry.name != "skins":
            (ours / entry.name).symlink_to(entry)
    for entry in skins.iterdir():
        (ours / "skins" / entry.name).symlink_to(entry)
    if not (skins / "classic").exists():  # the engine's own skin has another name there
        (ours / "skins" / "classic").symlink_to(skins / "peach")
    (ours / _MARK).touch()
    shutil.rmtree(linked, ignore_errors=True)  # links to data that are elsewhere by now
    held.replace(fresh, linked)
    return linked


def _mark(root: Path) -> str | None:
    known = (_MARK, *_ALSO) if sys.platform != "win32" else (_MARK,)  # links need rights there that a player lacks
    return next((name for name in known if (root / "data" / name).is_file()), None)


def _places(home: Home) -> Iterator[tuple[Path, str]]:
    """Yield the folders whose ``data/`` may hold the game's, and what each is."""
    if named := os.environ.get(VARIABLE):
        yield Path(named).absolute(), f"the folder that {VARIABLE} names"
    for own in dict.fromkeys((home, Home(default_home()))):  # a demo has a home of its own, and no data in it
        yield fetched_folder(own), "hitl's own copy"
    yield _package_cache() / ENGINE, "the copy of the package pysupertuxkart2"
    for root in _installed():
        yield root, "the installed game"


def _package_cache() -> Path:
    """Return where pysupertuxkart2 keeps its downloads (``platformdirs.user_cache_dir`` of its name)."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "bpiwowar" / "PySuperTuxKart2" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "PySuperTuxKart2"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "PySuperTuxKart2"


def _installed() -> Iterator[Path]:
    if sys.platform == "win32":
        for name in ("PROGRAMFILES", "PROGRAMW6432", "LOCALAPPDATA"):
            if folder := os.environ.get(name):
                yield from sorted(Path(folder).glob("SuperTuxKart*"), reverse=True)
                yield from sorted(Path(folder).glob("Programs/SuperTuxKart*"), reverse=True)
        return
    if sys.platform == "darwin":
        yield Path("/Applications/SuperTuxKart.app/Contents/Resources")
        return
    for share in ("/usr/share/games", "/usr/share", "/usr/local/share/games", "/usr/local/share"):
        yield Path(share) / "supertuxkart"
    flatpak = "flatpak/app/net.supertuxkart.SuperTuxKart/current/active/files/share/supertuxkart"
    yield Path("/var/lib") / flatpak
    yield Path.home() / ".local/share" / flatpak
    yield Path("/snap/supertuxkart/current/share/supertuxkart")
