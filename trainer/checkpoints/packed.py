"""Checkpoints as bytes: packed, opened and checked without torch, which takes seconds to load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from data.errors import CheckpointError
from data.files import held
from trainer.checkpoints.meta import CheckpointMeta

Arrays = Mapping[str, np.ndarray]

ACTORS = ("proven.", "average.", "actor.")
"""What the names of an actor's tensors begin with, in the order in which one drives without noise."""


def prefix_of(names: Iterable[str], prefixes: Sequence[str]) -> str:
    """Return the first of the prefixes that one of the names has; the last where none has."""
    known = {name.partition(".")[0] + "." for name in names}
    return next((prefix for prefix in prefixes if prefix in known), prefixes[-1])


def digest(tensors: Arrays, description: str) -> str:
    """Return the sum that a file carries: of its description and of each tensor's name, type, shape and bytes."""
    sha = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name} torch.{value.dtype.name} {tuple(value.shape)}".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    return sha.hexdigest()


def pack(tensors: Arrays, description: str) -> bytes:
    """Return the bytes of a checkpoint file; ``description`` is the JSON of a :class:`CheckpointMeta`."""
    return bytes(serialise(dict(tensors), {"hitl": description, "digest": digest(tensors, description)}))


def header_of(data: bytes) -> tuple[str, str]:
    """Return (description, digest) of a checkpoint file. Raises ValueError, KeyError or TypeError when it has none."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return str(header["hitl"]), str(header["digest"])


def unpack(data: bytes) -> tuple[dict[str, np.ndarray], str]:
    """Return the tensors and the description in a checkpoint's bytes. Raises CheckpointError when they are not whole."""
    try:
        tensors = parse(data)
        description, expected = header_of(data)
        CheckpointMeta.from_json(json.loads(description))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError("These weights are not a checkpoint of hitl.") from error
    if expected != digest(tensors, description):
        raise CheckpointError("These weights are damaged: they were altered or cut off on their way.")
    return tensors, description


def policy_only(path: Path) -> bytes:
    """Return a checkpoint's file with nothing in it but the actors that drive: small enough to send. Raises CheckpointError."""
    try:
        tensors, description = unpack(held.read_bytes(path))
    except OSError as error:
        raise CheckpointError(f"The checkpoint '{path.name}' cannot be read {held.why(error, 'choose another')}.") from error
    newest = prefix_of(tensors, ACTORS[1:])
    actor = {"actor." + k.removeprefix(newest): v for k, v in tensors.items() if k.startswith(newest)}
    return pack(actor | {k: v for k, v in tensors.items() if k.startswith("proven.")}, description)
