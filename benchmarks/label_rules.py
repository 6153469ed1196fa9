"""What else a takeover's steps could teach the actor, as arms: ours with another cloning term.

The human's action preferred to the agent's, and less trust in what other demonstrations of the same place do not confirm.
"""

from __future__ import annotations

import torch
from opponents import Opponent
from torch import Tensor
from torch.nn.functional import softplus

from trainer.config import TrainConfig
from trainer.learner.plain import mlp
from trainer.learner.tqc import TQC
from trainer.networks.mlp import MlpEnsemble
from trainer.replay.batch import Batch


class Preference(TQC):
    """The human's action is also preferred to the agent's (after PPL, Cai et al. 2025), on the states of the takeover.

    Beside the cloning ``-log sigmoid(beta (|a_agent - mu|^2 - |a_human - mu|^2))``, means over the parts of an action. The paper
    asks for it in states that a model predicts ahead of a takeover; here it is asked for in those that the human drove through.
    """

    BETA = 2.5  # the paper's 0.1 on log-densities, at a spread of 0.2

    def _cloning(self, batch: Batch, head: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor]:
        loss, slope = super()._cloning(batch, head, z)
        weight = self._cloning_weight(batch, z) * batch.takeover
        greedy = head[:, : self.action_size].tanh()
        apart = (batch.proposed - greedy).square().mean(1) - (batch.action - greedy).square().mean(1)
        loss = loss + (softplus(-self.BETA * apart) * weight).sum()
        push = -torch.sigmoid(-self.BETA * apart) * self.BETA * weight * 2 / self.action_size
        slope += push[:, None] * (batch.action - batch.proposed) * (1 - greedy * greedy)
        return loss, slope


class Trust(TQC):
    """A step is trusted as far as five small clones, each with demonstrations of its own, would do the same there."""

    CLONES, NEAR = 5, 0.3  # NEAR: a usual difference between two good actions

    def __init__(self, observation_size: int, action_size: int, config: TrainConfig) -> None:
        super().__init__(observation_size, action_size, config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + 2)
            self.clones = MlpEnsemble(self.CLONES, observation_size, action_size, 64, 2)
        self._adam = torch.optim.Adam(self.clones.parameters(), lr=1e-3)

    def update(self, batch: Batch) -> None:
        """Learn from one batch."""
        super().update(batch)
        rows = batch.cloned & batch.human
        seen = self.actor.in_units(batch.observation)
        assert isinstance(seen, Tensor)
        mine = torch.rand((self.CLONES, len(batch)), generator=self.generator) < 0.5
        with torch.enable_grad():
            error = (mlp(self.clones, seen).tanh() - batch.action).square().mean(2)
            loss = (error * (mine & rows)).sum() / rows.sum().clamp(min=1)
            self._adam.zero_grad()
            loss.backward()
        self._adam.step()

    def _cloning_weight(self, batch: Batch, z: Tensor | None) -> Tensor:
        weight, seen = super()._cloning_weight(batch, z), self.actor.in_units(batch.observation)
        assert isinstance(seen, Tensor)
        off = (self.clones(seen).tanh().mean(0) - batch.action).square().mean(1)
        trust = torch.exp(-off / (2 * self.NEAR**2))
        return torch.where(batch.human, weight * trust, weight)


LABEL_RULES: dict[str, Opponent] = {
    "preference": Opponent("ours, and the human's action preferred to the agent's (after PPL, Cai et al. 2025)", Preference),
    "trust": Opponent("ours, cloning a step as far as small clones of the others would do the same", Trust),
}
"""By the name of the arm."""
