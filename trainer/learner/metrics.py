"""What an update that is looked at closely says of itself, under the names of the reference recipe."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.replay.batch import Batch

IN_REWARDS = frozenset(
    f"debug/{name}{part}" for name in ("backup", "q_a1_targ", "q1", "q2", "r", "q_a1") for part in ("", "_std")
) | {"debug/disagreement", "debug/alpha", "losses/loss_actor"}
"""Metrics in the unit of rewards."""


class UpdateMetrics:
    """Metrics by name, as tensors (0-d), so that noting them makes no device wait; ``read`` turns them into numbers."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor | float] = {}

    def read(self, reward_unit: float = 1.0) -> dict[str, float]:
        """Return the newest metrics (one host sync), with rewards and values in the game's unit again."""
        tensors = {name: value for name, value in self.values.items() if isinstance(value, Tensor)}
        numbers = dict(zip(tensors, torch.stack(list(tensors.values())).tolist(), strict=True)) if tensors else {}
        found = {name: numbers.get(name, value) for name, value in self.values.items()}
        return {name: float(value) * (reward_unit if name in IN_REWARDS else 1.0) for name, value in found.items()}

    def note_target(self, target: Tensor, kept: Tensor, action: Tensor, log_pi: Tensor) -> None:
        """Note targets and kept target quantiles, (B, M) each, and the next actions (B, A) with their log-density (B,)."""
        self._mean("backup", target)
        self._mean("q_a1_targ", kept)
        self.values["debug/logp_a2"] = log_pi.mean()
        self._columns("a2", action)

    def note_critics(self, batch: Batch, z: Tensor, loss: Tensor, norm: Tensor) -> None:
        """Note the critics' quantiles (E, B, N), their loss, and the norm of its gradient."""
        for i in range(min(2, len(z))):
            self._mean(f"q{i + 1}", z[i])
        self._mean("r", batch.reward)
        self._columns("a", batch.action)
        self.values |= {
            "losses/loss_critic": loss,
            "debug/critic_grad_norm": norm,
            "debug/d": (batch.discount == 0).float().mean(),
            "debug/human_fraction_in_batch": batch.human.float().mean(),
            "debug/demo_fraction_in_batch": batch.demo.float().mean(),
        }

    def note_actor(
        self,
        z: Tensor,
        action: Tensor,
        log_pi: Tensor,
        *,
        alpha: Tensor,
        cloning: Tensor | float,
        weight: float,
        norm: Tensor,
    ) -> None:
        """Note quantiles (E, B, N) and log-density (B,) of the actor's own actions (B, A), temperature, and the cloning loss
        with its weight."""
        self._mean("q_a1", z)
        self._columns("a1", action)
        self.values |= {
            "losses/loss_actor": (alpha * log_pi).mean() - z.mean(),
            "debug/log_pi": log_pi.mean(),
            "debug/alpha": alpha,
            "debug/actor_grad_norm": norm,
            "debug/disagreement": z.mean(2).std(0, unbiased=False).mean(),
            "bc/weight": weight,
            "bc/loss": cloning,
        }

    def _mean(self, name: str, values: Tensor) -> None:
        self.values[f"debug/{name}"], self.values[f"debug/{name}_std"] = values.mean(), values.std()

    def _columns(self, name: str, values: Tensor) -> None:
        for i in range(values.shape[1]):
            self._mean(f"{name}_{i}", values[:, i])
