"""Two rules for learning from data and from drives at once, as arms: AWAC and TD3+BC, each with the critics of TQC.

They keep the replay, the batches, the average and the drives of ours; only the actor's loss is theirs.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from opponents import Opponent
from torch import Tensor
from torch.nn.functional import softplus

from trainer.learner.plain import PlainTQC, descend, forward, quantile_huber, sample
from trainer.networks.actor_critic import LOG_STD_MIN
from trainer.replay.batch import Batch, beside


class _OtherActorLoss(PlainTQC):
    """TQC whose actor goes down another loss."""

    def update(self, batch: Batch) -> None:
        """Learn from one batch."""
        c = self.config
        batch, _ = self._begin_update(batch)
        z, target = forward(self.critics.body, batch.pair), self.target(batch, self.alpha)
        loss = quantile_huber(z, target, self.tau).mean()
        descend(loss, self.critics, self.critic_flat, self.critic_optimiser, self.lr(c.lr_critic), c.grad_clip_critic)
        head = forward(self.actor.body, batch.observation)[0]
        loss = self.actor_loss(batch, head)
        descend(loss, self.actor, self.actor_flat, self.actor_optimiser, self.lr(c.lr_actor), c.grad_clip_actor)
        self._follow()

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
    "td3_bc": Opponent("TD3+BC with takeovers: Q in units of itself, plus cloning (Fujimoto and Gu 2021)", TD3BC, _OWN),
}
"""By the name of the arm."""
