"""Networks put together from weights alone: their shapes say how they are built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError, shown
from hitl.agents.agent import Stateless

if TYPE_CHECKING:
    from torch import Tensor, nn

Weights = Mapping[str, "Tensor"]


def linear(weights: Weights, prefix: str, name: str) -> nn.Linear:
    """Return the linear layer ``prefix.weight`` and ``prefix.bias``. Raises InputFileError where they do not fit together."""
    from torch import nn

    weight, bias = weights.get(f"{prefix}.weight"), weights.get(f"{prefix}.bias")
    if weight is None or bias is None or weight.dim() != 2 or bias.shape != weight.shape[:1]:
        shapes = [tuple(x.shape) if x is not None else "missing" for x in (weight, bias)]
        raise InputFileError(
            f"'{name}': the layer '{shown(prefix)}' has a weight of {shapes[0]} and a bias of {shapes[1]}, which is no "
            "linear layer."
        )
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.load_state_dict({"weight": weight, "bias": bias})
    return made


def layer_norm(weights: Weights, prefix: str, name: str) -> nn.LayerNorm:
    """Return the layer norm ``prefix.weight`` and ``prefix.bias``. Raises InputFileError."""
    from torch import nn

    weight, bias = weights.get(f"{prefix}.weight"), weights.get(f"{prefix}.bias")
    if weight is None or bias is None or weight.dim() != 1 or bias.shape != weight.shape:
        raise InputFileError(f"'{name}': '{shown(prefix)}' is no layer norm.")
    made = nn.LayerNorm(len(weight))
    made.load_state_dict({"weight": weight, "bias": bias})
    return made


def numbers(weights: Weights, prefix: str) -> list[int]:
    """Return k of each ``prefix.k.weight``, ascending."""
    found = (re.fullmatch(re.escape(prefix) + r"\.(\d+)\.weight", key) for key in weights)
    return sorted({int(match[1]) for match in found if match is not None})


def perceptron(weights: Weights, prefix: str, activation: type[nn.Module], name: str) -> list[nn.Module]:
    """Return the linear layers ``prefix.0``, ``prefix.2``, …, each followed by the activation, in their order."""
    return [part for k in numbers(weights, prefix) for part in (linear(weights, f"{prefix}.{k}", name), activation())]


def chained(parts: list[nn.Module], name: str) -> nn.Sequential:
    """Return the parts as one network. Raises InputFileError where one's outputs are not the next one's inputs."""
    from torch import nn

    before: nn.Linear | None = None
    for part in parts:
        if isinstance(part, nn.Linear):
            if before is not None and before.out_features != part.in_features:
                raise InputFileError(
                    f"'{name}': a layer gives {before.out_features} numbers and the next one takes {part.in_features}, so the "
                    "file is damaged."
                )
            before = part
    return nn.Sequential(*parts).eval().requires_grad_(False)


class TorchNetwork(Stateless):
    """A torch module without a memory as a `hitl.agents.agent.Network`."""

    def __init__(self, module: nn.Module, inputs: int | None) -> None:
        import torch

        self.module, self.inputs, self._torch = module, inputs, torch

    def __call__(self, shown: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return outputs (B, K) for what is shown (B, I)."""
        with self._torch.inference_mode():
            return self.module(self._torch.tensor(shown, dtype=self._torch.float32)).numpy()
