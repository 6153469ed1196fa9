"""Three rules for learning from data and from drives at once, as arms: AWAC, TD3+BC and IBRL, each with the critics of TQC.

They keep the replay, the batches, the average and the drives of ours; only the actor is theirs.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from typing import Any

import torch
from opponents import Opponent
from torch import Tensor
from torch.nn.functional import softplus

from trainer.config import TrainConfig
from trainer.learner.plain import PlainTQC, descend, forward, quantile_huber, sample
from trainer.learner.schedule import UpdateStep
from trainer.networks.actor_critic import LOG_STD_MIN, Actor
from trainer.replay.batch import Batch, beside


class _OtherActorLoss(PlainTQC):
    """TQC whose actor goes down another loss."""

    def learn(self, batch: Batch, step: UpdateStep) -> None:
        """Learn from one batch, in an update that has been counted."""
        c = self.config
        batch = self._prepare(batch, step)
        z, target = forward(self.critics.body, batch.pair), self.target(batch, self.alpha)
        loss = quantile_huber(z, target, self.tau).mean()
        descend(loss, self.critics, self.critic_flat, self.critic_optimiser, self.lr(c.lr_critic), c.grad_clip_critic)
        head = forward(self.actor.body, batch.observation)[0]
        loss = self.actor_loss(batch, head)
        descend(loss, self.actor, self.actor_flat, self.actor_optimiser, self.lr(c.lr_actor), c.grad_clip_actor)
        self._follow(step)

    @abstractmethod
    def actor_loss(self, batch: Batch, head: Tensor) -> Tensor:
        """Return the loss (0-d) of the actor's ``head`` (B, 2A)."""

    def q(self, batch: Batch, action: Tensor) -> Tensor:
        """Return the mean over critics and quantiles, (B,)."""
        return forward(self.critics.body, beside(batch.observation, action)).mean((0, 2))


class AWAC(_OtherActorLoss):
    """Advantage-weighted actor-critic (Nair et al. 2020): the actor becomes likelier to do what was done and was good.

    The loss is ``- sum w log pi(a|o)`` over all rows, w the softmax over the batch of ``(Q(o, a) - Q(o, pi(o))) / temperature``.
    """

    TEMPERATURE = 1.0  # the paper's lambda for its manipulation tasks is 1 in units of a reward of 1

    def actor_loss(self, batch: Batch, head: Tensor) -> Tensor:
        """Return the weighted negative log-likelihood of the executed actions."""
        with torch.no_grad():
            own, _ = sample(head, self._noise(batch), self.config.log_std_max)
            advantage = self.q(batch, batch.action) - self.q(batch, own)
            weight = (advantage / self.TEMPERATURE).softmax(0)
        return -(weight * log_likelihood(head, batch.action, self.config.log_std_max)).sum()


class TD3BC(_OtherActorLoss):
    """TD3+BC (Fujimoto and Gu 2021): ``- 2.5 Q(o, pi(o)) / mean |Q|`` plus the squared error on rows to be cloned, no entropy."""

    ALPHA = 2.5

    def actor_loss(self, batch: Batch, head: Tensor) -> Tensor:
        """Return the loss of the greedy action."""
        greedy = head[:, : self.action_size].tanh()
        q = self.q(batch, greedy)
        weight = batch.cloned.to(q.dtype)
        error = ((greedy - batch.action).square().mean(1) * weight).sum() / weight.sum().clamp(min=1.0)
        return -self.ALPHA * q.mean() / q.detach().abs().mean().clamp(min=1e-6) + error


class _Chooser(Actor):
    """Drives with the better of two actors' actions, as the critics say."""

    def __init__(self, learner: IBRL, actor: Actor) -> None:
        super().__init__(learner.observation_size, learner.action_size, learner.config)
        self.body, self.units = actor.body, actor.units
        self.imitator, self.critics = learner.imitator, learner.targets

    @torch.no_grad()
    def act(self, observation: Any, deterministic: bool = True, generator: Any = None, memory: Any = None) -> Tensor:
        """Return actions (B, A) for observations (B, O)."""
        own = super().act(observation, deterministic, generator, memory)
        copied = self.imitator.act(observation, True)
        q_own, q_copied = (self.critics(beside(observation, a)).mean((0, 2)) for a in (own, copied))
        return torch.where((q_copied > q_own)[:, None], copied, own)


class IBRL(PlainTQC):
    """Imitation bootstrapped RL (Hu et al. 2024): a clone beside the actor drives, and is bootstrapped at, where it is better."""

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__(observation_size, action_size, config)
        self.imitator = copy.deepcopy(self.actor)
        self.imitator.units = self.actor.units
        self._adam = torch.optim.Adam(self.imitator.body.parameters(), lr=config.lr_actor)

    def load(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Take a checkpoint: the clone begins as the actor that was stalled."""
        super().load(tensors, numbers)
        self.imitator.body.load_state_dict(self.actor.body.state_dict())

    def update(self, batch: Batch) -> None:
        """Learn from one batch."""
        super().update(batch)
        head = forward(self.imitator.body, self.actor.in_units(batch.observation))[0]
        weight = (batch.cloned & batch.human).to(head.dtype)
        error = (head[:, : self.action_size].tanh() - batch.action).square().mean(1)
        self._adam.zero_grad()
        ((error * weight).sum() / weight.sum().clamp(min=1.0)).backward()
        self._adam.step()

    @torch.no_grad()
    def _target(self, batch: Batch, noise: Tensor, alpha: Tensor, detailed: bool) -> Tensor:
        """Return the targets (B, M), bootstrapped at the better of both actions; see ``PlainTQC``."""
        seen, c = batch.next_observation, self.config
        own = self.actor.sample(seen, noise)
        of_own, of_copied = (self.targets(beside(seen, a)) for a in (own.action, self.imitator.act(seen, True)))
        copies = of_copied.mean((0, 2)) > of_own.mean((0, 2))
        z = torch.where(copies[None, :, None], of_copied, of_own)
        pool = torch.cat(list(z), 1).sort(1).values
        kept = pool[:, : pool.shape[1] - c.dropped] - torch.where(copies, 0.0, alpha * own.log_density)[:, None]
        target = batch.reward[:, None] + batch.discount[:, None] * kept
        return target if c.backup_clip is None else target.clamp(-c.backup_clip, c.backup_clip)

    @property
    def newest(self) -> Actor:
        """What drives: the better of the two."""
        return _Chooser(self, super().newest)


def log_likelihood(head: Tensor, action: Tensor, log_std_max: float) -> Tensor:
    """Return the log-density (B,) of actions (B, A) in the open cube, of ``head`` (B, 2A) = mean, log std."""
    mean, raw = head.chunk(2, -1)
    log_std = raw.clamp(LOG_STD_MIN, log_std_max)
    u = action.clamp(-0.999, 0.999).atanh()
    normal = -0.5 * ((u - mean) / log_std.exp()).square() - log_std - 0.5 * math.log(2 * math.pi)
    return (normal - 2 * (math.log(2) - u - softplus(-2 * u))).sum(-1)


_OWN: dict[str, Any] = {"bc_weight": 0.0}
OFFLINE_RL: dict[str, Opponent] = {
    "awac": Opponent("AWAC on our batches: likelier what was done and was good (Nair et al. 2020)", AWAC, _OWN),
    "ibrl": Opponent("IBRL on our batches: the better of actor and clone drives (Hu et al. 2024)", IBRL, _OWN),
    "td3_bc": Opponent("TD3+BC with takeovers: Q in units of itself, plus cloning (Fujimoto and Gu 2021)", TD3BC, _OWN),
}
"""By the name of the arm."""
