"""What a learner consists of, what of it is in force, and what a checkpoint holds of it."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from data.errors import UsageError, shown
from data.numbers import whole
from trainer.config import TrainConfig
from trainer.device_check import check_device
from trainer.learner.flat import FlatOptimiser, FlatParameters
from trainer.learner.quantile import midpoints
from trainer.learner.reward_unit import RewardUnit
from trainer.networks.actor_critic import Actor, Critics
from trainer.networks.encoded import EncodedEnsemble
from trainer.networks.pictures import PictureEnsemble

LATER_NUMBERS = frozenset(
    {
        "helped_at", "demo_rows", "reward_scale", "clones_until", "reward_unit", "paid", "paid_batches", "unit_known",
        "drives_everywhere", "q_grows_from",
    }
)


def random_stream(seed: int, device: torch.device) -> torch.Generator:
    """Return a new stream of random numbers on a device."""
    return torch.Generator(device=device).manual_seed(seed)


class LearnerParts:
    """Actor, critics, their targets and optimisers, a temperature, counters and a random stream."""

    def __init__(
        self, observation_size: int, action_size: int, config: TrainConfig, device: str | torch.device = "cpu"
    ) -> None:
        if not isinstance(config, TrainConfig):
            raise UsageError(f"A learner's config is settings, for example presets['plain'], not {shown(config)}.")
        observation_size, action_size = whole("observation_size", observation_size), whole("action_size", action_size)
        check_device(str(device), "omit device='cuda'", "device=")
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
        self.worth_holding: float | None = None
        """Share of the lap from which such weights are held, once help has shown what is worth it; None: nearly all of it."""
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
        self.helped_at = self.human_rows_known = 0
        """Updates done when the human's demos last became more, and their rows now (see ``note_demo_count``)."""
        self.clones_until = 0
        """Updates up to which the actor only clones: those on laps, before anything was driven (see ``q_weight``)."""
        self.q_grows_from = 0
        """Updates at which it began to drive in place of the agent that taught it; 0: it did not (see ``q_weight``)."""
        self.drives_everywhere = False
        """Whether it has learned what the agent that teaches it does (``frozen_teaches``), and drives in its place."""
        self.rewards = RewardUnit(self.device)
        self.newest_q = torch.zeros((), device=self.device)
        """The first critic's mean over the last batch that was looked at closely; 0 until these weights have learned from one."""

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
    def act(self, observation: ArrayLike, deterministic: bool = True) -> NDArray[np.float32]:
        """Return the action (A,) in [-1, 1] for an observation (O,), or (B, A) for (B, O); with noise by the newest weights.

        Networks with a memory drive through ``hitl.session.lockstep.LearnerPolicy``, which keeps it. Raises UsageError for an
        observation of another size, or one that is no finite numbers.
        """
        try:
            given = np.asarray(observation, np.float32)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"The observation cannot be read as numbers: {shown(error, 200)}") from None
        seen = torch.tensor(given, device=self.device)  # a copy: rows of a store cannot be written to, of which torch would warn
        if seen.shape[-1:] != (self.observation_size,):
            raise UsageError(f"The observation has shape {tuple(seen.shape)}, and the learner takes ({self.observation_size},).")
        if not np.isfinite(given).all():
            raise UsageError(f"The observation has numbers that are not finite: {shown(given)}.")
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
        """Take note of how many rows of the human's demos there are.

        When they grow, the averaged actor follows the weights closely again.
        """
        if rows > self.human_rows_known:
            self.helped_at = self.updates
        self.human_rows_known = rows

    @property
    def actor_average(self) -> float:
        """The share of the old average that the next update keeps."""
        c = self.config
        assert c.actor_average is not None
        span = c.actor_average_growth * (self.updates - self.helped_at)
        return max(c.actor_average, min(1 - 1 / max(1.0, span), c.actor_average_most))

    def clone_first(self, updates: int) -> None:
        """Only clone for so many updates more, if nothing was learned yet but cloning, and it does not drive everywhere."""
        if self.config.bc_weight and not self.drives_everywhere and self.updates <= self.clones_until:
            self.clones_until += updates

    @property
    def q_weight(self) -> float:
        """The weight (0 to 1) of Q, and of the entropy, in the actor's loss.

        Critics that have seen laps alone know nothing of what is beside them: an actor that follows them soon loses what it has
        cloned. So it begins with 0 after laps, and after an agent that taught it, and becomes ``q_after_laps`` over
        ``q_warmup_updates`` updates on own drives.
        """
        begin = max(self.clones_until, self.q_grows_from)
        if not begin:
            return self.config.q_weight
        on_drives = max(0, self.updates - begin)
        return self.config.q_after_laps * min(1.0, on_drives / max(1, self.config.q_warmup_updates))

    def return_to_proven(self) -> None:
        """The newest weights were no good for long: go on from the proven ones, with the critics as they are."""
        assert self.proven is not None
        kept = {name: value for name, value in self.proven.state_dict().items() if not name.startswith("units.")}
        for network in (self.actor, self.average):
            if network is not None:
                network.load_state_dict(kept, strict=False)  # units are the critics', too
        self.actor_optimiser.reset()

    def drive_everywhere(self) -> None:
        """It has learned what the agent does that teaches it: it drives from now on, and more and more follows the critics."""
        self.drives_everywhere, self.q_grows_from = True, self.updates
        self.clones_until = min(self.clones_until, self.updates)  # laps that are left are learned from while it drives

    def _share_encoder(self) -> None:
        """Let an actor that sees with the critics' encoder have the newest one."""
        actor, critics = self.actor.body, self.critics.body
        if isinstance(actor, EncodedEnsemble) and isinstance(critics, EncodedEnsemble) and not actor.trains_encoder:
            actor.see_with(critics)

    @torch.no_grad()
    def _scale_values(self, factor: Tensor) -> None:
        """Let Q mean the same in another unit of rewards: the last layers of the critics are multiplied by ``factor`` (0-d).

        (As in PopArt, van Hasselt et al. 2016.) A temperature that is learned changes, too.
        """
        for network in (self.critics, self.targets):
            for last in list(network.body.parameters())[-2:]:  # weight and bias
                last.mul_(factor)
        if self.config.learn_alpha:
            self.log_alpha.add_(factor.log())

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
        result.update(helped_at=self.helped_at, demo_rows=self.human_rows_known, clones_until=self.clones_until)
        result.update(drives_everywhere=int(self.drives_everywhere), q_grows_from=self.q_grows_from)
        if self.worth_holding is not None:
            result["worth_holding"] = self.worth_holding
        return result | self.rewards.numbers()

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
        self.helped_at, self.human_rows_known = int(numbers.get("helped_at", 0)), int(numbers.get("demo_rows", 0))
        self.clones_until, self.q_grows_from = int(numbers.get("clones_until", 0)), int(numbers.get("q_grows_from", 0))
        if numbers.get("drives_everywhere") and "q_grows_from" not in numbers:  # earlier versions had one number for both
            self.clones_until, self.q_grows_from = 0, self.clones_until
        self.worth_holding = numbers.get("worth_holding")
        self.drives_everywhere = bool(numbers.get("drives_everywhere", 0)) and self.config.taught
        self.newest_q.zero_()
        self.rewards.load(numbers, has_learned=self.updates > 0)
        if not self.config.scale_rewards:
            self._scale_values(self.rewards.change(torch.ones_like(self.rewards.value)))
            self.rewards.forget()

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
