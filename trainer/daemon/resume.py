"""From what is in a home folder to a learner that can go on: which checkpoint, which settings, how many updates are owed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from data.errors import CheckpointError, UsageError, shown
from data.reading.new_steps import Layout
from data.tables.checkpoints import RUN, CheckpointRecord
from data.words import number_of
from trainer.checkpoints.files import load
from trainer.checkpoints.meta import CheckpointMeta
from trainer.checkpoints.packed import ACTORS
from trainer.config import TrainConfig
from trainer.daemon.run_settings import run_config
from trainer.daemon.wish import Wish
from trainer.device import choose, for_device
from trainer.learner.learner import Learner
from trainer.learner.make import make_learner
from trainer.learner.parts import LATER_NUMBERS
from trainer.retired import unknown_settings
from trainer.updates.update_budget import UpdateBudget

KIND = RUN
"""Kind of the daemon's own checkpoints; others are something to begin from, not to go on with."""


@dataclass
class LearnerStart:
    """A learner and what goes with it."""

    learner: Learner
    config: TrainConfig
    meta: CheckpointMeta | None = None
    """Of the checkpoint it came from."""
    path: Path | None = None
    parent: int | None = None
    own: bool = False
    """Whether it goes on with a run of the daemon's own."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    unknown: str = ""
    """What is to be said of settings in the checkpoint that this version does not know or allow."""

    def budget(self, online_now: int, last_lap: int) -> UpdateBudget:
        """Return the updates owed, as they stood; ``online_now``, ``last_lap``: online steps and number of the newest lap."""
        c = self.config
        budget = UpdateBudget(c.utd, c.warmup_steps, c.max_debt_steps * c.utd, lap_utd=c.lap_utd)
        if self.meta is None:
            return budget
        numbers = self.meta.numbers
        if self.own:
            budget.online, budget.owed = int(numbers["online_steps"]), float(numbers["owed_updates"])
            # A run of an earlier version has learned from the laps that are there, if it has learned anything.
            budget.last_lap = int(numbers.get("last_lap", last_lap if self.meta.updates else 0))
            budget.held_out = int(numbers.get("held_from", 0)), int(numbers.get("held_to", 0))
            budget.forgiven = float(numbers.get("forgiven_steps", 0.0))  # earlier versions did not count them
        elif self.meta.updates:
            # It was trained on its env_steps already, as far as these are in this store.
            budget.online, budget.warmup = min(self.meta.env_steps, online_now), 0
        return budget

    def generator(self) -> torch.Generator:
        """Return the stream that batches are drawn by."""
        generator = new_generator(self.config)
        if self.own:
            generator.set_state(self.tensors["rng.replay"])
        return generator


def new_generator(config: TrainConfig) -> torch.Generator:
    """Return the stream that the batches of a new run are drawn by."""
    return torch.Generator().manual_seed(config.seed + 2)


def begin(
    wish: Wish,
    records: Sequence[CheckpointRecord],
    folder: Path,
    say: Callable[[str], None],
    *,
    road: bool = True,
    driven: Layout | None = None,
) -> LearnerStart | None:
    """Return the learner to go on with, from the newest usable checkpoint (``records`` newest first) or ``--init``.

    ``road``: whether what is driven has one; ``driven``: its layout, None while nothing is. None: there is no checkpoint, and the
    learner must wait for the first steps to know its sizes. Raises CheckpointError when there are checkpoints and none can be
    used (training never silently starts from zero), or ``--init`` is of another layout than what is driven.
    """
    if str(wish.init) == "best":
        records = [r for r in records if r.best]
        if not records:
            raise CheckpointError("No checkpoint is marked as the best yet: `hitl eval` finds out which one is.")
    elif wish.init is not None and (wish.fresh or not any(r.of_run for r in records)):
        start = _from_file(wish, wish.init, None, None, say, road)
        _check_layout(wish.init, start.meta, driven)
        return start
    elif wish.fresh or not records:
        return None
    elif wish.init is not None:
        text = "is not used: this home has a run of its own, which goes on. --fresh with --init begins anew from it."
        say(f"{wish.init.name} {text}")
    copies, why = 0, ""
    for record in records:
        try:
            start = _from_file(wish, folder / record.name, record.sha256, record, say, road)
        except _DrivesOnlyError:
            copies += 1
            continue
        except CheckpointError as error:
            say(str(error))
            why = why or str(error)
            continue
        if copies:
            say(f"{number_of(copies, 'newer checkpoint')} here came from a trainer on another machine, for driving only.")
        return start
    if copies == len(records):
        raise CheckpointError(
            "This home gets its weights from a trainer on another machine, which learns from what is driven here: training goes "
            "on there. The copies here can drive, but not learn. `hitl train --fresh` begins a run of its own here, from nothing."
        )
    raise CheckpointError(
        f"No checkpoint of this home folder can be used ({len(records)} tried), so training cannot go on where it was. "
        f"The newest: {why} Else begin from another file with --init FILE, or from nothing with --fresh."
    )


class _DrivesOnlyError(CheckpointError):
    """A checkpoint is the copy of an actor, without what it learned with."""


def _check_layout(path: Path, meta: CheckpointMeta | None, driven: Layout | None) -> None:
    """Raise CheckpointError where a file to begin from could learn from nothing that is driven here."""
    if meta is None or driven is None:
        return
    for kind, seen, here in zip(
        ("observation", "action"), (meta.observation_names, meta.action_names), driven, strict=True
    ):
        if tuple(seen) != here:
            other = "" if len(seen) != len(here) else ", with other names"
            raise CheckpointError(
                f"The checkpoint '{shown(path.name)}' was trained for {number_of(len(seen), f'{kind} number')}, and what was "
                f"driven here last has {len(here)}{other}, so it cannot learn from that: begin from another file with --init, or "
                "give it a home folder of its own with --home."
            )


def _from_file(
    wish: Wish, path: Path, sha256: str | None, record: CheckpointRecord | None, say: Callable[[str], None], road: bool
) -> LearnerStart:
    tensors, meta = load(path, sha256)
    if all(name.startswith(ACTORS) for name in tensors):
        raise _DrivesOnlyError(
            f"The checkpoint '{shown(path.name)}' is a copy that a trainer sent to another machine: it can drive, but not learn. "
            "Name the file of that name in the trainer's own home."
        )
    own = record is not None and record.of_run and KIND in (record.kind, meta.kind)
    own = own and {"online_steps", "owed_updates"} <= meta.numbers.keys()
    config, other = run_config(wish, meta.config, meta.updates, own=own, road=road)
    stored = TrainConfig.from_dict(meta.config)
    if clash := [name for name in other if name in wish.insisted]:
        raise UsageError(
            f"The checkpoint '{path.name}' has {clash[0]} = {getattr(stored, clash[0])}, so it cannot go on with another: "
            "omit that setting, or begin from nothing with --fresh."
        )
    if other:
        say(f"The networks keep the shape they have in {path.name} ({', '.join(other)}).")
    sizes = len(meta.observation_names), len(meta.action_names)
    learner = make_learner(*sizes, config, choose(wish.device, *sizes, config).name)
    tensors = for_device(tensors, learner)
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
        learner.lr_scale = 1.0
        learner.clones_until = min(learner.clones_until, learner.updates)  # the laps of that run are not these
        learner.rewards.largest.zero_()  # what is paid here may be of another unit
        learner.drives_everywhere = False  # another agent may drive here
        learner.worth_holding = None  # nor is this the road of that run, perhaps
        learner.rewards.forget()
    if wish.init is not None and learner.proven is not None:
        learner.return_to_proven()  # what drove, and was evaluated
    unknown = unknown_settings(path.name, meta.config)
    return LearnerStart(learner, config, meta, path, record.id if record else None, own, tensors, unknown)
