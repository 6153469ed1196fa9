"""Metrics to where people look at them: TensorBoard files and Weights & Biases, when asked. The store has them always.

Both packages are extras. What is sent: the metrics and the training settings, nothing else (no paths, no names of people).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from data.errors import UsageError

_NOTHING_ELSE = {
    "DISABLE_GIT": "true",
    "DISABLE_CODE": "true",
    "CONSOLE": "off",
    "X_DISABLE_META": "true",
    "X_DISABLE_MACHINE_INFO": "true",
    "X_DISABLE_STATS": "true",
    "X_SAVE_REQUIREMENTS": "false",
}
"""What keeps wandb from sending anything of this machine: its command line, paths, packages, loads."""


class Sink(Protocol):
    """Takes rows of metrics."""

    def add(self, update: int, values: Mapping[str, float]) -> None:
        """Take the metrics of an update."""

    def close(self) -> None:
        """Write out what is left."""


class TensorBoardSink:
    """Event files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        writer = _need("torch.utils.tensorboard", "tensorboard")
        self._writer: Any = writer.SummaryWriter(str(folder))

    def add(self, update: int, values: Mapping[str, float]) -> None:
        """See ``Sink``."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, update)

    def close(self) -> None:
        """See ``Sink``."""
        self._writer.close()


class WandbSink:
    """A run of Weights & Biases; offline (files in ``folder``, for ``wandb sync``) unless ``WANDB_MODE`` says otherwise."""

    def __init__(self, folder: Path, project: str, settings: Mapping[str, Any]) -> None:
        wandb = _need("wandb", "wandb")
        folder.mkdir(parents=True, exist_ok=True)
        mode = os.environ.get("WANDB_MODE", "offline")
        for name, value in _NOTHING_ELSE.items():
            os.environ.setdefault(f"WANDB_{name}", value)
        self._run: Any = wandb.init(project=project, dir=str(folder), mode=mode, config=dict(settings))

    def add(self, update: int, values: Mapping[str, float]) -> None:
        """See ``Sink``."""
        self._run.log(dict(values), step=update)

    def close(self) -> None:
        """See ``Sink``."""
        self._run.finish()


def _need(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"The package '{package}' is not installed: `python -m pip install {package}`, or leave that option away."
        ) from error


def sinks(root: Path, names: tuple[str, ...], settings: Mapping[str, Any]) -> list[Sink]:
    """Return the sinks asked for by name: ``tensorboard``, ``wandb`` or ``wandb:PROJECT``. Raises UsageError."""
    made: list[Sink] = []
    for name in names:
        kind, _, project = name.partition(":")
        if kind == "tensorboard":
            made.append(TensorBoardSink(root / "tensorboard"))
        elif kind == "wandb":
            made.append(WandbSink(root, project or "hitl", settings))
        else:
            raise UsageError(f"There is no metrics log '{name}': tensorboard, wandb or wandb:PROJECT.")
    return made
