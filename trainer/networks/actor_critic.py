"""Actors and critics by name.

Every network body maps (B, I), or (E, B, I), to (E, B, O) for E members at once; the heads around it are the same for all.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from data.extras import made_by
from trainer.config import TrainConfig
from trainer.networks.encoded import EncodedEnsemble
from trainer.networks.mlp import MlpEnsemble, Tape
from trainer.networks.recurrent import Memory, RecurrentEnsemble
from trainer.networks.registry import NETWORKS, Shape
from trainer.networks.residual import GraphEnsemble
from trainer.networks.units import ObservationUnits
from trainer.replay.batch import Sight

Ensemble = MlpEnsemble | GraphEnsemble | EncodedEnsemble

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
"""Bounds of the log standard deviation before the tanh (Haarnoja et al. 2018, code)."""
_tanh_backward, _hardtanh_backward = torch.ops.aten.tanh_backward.grad_input, torch.ops.aten.hardtanh_backward.default
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LOG_2 = math.log(2.0)


def body(config: TrainConfig, shape: Shape) -> Ensemble:
    """Return an ensemble of the kind ``config.network``."""
    made: Ensemble = made_by(NETWORKS, "network", config.network, config, shape)
    return made


def remember(network: Actor | Critics) -> Memory | None:
    """Return an empty memory for one episode of driving; None for networks that have none."""
    return Memory(network.body) if isinstance(network.body, RecurrentEnsemble) else None


class Squash:
    """``a = tanh(mean + std * noise)`` and its log-density, from ``head`` (B, 2A) = mean and log std side by side.

    The density is exact: ``log(1 - tanh(u)^2) = 2 (log 2 - log(e^u + e^-u))``. ``back`` has the derivative in closed
    form: with ``t = 1 - a^2``, ``da/du = t`` and ``dlogp/du = 2a``; the noise's own term does not depend on the head, and
    log std enters by ``-log std`` and by ``u``.
    """

    def __init__(self, head: Tensor, noise: Tensor, log_std_max: float = LOG_STD_MAX) -> None:
        mean, self.raw = head.chunk(2, -1)
        self.log_std_max = log_std_max
        log_std = self.raw.clamp(LOG_STD_MIN, log_std_max)
        self.spread = log_std.exp().mul_(noise)
        u = mean + self.spread
        self.action = u.tanh()
        """(B, A)"""
        terms = log_std.sub_(torch.logaddexp(u, -u), alpha=2).addcmul_(noise, noise, value=0.5)
        self.log_density = torch.rsub(terms.sum(-1), -(head.shape[-1] // 2) * (_HALF_LOG_2PI + 2 * _LOG_2))
        """(B,)"""

    def first(self, rows: int) -> Squash:
        """Return the same of the first ``rows`` alone."""
        part = copy.copy(self)
        for name, value in vars(self).items():
            setattr(part, name, value[:rows] if isinstance(value, Tensor) else value)
        return part

    def back(self, g_action: Tensor, g_density: Tensor, times: float = 1.0) -> Tensor:
        """Return dL/dhead (B, 2A) from dL/da (B, A) and dL/dlogp: for all the same, ``g_density`` (0-d) x ``times``."""
        a, size = self.action, self.action.shape[-1]
        result = g_action.new_empty(len(a), 2 * size)
        g_u, g_s = result[:, :size], result[:, size:]
        _tanh_backward(g_action, a, grad_input=g_u).addcmul_(a, g_density, value=2.0 * times)
        torch.mul(g_u, self.spread, out=g_s).sub_(g_density, alpha=times)
        # A spread beyond its bound is not led farther out, but may come back in.
        inside = _hardtanh_backward(g_s, self.raw, LOG_STD_MIN, self.log_std_max)
        torch.where(self.raw > self.log_std_max, g_s.clamp_min(0.0), inside, out=g_s)
        return result


class Actor(nn.Module):
    """A tanh-squashed Gaussian policy over actions in [-1, 1]."""

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__()
        self.observation_size, self.action_size = observation_size, action_size
        self.log_std_max = config.log_std_max
        self.units = ObservationUnits(observation_size) if config.scales_observations else None
        shape = Shape(1, observation_size, 2 * action_size, config.layer_norm_actor, executed=action_size)
        self.body: Ensemble = body(config, shape)
        if config.init_gas_bias:
            with torch.no_grad():
                list(self.body.parameters())[-1][..., 0] += config.init_gas_bias  # the last layer's bias, (1, 1, 2A)

    def head(self, observation: Sight) -> Tensor:
        """Return mean and raw log std side by side, (B, 2A), of observations (B, O)."""
        return self.body(self.in_units(observation))[0]

    def in_units(self, observation: Sight) -> Sight:
        """Return observations as the body sees them."""
        return self.units(observation) if self.units is not None and isinstance(observation, Tensor) else observation

    def run(self, observation: Sight) -> Tape:
        """Return the head as the tape's ``out`` (1, B, 2A)."""
        return self.body.run(self.in_units(observation))  # type: ignore[arg-type]  # only the recurrent body gets Moments

    def sample(self, observation: Sight, noise: Tensor) -> Squash:
        """Return actions and log-densities for standard normal ``noise`` (B, A), outside of any graph."""
        return self.squash(self.head(observation), noise)

    def squash(self, head: Tensor, noise: Tensor) -> Squash:
        """Return what ``head`` (B, 2A) makes of standard normal ``noise`` (B, A)."""
        return Squash(head, noise, self.log_std_max)

    @torch.no_grad()
    def act(
        self,
        observation: Sight,
        deterministic: bool = True,
        generator: torch.Generator | None = None,
        memory: Memory | None = None,
    ) -> Tensor:
        """Return actions (B, A) in [-1, 1] for observations (B, O): the mode's squash, or a sample.

        ``memory``: of the running episode, see ``remember``; the observation (1, O) is then what follows in it.
        """
        if memory is not None and isinstance(observation, Tensor):
            head = memory.look(observation)[0]
        else:
            head = self.head(observation)
        mean, log_std = head.chunk(2, -1)
        if deterministic:
            return mean.tanh()
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return (mean + log_std.clamp(LOG_STD_MIN, self.log_std_max).exp() * noise).tanh()


class Critics(nn.Module):
    """E quantile critics in one: (observation, action) side by side, (B, O + A), to quantiles (E, B, N)."""

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__()
        self.count, self.quantiles = config.critics, config.quantiles
        self.units = ObservationUnits(observation_size) if config.scales_observations else None
        inputs, normed = observation_size + action_size, config.layer_norm_critic
        shape = Shape(config.critics, inputs, config.quantiles, normed, action_size, action_size)
        self.body: Ensemble = body(config, shape)

    def run(self, pair: Sight) -> Tape:
        """Return quantiles (E, B, N) as the tape's ``out``."""
        return self.body.run(self.in_units(pair))  # type: ignore[arg-type]  # only the recurrent body gets Moments

    def in_units(self, pair: Sight) -> Sight:
        """Return observations and actions as the body sees them."""
        return self.units(pair) if self.units is not None and isinstance(pair, Tensor) else pair

    def forward(self, pair: Sight, *, members: Tensor | None = None) -> Tensor:
        """Return quantiles (E, B, N), outside of any graph; ``members`` (K,) picks some critics."""
        return self.body(self.in_units(pair), members=members)
