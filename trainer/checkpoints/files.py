"""Checkpoints: one safetensors file each with the whole state of the learner, written at once or not at all.

Nothing is pickled: a file from elsewhere can hold numbers and names, never code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor

from data.errors import CheckpointError, UsageError, shown
from trainer.checkpoints.checks import check_fit, described
from trainer.checkpoints.meta import FORMAT, CheckpointMeta
from trainer.config import TrainConfig
from trainer.learner.learner import Learner
from trainer.networks.actor_critic import Actor

SHAPE_FIELDS = (
    "network", "hidden", "layers", "layer_norm_critic", "layer_norm_actor", "critics", "quantiles", "rnn_size", "rnn_layers",
    "image", "cnn_filters", "cnn_output", "frozen_effnet",
)  # fmt: skip
"""Settings that must agree before weights fit."""


def _digest(tensors: Mapping[str, Tensor], meta: str) -> str:
    sha = hashlib.sha256(meta.encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def save(
    folder: Path, learner: Learner, meta: CheckpointMeta, extra: Mapping[str, Tensor] | None = None
) -> tuple[str, str]:
    """Write a checkpoint of ``learner`` (and ``extra`` tensors) into ``folder``; return its file name and sha256.

    The file appears under its name only when it is whole and on the disk. Raises CheckpointError when it cannot be written.
    """
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in {**learner.tensors(), **(extra or {})}.items()}
    text = json.dumps(asdict(meta), sort_keys=True)
    data = serialise(tensors, {"hitl": text, "digest": _digest(tensors, text)})
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{meta.updates:09d}-{sha256[:8]}.safetensors"
    half = folder / f".{name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, folder / name)
        _sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink()
        raise CheckpointError(
            f"The checkpoint '{name}' could not be written ({error.strerror}): make room in the home folder; training "
            "goes on from the one before."
        ) from error
    return name, sha256


def sweep(folder: Path) -> None:
    """Delete what a writer that was killed in the middle of a checkpoint has left. Nobody may be writing now."""
    for half in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            half.unlink()


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # Windows has no such thing
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def load(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], CheckpointMeta]:
    """Return tensors and description of a checkpoint file, checked against the sum it carries (and ``sha256``).

    Raises CheckpointError when it is missing, half-written, altered, or of a newer version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint '{path.name}' cannot be read ({error.strerror}): choose another."
        ) from error
    altered = CheckpointError(
        f"The checkpoint '{path.name}' is damaged: it was only half written or has been altered. Use the one before it."
    )
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise altered
    try:
        tensors = parse(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        text, digest = header["hitl"], header["digest"]
        values = json.loads(text)
        if _digest(tensors, text) != digest:
            raise altered
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise altered from error
    if isinstance(values, dict) and isinstance(values.get("format", 0), int) and values.get("format", 0) > FORMAT:
        raise CheckpointError(f"The checkpoint '{path.name}' was written by a newer version: install that version.")
    try:
        meta = CheckpointMeta(**described(values, {f.name for f in fields(CheckpointMeta)}))
        check_fit(tensors, meta)
    except (ValueError, UsageError) as error:
        raise CheckpointError(f"The checkpoint '{path.name}' cannot be used: {shown(error, 200).rstrip('.')}.") from error
    return tensors, meta


def load_policy(path: Path) -> tuple[Actor, CheckpointMeta]:
    """Return the actor of a checkpoint, ready to act, and the checkpoint's description. Raises CheckpointError.

    It is the averaged actor where the learner keeps one (``actor_average``).
    """
    tensors, meta = load(path)
    actor = Actor(len(meta.observation_names), len(meta.action_names), TrainConfig.from_dict(meta.config))
    try:
        prefix = "average." if any(name.startswith("average.") for name in tensors) else "actor."
        actor.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise CheckpointError(
            f"The checkpoint '{path.name}' does not fit the network it names: choose another."
        ) from error
    return actor.eval().requires_grad_(False), meta


def shaped_like(config: TrainConfig, other: Mapping[str, Any]) -> TrainConfig:
    """Return ``config`` with the network's shape of another configuration."""
    theirs = TrainConfig.from_dict(other)
    return config.with_values(**{name: getattr(theirs, name) for name in SHAPE_FIELDS})
