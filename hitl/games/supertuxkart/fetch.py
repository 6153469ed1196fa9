"""SuperTuxKart's data from its makers: looked up, downloaded, checked and unpacked. Nothing is fetched that was not asked for."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

from data.errors import DeviceError, InputFileError, shown
from data.files import held
from hitl.games.supertuxkart.data_folder import ENGINE, fetched_folder, own_folder
from hitl.home import Home

ARCHIVE = f"SuperTuxKart-{ENGINE}-src.tar.gz"
PAGE = f"https://github.com/supertuxkart/stk-code/releases/tag/{ENGINE}"
RELEASE = f"https://api.github.com/repos/supertuxkart/stk-code/releases/tags/{ENGINE}"  # says size and checksum of its files
UNPACKED = 2.5  # times the archive's size that must be free beside it
_PIECE = 1 << 20  # bytes
_WAIT_S = 30.0


@dataclass(frozen=True)
class Download:
    """What can be downloaded. ``size``: bytes; ``sha256``: empty where its makers do not say."""

    address: str
    size: int
    sha256: str


def look_up() -> Download:
    """Return what the game's makers offer. Raises DeviceError where they cannot be reached."""
    try:
        with urllib.request.urlopen(_request(RELEASE), timeout=_WAIT_S) as answer:
            files = json.load(answer)["assets"]
        (file,) = (f for f in files if f["name"] == ARCHIVE)
        kind, _, digest = (file.get("digest") or "").partition(":")
        return Download(file["browser_download_url"], int(file["size"]), digest if kind == "sha256" else "")
    except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _failed("github.com cannot be asked for it", error) from error


def download(home: Home, offer: Download, progress: Callable[[int], None]) -> Path:
    """Download the archive, or the rest of it, and check it. ``progress`` gets the bytes that are there. Raises DeviceError."""
    part = own_folder(home) / f"{ARCHIVE}.part"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        room = shutil.disk_usage(part.parent).free
        if room < offer.size * UNPACKED:
            raise DeviceError(
                f"There is no room for SuperTuxKart's data: the home's folder needs {offer.size * UNPACKED / 1e9:.1f} GB, and "
                f"{room / 1e9:.1f} GB are free. Make room, or choose another home with --home."
            )
        have = part.stat().st_size if part.exists() else 0
        if have < offer.size:
            with urllib.request.urlopen(_request(offer.address, have), timeout=_WAIT_S) as answer:
                have = have if answer.status == 206 else 0  # it may send all of it again
                with part.open("ab" if have else "wb") as out:
                    while piece := answer.read(_PIECE):
                        out.write(piece)
                        have += len(piece)
                        progress(have)
    except (OSError, HTTPException) as error:
        raise _failed("The download broke off, and goes on from there when you ask again", error) from error
    if part.stat().st_size < offer.size:
        raise _failed("The download broke off, and goes on from there when you ask again", None)
    with part.open("rb") as whole:
        found = hashlib.file_digest(whole, "sha256").hexdigest()
    if part.stat().st_size != offer.size or (offer.sha256 and found != offer.sha256):
        held.unlink(part)
        raise DeviceError("What was downloaded is not what SuperTuxKart's makers offer, so it was deleted: ask for it again.")
    return part


def unpack(home: Home, archive: Path) -> Path:
    """Unpack the game's data from an archive of its sources, and return their folder. Raises InputFileError, DeviceError."""
    target = fetched_folder(home)
    fresh = target.with_name(f"{target.name}.part")
    count = 0
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        with tarfile.open(archive) as packed:
            for member in packed:
                inside = PurePosixPath(member.name).parts[1:]  # the first is the archive's own folder
                content = packed.extractfile(member) if inside[:1] == ("data",) and member.isfile() else None
                if content is not None:
                    # Not by `extract`: its filter, without which archives write where they like, is missing before Python 3.11.4.
                    path = fresh.joinpath(*inside)
                    if not path.resolve().is_relative_to(fresh.resolve()):
                        raise InputFileError(f"'{shown(archive.name)}' would write outside of its folder: it was not unpacked.")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with content, path.open("wb") as file:
                        shutil.copyfileobj(content, file)
                    count += 1
        if not (fresh / "data" / "tracks").is_dir():
            raise InputFileError(f"'{shown(archive.name)}' holds no data of SuperTuxKart: give {ARCHIVE} from {PAGE}.")
        shutil.rmtree(target, ignore_errors=True)
        held.replace(fresh, target)
    except (tarfile.TarError, EOFError) as error:
        raise InputFileError(f"'{shown(archive.name)}' is not an archive that can be unpacked: {error}.") from error
    except OSError as error:
        raise DeviceError(f"'{shown(archive.name)}' cannot be unpacked: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _request(address: str, begin: int = 0) -> urllib.request.Request:
    headers: dict[str, Any] = {"User-Agent": "hitl", **({"Range": f"bytes={begin}-"} if begin else {})}
    return urllib.request.Request(address, headers=headers)


def _failed(what: str, error: BaseException | None) -> DeviceError:
    why = f" ({shown(str(error), 120)})" if error is not None and str(error) else ""
    return DeviceError(
        f"{what}{why}. By hand: download {ARCHIVE} from {PAGE} and type `hitl supertuxkart --archive FILE`."
    )
