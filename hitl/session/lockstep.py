"""Driving and learning in turn, in one process: the same seed gives the same run on the same machine.

A live player's session and trainer are two processes; here one waits for the other, which is what benchmarks and the making of
a stalled agent need. Session, store, replay and learner are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.reading.follow import Follower
from data.store import Store
from hitl.drivers.policy import Judgement
from hitl.session.session import EpisodeResult
from hitl.session.setup import SessionSetup

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.learner.learner import Learner
    from trainer.networks.actor_critic import Actor
    from trainer.replay.replay import Replay


class LearnerPolicy:
    """Drives with a learner's own actor: at its newest weights, or at their average where it keeps one."""

    def __init__(self, learner: Learner, seed: int) -> None:
        import torch

        self._torch, self._learner = torch, learner
        self._judgement = Judgement(learner.critics)
        self._memory: Any = None  # of the running episode, for a recurrent network
        self._noise = torch.Generator().manual_seed(seed)
        self.checkpoint_id: int | None = None
        self.fixed = False

    @property
    def actor(self) -> Actor:
        """The network that drives."""
        return self._learner.average if self._learner.average is not None else self._learner.actor

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return the action (A,) for an observation (O,)."""
        batch, noise = self._torch.from_numpy(observation)[None], None if deterministic else self._noise
        action = self.actor.act(batch, deterministic, noise, self._memory)
        self._judgement.look(batch, action)
        result: NDArray[np.float32] = action[0].numpy()
        return result

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """The step was made with this action (A,), whoever drove."""
        if self._memory is not None:  # critics remember only where the actor does
            action = self._torch.tensor(executed, dtype=self._torch.float32)[None]
            self._memory.stepped(action)
            self._judgement.stepped(action)

    @property
    def observation_size(self) -> int:
        """Numbers in an observation."""
        return self._learner.observation_size

    def can_judge(self) -> bool:
        """A learner always has critics."""
        return True

    def quantiles(self, observations: NDArray[np.float32], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Judgement.quantiles``."""
        return self._judgement.quantiles(observations, actions)

    def quantiles_now(self, observation: NDArray[np.float32], action: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Judgement.quantiles_now``."""
        return self._judgement.quantiles_now(observation, action)

    def begin_episode(self) -> None:
        """The weights are always the newest; a memory begins empty."""
        from trainer.networks.actor_critic import remember

        self._memory = remember(self.actor)
        self._judgement.begin_episode()


class Lockstep:
    """A rig and a learner that take turns. Use it as a context manager.

    ``init``: a checkpoint file to begin from (weights and optimisers; its own random numbers are not taken over). ``kind``: of
    the checkpoints that :meth:`save` writes. ``make_learner`` and ``make_replay``: called with the sizes of observation and
    action and the configuration, for a learner of your own (of the same shape) or another way to draw than ``Replay``.
    """

    def __init__(
        self,
        rig: SessionSetup,
        config: TrainConfig,
        *,
        init: Path | None = None,
        kind: str = "stall",
        make_learner: Callable[[int, int, TrainConfig], Learner] | None = None,
        make_replay: Callable[[int, int, TrainConfig], Replay] | None = None,
    ) -> None:
        import torch

        from trainer.checkpoints.files import load
        from trainer.learner import make
        from trainer.replay.pixels import with_image
        from trainer.replay.replay import Replay

        torch.set_num_threads(1)
        config = with_image(config, rig.observation_names)
        self.rig, self.config, self.kind = rig, config, kind
        sizes = len(rig.observation_names), len(rig.action_names)
        self.learner = (make_learner or make.make_learner)(*sizes, config)
        if init is not None:
            tensors, meta = load(init)
            self.learner.load(tensors, meta.numbers)
            self.learner.generator.manual_seed(config.seed + 1)
        self.replay = (make_replay or Replay)(*sizes, config)
        self.steps = 0  # driven so far, by whomever, evaluations left out
        self._first_update = self.learner.updates
        self._generator = torch.Generator().manual_seed(config.seed)
        self.policy = LearnerPolicy(self.learner, config.seed)
        rig.policy = self.policy  # type: ignore[assignment]
        rig.session.policy = self.policy
        self._follower = Follower(rig.home.store_path)
        self._store = Store.open(rig.home.store_path)

    @property
    def updates(self) -> int:
        """Updates done here."""
        return self.learner.updates - self._first_update

    def drive(self, seed: int, purpose: str = "drive", **how: Any) -> EpisodeResult:
        """Drive one episode (``how``: as in ``Session.episode``), then do the updates that its steps allow."""
        result = self.rig.session.episode(purpose, seed=seed, **how)
        self.steps += result.steps
        self.learn()
        return result

    def learn(self) -> None:
        """Take in what was recorded and pay the updates owed."""
        self.rig.written()
        self.replay.add(self._follower.poll())
        self.learner.note_demo_count(self.replay.human_rows)
        self.learner.env_steps = self.steps
        while self.updates < (self.steps - self.config.warmup_steps) * self.config.utd:
            self.learner.update(self.replay.sample(self.config.batch_size, self._generator))

    def save(self) -> int:
        """Write a checkpoint, which the episodes that follow are marked with; returns its row."""
        from trainer.checkpoints.files import save
        from trainer.checkpoints.meta import CheckpointMeta

        rig = self.rig
        meta = CheckpointMeta.of(self.learner, rig.observation_names, rig.action_names, self.kind, tracks=rig.known_by)
        name, sha256 = save(self.rig.home.checkpoints, self.learner, meta)
        settings: dict[str, Any] = self.config.to_dict()
        row = self._store.add_checkpoint(name, sha256, self.learner.updates, self.steps, self.kind, settings)
        self.policy.checkpoint_id = row
        return row

    def close(self) -> None:
        """Close the store (the rig is its owner's to close)."""
        self._follower.close()
        self._store.close()

    def __enter__(self) -> Lockstep:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
