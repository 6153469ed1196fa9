"""Checkpoints on their way between machines: packed and checked without torch, which takes seconds to load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from data.errors import CheckpointError
from trainer.checkpoints.checks import described


def _digest(tensors: Mapping[str, np.ndarray], meta: str) -> str:
    """Return the sum that :mod:`trainer.checkpoints.files` writes into a file: names, types, shapes and bytes."""
    sha = hashlib.sha256(meta.encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name} torch.{value.dtype.name} {tuple(value.shape)}".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    return sha.hexdigest()


def opened(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors and the description in a checkpoint's bytes. Raises CheckpointError when they are not whole."""
    try:
        tensors = parse(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        text, digest = str(header["hitl"]), header["digest"]
        meta = json.loads(text)
        described(meta)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError("These weights are no checkpoint of this program's.") from error
    if digest != _digest(tensors, text) or not isinstance(meta, dict):
        raise CheckpointError("These weights are damaged: they were altered or cut on their way.")
    return tensors, meta


def policy_only(path: Path) -> bytes:
    """Return a checkpoint's file with nothing in it but the actor that drives: small enough to send. Raises CheckpointError."""
    try:
        tensors, meta = opened(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint '{path.name}' cannot be read ({error.strerror}): choose another."
        ) from error
    prefix = "average." if any(name.startswith("average.") for name in tensors) else "actor."
    actor = {"actor." + k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    text = json.dumps(meta, sort_keys=True)
    return bytes(serialise(actor, {"hitl": text, "digest": _digest(actor, text)}))
