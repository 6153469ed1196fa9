"""What a learner consists of, however it works out its gradients, and what a checkpoint holds of it."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config import TrainConfig
from trainer.learner.flat import FlatOptimiser, FlatParameters
from trainer.learner.metrics import UpdateMetrics
from trainer.learner.quantile import midpoints
from trainer.learner.schedule import Scalar, Scalars, UpdateKind, UpdateStep
from trainer.networks.actor_critic import Actor, Critics
from trainer.networks.encoded import EncodedEnsemble
from trainer.networks.pictures import PictureEnsemble
from trainer.replay.batch import Batch
from trainer.replay.pixels import shifted

LATER_NUMBERS = frozenset(
    {
        "helped_at", "demo_rows", "reward_scale", "clones_until", "reward_unit", "paid", "paid_batches", "unit_known",
        "drives_everywhere",
    }
)
"""Counters that older checkpoints do not hold."""
BESIDE = 0.1
"""Weight in the cloning of a row where a frozen agent drives, against one where this agent does."""
PAID_SPAN = 10_000  # updates that the usual reward spans at most


def random_stream(seed: int, device: torch.device) -> torch.Generator:
    """Return a new stream of random numbers on a device."""
    return torch.Generator(device=device).manual_seed(seed)


class Learner(ABC):
    """Actor, critics, their targets and optimisers, a temperature, counters and a random stream.

    ``trainer.learner.tqc.TQC`` and ``trainer.learner.plain.PlainTQC`` say how to ``learn`` from one batch. What is counted by
    Python is counted in ``advance``; ``learn`` itself changes nothing but tensors, in place.
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
        self.critics.units = self.actor.units  # one for all
        self._share_encoder()
        self.targets = copy.deepcopy(self.critics)
        self.average = copy.deepcopy(self.actor) if config.actor_average is not None else None
        """Mean of the actor's weights over its last updates (Polyak and Juditsky 1992, with forgetting)."""
        self.targets.units = self.actor.units
        if self.average is not None:
            self.average.units = self.actor.units
        self.proven: Actor | None = None
        """The weights that drive without noise where newer ones must first pass a trial (``trainer.daemon.proving``)."""
        self.log_alpha = torch.tensor(math.log(max(config.alpha, 1e-12)), device=self.device)
        self._given_alpha = torch.tensor(config.alpha, device=self.device)
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
        self.generator = random_stream(c.seed + 1, self.device)
        self.exploration = random_stream(c.seed + 3, self.device)
        """What the noise of ``act`` is drawn by: driving does not change what is learned from the same batches."""
        self.updates = 0
        self.env_steps = 0
        """Online steps seen; the daemon or the caller keeps it."""
        self.lr_scale = 1.0
        """Factor on the learning rates; lowered after an explosion."""
        self.helped_at = self.demo_rows = 0
        """Updates done when demos last became more, and how many rows they were then (see ``note_demo_count``)."""
        self.clones_until = 0
        """Updates up to which the actor only clones: those on laps, before anything was driven (see ``q_weight``)."""
        self.drives_everywhere = False
        """Whether it has learned what the agent that teaches it does (``frozen_teaches``), and drives in its place."""
        self.reward_scale = torch.zeros((), device=self.device)
        """Largest reward (of n steps, absolute) in the batches that were looked at closely: the unit of an explosion."""
        self.reward_unit = torch.ones((), device=self.device)
        """What rewards are divided by (``scale_rewards``): a power of two."""
        self.paid = torch.zeros((), device=self.device)
        """Running mean square of the rewards, in the game's unit."""
        self.paid_batches = 0
        """Batches that it has seen."""
        self.unit_known = torch.zeros((), dtype=torch.bool, device=self.device)
        """Whether the critics have learned in this unit."""
        self.looked_at = UpdateMetrics()

    def update(self, batch: Batch) -> None:
        """Learn from one batch."""
        self.learn(batch, self.advance())

    @abstractmethod
    def learn(self, batch: Batch, step: UpdateStep) -> None:
        """Learn from one batch, in an update that has been counted."""

    @abstractmethod
    def target(self, batch: Batch, alpha: Tensor | float) -> Tensor:
        """Return the critics' truncated targets (B, M), sorted, with new random actions one return later."""

    # What the two kinds of update share

    def advance(self) -> UpdateStep:
        """Count an update; return what it is to be made with."""
        c = self.config
        self.updates += 1
        if c.scale_rewards:
            self.paid_batches += 1
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
                reward_step=1 / min(max(1, self.paid_batches), PAID_SPAN),
            ),
        )

    def _prepare(self, batch: Batch, step: UpdateStep) -> Batch:
        """Return the batch as it is learned from: pictures shifted, rewards in the unit of the critics."""
        batch = shifted(batch, self.config, self.generator)
        if self.actor.units is not None:
            assert isinstance(batch.observation, Tensor)
            self.actor.units.note(batch.observation)
        if self.config.scale_rewards:
            self._note_rewards(batch, step.numbers.reward_step, step.kind.detailed)
            batch = self.in_reward_units(batch)
        if step.kind.detailed:
            torch.maximum(self.reward_scale, batch.reward.abs().max(), out=self.reward_scale)
        return batch

    def in_reward_units(self, batch: Batch) -> Batch:
        """Return the batch with rewards as the critics learn them."""
        if not self.config.scale_rewards:
            return batch
        floor = None if batch.floor is None else batch.floor / self.reward_unit
        return replace(batch, reward=batch.reward / self.reward_unit, floor=floor)

    @torch.no_grad()
    def _note_rewards(self, batch: Batch, share: Scalar, may_change: bool) -> None:
        """Follow what a step usually pays.

        The unit is a power of two, and another one only when it is wrong by more than two.
        """
        self.paid.lerp_(batch.reward.square().mean(), share)
        if may_change:
            usual, seen = self.paid.sqrt() / self.config.times().n_step, self.paid > 0
            off = (usual > 2 * self.reward_unit) | (seen & (usual < 0.5 * self.reward_unit))
            self._change_reward_unit(torch.where(off, usual.log2().round().exp2(), self.reward_unit))
            self.unit_known |= seen

    def _change_reward_unit(self, unit: Tensor) -> None:
        """Let Q mean the same as before: the last layers of the critics change (as in PopArt, van Hasselt et al. 2016).

        A temperature that is learned changes, too. All of it without asking the device: the ratio is 1 where nothing changes, and
        where the critics have seen no reward yet.
        """
        ratio = torch.where(self.unit_known, self.reward_unit / unit, 1.0)
        self.reward_unit.copy_(unit)
        for network in (self.critics, self.targets):
            for last in list(network.body.parameters())[-2:]:  # weight and bias
                last.mul_(ratio)
        self.reward_scale.mul_(ratio)
        if self.config.learn_alpha:
            self.log_alpha.add_(ratio.log())

    def forget_rewards(self) -> None:
        """What is paid here is another matter than before."""
        self.paid.zero_()
        self.paid_batches = 0

    def _follow(self, step: UpdateStep) -> None:
        """Let the actor's encoder, the target critics and the averaged actor follow the weights."""
        self._share_encoder()
        self.target_flat.values.lerp_(self.critic_flat.values, step.numbers.target_step)
        if self.average_flat is not None:
            self.average_flat.values.lerp_(self.actor_flat.values, step.numbers.average_step)

    def _share_encoder(self) -> None:
        """Let an actor that sees with the critics' encoder have the newest one."""
        actor, critics = self.actor.body, self.critics.body
        if isinstance(actor, EncodedEnsemble) and isinstance(critics, EncodedEnsemble) and not actor.trains_encoder:
            actor.see_with(critics)

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

    @torch.no_grad()
    def _cloning_weight(self, batch: Batch, z: Tensor | None) -> Tensor:
        """Return the weight (B,) of each row in the cloning loss. ``z``: quantiles of the agent's own actions, for the filter.

        It makes a weighted mean over the rows to be cloned where these fill the demos' share of a batch. Where they are fewer, a
        row counts as much as it does there.
        """
        c = self.config
        weight = batch.cloned.to(batch.reward.dtype)
        # The other terms are means over the batch. A mean over the cloned rows alone would give six of them the force of 128.
        force = (weight.sum() / (len(batch) * (c.demo_fraction or 0.5))).clamp_(max=1.0)
        if batch.gate is not None:  # where the frozen agent drives, this one only stays ready
            weight = torch.where(batch.gate, weight, weight * BESIDE)
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
        gate = self._own_gate(batch.next_gate)
        if gate is None or batch.next_action is None:
            return action, log_pi
        return torch.where(gate[:, None], action, batch.next_action), torch.where(gate, log_pi, 0.0)

    def _own_gate(self, gate: Tensor | None) -> Tensor | None:
        """Return where this agent drives (B,) of where the human helped; None where it drives everywhere."""
        if gate is None or self.drives_everywhere:
            return None
        return torch.zeros_like(gate) if self.config.taught else gate

    def _above_floor(self, target: Tensor, floor: Tensor | None) -> Tensor:
        """Return targets (B, M) whose mean is at least what was earned from there once (B,): critics do not forget it."""
        return target if floor is None else target + (floor - target.mean(1)).clamp_(min=0.0)[:, None]

    def drive_everywhere(self) -> None:
        """It has learned what the agent does that teaches it: it drives from now on, and more and more follows the critics."""
        self.drives_everywhere, self.clones_until = True, self.updates

    # What is in force

    @property
    def newest(self) -> Actor:
        """The actor as it is now: the averaged one where there is one."""
        return self.actor if self.average is None else self.average

    @property
    def driving(self) -> Actor:
        """The actor that drives without noise."""
        return self.newest if self.proven is None else self.proven

    @torch.no_grad()
    def act(self, observation: NDArray[np.float32], deterministic: bool = True) -> NDArray[np.float32]:
        """Return the action (A,) in [-1, 1] for an observation (O,), or (B, A) for (B, O); with noise by the newest weights.

        Networks with a memory drive through ``hitl.session.lockstep.LearnerPolicy``, which keeps it.
        """
        seen = torch.as_tensor(np.asarray(observation, np.float32), device=self.device)
        actor, noise = (self.driving, None) if deterministic else (self.newest, self.exploration)
        action: NDArray[np.float32] = actor.act(seen.reshape(-1, self.observation_size), deterministic, noise).cpu().numpy()
        return action.reshape(*seen.shape[:-1], self.action_size)

    def prove(self) -> None:
        """The newest weights have passed their trial."""
        self.proven = copy.deepcopy(self.newest)

    @property
    def alpha(self) -> Tensor:
        """The temperature (0-d)."""
        return self.log_alpha.exp() if self.config.learn_alpha else self._given_alpha

    def lr(self, base: float) -> float:
        """Return the learning rate in force, of a configured one."""
        return self.lr_scale * base

    def note_demo_count(self, rows: int) -> None:
        """Take note of how many demo rows there are: when they grow, the averaged actor follows the weights closely again."""
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

    def clone_first(self, updates: int) -> None:
        """Only clone for so many updates more, if nothing was learned yet but cloning."""
        if self.config.bc_weight and self.updates <= self.clones_until:
            self.clones_until += updates

    @property
    def q_weight(self) -> float:
        """The weight (0 to 1) of Q, and of the entropy, in the actor's loss.

        Critics that have seen laps alone know nothing of what is beside them: an actor that follows them soon loses what it has
        cloned. So it begins with 0 after laps and becomes ``q_after_laps`` over ``q_warmup_updates`` updates on own drives.
        """
        if not self.clones_until:
            return self.config.q_weight
        on_drives = max(0, self.updates - self.clones_until)
        return self.config.q_after_laps * min(1.0, on_drives / max(1, self.config.q_warmup_updates))

    def return_to_proven(self) -> None:
        """The newest weights were no good for long: go on from the proven ones, with the critics as they are."""
        assert self.proven is not None
        kept = {name: value for name, value in self.proven.state_dict().items() if not name.startswith("units.")}
        for network in (self.actor, self.average):
            if network is not None:
                network.load_state_dict(kept, strict=False)  # units are the critics', too
        self.actor_optimiser.reset()

    # How it is doing

    def metrics(self) -> dict[str, float]:
        """Return the last detailed update's metrics (every ``metrics_every`` updates), under the recipe's names."""
        c = self.config
        found = self.looked_at.read(float(self.reward_unit))
        return {**found, "lrs/actor_lr": self.lr(c.lr_actor), "lrs/critic_lr": self.lr(c.lr_critic)}

    def forget_metrics(self) -> None:
        """Drop the last detailed update's metrics (they belong to weights that were thrown away)."""
        self.looked_at = UpdateMetrics()

    def explodes_at(self) -> float:
        """Return the |Q| at which the run counts as exploded: ``explosion`` times what a step is paid.

        What a step is paid: the largest reward seen, or what the entropy pays where that is more. With a discount close to 1 more
        of it adds up; ten times what could be earned for ever is no explosion either.
        """
        c = self.config
        paid = max(float(self.reward_scale), abs(c.alpha) * self.action_size) or 1.0
        return max(c.explosion, 10.0 / max(1.0 - c.times().gamma, 1e-6)) * paid

    def healthy(self) -> bool:
        """Whether all parameters are finite and Q has not exploded (one host sync)."""
        total = self.actor_flat.values.sum() + self.critic_flat.values.sum() + self.target_flat.values.sum()
        q = float(self.looked_at.values.get("debug/q1", 0.0))
        return bool(torch.isfinite(total)) and math.isfinite(q) and abs(q) < self.explodes_at()

    # State: names to tensors, and plain numbers; what a checkpoint holds.

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor a resume needs, by name (references; generator states as bytes)."""
        result: dict[str, Tensor] = {}
        for name, network in (("actor", self.actor), ("critics", self.critics), ("targets", self.targets)):
            result.update({f"{name}.{key}": value for key, value in network.state_dict().items()})
        for name, actor in (("average", self.average), ("proven", self.proven)):
            if actor is not None:
                result.update({f"{name}.{key}": value for key, value in actor.state_dict().items()})
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
        result.update(drives_everywhere=int(self.drives_everywhere))
        result.update(clones_until=self.clones_until, reward_unit=float(self.reward_unit))
        result.update(paid=float(self.paid), paid_batches=self.paid_batches, unit_known=float(self.unit_known))
        return result

    def load(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Take back what ``tensors`` and ``numbers`` gave. Raises KeyError, RuntimeError or ValueError when they do not fit."""
        self.load_networks(tensors)
        for name, optimiser in self._optimisers().items():
            keys = (f"optimiser.{name}.first", f"optimiser.{name}.second")
            optimiser.load(tensors[keys[0]], tensors[keys[1]], int(numbers[f"steps.{name}"]))
        self.log_alpha.copy_(tensors["log_alpha"])
        self.generator.set_state(tensors["rng.learner"].cpu())
        self.updates, self.env_steps = int(numbers["updates"]), int(numbers["env_steps"])
        self.lr_scale = float(numbers["lr_scale"])
        self.helped_at, self.demo_rows = int(numbers.get("helped_at", 0)), int(numbers.get("demo_rows", 0))
        self.clones_until = int(numbers.get("clones_until", 0))
        self.drives_everywhere = bool(numbers.get("drives_everywhere", 0)) and self.config.taught
        self.reward_scale.fill_(float(numbers.get("reward_scale", 0.0)))
        unit, paid = float(numbers.get("reward_unit", 1.0)), float(numbers.get("paid", 0.0))
        if not (0 < unit < math.inf and 0 <= paid < math.inf):
            raise ValueError("its unit of rewards is no unit")
        self.reward_unit.fill_(unit)
        self.paid.fill_(paid)
        self.paid_batches = int(numbers.get("paid_batches", 0))
        known = bool(numbers.get("unit_known", 0.0)) or not self.paid_batches  # a run without units has learned in 1
        self.unit_known.fill_(known and self.updates > 0)
        if not self.config.scale_rewards:
            with torch.no_grad():
                self._change_reward_unit(torch.ones_like(self.reward_unit))
            self.forget_rewards()

    def load_networks(self, tensors: dict[str, Tensor]) -> None:
        """Take the networks alone; without stored critics or targets those stay (targets follow loaded critics)."""
        for name, network in (("actor", self.actor), ("critics", self.critics), ("targets", self.targets)):
            part = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            if part:
                network.load_state_dict(part)
            elif name == "targets":
                network.load_state_dict(self.critics.state_dict())
        actor, critics = self.actor.body, self.critics.body
        if isinstance(actor, PictureEnsemble) and isinstance(critics, PictureEnsemble):
            actor.trains_encoder = not (self.config.shared_encoder and actor.sees_with(critics))
        if self.average is not None:
            part = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
            self.average.load_state_dict(part or self.actor.state_dict())
        part = {k.removeprefix("proven."): v for k, v in tensors.items() if k.startswith("proven.")}
        self.proven = None
        if part:
            self.prove()
            self.driving.load_state_dict(part)

    def _optimisers(self) -> dict[str, FlatOptimiser]:
        return {"actor": self.actor_optimiser, "critic": self.critic_optimiser, "alpha": self.alpha_optimiser}


class _Scalar:
    """A 0-d tensor in the shape of FlatParameters, so that the one optimiser serves the temperature too."""

    def __init__(self, value: Tensor) -> None:
        self.values, self.gradient = value, torch.zeros_like(value)
