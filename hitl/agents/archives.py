"""Reading agents' files from strangers: sizes are checked before memory is asked for, and nothing in them is run."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputFileError, shown
from data.files import held
from data.files.packed import TooLargeError, unpacked

if TYPE_CHECKING:
    import torch

MOST = 512 * 2**20
"""Bytes of an agent, packed or not; real ones have a few MiB."""
_MOST_TENSORS = 100_000
_ASKS_FOR_MEMORY = b"\nbytearray\n"
"""A name in a pickle that torch lets make as many bytes as it says. No weights are made of that."""


def read_whole(path: Path) -> bytes:
    """Return a file's bytes. Raises InputFileError when it cannot be read or is larger than any agent."""
    try:
        size = path.stat().st_size
        if size > MOST:
            raise InputFileError(
                f"'{path.name}' is {size / 2**20:,.0f} MiB, and an agent may have {MOST / 2**20:.0f} MiB: it was not read."
            )
        return held.read_bytes(path, MOST)
    except OSError as error:
        raise InputFileError(f"'{path.name}' cannot be read {held.why(error, 'check the path')}.") from error


def sha256_of(data: bytes) -> str:
    """Return the sum that identifies a file."""
    return hashlib.sha256(data).hexdigest()


def unzipped(data: bytes, name: str) -> dict[str, bytes]:
    """Return the entries of a zip archive. Raises InputFileError when it is none, is damaged, or unpacks to more than allowed."""
    try:
        return dict(unpacked(data, MOST))
    except TooLargeError as error:
        raise InputFileError(f"'{name}' was not unpacked: {error}.") from error
    except ValueError as error:
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
            parts = [content for _, content in unpacked(data, MOST, most_entries=_MOST_TENSORS)]
        except TooLargeError as error:
            raise InputFileError(f"The weights in '{name}' were not read: {error}.") from error
        except ValueError as error:
            raise InputFileError(f"The weights in '{name}' are damaged ({shown(error)}): save them again.") from error
    else:
        parts = [data]
    try:
        if any(_ASKS_FOR_MEMORY in part for part in parts):
            raise ValueError("it asks for memory")
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
    return _checked(found, name, sum(map(len, parts)))


def _checked(found: Mapping[object, object], name: str, size: int) -> dict[str, torch.Tensor]:
    """Return the weights among what was found in a file that holds ``size`` bytes. Raises InputFileError."""
    import torch

    weights: dict[str, torch.Tensor] = {}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
            continue
        # A view may claim more numbers than there are: strides of 0.
        # A tensor of the device "meta" has no numbers at all, and one may be asked for by its size alone.
        there = value.untyped_storage().nbytes() if value.device.type == "cpu" else 0
        if value.numel() * value.element_size() > there or there > size:
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
