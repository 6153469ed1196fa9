"""The network for pictures: convolutions, or a frozen EfficientNet, in front of the mlp."""

from __future__ import annotations

import functools
import importlib
import itertools
import math

import torch
from torch import Tensor, nn

from data.errors import UsageError
from trainer.config import TrainConfig
from trainer.networks.encoded import EncodedEnsemble
from trainer.networks.mlp import mlp
from trainer.networks.registry import Shape


def _small(inputs: int, outputs: int) -> list[nn.Module]:
    """Return the layers from many features to few: Linear, LayerNorm, tanh (DrQ-v2, Yarats et al. 2021, code)."""
    return [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.Tanh()]


class Convolutions(nn.Module):
    """Maps pictures (B, frames, rows, columns) to (B, output): 3 x 3 convolutions with stride 2 and ReLU, then ``_small``.

    The frames are the channels, so motion is seen by the first layer; nothing is pooled, so places are not lost.
    """

    def __init__(self, image: tuple[int, ...], filters: tuple[int, ...], output: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise([image[0], *filters]):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU()]
        halved = [functools.reduce(lambda n, _: (n + 1) // 2, filters, side) for side in image[1:]]
        self.layers = nn.Sequential(*layers, nn.Flatten(), *_small(filters[-1] * math.prod(halved), output))

    def forward(self, picture: Tensor) -> Tensor:
        """Return the features."""
        return self.layers(picture - 0.5)


_FEATURES = 1280
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the photographs it was trained on


@functools.cache
def _effnet() -> nn.Module:
    """Return torchvision's EfficientNet-B0 with its weights. Raises UsageError when it cannot be had."""
    try:
        models = importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError, AttributeError) as error:  # a torchvision made for another torch raises any of these
        raise UsageError(
            "The setting frozen_effnet needs the package torchvision, which is not available here: set frozen_effnet=false, or "
            "install the torchvision that belongs to this torch."
        ) from error
    try:
        network: nn.Module = models.efficientnet_b0(weights="DEFAULT")
    except OSError as error:
        raise UsageError(
            f"The weights of EfficientNet could not be downloaded ({error}): set frozen_effnet=false, or try again online."
        ) from error
    return network.eval().requires_grad_(False)


class FrozenEffnet(nn.Module):
    """Each frame as a grey photograph through EfficientNet-B0's features, then ``_small``, which alone is trained and saved."""

    def __init__(self, image: tuple[int, ...], output: int) -> None:
        super().__init__()
        _effnet()
        self.layers = nn.Sequential(*_small(image[0] * _FEATURES, output))

    def forward(self, picture: Tensor) -> Tensor:
        """Return the features."""
        rows, frames = picture.shape[:2]
        network = _effnet().to(picture.device)
        with torch.no_grad():
            grey = picture.reshape(rows * frames, 1, *picture.shape[2:]).expand(-1, 3, -1, -1)
            mean, std = (grey.new_tensor(v).view(1, 3, 1, 1) for v in (_MEAN, _STD))
            seen = network.features((grey - mean) / std).mean((2, 3)).reshape(rows, -1)  # type: ignore[operator]
        return self.layers(seen)


class PictureEnsemble(EncodedEnsemble):
    """Takes observations [numbers | picture], with actions behind them in a critic."""

    def __init__(self, config: TrainConfig, shape: Shape) -> None:
        super().__init__()
        self.image, self.stop = config.image, shape.inputs - shape.actions
        self.start = self.stop - math.prod(self.image)
        if not self.image or self.start < 0:
            raise UsageError("The network 'cnn' needs observations that end with a picture: set image=[frames,rows,columns].")
        if config.frozen_effnet:
            self.encoder: nn.Module = FrozenEffnet(self.image, config.cnn_output)
        else:
            self.encoder = Convolutions(self.image, config.cnn_filters, config.cnn_output)
        self.head = mlp(config, shape, self.start + config.cnn_output + shape.actions)
        self.trains_encoder = bool(shape.actions) or not config.shared_encoder

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See ``EncodedEnsemble.parts``; x is (B, I)."""
        picture = x[:, self.start : self.stop].reshape(-1, *self.image)
        return x[:, : self.start], self.encoder(picture), x[:, self.stop :]
