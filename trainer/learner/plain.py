"""TQC as the papers write it, by autograd: to read, and to change.

The same learner as ``trainer.learner.tqc``, with the same networks, state and random numbers, so a checkpoint of one goes on with
the other; two to three times slower, and without a derivative by hand. A new loss is written and tried here first
(``hitl train --set learner=plain``). The tests hold the two equal, number by number, for every setting that changes a loss.

TQC: Kuznetsov et al. 2020. RLPD: Ball et al. 2023. The critics learn from what was executed, whoever drove.

Our names for the papers' symbols, here and in ``trainer.learner.tqc``: ``pair`` is (s, a), the observation and what was executed,
and ``beside(s, a)`` puts any two side by side. ``following`` is a', the action one return later, with log pi(a'|s'). ``z`` are
quantiles, and ``kept`` those of the target that truncation leaves. ``soft`` is the target's r - discount * alpha * log pi(a'|s').
``answer`` is the action that is cloned, and a critic's ``slope`` is dQ/da.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, softplus

from trainer.learner.flat import FlatOptimiser, FlatParameters
from trainer.learner.learner import Learner
from trainer.learner.schedule import Scalar, UpdateStep
from trainer.networks.actor_critic import LOG_STD_MIN, Ensemble
from trainer.networks.encoded import EncodedEnsemble
from trainer.networks.mlp import MlpEnsemble
from trainer.replay.batch import Batch, Sight, beside


class PlainTQC(Learner):
    """The plain learner: temperature, critics, actor, targets, each by its loss."""

    def learn(self, batch: Batch, step: UpdateStep) -> None:
        """Learn from one batch, in an update that has been counted."""
        c, scalars, detailed = self.config, step.scalars, step.kind.detailed
        batch = self._prepare(batch, step)
        alpha, moves_actor = self.alpha, step.kind.moves_actor
        noise = self._noise(batch, 2 if moves_actor else 1)
        if moves_actor:
            head = forward(self.actor.body, self.actor.in_units(batch.actor_sees))[0]
            action, log_pi = sample(head, noise[: len(batch)], c.log_std_max)
            if c.learn_alpha:
                self._temperature_step(log_pi.detach(), scalars.lr_alpha)

        target = self._target(batch, noise[-len(batch) :], alpha, detailed)
        z = forward(self.critics.body, self.critics.in_units(batch.pair))
        weight = self._critic_weight(batch)
        each = squared_error(z, target) if c.critic_loss == "mse" else quantile_huber(z, target, self.tau)
        loss = (each if weight is None else each * weight).mean()
        norm = descend(loss, self.critics, self.critic_flat, self.critic_optimiser, scalars.lr_critic, c.grad_clip_critic)
        if detailed:
            self._note_critics(batch, z.detach(), loss.detach(), norm)

        if moves_actor:
            z = forward(self.critics.body, self.critics.in_units(beside(batch.observation, action)))
            cloning = self.cloning_loss(batch, head, z.detach())
            each = alpha * log_pi - z.mean((0, 2))
            ours = self._drives_here(batch.helped)
            if ours is not None:
                each = each * ours
            loss = scalars.q_weight * each.mean() + scalars.bc_weight * cloning
            norm = descend(loss, self.actor, self.actor_flat, self.actor_optimiser, scalars.lr_actor, c.grad_clip_actor)
            if detailed:
                found = z.detach(), action.detach(), log_pi.detach()
                self.update_metrics.note_actor(
                    *found, alpha=alpha, cloning=cloning.detach(), weight=c.bc_weight, norm=norm
                )
        self._follow(step)

    def target(self, batch: Batch, alpha: Tensor | float) -> Tensor:
        """See ``Learner.target``."""
        return self._target(batch, self._noise(batch), torch.as_tensor(alpha, device=self.device), False)

    @torch.no_grad()
    def _target(self, batch: Batch, noise: Tensor, alpha: Tensor, detailed: bool) -> Tensor:
        """Return the targets (B, M): the smallest of the pooled target quantiles, bootstrapped after n steps.

        ``batch.reward`` is the discounted sum of n rewards and ``batch.discount`` gamma^n, 0 where the episode terminated.
        """
        head = forward(self.actor.body, self.actor.in_units(batch.next_observation))[0]
        action, log_pi = self._or_frozen(batch, *sample(head, noise, self.config.log_std_max))
        pair, members = self.targets.in_units(beside(batch.next_observation, action)), self._target_members()
        z = forward(self.targets.body, pair)
        pool = torch.cat(list(z if members is None else z[members]), 1).sort(1).values
        kept = pool[:, : pool.shape[1] - self.config.dropped]
        target = batch.reward[:, None] + batch.discount[:, None] * (kept - alpha * log_pi[:, None])
        if self.config.backup_clip is not None:
            target = target.clamp(-self.config.backup_clip, self.config.backup_clip)
        target = self._above_bound(target, batch.return_bound)
        if detailed:
            self.update_metrics.note_target(target, kept, action, log_pi)
        return target

    def cloning_loss(self, batch: Batch, head: Tensor, z: Tensor) -> Tensor:
        """Return the squared error of the greedy action on the rows to be cloned (0-d); ``z``: see ``_cloning_weight``."""
        error = (head[:, : self.action_size].tanh() - batch.answer).square().mean(1)
        return (error * self._cloning_weight(batch, z)).sum()

    def _temperature_step(self, log_pi: Tensor, lr: Scalar) -> None:
        log_alpha = self.log_alpha.clone().requires_grad_()
        loss = -(log_alpha * (log_pi + self.target_entropy)).mean()
        self.alpha_flat.gradient.copy_(torch.autograd.grad(loss, log_alpha)[0])
        self.alpha_optimiser.step(lr)


def quantile_huber(z: Tensor, target: Tensor, tau: Tensor) -> Tensor:
    """Return ``|tau - 1[y < z]| huber(y - z)`` (Dabney et al. 2018, eq. 10), the mean over targets and quantiles, (E, B).

    ``z`` (E, B, N): quantiles of E critics at the levels ``tau`` (N,); ``target`` (B, M).
    """
    delta = target[:, None, :] - z[..., None]  # (E, B, N, M)
    huber = torch.where(delta.abs() > 1, delta.abs() - 0.5, 0.5 * delta.square())
    return ((tau[:, None] - (delta < 0).to(z)).abs() * huber).mean((2, 3))


def squared_error(z: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of critics of one quantile ``z`` (E, B, 1) against the mean target, (E, B): SAC's and RLPD's."""
    return (z[..., 0] - target.mean(1)).square()


