"""A learner of ours and one of sb3-contrib with the same settings, weights and batches: for comparison only."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from sb3_contrib import TQC as Theirs  # noqa: N811
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from trainer.config import TrainConfig
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch


class _Nothing(gymnasium.Env[np.ndarray, np.ndarray]):
    """An environment that is never stepped; sb3-contrib asks it for its spaces."""

    def __init__(self, observations: int, actions: int) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (observations,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (actions,), np.float32)


def theirs(observations: int, actions: int, config: TrainConfig, device: str = "cpu", steps: int = 1) -> Theirs:
    """Return sb3-contrib's learner with the settings of ``config`` (as far as it has them) and room for so many ``steps``."""
    arch = [config.hidden] * config.layers
    learner = Theirs(
        "MlpPolicy",
        _Nothing(observations, actions),
        learning_rate=config.lr_actor,
        buffer_size=steps,
        batch_size=config.batch_size,
        tau=1 - config.polyak,
        gamma=config.times().gamma,
        ent_coef=f"auto_{config.alpha}" if config.learn_alpha else config.alpha,
        top_quantiles_to_drop_per_net=config.drop_per_critic,
        policy_kwargs={"net_arch": arch, "n_quantiles": config.quantiles, "n_critics": config.critics},
        device=device,
        seed=0,
    )
    learner.set_logger(_Quiet())
    return learner


class _Quiet:
    """A logger that drops everything."""

    def record(self, *args: Any, **kwargs: Any) -> None:
        """Drop it."""


def copy_weights(ours: TQC, other: Theirs) -> None:
    """Give ours the weights of the other (actor, critics, targets)."""
    layers = ours.config.layers
    with torch.no_grad():
        body = ours.actor.body
        linears = [m for m in other.actor.latent_pi if isinstance(m, torch.nn.Linear)]
        for i, linear in enumerate(linears):
            getattr(body, f"weight{i}")[0] = linear.weight.T
            getattr(body, f"bias{i}")[0, 0] = linear.bias
        heads = (other.actor.mu, other.actor.log_std)
        getattr(body, f"weight{layers}")[0] = torch.cat([h.weight.T for h in heads], 1)
        getattr(body, f"bias{layers}")[0, 0] = torch.cat([h.bias for h in heads])
        for mine, their in ((ours.critics, other.critic), (ours.targets, other.critic_target)):
            for e, net in enumerate(their.q_networks):
                for i, linear in enumerate(m for m in net if isinstance(m, torch.nn.Linear)):
                    getattr(mine.body, f"weight{i}")[e] = linear.weight.T
                    getattr(mine.body, f"bias{i}")[e, 0] = linear.bias


def actor_vector(other: Theirs) -> torch.Tensor:
    """Return the other's actor in the order of our flat vector."""
    linears = [m for m in other.actor.latent_pi if isinstance(m, torch.nn.Linear)]
    heads = (other.actor.mu, other.actor.log_std)
    parts = [t for m in linears for t in (m.weight.T, m.bias)]
    parts += [torch.cat([h.weight.T for h in heads], 1), torch.cat([h.bias for h in heads])]
    return torch.cat([p.detach().reshape(-1) for p in parts])


def critic_vector(critic: Any) -> torch.Tensor:
    """Return the other's critics in the order of our flat vector."""
    nets = [[m for m in net if isinstance(m, torch.nn.Linear)] for net in critic.q_networks]
    parts = []
    for layer in zip(*nets, strict=True):
        parts += [torch.stack([m.weight.T for m in layer]), torch.stack([m.bias for m in layer])]
    return torch.cat([p.detach().reshape(-1) for p in parts])


class Fixed:
    """A replay buffer that gives the same rows each time, without copying: drawing is not what is compared."""

    def __init__(self, batch: Batch, gamma: float) -> None:
        assert isinstance(batch.observation, torch.Tensor)
        assert isinstance(batch.next_observation, torch.Tensor)
        done = (batch.discount == 0).float()[:, None]
        self.samples = ReplayBufferSamples(
            batch.observation.contiguous(),
            batch.action.contiguous(),
            batch.next_observation.contiguous(),
            done,
            batch.reward[:, None].contiguous(),
            torch.where(done > 0, gamma, batch.discount[:, None]),
        )

    def sample(self, *args: Any, **kwargs: Any) -> ReplayBufferSamples:
        """Return the rows."""
        return self.samples
