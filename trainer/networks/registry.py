"""Which networks there are: the setting ``network``, and what builds it. `docs/extending.md` says how to add one."""

from __future__ import annotations

from typing import NamedTuple

from data.extras import Additions, code_of

NETWORKS: Additions[str] = Additions(
    "hitl.networks",
    {
        "mlp": "trainer.networks.mlp:mlp",
        "residual": "trainer.networks.residual:ResidualEnsemble",
        "simba": "trainer.networks.residual:SimbaEnsemble",
        "recurrent": "trainer.networks.recurrent:RecurrentEnsemble",
        "cnn": "trainer.networks.pictures:PictureEnsemble",
    },
    code_of,
)
"""``module:name``, imported when the network is built. What it names takes (TrainConfig, Shape) and returns an ensemble.

An installed package adds its own by the entry point ``hitl.networks``.
"""


class Shape(NamedTuple):
    """What an ensemble maps: ``members`` networks, each from (B, ``inputs``) to (B, ``outputs``)."""

    members: int
    inputs: int
    outputs: int
    layer_norm: bool
    actions: int = 0
    """How many of the inputs, at their end, are an action's; 0 for an actor."""
    executed: int = 0
    """Size of the action that was executed before, which a network with a memory is told."""
