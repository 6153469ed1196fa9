"""The learner that the settings ask for."""

from __future__ import annotations

import torch

from trainer.config import TrainConfig
from trainer.learner.learner import Learner
from trainer.learner.plain import PlainTQC
from trainer.learner.tqc import TQC


def make_learner(
    observation_size: int, action_size: int, config: TrainConfig, device: str | torch.device = "cpu"
) -> Learner:
    """Return a new learner of the kind ``config.learner``."""
    kind = {"fast": TQC, "plain": PlainTQC}[config.learner]
    return kind(observation_size, action_size, config, device)
