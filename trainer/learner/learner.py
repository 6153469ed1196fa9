"""What the two kinds of update share, and how a learner is doing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from data.errors import UsageError, shown
from data.words import number_of
from trainer.config import TrainConfig
from trainer.learner.metrics import UpdateMetrics
from trainer.learner.parts import LearnerParts
from trainer.learner.products import fast_products
from trainer.learner.schedule import Scalars, UpdateKind, UpdateStep
from trainer.networks.mlp import without_graph
from trainer.replay.batch import Batch, Moments
from trainer.replay.past_actions import with_past_of_others
from trainer.replay.pixels import shifted

BESIDE = 0.1
"""Weight in the cloning of a row where the human did not help a frozen agent, against one where they did."""


class Learner(LearnerParts, ABC):
    """Parts that learn.

    ``trainer.learner.tqc.TQC`` and ``trainer.learner.plain.PlainTQC`` say how to ``learn`` from one batch. What is counted by
    Python is counted in ``advance``; ``learn`` itself changes nothing but tensors, in place.
    """

    def __init__(
        self, observation_size: int, action_size: int, config: TrainConfig, device: str | torch.device = "cpu"
    ) -> None:
        super().__init__(observation_size, action_size, config, device)
        self.update_metrics = UpdateMetrics()

    def update(self, batch: Batch) -> None:
        """Learn from one batch. Raises UsageError for what is none, and for one of other sizes."""
        self._check(batch)
        with fast_products(self.device):
            self.learn(batch, self.advance())

    @abstractmethod
    def learn(self, batch: Batch, step: UpdateStep) -> None:
        """Learn from one batch, in an update that has been counted."""

    @abstractmethod
    def target(self, batch: Batch, alpha: Tensor | float) -> Tensor:
        """Return the critics' truncated targets (B, M), sorted, with new random actions one return later."""

    def _check(self, batch: object) -> None:
        if not isinstance(batch, Batch):
            raise UsageError(f"update takes a batch, as SymmetricReplay.sample() gives it, not {shown(batch)}.")
        seen = batch.observation.observation if isinstance(batch.observation, Moments) else batch.observation
        sizes = seen.shape[-1], batch.action.shape[-1]
        if sizes != (self.observation_size, self.action_size):
            raise UsageError(
                f"This learner is for {number_of(self.observation_size, 'observed number')} and "
                f"{number_of(self.action_size, 'action number')}, and this batch has {sizes[0]} and {sizes[1]}."
            )

    # What the two kinds of update share

    def advance(self) -> UpdateStep:
        """Count an update; return what it is to be made with."""
        c = self.config
        self.updates += 1
        if c.scale_rewards:
            self.rewards.count()
        return UpdateStep(
            UpdateKind(
                detailed=self.updates % c.metrics_every == 0 or self.updates == 1,
                moves_actor=self.updates % c.actor_every == 0,
            ),
            Scalars(
                lr_actor=self.lr(c.lr_actor),
                lr_critic=self.lr(c.lr_critic),
                lr_alpha=self.lr(c.lr_alpha),
                q_weight=self.q_weight,
                bc_weight=c.bc_weight,
                average_step=0.0 if self.average is None else 1 - self.actor_average,
                target_step=1 - c.polyak,
                reward_step=self.rewards.step,
            ),
        )

    def _prepare(self, batch: Batch, step: UpdateStep) -> Batch:
        """Return the batch as it is learned from: pictures shifted, past actions hidden, rewards in the unit of the critics."""
        batch = shifted(batch, self.config, self.generator)
        if self.config.bc_weight:
            batch = with_past_of_others(batch, self.config.past_action_dropout, self.generator)
        if self.actor.units is not None:
            assert isinstance(batch.observation, Tensor)
            self.actor.units.note(batch.observation)
        if self.config.scale_rewards:
            factor = self.rewards.note(batch, step.scalars.reward_step, self.config.times(), may_change=step.kind.detailed)
            if factor is not None:
                self._scale_values(factor)
            batch = self.in_reward_units(batch)
        if step.kind.detailed:
            largest = self.rewards.largest
            torch.maximum(largest, batch.reward.abs().max(), out=largest)
        return batch

    def in_reward_units(self, batch: Batch) -> Batch:
        """Return the batch with rewards as the critics learn them."""
        return self.rewards.of(batch) if self.config.scale_rewards else batch

    def _follow(self, step: UpdateStep) -> None:
        """Let the actor's encoder, the target critics and the averaged actor follow the weights."""
        self._share_encoder()
        self.target_flat.values.lerp_(self.critic_flat.values, step.scalars.target_step)
        if self.average_flat is not None:
            self.average_flat.values.lerp_(self.actor_flat.values, step.scalars.average_step)

    def _noise(self, batch: Batch, times: int = 1) -> Tensor:
        """Return standard normal noise (B x times, A)."""
        shape = (batch.reward.shape[0] * times, self.action_size)
        return torch.randn(shape, generator=self.generator, device=self.device)

    def _target_members(self) -> Tensor | None:
        """Return the random subset of target critics for the next target (REDQ, Chen et al. 2021); None for all."""
        c = self.config
        if c.target_critics is None or c.target_critics >= c.critics:
            return None
        # A permutation by sorting, as on a GPU every part of an update must be: torch.randperm may go by way of the processor.
        return torch.rand(c.critics, generator=self.generator, device=self.device).argsort()[: c.target_critics]

    def _critic_weight(self, batch: Batch) -> Tensor | None:
        """Return the weight (B,) of each row in the critics' loss; None where all weigh 1."""
        weight = self.config.human_weight
        return torch.where(batch.human, weight, 1.0) if weight != 1.0 else None

    @without_graph
    def _cloning_weight(self, batch: Batch, z: Tensor | None) -> Tensor:
        """Return the weight (B,) of each row in the cloning loss. ``z``: quantiles of the agent's own actions, for the filter.

        It makes a weighted mean over the rows to be cloned where these fill the demos' share of a batch. Where they are fewer, a
        row counts as much as it does there.
        """
        c = self.config
        weight = batch.cloned.to(batch.reward.dtype)
        # The other terms are means over the batch. A mean over the cloned rows alone would give six of them the force of 128.
        force = (weight.sum() / (len(batch) * (c.demo_fraction or 0.5))).clamp_(max=1.0)
        if batch.helped is not None:  # what the frozen agent shows elsewhere counts less, and keeps this one ready
            weight = torch.where(batch.helped, weight, weight * BESIDE)
        if c.iwr_weight != 1.0:
            weight = torch.where(batch.takeover, weight * c.iwr_weight, weight)
        # The mean is over all of them, so rows that the filter leaves out weaken the pull instead of shifting it.
        total = weight.sum().clamp_(min=1.0)
        if c.bc_q_filter:
            assert z is not None
            weight = weight * (self.critics(batch.pair).mean((0, 2)) > z.mean((0, 2)))
        return weight * (force / total)

    def _or_frozen(self, batch: Batch, action: Tensor, log_pi: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next actions (B, A) and their log-densities (B,): the frozen agent's own where that drives."""
        ours = self._drives_here(batch.next_helped)
        if ours is None or batch.next_action is None:
            return action, log_pi
        return torch.where(ours[:, None], action, batch.next_action), torch.where(ours, log_pi, 0.0)

    def _drives_here(self, helped: Tensor | None) -> Tensor | None:
        """Return where this agent drives (B,) bool, by where the human ``helped``; None where it drives everywhere."""
        if helped is None or self.drives_everywhere:
            return None
        return torch.zeros_like(helped) if self.config.taught else helped

    def _above_bound(self, target: Tensor, bound: Tensor | None) -> Tensor:
        """Return targets (B, M) whose mean is at least what was earned from there once (B,): critics do not forget it.

        A drive's return as a lower bound on Q is self-imitation learning's (Oh et al. 2018), which adds a loss of its own for it,
        and Cal-QL's (Nakamoto et al. 2023), which lets its pessimism reach no lower. Here it lifts the targets themselves.
        """
        return target if bound is None else target + (bound - target.mean(1)).clamp_(min=0.0)[:, None]

    # How it is doing

    def _note_critics(self, batch: Batch, z: Tensor, loss: Tensor, norm: Tensor) -> None:
        """Look closely at the critics' quantiles (E, B, N), their loss, and the norm of its gradient."""
        self.newest_q.copy_(z[0].mean())
        self.update_metrics.note_critics(batch, z, loss, norm)

    def metrics(self) -> dict[str, float]:
        """Return the last detailed update's metrics (every ``metrics_every`` updates), under the recipe's names."""
        c = self.config
        found = self.update_metrics.read(float(self.rewards.value))
        return {**found, "lrs/actor_lr": self.lr(c.lr_actor), "lrs/critic_lr": self.lr(c.lr_critic)}

    def forget_metrics(self) -> None:
        """Drop the last detailed update's metrics (they belong to weights that were thrown away)."""
        self.update_metrics = UpdateMetrics()

    def explodes_at(self) -> float:
        """Return the |Q| at which the run counts as exploded: ``explosion`` times what a step is paid.

        What a step is paid: the largest reward seen, or what the entropy pays where that is more. With a discount close to 1 more
        of it adds up; ten times what could be earned for ever is no explosion either.
        """
        c = self.config
        paid = max(float(self.rewards.largest), abs(c.alpha) * self.action_size) or 1.0
        return max(c.explosion, 10.0 / max(1.0 - c.times().gamma, 1e-6)) * paid

    def healthy(self) -> bool:
        """Whether all parameters are finite and Q has not exploded (two host syncs)."""
        total = self.actor_flat.values.sum() + self.critic_flat.values.sum() + self.target_flat.values.sum()
        sums, q = torch.stack((total, self.newest_q)).tolist()
        return math.isfinite(sums) and math.isfinite(q) and abs(q) < self.explodes_at()
