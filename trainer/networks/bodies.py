"""Builds the body of each kind of network: an ensemble of the wanted shape."""

from __future__ import annotations

from trainer.config import TrainConfig
from trainer.networks.mlp import MlpEnsemble
from trainer.networks.pictures import PictureEnsemble
from trainer.networks.recurrent import RecurrentEnsemble
from trainer.networks.registry import Shape
from trainer.networks.residual import ResidualEnsemble, SimbaEnsemble


def mlp(c: TrainConfig, s: Shape) -> MlpEnsemble:
    """Plain hidden layers."""
    return MlpEnsemble(s.members, s.inputs, s.outputs, c.hidden, c.layers, s.layer_norm)


def residual(c: TrainConfig, s: Shape) -> ResidualEnsemble:
    """The reference recipe's residual blocks."""
    return ResidualEnsemble(s.members, s.inputs, s.outputs, c.hidden, c.layers, s.actions)


def simba(c: TrainConfig, s: Shape) -> SimbaEnsemble:
    """SimBa's residual blocks."""
    return SimbaEnsemble(s.members, s.inputs, s.outputs, c.hidden, c.layers)


def recurrent(c: TrainConfig, s: Shape) -> RecurrentEnsemble:
    """A network that remembers the episode."""
    return RecurrentEnsemble(s.members, s.inputs - s.actions, s.executed, s.outputs, c, s.layer_norm, s.actions)


def pictures(c: TrainConfig, s: Shape) -> PictureEnsemble:
    """A convolutional encoder before hidden layers."""
    return PictureEnsemble(s.members, s.inputs, s.outputs, c, s.layer_norm, s.actions)
