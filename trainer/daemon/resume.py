"""From what is in a home folder to a learner that can go on: which checkpoint, which settings, how many updates are owed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.checkpoints import CheckpointRecord
from data.errors import CheckpointError, UsageError, shown
from data.suggest import did_you_mean
from trainer.checkpoints.files import SHAPE_FIELDS, load, shaped_like
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import PRESETS, TrainConfig, unknown_settings
from trainer.daemon.update_budget import UpdateBudget
from trainer.learner.tqc import LATER_NUMBERS, TQC
from trainer.replay.pixels import with_image

KIND = "train"
"""Kind of the daemon's own checkpoints; others are something to begin from, not to go on with."""


@dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    preset: str | None = None
    settings: tuple[str, ...] = ()
    """``key=value`` each."""
    seed: int | None = None
    init: Path | None = None
    """A checkpoint file to begin from, when the home has no run of its own; ``best``: go back to the best of the run."""
    fresh: bool = False
    """Begin from nothing, whatever checkpoints there are."""
    base: TrainConfig | None = None
    """Settings read from elsewhere, in place of a preset."""
    device: str = "cpu"

    def config(self, stored: Mapping[str, Any] | None = None) -> TrainConfig:
        """Return the settings; without a preset asked for, those ``stored`` in a checkpoint of the same run go on."""
        if self.base is not None:
            config = self.base
        elif self.preset is not None or stored is None:
            name = self.preset or "hitl"
            if name not in PRESETS:
                meant = did_you_mean(name, PRESETS)
                raise UsageError(f"There is no preset '{shown(name)}'. Known ones: {', '.join(PRESETS)}.{meant}")
            config = PRESETS[name]
        else:
            config = TrainConfig.from_dict(stored)
        if self.seed is not None:
            config = config.with_values(seed=self.seed)
        return config.with_text(*self.settings)

    def names_shape(self) -> set[str]:
        """Return the settings of the networks' shape that were asked for by name."""
        return {pair.partition("=")[0].strip() for pair in self.settings} & set(SHAPE_FIELDS)


@dataclass
class Start:
    """A learner and what goes with it."""

    learner: TQC
    config: TrainConfig
    meta: CheckpointMeta | None = None
    """Of the checkpoint it came from."""
    path: Path | None = None
    parent: int | None = None
    own: bool = False
    """Whether it goes on with a run of the daemon's own."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    unknown: str = ""
    """What is to be said of settings in the checkpoint that this version does not know."""

    def budget(self, online_now: int) -> UpdateBudget:
        """Return the updates owed, as they stood; ``online_now``: online steps in the store."""
        c = self.config
        budget = UpdateBudget(c.utd, c.warmup_steps, c.max_debt_steps * c.utd)
        if self.meta is None:
            return budget
        numbers = self.meta.numbers
        if self.own:
            budget.online, budget.owed = int(numbers["online_steps"]), float(numbers["owed_updates"])
        elif self.meta.updates:
            # It was trained on its env_steps already, as far as these are in this store.
            budget.online, budget.warmup = min(self.meta.env_steps, online_now), 0
        return budget

    def generator(self) -> torch.Generator:
        """Return the stream that batches are drawn by."""
        generator = torch.Generator()
        if self.own:
            generator.set_state(self.tensors["rng.replay"])
        else:
            generator.manual_seed(self.config.seed + 2)
        return generator


def begin(wish: Wish, records: Sequence[CheckpointRecord], folder: Path, say: Callable[[str], None]) -> Start | None:
    """Return the learner to go on with, from the newest usable checkpoint (``records`` newest first) or ``--init``.

    None: there is none, and the learner must wait for the first steps to know its sizes. Raises CheckpointError when there
    are checkpoints and none can be used: training never silently starts from zero.
    """
    if str(wish.init) == "best":
        records = [r for r in records if r.best]
        if not records:
            raise CheckpointError("No checkpoint is marked as the best yet: `hitl eval` finds out which one is.")
    elif wish.init is not None and (wish.fresh or not any(r.kind == KIND for r in records)):
        return _from_file(wish, wish.init, None, None, say)
    elif wish.fresh or not records:
        return None
    for record in records:
        try:
            return _from_file(wish, folder / record.name, record.sha256, record, say)
        except CheckpointError as error:
            say(str(error))
    raise CheckpointError(
        f"None of the {len(records)} checkpoints of this home folder can be used, so training cannot go on where it was. "
        "Begin from another file with --init FILE, or from nothing with --fresh."
    )


def _from_file(
    wish: Wish, path: Path, sha256: str | None, record: CheckpointRecord | None, say: Callable[[str], None]
) -> Start:
    tensors, meta = load(path, sha256)
    own = record is not None and record.kind == KIND and {"online_steps", "owed_updates"} <= meta.numbers.keys()
    config = with_image(wish.config(meta.config if own else None), meta.observation_names)
    stored = TrainConfig.from_dict(meta.config)
    other = [name for name in SHAPE_FIELDS if getattr(config, name) != getattr(stored, name)]
    if clash := [name for name in other if name in wish.names_shape()]:
        raise UsageError(
            f"The checkpoint '{path.name}' has {clash[0]} = {getattr(stored, clash[0])}, so it cannot go on with another: "
            "omit that setting, or begin from nothing with --fresh."
        )
    if other:
        config = shaped_like(config, meta.config)
        say(f"The networks keep the shape they have in {path.name} ({', '.join(other)}).")
    learner = TQC(len(meta.observation_names), len(meta.action_names), config, wish.device)
    try:
        if learner.numbers().keys() - LATER_NUMBERS <= meta.numbers.keys():
            learner.load(tensors, meta.numbers)
        else:
            learner.load_networks(tensors)
        if own:
            torch.Generator().set_state(tensors["rng.replay"])  # would fail later otherwise
    except (KeyError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"The checkpoint '{path.name}' does not fit the networks of this version: use the one before it."
        ) from error
    if not own:
        learner.generator.manual_seed(config.seed + 1)  # another run: it draws its own numbers
        learner.bc_scale = learner.lr_scale = 1.0
        learner.reward_scale.zero_()  # what is paid here may be of another unit
    unknown = unknown_settings(path.name, meta.config)
    return Start(learner, config, meta, path, record.id if record else None, own, tensors, unknown)
