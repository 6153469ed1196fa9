"""Truncated quantile critics (TQC, Kuznetsov et al. 2020) with what learning from takeovers adds to it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor

from trainer.config import TrainConfig
from trainer.learner.flat import FlatOptimiser, FlatParameters
from trainer.learner.quantile import midpoints, quantile_huber, sort_rows, squared_error
from trainer.networks.actor_critic import Actor, Critics, Squash
from trainer.networks.mlp import Tape
from trainer.replay.batch import Batch, beside

LATER_NUMBERS = frozenset({"helped_at", "demo_rows", "reward_scale"})
"""Counters that older checkpoints do not hold."""


class TQC:
    """The learner: actor, critics, their targets and optimisers, a temperature, counters and a random stream.

    One ``update`` is one step of the critics and, on every ``actor_every``-th, of the temperature and the actor, in the order of
    the reference code (temperature, critics, actor, targets).
    """

    def __init__(
        self, observation_size: int, action_size: int, config: TrainConfig, device: str | torch.device = "cpu"
    ) -> None:
        self.config, self.device = config, torch.device(device)
        self.observation_size, self.action_size = observation_size, action_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.actor = Actor(observation_size, action_size, config).to(self.device)
            self.critics = Critics(observation_size, action_size, config).to(self.device)
        self.targets = copy.deepcopy(self.critics)
        self.average = copy.deepcopy(self.actor) if config.actor_average is not None else None
        """Mean of the actor's weights over its last updates (Polyak and Juditsky 1992, with forgetting)."""
        self.log_alpha = torch.tensor(math.log(max(config.alpha, 1e-12)), device=self.device)
        self.actor_flat, self.critic_flat = FlatParameters(self.actor), FlatParameters(self.critics)
        self.target_flat = FlatParameters(self.targets, trainable=False)
        self.average_flat = FlatParameters(self.average, trainable=False) if self.average is not None else None
        c = config
        self.actor_optimiser = FlatOptimiser(self.actor_flat, c.betas_actor, c.weight_decay_actor)
        self.critic_optimiser = FlatOptimiser(self.critic_flat, c.betas_critic)
        self.alpha_flat = _Scalar(self.log_alpha)
        self.alpha_optimiser = FlatOptimiser(self.alpha_flat)  # type: ignore[arg-type]
        self.target_entropy = -action_size * c.entropy_per_action if c.target_entropy is None else c.target_entropy
        self.tau = midpoints(c.quantiles, device=self.device)
        self.generator = torch.Generator(device=self.device).manual_seed(c.seed + 1)
        self.updates = 0
        self.env_steps = 0
        """Online steps seen; the daemon or the caller keeps it."""
        self.lr_scale = 1.0
        """Factor on the learning rates; lowered after an explosion."""
        self.helped_at = self.demo_rows = 0
        """Updates done when demos last became more, and how many rows they were then (see ``know_demos``)."""
        self.reward_scale = torch.zeros((), device=self.device)
        """Largest reward (of n steps, absolute) in the batches that were looked at closely: the unit of an explosion."""
        self._log: dict[str, Tensor | float] = {}

    def know_demos(self, rows: int) -> None:
        """Take note of how many demo rows there are: with more of them the averaged actor follows the weights closely again."""
        if rows > self.demo_rows:
            self.helped_at = self.updates
        self.demo_rows = rows

    @property
    def actor_average(self) -> float:
        """The share of the old average that the next update keeps."""
        c = self.config
        assert c.actor_average is not None
        span = c.actor_average_growth * (self.updates - self.helped_at)
        return max(c.actor_average, min(1 - 1 / max(1.0, span), c.actor_average_most))

    @torch.no_grad()
    def update(self, batch: Batch) -> None:
        """Learn from one batch."""
        c = self.config
        self.updates += 1
        detailed = self.updates % c.metrics_every == 0 or self.updates == 1
        alpha: Tensor | float = self.log_alpha.exp() if c.learn_alpha else c.alpha
        tape = None
        if self.updates % c.actor_every == 0:
            # Before the critics move, as in the reference code; the actor step below goes on from here.
            tape = self.actor.run(batch.observation)
            squash = self.actor.squash(tape.out[0], self._noise(batch))
            if c.learn_alpha:
                # d/dlog_alpha of -log_alpha * mean(log pi + target entropy)
                self.alpha_flat.gradient.copy_(-(squash.log_density.mean() + self.target_entropy))
                self.alpha_optimiser.step(self.lr_scale * c.lr_alpha)
        self._critic_step(batch, self.target(batch, alpha, detailed), detailed)
        if tape is not None:
            self._actor_step(batch, tape, squash, alpha, detailed)
        self.target_flat.values.lerp_(self.critic_flat.values, 1 - c.polyak)
        if self.average_flat is not None:
            self.average_flat.values.lerp_(self.actor_flat.values, 1 - self.actor_average)

    def train(self, batches: Iterable[Batch]) -> None:
        """Learn from several batches, one update each."""
        for batch in batches:
            self.update(batch)

    @torch.no_grad()
    def target(self, batch: Batch, alpha: Tensor | float, detailed: bool = False) -> Tensor:
        """Return the truncated targets (B, M), sorted: ``r + discount (z(o', a') - alpha log pi(a'|o'))`` (eq. 6 to 9).

        ``batch.discount`` is gamma to the power of the steps in ``reward``, and 0 where the episode terminated.
        """
        c = self.config
        following = self.actor.sample(batch.next_observation, self._noise(batch))
        next_action, next_log_density = following.action, following.log_density
        members = None
        if c.target_critics is not None and c.target_critics < c.critics:
            order = torch.randperm(c.critics, generator=self.generator, device=self.device)
            members = order[: c.target_critics]
        z = self.targets(beside(batch.next_observation, next_action), members=members)
        pool = z.transpose(0, 1).reshape(z.shape[1], -1)
        keep = pool.shape[1] - c.dropped
        kept = sort_rows(pool)[:, :keep]
        target = torch.addcmul(
            (batch.reward - batch.discount * alpha * next_log_density)[:, None], kept, batch.discount[:, None]
        )
        if c.backup_clip is not None:
            target.clamp_(-c.backup_clip, c.backup_clip)
        if detailed:
            self._note("backup", target)
            self._note("q_a1_targ", kept)
            self._log["debug/logp_a2"] = next_log_density.mean()
            self._columns("a2", next_action)
        return target

    def _critic_step(self, batch: Batch, target: Tensor, detailed: bool) -> None:
        c = self.config
        self.critic_flat.zero()
        tape = self.critics.run(batch.pair)
        z = tape.out
        weight = None
        if c.human_weight != 1.0:
            weight = torch.where(batch.human, c.human_weight, 1.0)
        if c.critic_loss == "mse":
            loss, gradient = squared_error(z, target, weight=weight, want_loss=detailed)
        else:
            loss, gradient = quantile_huber(z, target, self.tau, weight=weight, want_loss=detailed)
        tape.back(gradient)
        norm = self.critic_flat.clip(c.grad_clip_critic)
        self.critic_optimiser.step(self.lr_scale * c.lr_critic)
        if detailed:
            assert loss is not None
            self._log["losses/loss_critic"] = loss
            self._log["debug/critic_grad_norm"] = norm
            for i in range(min(2, c.critics)):
                self._note(f"q{i + 1}", z[i])
            self._log["debug/d"] = (batch.discount == 0).float().mean()
            self._log["debug/r"], self._log["debug/r_std"] = batch.reward.mean(), batch.reward.std()
            self.reward_scale = torch.maximum(self.reward_scale, batch.reward.abs().max())
            self._columns("a", batch.action)
            self._log["debug/human_fraction_in_batch"] = batch.human.float().mean()
            self._log["debug/demo_fraction_in_batch"] = batch.demo.float().mean()

    def _actor_step(self, batch: Batch, tape: Tape, squash: Squash, alpha: Tensor | float, detailed: bool) -> None:
        """Go down ``mean(alpha log pi - Q)`` (eq. 11), with Q the mean over all quantiles, plus the cloning loss."""
        c = self.config
        self.actor_flat.zero()
        critics = self.critics.run(beside(batch.observation, squash.action))
        cloning, z = None, None
        if detailed or (c.bc_weight > 0 and c.bc_q_filter):
            z = critics.out  # the quantiles themselves; the step needs only their slope
        each = -1.0 / (c.critics * c.quantiles * len(batch))
        gradient = squash.back(critics.slope(each, slice(-self.action_size, None)), alpha / len(batch))
        if c.bc_weight > 0:
            cloning, g_cloning = self._cloning(batch, tape.out[0], z)
            gradient.add_(g_cloning, alpha=c.bc_weight)
        tape.back(gradient.unsqueeze(0))
        norm = self.actor_flat.clip(c.grad_clip_actor)
        self.actor_optimiser.step(self.lr_scale * c.lr_actor)
        if detailed:
            assert z is not None
            self._note("q_a1", z)
            self._log["losses/loss_actor"] = (alpha * squash.log_density).mean() - z.mean()
            self._log["debug/log_pi"] = squash.log_density.mean()
            self._log["debug/actor_grad_norm"] = norm
            self._log["debug/disagreement"] = z.mean(2).std(0, unbiased=False).mean()
            self._columns("a1", squash.action)
            self._log["bc/weight"] = c.bc_weight
            self._log["bc/loss"] = cloning if cloning is not None else 0.0
            self._log["debug/alpha"] = alpha

    def _cloning(self, batch: Batch, head: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the cloning loss (0-d) and its derivative by the head (B, 2A).

        It is a weighted mean over the rows to be cloned where these fill the demos' share of a batch, and a row counts as much as
        it does there where they are fewer. ``z``: the quantiles of the agent's own actions, for the filter.
        """
        c = self.config
        weight = batch.cloned.to(head.dtype)
        # The other terms are means over the batch. A mean over the cloned rows alone would give six of them the force of 128.
        force = (weight.sum() / (len(batch) * (c.demo_fraction or 0.5))).clamp_(max=1.0)
        if c.iwr_weight != 1.0:
            weight = torch.where(batch.takeover, weight * c.iwr_weight, weight)
        # The mean is over all of them, so rows that the filter leaves out weaken the pull instead of shifting it.
        total = weight.sum().clamp_(min=1.0)
        if c.bc_q_filter:
            assert z is not None
            weight = weight * (self.critics(batch.pair).mean((0, 2)) > z.mean((0, 2)))
        weight = (weight * (force / total))[:, None]
        greedy = head[:, : self.action_size].tanh()
        error = greedy - batch.action
        loss = (error.square().mean(1) * weight[:, 0]).sum()
        slope = torch.zeros_like(head)
        slope[:, : self.action_size] = error * (1 - greedy * greedy) * (weight * (2.0 / self.action_size))
        return loss, slope

    def _noise(self, batch: Batch) -> Tensor:
        shape = (batch.reward.shape[0], self.action_size)
        return torch.randn(shape, generator=self.generator, device=self.device)

    def _note(self, name: str, values: Tensor) -> None:
        self._log[f"debug/{name}"], self._log[f"debug/{name}_std"] = values.mean(), values.std()

    def _columns(self, name: str, values: Tensor) -> None:
        for i in range(values.shape[1]):
            self._log[f"debug/{name}_{i}"], self._log[f"debug/{name}_{i}_std"] = values[:, i].mean(), values[:, i].std()

    def metrics(self) -> dict[str, float]:
        """Return the last detailed update's metrics (every ``metrics_every`` updates), under the recipe's names."""
        values = {name: float(value) for name, value in self._log.items()}
        c = self.config
        values["lrs/actor_lr"] = self.lr_scale * c.lr_actor
        values["lrs/critic_lr"] = self.lr_scale * c.lr_critic
        return values

    def forget_metrics(self) -> None:
        """Drop the last detailed update's metrics (they belong to weights that were thrown away)."""
        self._log = {}

    def explodes_at(self) -> float:
        """Return the |Q| at which the run counts as exploded: ``explosion`` times what a step is paid, in whatever unit that is.

        What a step is paid: the largest reward seen, or what the entropy pays where that is more. A discount close to 1 adds more
        of it up than that; ten times what could be earned for ever is no explosion's beginning either.
        """
        c = self.config
        paid = max(float(self.reward_scale), abs(c.alpha) * self.action_size) or 1.0
        return max(c.explosion, 10.0 / max(1.0 - c.gamma, 1e-6)) * paid

    def healthy(self) -> bool:
        """Whether all parameters are finite and Q has not exploded (one host sync)."""
        total = self.actor_flat.values.sum() + self.critic_flat.values.sum() + self.target_flat.values.sum()
        q = float(self._log.get("debug/q1", 0.0))
        return bool(torch.isfinite(total)) and math.isfinite(q) and abs(q) < self.explodes_at()

    # State: names to tensors, and plain numbers; what a checkpoint holds.

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor a resume needs, by name (references; generator states as bytes)."""
        result: dict[str, Tensor] = {}
        for name, network in (("actor", self.actor), ("critics", self.critics), ("targets", self.targets)):
            result.update({f"{name}.{key}": value for key, value in network.state_dict().items()})
        if self.average is not None:
            result.update({f"average.{key}": value for key, value in self.average.state_dict().items()})
        for name, optimiser in self._optimisers().items():
            result.update({f"optimiser.{name}.{key}": value for key, value in optimiser.state().items()})
        result["log_alpha"] = self.log_alpha
        result["rng.learner"] = self.generator.get_state()
        return result

    def numbers(self) -> dict[str, float]:
        """Return the counters a resume needs."""
        result: dict[str, float] = {f"steps.{name}": o.steps for name, o in self._optimisers().items()}
        result.update(updates=self.updates, env_steps=self.env_steps, lr_scale=self.lr_scale)
        result.update(helped_at=self.helped_at, demo_rows=self.demo_rows, reward_scale=float(self.reward_scale))
        return result

    def load(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Take back what ``tensors`` and ``numbers`` gave. Raises KeyError or RuntimeError when they do not fit."""
        self.load_networks(tensors)
        for name, optimiser in self._optimisers().items():
            keys = (f"optimiser.{name}.first", f"optimiser.{name}.second")
            optimiser.load(tensors[keys[0]], tensors[keys[1]], int(numbers[f"steps.{name}"]))
        self.log_alpha.copy_(tensors["log_alpha"])
        self.generator.set_state(tensors["rng.learner"].cpu())
        self.updates, self.env_steps = int(numbers["updates"]), int(numbers["env_steps"])
        self.lr_scale = float(numbers["lr_scale"])
        self.helped_at, self.demo_rows = int(numbers.get("helped_at", 0)), int(numbers.get("demo_rows", 0))
        self.reward_scale = torch.tensor(float(numbers.get("reward_scale", 0.0)), device=self.device)

    def load_networks(self, tensors: dict[str, Tensor]) -> None:
        """Take the networks alone; without stored critics or targets those stay (targets follow loaded critics)."""
        for name, network in (("actor", self.actor), ("critics", self.critics), ("targets", self.targets)):
            part = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            if part:
                network.load_state_dict(part)
            elif name == "targets":
                network.load_state_dict(self.critics.state_dict())
        if self.average is not None:
            part = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
            self.average.load_state_dict(part or self.actor.state_dict())

    def _optimisers(self) -> dict[str, FlatOptimiser]:
        return {"actor": self.actor_optimiser, "critic": self.critic_optimiser, "alpha": self.alpha_optimiser}


class _Scalar:
    """A 0-d tensor in the shape of FlatParameters, so that the one optimiser serves the temperature too."""

    def __init__(self, value: Tensor) -> None:
        self.values, self.gradient = value, torch.zeros_like(value)
