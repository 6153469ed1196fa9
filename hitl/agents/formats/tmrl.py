"""Actors of tmrl (``.tmod``): the weights that its ``TorchActorModule.save`` writes, rebuilt by their names and shapes.

What such an actor sees is what the user's ``config.json`` makes tmrl's environment show it, part behind part, as ``--env tmrl``
does. Known are the perceptron, the GRU in front of one, and the residual network of the TQCGRAB fork (``USE_RESIDUAL_SOPHY``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError, shown
from hitl.agents.agent import AgentNetwork
from hitl.agents.archives import tensors_of
from hitl.agents.layers import TorchNetwork, Weights, chained, layer_norm, linear, numbers, perceptron

if TYPE_CHECKING:
    from torch import Tensor, nn

KNOWN = "Known are tmrl's perceptron, its GRU and the residual Sophy actor; drive any other one with module:callable."


def read(data: bytes, name: str) -> AgentNetwork:
    """Return the actor in a file; its outputs are in [-1, 1], gas, brake and steering. Raises InputFileError."""
    from torch import nn

    weights = tensors_of(data, name)
    head = [linear(weights, "mu_layer", name), nn.Tanh()] if "mu_layer.weight" in weights else None
    if head is None:
        raise InputFileError(f"'{name}' has no layer 'mu_layer', as tmrl's actors do. {KNOWN}")
    if "rnn.weight_ih_l0" in weights and numbers(weights, "mlp"):
        return GruNetwork(weights, [*perceptron(weights, "mlp", nn.ReLU, name), *head], name)
    if numbers(weights, "backbone"):
        parts = [*_residual(weights, name), *head]
    elif numbers(weights, "net") and not any(key.startswith(("cnn", "features")) for key in weights):
        parts = [*perceptron(weights, "net", nn.ReLU, name), *head]
    else:
        raise InputFileError(f"'{name}' is an actor of another kind (it has '{shown(next(iter(weights)))}'). {KNOWN}")
    return TorchNetwork(chained(parts, name), _inputs(parts))


def _inputs(parts: list[nn.Module]) -> int:
    from torch import nn

    return next(p.in_features for p in parts if isinstance(p, nn.Linear))


def _residual(weights: Weights, name: str) -> list[nn.Module]:
    """Return the residual Sophy actor's layers before its head.

    Linear, LayerNorm, SiLU, then blocks of [Linear, LayerNorm, SiLU] twice. The form with ``head_proj`` adds a block's outcome by
    1 / sqrt(blocks); the one before it by 1, and has a self-attention over its single token, which is an affine map.
    """
    from torch import nn

    places = {key.split(".")[1] for key in weights if key.startswith("backbone.")}
    blocks = sorted(int(k) for k in places if f"backbone.{k}.linear1.weight" in weights)
    other = {key.split(".")[0] for key in weights} - {
        "backbone", "layernorm_api", "attentionRNN", "head_proj", "mu_layer", "log_std_layer"
    }  # fmt: skip
    if other or blocks != list(range(3, 3 + len(blocks))) or len(places) != 2 + len(blocks):
        raise InputFileError(f"'{name}' is a residual actor of another form (it has '{shown(min(other or places))}'). {KNOWN}")
    newer = "head_proj.0.weight" in weights
    scale = len(blocks) ** -0.5 if newer and blocks else 1.0
    parts: list[nn.Module] = []
    if "layernorm_api.weight" in weights:
        parts.append(layer_norm(weights, "layernorm_api", name))
    parts += [linear(weights, "backbone.0", name), layer_norm(weights, "backbone.1", name), nn.SiLU()]
    parts += [_block(weights, f"backbone.{k}", scale, name) for k in blocks]
    if "attentionRNN.in_proj_weight" in weights:
        parts += _attention(weights, name)
    if newer:
        parts += [linear(weights, "head_proj.0", name), nn.SiLU()]
    return parts


def _block(weights: Weights, prefix: str, scale: float, name: str) -> nn.Module:
    from torch import nn

    layers: list[nn.Module] = []
    for k in (1, 2):
        layers += [linear(weights, f"{prefix}.linear{k}", name), layer_norm(weights, f"{prefix}.ln{k}", name), nn.SiLU()]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = chained(layers, name)

        def forward(self, x: Tensor) -> Tensor:
            return x + scale * self.inner(x)

    return Block()


def _attention(weights: Weights, name: str) -> list[nn.Module]:
    """Return the self-attention over one token: whatever the heads attend to, it is that token's value."""
    whole, bias = weights["attentionRNN.in_proj_weight"], weights.get("attentionRNN.in_proj_bias")
    size = whole.shape[-1]
    if whole.shape != (3 * size, size) or bias is None or bias.shape != (3 * size,):
        raise InputFileError(f"'{name}': 'attentionRNN' has weights of {tuple(whole.shape)}, which is no attention.")
    value = {"value.weight": whole[2 * size :], "value.bias": bias[2 * size :]}
    return [linear(value, "value", name), linear(weights, "attentionRNN.out_proj", name)]


class GruNetwork:
    """A GRU in front of a perceptron, as tmrl's recurrent actor; its memory begins empty with each episode."""

    remembers = True

    def __init__(self, weights: Weights, after: list[nn.Module], name: str) -> None:
        import torch

        self._torch = torch
        kept = {key.removeprefix("rnn."): value for key, value in weights.items() if key.startswith("rnn.")}
        first, layers = kept["weight_ih_l0"], sum(bool(re.fullmatch(r"weight_ih_l\d+", key)) for key in kept)
        hidden = first.shape[0] // 3
        try:
            self._gru = torch.nn.GRU(first.shape[1], hidden, layers, batch_first=True)
            self._gru.load_state_dict(kept)
        except (RuntimeError, IndexError, ValueError) as error:
            raise InputFileError(f"'{name}' is a recurrent actor of another form than a GRU. {KNOWN}") from error
        if after and isinstance(after[0], torch.nn.Linear) and after[0].in_features != hidden:
            raise InputFileError(f"'{name}': its GRU gives {hidden} numbers and the next layer takes {after[0].in_features}.")
        self._gru.eval().requires_grad_(False)
        self._after = chained(after, name)
        self.inputs: int | None = int(first.shape[1])
        self._state: Any = None

    def __call__(self, shown: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return outputs (1, K) for what is shown (1, I) in the running episode."""
        with self._torch.inference_mode():
            out, self._state = self._gru(self._torch.tensor(shown, dtype=self._torch.float32)[None], self._state)
            result: NDArray[np.float32] = self._after(out[0]).numpy()
            return result

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """It is told nothing of what was done."""

    def reset(self) -> None:
        """An episode begins."""
        self._state = None
