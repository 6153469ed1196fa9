"""Truncated quantile critics (TQC, Kuznetsov et al. 2020) with what learning from takeovers adds to it.

The gradients are written by hand, without autograd: ``trainer.learner.quantile`` has the loss's, ``trainer.networks.mlp`` the
networks', ``trainer.networks.actor_critic.Squash`` the policy's. ``trainer.learner.plain`` is the same update as it stands in the
papers; the tests hold the two equal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.learner.learner import Learner
from trainer.learner.quantile import quantile_huber, sort_rows, squared_error
from trainer.networks.actor_critic import Squash
from trainer.networks.mlp import Tape
from trainer.replay.batch import Batch, beside


class TQC(Learner):
    """The fast learner.

    One ``update`` is one step of the critics and, on every ``actor_every``-th, of the temperature and the actor, in the order of
    the reference code (temperature, critics, actor, targets).
    """

    @torch.no_grad()
    def update(self, batch: Batch) -> None:
        """Learn from one batch."""
        c = self.config
        batch, detailed = self._begin_update(batch)
        alpha, tape = self.alpha, None
        if self.updates % c.actor_every == 0:
            # Before the critics move, as in the reference code; the actor step below goes on from here.
            tape = self.actor.run(batch.observation)
            squash = self.actor.squash(tape.out[0], self._noise(batch))
            if c.learn_alpha:
                # d/dlog_alpha of -log_alpha * mean(log pi + target entropy)
                self.alpha_flat.gradient.copy_(-(squash.log_density.mean() + self.target_entropy))
                self.alpha_optimiser.step(self.lr(c.lr_alpha))
        self._critic_step(batch, self.target(batch, alpha, detailed), detailed)
        if tape is not None:
            self._actor_step(batch, tape, squash, alpha, detailed)
        self._follow()

    @torch.no_grad()
    def target(self, batch: Batch, alpha: Tensor | float, detailed: bool = False) -> Tensor:
        """Return the truncated targets (B, M), sorted: ``r + discount (z(o', a') - alpha log pi(a'|o'))`` (eq. 6 to 9).

        ``batch.discount`` is gamma to the power of the steps in ``reward``, and 0 where the episode terminated.
        """
        c = self.config
        following = self.actor.sample(batch.next_observation, self._noise(batch))
        action, log_pi = self._or_frozen(batch, following.action, following.log_density)
        z = self.targets(beside(batch.next_observation, action), members=self._target_members())
        pool = z.transpose(0, 1).reshape(z.shape[1], -1)
        kept = sort_rows(pool)[:, : pool.shape[1] - c.dropped]
        soft = batch.reward - batch.discount * alpha * log_pi
        target = torch.addcmul(soft[:, None], kept, batch.discount[:, None])
        if c.backup_clip is not None:
            target.clamp_(-c.backup_clip, c.backup_clip)
        target = self._above_floor(target, batch.floor)
        if detailed:
            self.looked_at.note_target(target, kept, action, log_pi)
        return target

    def _critic_step(self, batch: Batch, target: Tensor, detailed: bool) -> None:
        """Go down the quantile Huber loss (eq. 8) of the executed actions."""
        c = self.config
        self.critic_flat.zero()
        tape = self.critics.run(batch.pair)
        z, weight = tape.out, self._critic_weight(batch)
        if c.critic_loss == "mse":
            loss, gradient = squared_error(z, target, weight=weight, want_loss=detailed)
        else:
            loss, gradient = quantile_huber(z, target, self.tau, weight=weight, want_loss=detailed)
        tape.back(gradient)
        norm = self.critic_flat.clip(c.grad_clip_critic)
        self.critic_optimiser.step(self.lr(c.lr_critic))
        if loss is not None:
            self.looked_at.note_critics(batch, z, loss, norm)

    def _actor_step(self, batch: Batch, tape: Tape, squash: Squash, alpha: Tensor | float, detailed: bool) -> None:
        """Go down ``mean(alpha log pi - Q)`` (eq. 11) times ``q_weight``, with Q the mean over all quantiles, plus cloning."""
        c, q_weight = self.config, self.q_weight
        self.actor_flat.zero()
        critics = self.critics.run(beside(batch.observation, squash.action))
        cloning: Tensor | float = 0.0
        z = None
        if detailed or (c.bc_weight > 0 and c.bc_q_filter):
            z = critics.out  # the quantiles themselves; the step needs only their slope
        each = -q_weight / (c.critics * c.quantiles * len(batch))
        gradient = squash.back(critics.slope(each, slice(-self.action_size, None)), alpha * q_weight / len(batch))
        gate = self._own_gate(batch.gate)
        if gate is not None:
            gradient.mul_(gate[:, None])
        if c.bc_weight > 0:
            cloning, g_cloning = self._cloning(batch, tape.out[0], z)
            gradient.add_(g_cloning, alpha=c.bc_weight)
        tape.back(gradient.unsqueeze(0))
        norm = self.actor_flat.clip(c.grad_clip_actor)
        self.actor_optimiser.step(self.lr(c.lr_actor))
        if detailed:
            assert z is not None
            self.looked_at.note_actor(
                z, squash.action, squash.log_density, alpha=alpha, cloning=cloning, weight=c.bc_weight, norm=norm
            )

    def _cloning(self, batch: Batch, head: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the cloning loss (0-d) and its derivative by the head (B, 2A); ``z``: see ``_cloning_weight``."""
        weight = self._cloning_weight(batch, z)[:, None]
        greedy = head[:, : self.action_size].tanh()
        error = greedy - batch.answer
        loss = (error.square().mean(1) * weight[:, 0]).sum()
        slope = torch.zeros_like(head)
        slope[:, : self.action_size] = error * (1 - greedy * greedy) * (weight * (2.0 / self.action_size))
        return loss, slope
