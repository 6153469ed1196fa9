"""Truncated quantile critics (TQC, Kuznetsov et al. 2020) with what learning from takeovers adds to it.

The gradients are written by hand, without autograd: ``trainer.learner.quantile`` has the loss's, ``trainer.networks.mlp`` the
networks', ``trainer.networks.actor_critic.Squash`` the policy's. ``trainer.learner.plain`` is the same update as it stands in the
papers, and says which of their symbols our names stand for; the tests hold the two equal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.learner.flat import FlatOptimiser, FlatParameters, count_steps, too_long_by
from trainer.learner.learner import Learner
from trainer.learner.quantile import quantile_huber, sort_rows, squared_error
from trainer.learner.schedule import Scalar, UpdateStep
from trainer.networks.actor_critic import Squash
from trainer.networks.mlp import MlpEnsemble, MlpTape, Tape
from trainer.replay.batch import Batch, beside

Next = tuple[Tensor, Tensor]
"""The actions (B, A) one return later, and their log-densities (B,)."""


class TQC(Learner):
    """The fast learner.

    One ``update`` is one step of the critics and, on every ``actor_every``-th, of the temperature and the actor, in the order of
    the reference code (temperature, critics, actor, targets).
    """

    @torch.no_grad()
    def learn(self, batch: Batch, step: UpdateStep) -> None:
        """Learn from one batch, in an update that has been counted."""
        batch = self._prepare(batch, step)
        alpha, tape = self.alpha, None
        if step.kind.moves_actor:
            temperature = (self.alpha_optimiser,) if self.config.learn_alpha else ()
            count_steps(self.critic_optimiser, self.actor_optimiser, *temperature)
            # Before the critics move, as in the reference code; the actor step below goes on from here.
            tape, squash, following = self._actions(batch)
            if self.config.learn_alpha:
                # d/dlog_alpha of -log_alpha * mean(log pi + target entropy)
                torch.sub(-self.target_entropy, squash.log_density.mean(), out=self.alpha_flat.gradient)
                self.alpha_optimiser.step(step.scalars.lr_alpha, counted=True)
        else:
            count_steps(self.critic_optimiser)
            following = self._following(batch, self._noise(batch))
        self._critic_step(batch, self._target(batch, following, alpha, step.kind.detailed), step)
        if tape is not None:
            self._actor_step(batch, tape, squash, alpha, step)
        self._follow(step)

    @torch.no_grad()
    def target(self, batch: Batch, alpha: Tensor | float) -> Tensor:
        """See ``Learner.target``."""
        alpha = torch.as_tensor(alpha, device=self.device)
        return self._target(batch, self._following(batch, self._noise(batch)), alpha, False)

    def _actions(self, batch: Batch) -> tuple[Tape, Squash, Next]:
        """Return the actor's pass over what is seen, its actions there, and its actions and log-densities one return later.

        An actor that is a plain perceptron answers both in one pass: half as many steps, and larger products.
        """
        noise = self._noise(batch, 2)
        seen = batch.actor_sees
        if not (isinstance(self.actor.body, MlpEnsemble) and isinstance(seen, Tensor)):
            now, then = noise.chunk(2)
            tape = self.actor.run(seen)
            return tape, self.actor.squash(tape.out[0], now), self._following(batch, then)
        tape = self.actor.run(torch.cat((seen, batch.next_observation)))  # type: ignore[arg-type]
        both, rows = self.actor.squash(tape.out[0], noise), len(batch)
        following = self._or_frozen(batch, both.action[rows:], both.log_density[rows:])
        return tape, both.first(rows), following

    def _following(self, batch: Batch, noise: Tensor) -> Next:
        """Return the actions (B, A) one return later and their log-densities (B,)."""
        following = self.actor.sample(batch.next_observation, noise)
        return self._or_frozen(batch, following.action, following.log_density)

    def _target(self, batch: Batch, following: Next, alpha: Tensor, detailed: bool) -> Tensor:
        """Return the truncated targets (B, M), sorted: ``r + discount (z(o', a') - alpha log pi(a'|o'))`` (eq. 6 to 9).

        ``batch.discount`` is gamma to the power of the steps in ``reward``, and 0 where the episode terminated.
        """
        c, (action, log_pi) = self.config, following
        z = self.targets(beside(batch.next_observation, action), members=self._target_members())
        pool = z.transpose(0, 1).reshape(z.shape[1], -1)
        kept = sort_rows(pool)[:, : pool.shape[1] - c.dropped]
        soft = torch.addcmul(batch.reward, batch.discount * log_pi, alpha, value=-1)
        target = torch.addcmul(soft[:, None], kept, batch.discount[:, None])
        if c.backup_clip is not None:
            target.clamp_(-c.backup_clip, c.backup_clip)
        target = self._above_bound(target, batch.return_bound)
        if detailed:
            self.update_metrics.note_target(target, kept, action, log_pi)
        return target

    def _critic_step(self, batch: Batch, target: Tensor, step: UpdateStep) -> None:
        """Go down the quantile Huber loss (eq. 8) of the executed actions."""
        c, detailed = self.config, step.kind.detailed
        tape = self.critics.run(batch.pair)
        z, weight = tape.out, self._critic_weight(batch)
        if c.critic_loss == "mse":
            loss, gradient = squared_error(z, target, weight=weight, want_loss=detailed)
        else:
            loss, gradient = quantile_huber(z, target, self.tau, weight=weight, want_loss=detailed)
        optimiser, lr = self.critic_optimiser, step.scalars.lr_critic
        norm = _descend(tape, gradient, self.critic_flat, optimiser, lr, c.grad_clip_critic, detailed)
        if loss is not None and norm is not None:
            self._note_critics(batch, z, loss, norm)

    def _actor_step(self, batch: Batch, tape: Tape, squash: Squash, alpha: Tensor, step: UpdateStep) -> None:
        """Go down ``mean(alpha log pi - Q)`` (eq. 11) times ``q_weight``, with Q the mean over all quantiles, plus cloning."""
        c, detailed, scalars = self.config, step.kind.detailed, step.scalars
        critics = self.critics.run(beside(batch.observation, squash.action))
        cloning: Tensor | float = 0.0
        z = None
        if detailed or (c.bc_weight > 0 and c.bc_q_filter):
            z = critics.out  # the quantiles themselves; the step needs only their slope
        slope = critics.slope(-1.0 / (c.critics * c.quantiles * len(batch)), slice(-self.action_size, None))
        gradient = squash.back(slope, alpha, 1.0 / len(batch))
        ours = self._drives_here(batch.helped)
        if ours is not None:
            gradient.mul_(ours[:, None])
        if not (isinstance(scalars.q_weight, float) and scalars.q_weight == 1.0):
            gradient.mul_(scalars.q_weight)
        if c.bc_weight > 0:
            cloning, g_cloning = self._cloning(batch, tape.out[0, : len(batch)], z)
            gradient[:, : self.action_size].add_(g_cloning * scalars.bc_weight)
        optimiser, lr = self.actor_optimiser, scalars.lr_actor
        norm = _descend(tape, gradient.unsqueeze(0), self.actor_flat, optimiser, lr, c.grad_clip_actor, detailed)
        if norm is not None:
            assert z is not None
            self.update_metrics.note_actor(
                z, squash.action, squash.log_density, alpha=alpha, cloning=cloning, weight=c.bc_weight, norm=norm
            )

    def _cloning(self, batch: Batch, head: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the cloning loss (0-d) and its derivative by the means in the head (B, A); ``z``: see ``_cloning_weight``."""
        weight = self._cloning_weight(batch, z)[:, None]
        greedy = head[:, : self.action_size].tanh()
        error = greedy - batch.answer
        loss = (error.square().mean(1) * weight[:, 0]).sum()
        return loss, torch.ops.aten.tanh_backward.default(error, greedy).mul_(weight * (2.0 / self.action_size))


def _descend(
    tape: Tape,
    gradient: Tensor,
    flat: FlatParameters,
    optimiser: FlatOptimiser,
    lr: Scalar,
    largest: float | None,
    wants_norm: bool,
) -> Tensor | None:
    """Move a network's parameters down ``gradient``, dL/d(tape's out); return its norm where that was wanted (0-d)."""
    if isinstance(tape, MlpTape):
        tape.back(gradient, replace=True)
    else:
        flat.zero()
        tape.back(gradient)
    norm = flat.norm() if wants_norm or largest is not None else None
    optimiser.step(lr, None if largest is None or norm is None else too_long_by(norm, largest), counted=True)
    return norm if wants_norm else None
