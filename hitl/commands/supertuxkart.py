"""`hitl supertuxkart`: where the game's tracks and karts are, and how to get them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from data.extras import install
from data.files import held
from data.files.paths import user_path
from data.words import listed
from hitl.arguments import Parser
from hitl.home import Home, add_home, home_path, in_home

if TYPE_CHECKING:
    from hitl.games.supertuxkart.data_folder import Found
    from hitl.games.supertuxkart.fetch import Download


def main(argv: list[str]) -> int:
    """Say where the data are; where they are missing, ask, and get them. 1 when they are still missing."""
    parser = Parser(prog="hitl supertuxkart", description="Find SuperTuxKart's tracks and karts, or get them (asks first).")
    add_home(parser)
    parser.add_argument("--archive", type=Path, metavar="FILE", help="unpack them from the game's source archive")
    parser.add_argument("--yes", action="store_true", help="download them without asking")
    args = parser.parse_args(argv)

    from hitl.games.supertuxkart.data_folder import engine_version, find, named_in_vain
    from hitl.games.supertuxkart.fetch import unpack

    home = home_path(args)
    version = engine_version()
    print(f"engine: pysupertuxkart2 {version}" if version else f"engine: not installed: {install('supertuxkart')}")
    if said := named_in_vain():
        print(said)
    if args.archive is not None:
        home.create()
        unpack(home, user_path(args.archive))
    elif find(home) is None and not _fetched(home.create(), yes=args.yes):
        return 1
    found = find(home)
    unusable = "what was unpacked cannot be used; it is of another version of the game."
    print(f"data: {found.where}{_only(found)}" if found else f"data: {unusable}")
    if found and version:
        print(in_home("Type `hitl play --env supertuxkart` to drive; `hitl tracks` lists the tracks.", args.home))
    return 0 if found and version else 1


def _only(found: Found) -> str:
    """Return which of the game's tracks are in it, where it has not all of them."""
    from hitl.road.kart_tracks import KART_TRACKS

    there = found.tracks()
    if len(there) == len(KART_TRACKS):
        return ""
    return f", which holds {f'only these tracks: {listed(there)}' if there else 'none of the tracks that hitl knows'}"


def _fetched(home: Home, *, yes: bool) -> bool:
    """Download the download, and do it where the player wants it."""
    from hitl.games.supertuxkart.fetch import ARCHIVE, PAGE, UNPACKED, look_up, unpack

    print("data: not found. An installed game is used where there is one.")
    if shutil.which("apt-get"):
        print("On Debian and Ubuntu the system has them: sudo apt install supertuxkart-data")
    offer = look_up()
    check = f"SHA-256 {offer.sha256}" if offer.sha256 else "no checksum is known"
    print(f"Its makers offer {ARCHIVE}: {offer.size / 1e6:.0f} MB from {PAGE} ({check}).")
    print(f"It needs {offer.size * UNPACKED / 1e9:.1f} GB in the home folder while it is unpacked.")
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            print("Nothing was downloaded. To download it without being asked: hitl supertuxkart --yes")
            return False
        if input("Download it? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was downloaded.")
            return False
    archive = _with_bar(home, offer)
    print("Unpacking …", flush=True)
    unpack(home, archive)
    held.unlink(archive)
    return True


def _with_bar(home: Home, offer: Download) -> Path:
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from hitl.console import console
    from hitl.games.supertuxkart.fetch import download

    with Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console()) as bar:
        task = bar.add_task("", total=offer.size)
        return download(home, offer, lambda there: bar.update(task, completed=there))
