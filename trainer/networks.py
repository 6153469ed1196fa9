"""Actors and critics by name.

Every network body maps (B, I), or (E, B, I), to (E, B, O) for E members at once; the heads around it are the same for all.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import TrainConfig
from trainer.mlp import MlpEnsemble
from trainer.residual import ResidualEnsemble, SimbaEnsemble

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
"""Bounds of the log standard deviation before the tanh (Haarnoja et al. 2018, code)."""
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LOG_2 = math.log(2.0)


def body(config: TrainConfig, members: int, inputs: int, outputs: int, layer_norm: bool, actions: int = 0) -> nn.Module:
    """Return an ensemble of the kind ``config.network``; ``actions`` of the inputs, at their end, are an action's."""
    if config.network == "mlp":
        return MlpEnsemble(members, inputs, outputs, config.hidden, config.layers, layer_norm)
    if config.network == "residual":
        return ResidualEnsemble(members, inputs, outputs, config.hidden, config.layers, actions)
    return SimbaEnsemble(members, inputs, outputs, config.hidden, config.layers)


class _Squash(torch.autograd.Function):
    """``a = tanh(mean + std * noise)`` and its log-density, from ``head`` (B, 2A) = mean and log std side by side.

    The density is exact: ``log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u))``. One node with the derivative in closed
    form: with ``t = 1 - a^2``, ``da/du = t`` and ``dlogp/du = 2a``; the noise's own term does not depend on the head, and
    log std enters by ``-log std`` and by ``u``.
    """

    @staticmethod
    def forward(ctx: Any, head: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = head.chunk(2, -1)
        log_std = raw.clamp(LOG_STD_MIN, LOG_STD_MAX)
        spread = log_std.exp().mul_(noise)
        u = mean + spread
        a = u.tanh()
        squash = nn.functional.softplus(u * -2.0).add_(u).mul_(2.0)  # 2 (u + softplus(-2u)) = 2 log 2 - log(1 - a^2)
        terms = squash.sub_(log_std).addcmul_(noise, noise, value=-0.5).sub_(_HALF_LOG_2PI + 2 * _LOG_2)
        ctx.save_for_backward(a, spread, raw)
        return a, terms.sum(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        a, spread, raw = ctx.saved_tensors
        g_a, g_logp = grads
        # dL/du = dL/da (1 - a^2) + dL/dlogp 2a
        g_p = g_logp.unsqueeze(-1)
        g_u = torch.addcmul(g_a, g_a * a, a, value=-1).addcmul_(g_p, a, value=2.0)
        g_s = (g_u * spread).sub_(g_p)
        g_s = g_s * ((raw >= LOG_STD_MIN) & (raw <= LOG_STD_MAX))
        return torch.cat((g_u, g_s), -1), None


class Actor(nn.Module):
    """A tanh-squashed Gaussian policy over actions in [-1, 1]."""

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__()
        self.observation_size, self.action_size = observation_size, action_size
        self.body = body(config, 1, observation_size, 2 * action_size, config.layer_norm_actor)
        if config.init_gas_bias:
            with torch.no_grad():
                last_bias(self.body)[..., 0] += config.init_gas_bias

    def head(self, observation: Tensor) -> Tensor:
        """Return mean and raw log std side by side, (B, 2A), of observations (B, O)."""
        return self.body(observation)[0]

    def sample(self, observation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions (B, A), their log-densities (B,) and the head (B, 2A), for standard normal ``noise`` (B, A)."""
        head = self.head(observation)
        action, log_density = _Squash.apply(head, noise)
        return action, log_density, head

    @torch.no_grad()
    def act(self, observation: Tensor, deterministic: bool = True, generator: torch.Generator | None = None) -> Tensor:
        """Return actions (B, A) in [-1, 1] for observations (B, O): the mode's squash, or a sample."""
        mean, log_std = self.head(observation).chunk(2, -1)
        if deterministic:
            return mean.tanh()
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return (mean + log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp() * noise).tanh()


def log_likelihood(head: Tensor, action: Tensor) -> Tensor:
    """Return the log-density (B,) of given actions (B, A) under ``head`` (B, 2A); actions at the rim are moved inside."""
    mean, raw = head.chunk(2, -1)
    log_std = raw.clamp(LOG_STD_MIN, LOG_STD_MAX)
    u = action.clamp(-0.999, 0.999).atanh()
    z = (u - mean) * torch.exp(-log_std)
    squash = 2.0 * (_LOG_2 - u - nn.functional.softplus(-2.0 * u))
    return (-0.5 * z * z - log_std - _HALF_LOG_2PI - squash).sum(-1)


class Critics(nn.Module):
    """E quantile critics in one: (observation, action) side by side, (B, O + A), to quantiles (E, B, N)."""

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__()
        self.count, self.quantiles = config.critics, config.quantiles
        inputs = observation_size + action_size
        self.body = body(config, config.critics, inputs, config.quantiles, config.layer_norm_critic, action_size)

    def forward(self, pair: Tensor, *, frozen: bool = False, members: Tensor | None = None) -> Tensor:
        """Return quantiles (E, B, N); see ``MlpEnsemble.forward`` for ``frozen`` and ``members``."""
        return self.body(pair, frozen=frozen, members=members)


def last_bias(module: nn.Module) -> Tensor:
    """Return the bias of a body's last layer, (E, 1, O)."""
    return list(module.parameters())[-1]
