"""What a run is asked to be: its settings, and what it begins from."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UsageError
from data.extras import install
from data.suggest import did_you_mean
from trainer.config import TrainConfig
from trainer.presets import PRESETS, preset_called


@dataclass(frozen=True)
class Wish:
    """Settings that are resolved already, and what to begin from."""

    config: TrainConfig
    """Of a run that begins here, on a road (see ``config_where``)."""
    changes: Mapping[str, Any] | None = None
    """What is changed in the settings of a run that goes on with its own; None: they are replaced by ``config``."""
    insisted: frozenset[str] = frozenset()
    """Settings of the command line: where one of them does not fit a checkpoint's networks, the run does not start."""
    said: frozenset[str] = frozenset()
    """All settings that the player has set, wherever that was: what is derived from the game leaves these alone."""
    init: Path | None = None
    """A checkpoint file to begin from, when the home has no run of its own; ``best``: go back to the best of the run."""
    fresh: bool = False
    """Begin from nothing, whatever checkpoints there are."""
    device: str = "cpu"
    """``cpu``, ``cuda``, or ``auto`` (``trainer.device``)."""

    @classmethod
    def of(cls, values: Mapping[str, Any], base: TrainConfig | None = None, **more: Any) -> Wish:
        """Return the wish for settings by name, ``preset`` among them or not, over ``base`` where there is one.

        Raises UsageError for a preset that does not exist, and for values that make no sense together.
        """
        changes = dict(values)
        preset = changes.pop("preset", None)
        if base is None and preset is not None:
            base = preset_called(preset)
        config = (base or PRESETS["hitl"]).with_values(**changes)
        return cls(config, changes if base is None else None, said=frozenset(changes), **more)

    def config_where(self, road: bool, beside: bool = False, teaches: bool = False) -> TrainConfig:
        """Return the settings of a run that begins. Where no preset is named, that depends on whether there is a ``road``.

        ``beside``: an agent from elsewhere drives, and it learns to take over from that (``frozen_agent``). ``teaches``: that
        agent can be asked what it would do, so it teaches (``frozen_teaches``) unless the player has set that.
        """
        config = self.config if road or self.changes is None else PRESETS["plain"].with_values(**self.changes)
        if not beside or config.network == "recurrent":
            return config
        said = "frozen_teaches" in self.insisted | self.said
        return config.with_values(frozen_agent=True, frozen_teaches=config.frozen_teaches or (teaches and not said))


def read_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the values of ``key=value`` texts: JSON, or bare words for text ("none" among them, as in settings.toml).

    Raises UsageError for one without a value.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, sep, text = pair.partition("=")
        if not sep:
            raise UsageError(f"'{pair}' is not of the form key=value.")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # no JSON, or a number of thousands of digits
            value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
        values[name.strip()] = "none" if value is None else value
    return values


def read_logs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return where metrics go besides the store, as (``tensorboard`` or ``wandb``, the project or "").

    Raises UsageError for another one, and for one whose package is not installed.
    """
    logs = []
    for name in names:
        kind, _, project = name.partition(":")
        if kind not in ("tensorboard", "wandb"):
            meant = did_you_mean(kind, ("tensorboard", "wandb"))
            raise UsageError(f"There is no metrics log '{name}': give tensorboard, wandb or wandb:PROJECT.{meant}")
        _check_installed(kind)
        logs.append((kind, project))
    return logs


def _check_installed(package: str) -> None:
    """Raise UsageError when a package is not there, without importing it: some take a second, and training can begin."""
    if package not in sys.modules or sys.modules[package] is None:
        try:
            found = importlib.util.find_spec(package)
        except ValueError:
            found = None
        if found is None:
            raise UsageError(f"The package '{package}' is not installed: {install(package)}, or omit that option.")
