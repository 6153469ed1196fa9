"""Driving and learning in turn, in one process: the same seed gives the same run on the same machine.

A player's session and trainer are two processes. Here one waits for the other, as benchmarks and `hitl stall` need it. Session,
store, replay and learner are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.reading.follow import Follower
from data.store import Store
from hitl.drivers.human import HumanSide
from hitl.drivers.policy import NetworkPolicy
from hitl.home import Home
from hitl.protocols import FrozenAgent
from hitl.road.track import Track
from hitl.session.session import EpisodeResult
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from trainer.config import TrainConfig

if TYPE_CHECKING:
    from trainer.learner.learner import Learner
    from trainer.learner.teaching import Teaching
    from trainer.networks.actor_critic import Actor
    from trainer.replay.halves.gates import Teacher
    from trainer.replay.replay import Replay


TRIAL_EVERY = 300
"""Updates between two trials of the newest weights, while those that a long drive owes are done: about as often as a trainer
beside a game has the time for them."""


class LearnerPolicy(NetworkPolicy):
    """Drives with a learner's own actor, as a checkpoint's would."""

    def __init__(self, learner: Learner, seed: int) -> None:
        super().__init__(learner.observation_size, seed)
        self._learner = learner
        self.begin_episode()

    @property
    def actor(self) -> Actor:
        """The network that drives without noise."""
        held = self._holding.held if self._holding.in_force and self._proven is None else None
        return self._learner.driving if held is None else held

    def begin_episode(self) -> None:
        """Take the weights as they are now; a memory begins empty."""
        self._take(self._learner.newest, self._learner.proven, self._learner.critics)
        super().begin_episode()


class Lockstep:
    """A session and a learner that take turns. Use it as a context manager. ``human``: as for ``SessionSetup``.

    ``init``: a checkpoint file to begin from (weights and optimisers, but not its random numbers). ``make_learner`` and
    ``make_replay``: called with the sizes of observation and action and the configuration, for a learner of your own (of the
    same shape) or another way to draw than ``Replay``. ``proves``: new weights must pass a trial, as with ``hitl train``, in
    a game that has copies. ``frozen``: an agent that drives where the human never helped (``config.frozen_agent``); ``teacher``:
    the same, to be asked (``frozen_teaches``).
    """

    config: TrainConfig
    learner: Learner
    replay: Replay
    teaching: Teaching

    def __init__(
        self,
        home: Home,
        options: SessionOptions,
        config: TrainConfig,
        *,
        human: Callable[[Track], HumanSide] | None = None,
        init: Path | None = None,
        make_learner: Callable[[int, int, TrainConfig], Learner] | None = None,
        make_replay: Callable[[int, int, TrainConfig], Replay] | None = None,
        proves: bool = False,
        frozen: FrozenAgent | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        import torch

        from hitl.trials.copies import copies
        from trainer.checkpoints.files import load
        from trainer.daemon.proving import Proving
        from trainer.learner import make
        from trainer.learner.teaching import Teaching
        from trainer.replay.pixels import with_image
        from trainer.replay.replay import Replay
        from trainer.torch_threads import use_threads
        from trainer.updates.update_budget import UpdateBudget

        use_threads(1)

        def policy(observation_names: tuple[str, ...], action_names: tuple[str, ...]) -> LearnerPolicy:
            self.config = with_image(config, observation_names)
            sizes = len(observation_names), len(action_names)
            self.learner = (make_learner or make.make_learner)(*sizes, self.config)
            if init is not None:
                tensors, meta = load(init)
                self.learner.load(tensors, meta.numbers)
                self.learner.generator.manual_seed(config.seed + 1)
            self.replay = (make_replay or Replay)(*sizes, self.config)
            if self.replay.demos.gates is not None:
                self.replay.demos.gates.teacher = teacher
            self.teaching = Teaching(self.learner, self.replay)
            return LearnerPolicy(self.learner, config.seed)

        self.rig = SessionSetup(home, options, policy=policy, human=human)
        self.policy: LearnerPolicy = self.rig.policy
        self.policy.frozen = frozen
        self.steps = 0  # driven so far, whoever drove, without evaluations
        c = self.config
        self.budget = UpdateBudget(c.utd, c.warmup_steps, lap_utd=c.lap_utd)
        self.proving = Proving(self.learner)
        self._solo = copies(options.env, self.rig.track, home, self.rig.task.settings) if proves else None
        self.proving.use(self._solo.trial if self._solo is not None else None)
        self._generator = torch.Generator().manual_seed(config.seed)
        self._follower = Follower(home.store_path)
        self._store = Store(home.store_path)

    def drive(self, seed: int, purpose: str = "drive", **how: Any) -> EpisodeResult:
        """Drive one episode (``how``: as in ``Session.episode``), then do the updates that its steps allow."""
        result = self.rig.session.episode(purpose, seed=seed, **how)
        self.steps += result.steps
        self.learn()
        return result

    def learn(self) -> None:
        """Take in what was recorded and do the updates owed.

        In an order of its own, on which the figures of docs/results.md rest. ``OwedUpdates``, by which the daemon and scripts go,
        draws eight batches at once, and so others from the same seed; it holds laps out, and counts all steps of the store, not
        only those driven here.
        """
        self.rig.written()
        while (new := self._follower.poll()).anything or new.more:  # a long store comes in parts
            self.replay.add(new)
        self.learner.note_demo_count(self.replay.human_rows)
        self.learner.env_steps = self.steps
        self.budget.count_steps(self.steps)
        self.learner.clone_first(self.budget.count_laps(self.replay.new_laps(self.budget.last_lap)))
        done = 0
        while self.budget.due:
            self.teaching.try_to_end()
            self.learner.update(self.replay.sample(self.config.batch_size, self._generator))
            self.budget.pay(1)
            done += 1
            if done % TRIAL_EVERY == 0:
                self._try_newest()
        if self.replay.demos.gates is not None:
            self.policy.zones = self.replay.demos.gates.driven(self.rig.track.name)
        self._try_newest()

    def _try_newest(self) -> None:
        """Have the newest weights pass or fail a trial, where there are any."""
        if self.proving.trial is not None and (self.learner.drives_everywhere or not self.config.frozen_agent):
            self.proving.offer()

    def save(self) -> int:
        """Write a checkpoint, with which the episodes that follow are marked; returns its row's id."""
        from trainer.checkpoints.files import save
        from trainer.checkpoints.meta import CheckpointMeta

        rig = self.rig
        meta = CheckpointMeta.of(self.learner, rig.observation_names, rig.action_names, "stall", tracks=rig.known_by)
        name, sha256 = save(self.rig.home.checkpoints, self.learner, meta)
        row = self._store.add_checkpoint(name, sha256, self.learner.updates, self.steps, "stall", self.config.to_dict())
        self.policy.checkpoint_id = row
        return row

    def close(self) -> None:
        """Close the session and the store."""
        self._follower.close()
        self._store.close()
        if self._solo is not None:
            self._solo.close()
        self.rig.close()

    def __enter__(self) -> Lockstep:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
