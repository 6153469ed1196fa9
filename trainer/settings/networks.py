"""The networks, and what they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from data.files.validation import OneOf
from trainer.networks.registry import NETWORKS
from trainer.settings.bounds import Size


@dataclass(frozen=True)
class NetworkSettings:
    """Actor and critics."""

    # Network
    network: Annotated[str, OneOf(NETWORKS)] = "mlp"
    """``recurrent`` has an LSTM in front of the mlp, ``cnn`` convolutions (``trainer.networks.actor_critic``)."""
    hidden: Size = 128
    """Units of each hidden layer."""
    layers: Annotated[int, Meta(ge=1, le=64)] = 2
    """Hidden layers, or blocks of the residual networks."""
    layer_norm_critic: bool = True
    """LayerNorm in the critics."""
    layer_norm_actor: bool = True
    """LayerNorm in the actor."""
    init_gas_bias: float = 0.0
    """Added at the start to the bias of the first action's mean."""
    log_std_max: Annotated[float, Meta(ge=-20, le=10)] = -1.0
    """Upper bound of the policy's log standard deviation before the squash. Where the critic likes both ends of an action better
    than its middle, a wide spread is a coin toss between them: the noisy policy then drives in a way that the greedy one,
    which is evaluated, never does."""

    # Units
    scale_observations: bool = False
    """Networks see each number of an observation in a unit that makes it about 1, so that the units of a game do not matter; what
    is so already stays as it is. (Not the recurrent network and that for pictures.)"""
    scale_rewards: bool = False
    """Learn from rewards in units of what is usually paid for a step, so that a game that pays in thousandths or thousands is
    learned as well: cloning weight, temperature and the width of the Huber loss are made for rewards of about 1."""

    # Recurrent network (R2D2, Kapturowski et al. 2019)
    rnn_size: Size = 64
    """Units of the actor's LSTM, and of the critics'."""
    rnn_layers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Layers of each LSTM."""
    sequence: Size = 20
    """Consecutive steps that are learned from together, and that the gradient goes back through. A batch of ``batch_size`` steps
    holds ``batch_size`` / ``sequence`` sequences."""
    burn_in: Annotated[int, Meta(ge=0, le=4096)] = 20
    """Steps before each sequence that only bring the memory to where it was, without a loss (R2D2, sec. 3)."""

    # Network for pictures
    image: tuple[Size, ...] = ()
    """Frames, rows and columns of the picture at the end of each observation; left empty, its names tell."""
    cnn_filters: Annotated[tuple[Size, ...], Meta(min_length=1)] = (32, 64, 64, 64)
    """Filters of the convolutions; each one halves the picture."""
    cnn_output: Size = 256
    """Numbers that the picture becomes before it meets the rest of the observation."""
    frozen_effnet: bool = False
    """Use torchvision's EfficientNet-B0 (Tan and Le 2019), trained on photographs and never changed here, instead of convolutions
    of its own."""
    image_shift: Annotated[int, Meta(ge=0, le=64)] = 4
    """Pictures that are learned from are shifted at random, by so many of 84 rows at most and at least by one (DrQ, Kostrikov et
    al. 2020): what is learned then holds for the picture beside as well. 0 is off."""
    shared_encoder: bool = True
    """The actor sees with the critics' encoder, which its own loss does not change (DrQ-v2, Yarats et al. 2021). A run that
    began with two of them keeps both."""
