"""Reading agents' files from strangers: sizes are checked before memory is asked for, and nothing in them is run."""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputFileError, shown
from data.files import held

if TYPE_CHECKING:
    import torch

MOST = 512 * 2**20
"""Bytes of an agent, packed or not; real ones have a few MiB."""


def read_whole(path: Path) -> bytes:
    """Return a file's bytes. Raises InputFileError when it cannot be read or is larger than any agent."""
    try:
        size = path.stat().st_size
        if size > MOST:
            raise InputFileError(
                f"'{path.name}' is {size / 2**20:,.0f} MiB, and an agent may have {MOST / 2**20:.0f} MiB: it was not read."
            )
        return held.read_bytes(path)
    except OSError as error:
        raise InputFileError(f"'{path.name}' cannot be read {held.why(error, 'check the path')}.") from error


def sha256_of(data: bytes) -> str:
    """Return the sum that identifies a file."""
    return hashlib.sha256(data).hexdigest()


def unzipped(data: bytes, name: str) -> dict[str, bytes]:
    """Return the entries of a zip archive. Raises InputFileError when it is none, is damaged, or unpacks to more than allowed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            whole = sum(e.file_size for e in entries)
            if whole > MOST or len(entries) > 1000:
                raise InputFileError(
                    f"'{name}' unpacks to {whole / 2**20:,.0f} MiB in {len(entries):,} parts, and an agent may have "
                    f"{MOST / 2**20:.0f} MiB: it was not unpacked."
                )
            if min((e.header_offset for e in entries), default=0) and data.startswith(b"PK\3\4"):  # one within it was found
                raise zipfile.BadZipFile("it is cut off: its end is missing")
            return {e.filename: archive.read(e) for e in entries if not e.is_dir()}
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, OSError) as error:
        raise InputFileError(f"'{name}' is not a whole zip archive ({shown(error)}): copy or save it again.") from error


def tensors_of(data: bytes, name: str) -> dict[str, torch.Tensor]:
    """Return the weights in a file that ``torch.save`` wrote (a state dict). Nothing is unpickled but tensors.

    Raises InputFileError, also for weights that are not finite.
    """
    import torch

    if not data:
        raise InputFileError(f"'{name}' is empty: it was not saved to its end. Take another file of this agent.")
    if data[:2] == b"PK":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                whole = sum(e.file_size for e in archive.infolist())
        except (zipfile.BadZipFile, ValueError) as error:
            raise InputFileError(f"The weights in '{name}' are damaged ({shown(error)}): save them again.") from error
        if whole > MOST:
            raise InputFileError(f"The weights in '{name}' unpack to {whole / 2**20:,.0f} MiB: they were not read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle that torch does not like: what is refused is said below
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file may fail in any way
        raise InputFileError(
            f"'{name}' holds no weights that can be read without running what is in it ({shown(type(error).__name__)}): save a "
            "state dict, as Stable-Baselines3 and tmrl do."
        ) from error
    if not isinstance(found, Mapping):
        raise InputFileError(f"'{name}' holds a {shown(type(found).__name__)}, and not weights by their names (a state dict).")
    return _checked(found, name)


def _checked(found: Mapping[object, object], name: str) -> dict[str, torch.Tensor]:
    import torch

    weights: dict[str, torch.Tensor] = {}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
            continue
        # A view may claim more numbers than there are: strides of 0.
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise InputFileError(f"'{name}': '{shown(key)}' claims {value.numel():,} numbers and does not hold them.")
        if value.is_floating_point():
            bad = int((~torch.isfinite(value)).sum())
            if bad:
                raise InputFileError(
                    f"'{name}': {bad:,} of the {value.numel():,} numbers of '{shown(key)}' are not finite, so it cannot drive: "
                    "take an earlier file of this agent."
                )
            weights[key] = value.detach().float()
    if not weights:
        raise InputFileError(f"'{name}' holds no weights.")
    return weights