def sample(head: Tensor, noise: Tensor, log_std_max: float) -> tuple[Tensor, Tensor]:
    """Return actions ``tanh(mean + std * noise)`` (B, A) and their log-density (B,), of ``head`` (B, 2A) = mean, log std."""
    mean, raw = head.chunk(2, -1)
    # Clamped, except that the gradient may lead a spread beyond its upper bound back in (and never farther out).
    above = raw > log_std_max
    log_std = torch.where(above, raw - raw.detach() + log_std_max, raw.clamp(min=LOG_STD_MIN))
    if log_std.requires_grad:
        log_std.register_hook(lambda g: torch.where(above, g.clamp(min=0), g))
    u = mean + log_std.exp() * noise
    normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2 * (math.log(2) - u - softplus(-2 * u))  # of the tanh: log(1 - tanh(u)^2)
    return u.tanh(), (normal - log_slope).sum(-1)


def descend(
    loss: Tensor, network: nn.Module, flat: FlatParameters, optimiser: FlatOptimiser, lr: Scalar, clip: float | None
) -> Tensor:
    """Move one network's parameters down the gradient of ``loss``; return the gradient's norm before it was clipped (0-d)."""
    flat.zero()
    loss.backward(inputs=list(network.parameters()))
    norm = nn.utils.clip_grad_norm_(network.parameters(), math.inf if clip is None else clip)
    optimiser.step(lr)
    return norm


def forward(net: Ensemble, x: Sight) -> Tensor:
    """Return the outputs (E, B, O) of any of the networks for ``x`` (B, I), as part of a graph."""
    if isinstance(net, EncodedEnsemble):
        seen, features, action = net.parts(x)
        return mlp(net.head, torch.cat((seen, features if net.trains_encoder else features.detach(), action), 1))
    assert isinstance(x, Tensor)
    return mlp(net, x) if isinstance(net, MlpEnsemble) else net.body(x.expand(net.members, *x.shape))


def mlp(net: MlpEnsemble, h: Tensor) -> Tensor:
    """Return the outputs (E, B, O) of E perceptrons for ``h`` (B, I): Linear, LayerNorm, ReLU in each hidden layer."""
    p = dict(net.named_parameters())
    for i in range(net.layers):
        h = h @ p[f"weight{i}"] + p[f"bias{i}"]
        if net.layer_norm:
            h = layer_norm(h, h.shape[-1:]) * p[f"gain{i}"] + p[f"shift{i}"]
        h = h.relu()
    return h @ p[f"weight{net.layers}"] + p[f"bias{net.layers}"]
