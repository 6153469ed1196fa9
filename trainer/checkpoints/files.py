"""Checkpoints: one safetensors file each with the whole state of the learner, written whole or not at all.

Nothing is pickled: a file from elsewhere can hold numbers and names, never code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load as parse
from torch import Tensor

from data.errors import CheckpointError, UsageError, shown
from data.files import held
from data.files.paths import is_no_room
from data.words import number_of
from trainer.checkpoints.checks import check_fit
from trainer.checkpoints.meta import FORMAT, CheckpointMeta
from trainer.checkpoints.packed import ACTORS, digest, header_of, pack, prefix_of
from trainer.config import TrainConfig
from trainer.learner.learner import Learner
from trainer.networks.actor_critic import Actor, Critics


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}


def save(
    folder: Path, learner: Learner, meta: CheckpointMeta, extra: Mapping[str, Tensor] | None = None
) -> tuple[str, str]:
    """Write a checkpoint of ``learner`` (and ``extra`` tensors) into ``folder``; return its file name and sha256.

    The file appears under its name only when it is whole and on the disk. Raises CheckpointError when it cannot be written.
    """
    data = pack(_arrays({**learner.tensors(), **(extra or {})}), json.dumps(asdict(meta), sort_keys=True))
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{meta.updates:09d}-{sha256[:8]}.safetensors"
    half = folder / f".{name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        held.replace(half, folder / name)
        with contextlib.suppress(OSError):  # Windows cannot open a folder
            fd = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
    except OSError as error:
        with contextlib.suppress(OSError):
            held.unlink(half)
        if is_no_room(error):
            raise CheckpointError("The disk is full: no checkpoint can be written. Make room on it.") from error
        raise CheckpointError(
            f"The checkpoint '{name}' could not be written {held.why(error, 'check that the home folder can be written')}."
        ) from error
    return name, sha256


def sweep(folder: Path) -> None:
    """Delete what a writer that was killed in the middle of a checkpoint has left. Only while no other process writes."""
    for half in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            held.unlink(half)


def load(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], CheckpointMeta]:
    """Return tensors and description of a checkpoint file, checked against the sum it carries (and ``sha256``).

    Raises CheckpointError when it is missing, half-written, altered, or of a newer version.
    """
    try:
        data = held.read_bytes(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint '{path.name}' cannot be read {held.why(error, 'choose another')}.") from error
    altered = CheckpointError(
        f"The checkpoint '{path.name}' is damaged: it was only half written or has been altered: choose another."
    )
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise altered
    try:
        tensors = parse(data)
        try:
            description, expected = header_of(data)
        except (KeyError, TypeError) as error:  # as it was written, and not by us
            raise CheckpointError(
                f"'{path.name}' is no checkpoint of hitl: it holds {number_of(len(tensors), 'tensor')}, and not what they are "
                "for. Give an agent of another program as TorchScript, ONNX or module:callable."
            ) from error
        values = json.loads(description)
        if digest(_arrays(tensors), description) != expected:
            raise altered
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise altered from error
    if isinstance(values, dict) and isinstance(values.get("format", 0), int) and values.get("format", 0) > FORMAT:
        raise CheckpointError(f"The checkpoint '{path.name}' was written by a newer version: install that version.")
    try:
        meta = CheckpointMeta.from_json(values)
        check_fit(tensors, meta)
    except (ValueError, UsageError) as error:
        raise CheckpointError(f"The checkpoint '{path.name}' cannot be used: {shown(error, 200).rstrip('.')}.") from error
    return tensors, meta


_Network = TypeVar("_Network", Actor, Critics)


def load_policy(path: Path) -> tuple[Actor, CheckpointMeta]:
    """Return the actor of a checkpoint that drives without noise, and the checkpoint's description. Raises CheckpointError."""
    tensors, meta = load(path)
    return actor_of(tensors, meta), meta


def actor_of(tensors: Mapping[str, Tensor], meta: CheckpointMeta) -> Actor:
    """Return a checkpoint's actor that drives without noise: the proven one where there is one. Raises CheckpointError."""
    return _network(Actor, prefix_of(tensors, ACTORS), tensors, meta)


def has_proven(tensors: Mapping[str, Tensor]) -> bool:
    """Tell whether a checkpoint has another actor for drives without noise than its newest."""
    return prefix_of(tensors, ACTORS) == ACTORS[0]


def newest_actor_of(tensors: Mapping[str, Tensor], meta: CheckpointMeta) -> Actor:
    """Return a checkpoint's newest actor: the averaged one where the learner keeps it. Raises CheckpointError."""
    return _network(Actor, prefix_of(tensors, ACTORS[1:]), tensors, meta)


def critics_of(tensors: Mapping[str, Tensor], meta: CheckpointMeta) -> Critics:
    """Return a checkpoint's critics, ready to be asked. Raises CheckpointError."""
    return _network(Critics, "critics.", tensors, meta)


def _network(kind: type[_Network], prefix: str, tensors: Mapping[str, Tensor], meta: CheckpointMeta) -> _Network:
    network = kind(len(meta.observation_names), len(meta.action_names), TrainConfig.from_dict(meta.config))
    try:
        network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise CheckpointError("The checkpoint does not fit the network it names: choose another.") from error
    return network.eval().requires_grad_(False)
