"""Which settings a run goes on with: those in its checkpoint, those that are asked for, and the shape that its networks have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.errors import UsageError
from data.files.validation import SettingPlace, checked
from trainer.config import SHAPE_FIELDS, TrainConfig
from trainer.daemon.wish import Wish

FROZEN = ("frozen_agent", "frozen_teaches")
"""What a run keeps, too, unless the command line asks for another: a preset is no reason to learn something else from now on."""


def run_config(
    wish: Wish, settings: Mapping[str, Any], updates: int, *, own: bool, road: bool
) -> tuple[TrainConfig, list[str]]:
    """Return the settings that a checkpoint is learned on with, and the names of those that it keeps against the wish.

    ``settings``, ``updates``: the checkpoint's. ``own``: it is of the run that goes on. Raises UsageError for settings that
    cannot be. The shape that is asked for is not among these: where the networks have another, that one is kept.
    """
    stored = TrainConfig.from_dict(settings)
    shape = {name: getattr(stored, name) for name in SHAPE_FIELDS}
    kept = shape | {name: getattr(stored, name) for name in FROZEN if own and updates and name not in wish.insisted}
    begun = wish.config_where(road)
    if own and wish.changes is not None:
        # A run that has learned nothing yet is no reason to do without what it had no setting for.
        before = TrainConfig.from_dict(settings if updates else begun.to_dict() | dict(settings))
        asked = {name: getattr(before, name) for name in SHAPE_FIELDS}
        asked |= checked(TrainConfig, {k: v for k, v in wish.changes.items() if k in shape}, SettingPlace(error=UsageError))
        config = before.with_values(**{**wish.changes, **kept})
    else:
        asked = {name: getattr(begun, name) for name in SHAPE_FIELDS}
        config = begun.with_values(**kept)
    if not asked["image"]:  # the picture is taken as it is seen
        asked["image"] = shape["image"]
    return config, [name for name in SHAPE_FIELDS if asked[name] != shape[name]]
