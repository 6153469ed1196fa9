"""Symmetric batches in a script: half from online experience, half from what a human showed, drawn as `hitl train` draws them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.errors import InputFileError, UsageError, shown
from data.numbers import is_number, whole
from data.reading.follow import Follower
from data.reading.layouts import has_road
from data.reading.new_steps import NewSteps
from data.store import Store, only_read
from data.words import number_of
from hitl.home import Home
from hitl.scripting.store import store_file
from trainer.config import TrainConfig
from trainer.daemon.resume import KIND, LearnerStart, begin, new_generator
from trainer.daemon.wish import Wish
from trainer.device_check import check_device
from trainer.learner.learner import Learner
from trainer.learner.make import make_learner
from trainer.replay.batch import Batch
from trainer.replay.from_arrays import finished_episode
from trainer.replay.given_episode import checked_episode
from trainer.replay.halves.gates import Teacher
from trainer.replay.pixels import with_image
from trainer.replay.replay import Replay, around_demos
from trainer.updates.update_budget import OwedUpdates

LOG = logging.getLogger("hitl")
NOTHING = "Nothing was driven in this store yet, so there is nothing to draw from: drive first, or give arrays with add_episode."


class SymmetricReplay:
    """Online steps and demos, from a store or from arrays.

    A store may be driven into meanwhile: :meth:`poll`, and each turn of :meth:`batches`, takes in what is new. What counts as a
    demo, and how much, follows the verdicts, priorities and settings, as everywhere in hitl. The ten lines that do what
    `hitl train` does::

        from hitl import SymmetricReplay

        with SymmetricReplay("~/.hitl") as replay:
            learner = replay.learner()
            for batch in replay.batches(learner):
                learner.update(batch)
            replay.save(learner)
    """

    def __init__(
        self,
        store: str | Path | Store | None = None,
        config: TrainConfig | str | None = None,
        *,
        observation_size: int | None = None,
        action_size: int | None = None,
        hz: float = 20.0,
        resume: bool = False,
        device: str = "cpu",
        **settings: Any,
    ) -> None:
        """Open a replay.

        ``store``: a home folder, a store's file or an open store; None: what :meth:`add_episode` is given. ``config``: settings,
        a preset's name, or None for those that `hitl train` would have in this home (settings.toml included); ``settings`` change
        single ones (``utd=4``). ``observation_size`` and ``action_size``: without a store; ``hz``: their steps a second.
        ``resume``: go on from the home's newest checkpoint, as `hitl train` does. ``device``: of batches and learner.

        Raises UsageError for unknown settings, a device that is not there, or without sizes where there is no store; StoreError
        for one that cannot be read; CheckpointError with ``resume`` where no checkpoint can be used.
        """
        check_device(str(device), "omit device='cuda'", "device=")
        self._file = None if store is None else store_file(store)
        self._may_write = not (isinstance(store, Store) and store.read_only)
        self._wish, self._device = _wish(self._file, config, settings, device), device
        self._resume = resume
        self._follower: Follower | None = None
        self._start: LearnerStart | None = None
        self._replay: Replay | None = None
        self._owed: OwedUpdates | None = None
        self._sizes: tuple[int, int] | None = None
        self._generator: torch.Generator | None = None
        self.observation_names: tuple[str, ...] = ()
        self.action_names: tuple[str, ...] = ()
        self._given, self._first_segment = 0, 1  # episodes that came as arrays, and the number of the next one's first segment
        if self._file is None:
            if observation_size is None or action_size is None:
                raise UsageError("Without a store, say how many numbers there are: observation_size and action_size.")
            if not is_number(hz) or not hz > 0:
                raise UsageError(f"hz is steps a second, above 0, not {shown(hz)}.")
            self._make(
                whole("observation_size", observation_size), whole("action_size", action_size), self._wish.config, hz
            )
        else:
            self.poll()

    # -- what is in it

    @property
    def replay(self) -> Replay:
        """The trainer's replay behind it. Raises UsageError while the store holds no step."""
        if self._replay is None:
            raise UsageError(NOTHING)
        return self._replay

    @property
    def config(self) -> TrainConfig:
        """The settings in force."""
        return self._replay.config if self._replay is not None else self._wish.config

    @property
    def observation_size(self) -> int:
        """O: numbers of an observation."""
        return self._of_layout()[0]

    @property
    def action_size(self) -> int:
        """A: numbers of an action."""
        return self._of_layout()[1]

    @property
    def online_rows(self) -> int:
        """Steps that the online half is drawn from."""
        return self._replay.online_rows if self._replay is not None else 0

    @property
    def demo_rows(self) -> int:
        """Steps that the demo half is drawn from."""
        return self._replay.demo_rows if self._replay is not None else 0

    @property
    def owed(self) -> float:
        """Updates that are owed to the learner that asked for batches: ``utd`` for each online step, and those on laps."""
        if self._owed is None:
            return 0.0
        self._owed.settle()
        return self._owed.budget.owed

    # -- taking in

    def poll(self) -> int:
        """Take in what was driven and judged since the last time; return how many online steps were new."""
        before = self._replay.online_steps if self._replay is not None else 0
        if self._file is None or (self._replay is None and not self._open()):
            return 0
        assert self._follower is not None
        while (new := self._follower.poll()).anything or new.more:
            self.replay.add(new)
        return self.replay.online_steps - before

    def add_episode(
        self,
        observation: np.ndarray,
        executed: np.ndarray,
        reward: np.ndarray,
        *,
        terminated: bool,
        driver: np.ndarray | None = None,
        proposed: np.ndarray | None = None,
        lap: bool = False,
        segments: Sequence[tuple[str, int, int]] | None = None,
    ) -> int:
        """Take in a finished episode of n steps as arrays; return how many online steps were new.

        ``observation`` (n + 1, O), the one after the last step included; ``executed`` and ``proposed`` (n, A) in [-1, 1];
        ``reward`` (n,); ``driver`` (n,), 0 for the agent and 1 for the human (default: all the agent's). Each run of human steps
        is a takeover, unless ``segments`` says otherwise: (``"takeover"`` or ``"lap"``, first step, step after the last).
        ``lap``: the human drove all of it. ``terminated``: False where it was only cut off. Raises UsageError for other shapes,
        for numbers that are not finite, and for actions beyond [-1, 1]; for any episode where there is a store.
        """
        if self._file is not None:
            raise UsageError(
                "This replay takes its episodes from a store, so it takes no arrays: give these to another one, without a store."
            )
        given = checked_episode(
            *self._of_layout(), observation, executed, reward, terminated=terminated, driver=driver, proposed=proposed,
            segments=segments,
        )  # fmt: skip
        self._given += 1
        episode = finished_episode(
            self._given, given.observation, given.executed, given.reward, terminated=given.terminated, driver=given.driver,
            proposed=given.proposed, purpose="lap" if lap else "drive", segments=given.segments,
            first_segment=self._first_segment,
        )  # fmt: skip
        self._first_segment += len(episode.segments)
        return self.replay.add(episode)

    # -- drawing

    def sample(self, batch_size: int | None = None) -> Batch:
        """Return a batch of ``batch_size`` rows (None: as set), online rows first. Raises UsageError while there are none."""
        if not self.online_rows and not self.demo_rows:
            raise UsageError(NOTHING)
        rows = self.config.batch_size if batch_size is None else whole("batch_size", batch_size)
        return self.replay.sample(rows, self._generator)

    def sample_demos(self, count: int) -> Batch:
        """Return ``count`` rows of the demo half alone. Raises UsageError while there is no demo."""
        if not self.demo_rows:
            raise UsageError("There is no takeover or lap that counts yet: `hitl segments` says why.")
        rows = self.replay.draw_rows(1, 0, whole("count", count), self._generator)
        return self.replay.table.batches(rows, 0)[0]

    @property
    def generator(self) -> torch.Generator | None:
        """The stream of random numbers that rows are drawn by; None while the store holds no step."""
        return self._generator

    def draw_as(self, worker: int) -> None:
        """Draw other rows than the workers beside this one do; ``worker``: its number."""
        if self._generator is not None:
            self._generator.manual_seed(self.config.seed + 2 + 1009 * (worker + 1))

    # -- learning as the trainer does

    def learner(self) -> Learner:
        """Return the learner for what is driven here: the one to go on with (``resume``), else a new one."""
        if self._start is not None:
            return self._start.learner
        return make_learner(self.observation_size, self.action_size, self.config, self._device)

    def batches(self, learner: Learner) -> Iterator[Batch]:
        """Yield the batches that are owed to the learner, to be updated with one by one; ends when none is owed.

        They are those that `hitl train` would draw, in its order; call it again when more was driven. A loop may end early, and
        save in between: what the learner was updated with is no longer owed. Raises UsageError for a learner of other sizes.
        """
        self.poll()
        replay = self.replay
        self._check_fits(learner)
        learner.note_demo_count(replay.human_rows)
        if self._owed is None or self._owed.learner is not learner:
            start = self._start if self._start is not None and self._start.learner is learner else None
            start = start or LearnerStart(learner, self.config)
            budget = start.budget(replay.online_steps, max(replay.new_laps(0), default=0))
            assert self._generator is not None
            self._owed = OwedUpdates(learner, replay, budget, self._generator)
        owed = self._owed
        owed.settle()
        owed.count()
        while True:
            if owed.laps_first.just_ended():
                LOG.info(owed.laps_first.finish())
            if owed.teaching.try_to_end():
                LOG.info(owed.teaching.result)
            if text := owed.teaching.stuck():
                LOG.warning(text)
            count = owed.due
            if not count:
                return
            yield from owed.hand_out(count)

    def save(self, learner: Learner) -> Path:
        """Write a checkpoint into the store's home; return its file.

        `hitl play` drives with it and `hitl train` goes on from it. Raises UsageError without a store and for a learner of other
        sizes than what is driven here, StoreError where the store was given to be read alone, CheckpointError when it cannot be
        written.
        """
        from trainer.checkpoints.files import save
        from trainer.checkpoints.meta import CheckpointMeta, taught_by, zone_numbers

        if self._file is None or self._follower is None:
            raise UsageError("A checkpoint lies beside a store, and this replay has none.")
        if not self._may_write:
            raise only_read(self._file)
        self._check_fits(learner)
        numbers: dict[str, float] = {"last_step": self._follower.last_step}
        assert self._generator is not None
        if self._owed is not None and self._owed.learner is learner:
            self._owed.settle()
            numbers |= self._owed.budget.numbers()
        else:
            numbers |= {"online_steps": self.replay.online_steps, "owed_updates": 0.0}
        teacher = ""
        if (gates := self.replay.demos.gates) is not None:
            numbers |= zone_numbers(gates.zones)
            teacher = taught_by(gates.teacher, self._start.meta if self._start is not None else None)
        folder, config = self._file.parent / "checkpoints", learner.config.to_dict()
        with Store(self._file, create=False) as store:
            tracks = store.track_digests(self.replay.tracks)
            meta = CheckpointMeta.of(
                learner, self.observation_names, self.action_names, kind=KIND, numbers=numbers, tracks=tracks, teacher=teacher
            )
            name, sha256 = save(folder, learner, meta, {"rng.replay": self._generator.get_state()})
            store.add_checkpoint(name, sha256, learner.updates, learner.env_steps, KIND, config)
        return folder / name

    def close(self) -> None:
        """Close the store."""
        if self._follower is not None:
            self._follower.close()

    def __enter__(self) -> SymmetricReplay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside

    def _of_layout(self) -> tuple[int, int]:
        if self._sizes is None:
            raise UsageError(NOTHING)
        return self._sizes

    def _check_fits(self, learner: Learner) -> None:
        """Raise UsageError for a learner that cannot learn from this, or drive here."""
        theirs, ours = (learner.observation_size, learner.action_size), self._of_layout()
        if theirs != ours:
            raise UsageError(
                f"This learner is for {number_of(theirs[0], 'observed number')} and {number_of(theirs[1], 'action number')}, and "
                f"what is driven here has {ours[0]} and {ours[1]}. replay.learner() returns one that fits."
            )

    def _open(self) -> bool:
        """Find out what is driven in the store; False while there is nothing."""
        assert self._file is not None
        if not self._file.exists():
            return False
        with Store(self._file) as store:
            road, records = has_road(store.conn), store.checkpoints() if self._resume else []
            beside = store.newest_agent() is not None
        first = NewSteps.empty()
        if records:
            self._start = begin(self._wish, records, self._file.parent / "checkpoints", LOG.warning, road=road)
        if self._start is not None and self._start.meta is not None:
            names = tuple(self._start.meta.observation_names), tuple(self._start.meta.action_names)
            config = self._start.config
            self._follower = Follower(self._file, *names, newest=config.capacity, around=around_demos(config))
        else:
            config = self._wish.config_where(road, beside)
            follower = Follower(self._file, newest=config.capacity, around=around_demos(config))
            first = follower.poll()
            if follower.layout is None:
                follower.close()
                return False
            self._follower, names = follower, follower.layout
            self.observation_names, self.action_names = names
            config = with_image(self._wish.config_where(road, beside, beside and self._can_be_asked()), names[0])
        self.observation_names, self.action_names = names
        self._make(len(names[0]), len(names[1]), config, 20.0)
        self.replay.add(first)
        return True

    def _can_be_asked(self) -> bool:
        """Tell whether the agent that drives here says what it would do elsewhere."""
        try:
            return self._teacher() is not None
        except InputFileError as error:
            LOG.warning("%s Without it, what is learned here takes over from it in places.", error)
            return False

    def _teacher(self) -> Teacher | None:
        from hitl.agents.keeping import teacher
        from hitl.agents.own_code import named_agent
        from hitl.settings import load

        if self._file is None:
            return None
        home = Home(self._file.parent)
        return teacher(home, named_agent(home, load(home, "agent")), self.observation_names, self.action_names)

    def _make(self, observation_size: int, action_size: int, config: TrainConfig, hz: float) -> None:
        asked = self._teacher() if config.taught else None
        self._replay = Replay(observation_size, action_size, config, hz, self._device, asked)
        if self._start is not None and (gates := self._replay.demos.gates) is not None:
            gates.everywhere = self._start.learner.drives_everywhere
        self._sizes = observation_size, action_size
        self._generator = new_generator(config) if self._start is None else self._start.generator()


def _wish(file: Path | None, config: TrainConfig | str | None, settings: dict[str, Any], device: str) -> Wish:
    """Return what a run is asked to be: as `hitl train` in the store's home would read it, or as the script says."""
    if isinstance(config, TrainConfig):
        return Wish(config.with_values(**settings), insisted=frozenset(settings), device=device)
    asked = {**settings, **({"preset": config} if config is not None else {})}
    if file is None:
        return Wish.of(asked, device=device)
    from hitl.settings import load

    train = load(Home(file.parent), "train", over={"train": asked}).train
    return Wish.of(train, insisted=frozenset(settings), device=device)
