"""Ensembles of residual networks: the reference recipe's body and SimBa's."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from trainer.config import TrainConfig
from trainer.networks.mlp import Tape
from trainer.networks.registry import Shape


class _Linear(nn.Module):
    """E linear maps side by side; ``gain`` makes the start orthogonal with zero bias, else it is torch's uniform one."""

    def __init__(self, members: int, inputs: int, outputs: int, gain: float | None = None) -> None:
        super().__init__()
        weight = torch.empty(members, inputs, outputs)
        bound = 1 / math.sqrt(inputs)
        if gain is None:
            weight.uniform_(-bound, bound)
        else:
            for w in weight:
                nn.init.orthogonal_(w, gain)
        self.weight = nn.Parameter(weight)
        bias = torch.zeros(members, 1, outputs)
        self.bias = nn.Parameter(bias if gain is not None else bias.uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class _Norm(nn.Module):
    """LayerNorm with gain and shift of each member's own."""

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(members, 1, size))
        self.shift = nn.Parameter(torch.zeros(members, 1, size))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, nn.functional.layer_norm(x, x.shape[-1:]), self.gain)


class GraphTape(Tape):
    """A pass through any module by autograd."""

    def __init__(self, net: GraphEnsemble, x: Tensor, members: Tensor | None) -> None:
        self.net = net
        with torch.enable_grad():
            self.x = x.detach().requires_grad_()
            count = net.members if members is None else len(members)
            wide = self.x if x.dim() == 3 else self.x.expand(count, *x.shape)
            if members is None:
                self.result = net.body(wide)
            else:
                values = {f"net.{name}": p[members] for name, p in net.named_parameters()}
                self.result = torch.func.functional_call(_Body(net), values, (wide,))

    @property
    def out(self) -> Tensor:
        """See ``Tape.out``."""
        return self.result.detach()

    def back(self, gradient: Tensor, *, inputs: bool = False, parameters: bool = True) -> Tensor | None:
        """See ``Tape.back``."""
        wanted = [self.x] if inputs else []
        if parameters:
            # All parameters keep the .grad they have (views into one vector), so it is added to in place.
            torch.autograd.backward(self.result, gradient, inputs=wanted + list(self.net.parameters()))
            return self.x.grad
        return torch.autograd.grad(self.result, wanted, gradient)[0] if inputs else None


class GraphEnsemble(nn.Module, ABC):
    """An ensemble that leaves its backward pass to autograd; the same face as ``trainer.networks.mlp.MlpEnsemble``."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members

    def run(self, x: Tensor, *, members: Tensor | None = None) -> GraphTape:
        """Return outputs and tape; see ``MlpEnsemble.run``."""
        return GraphTape(self, x, members)

    def forward(self, x: Tensor, *, members: Tensor | None = None) -> Tensor:
        """Return (E, B, O), outside of any graph."""
        with torch.no_grad():
            return self.run(x, members=members).out

    @abstractmethod
    def body(self, x: Tensor) -> Tensor:
        """Map (E, B, I) to (E, B, O)."""


class _Body(nn.Module):
    """``body`` as a forward, for ``functional_call``."""

    def __init__(self, net: GraphEnsemble) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.body(x)


class _ResidualBlock(nn.Module):
    """[Linear, LayerNorm, SiLU] twice, around a skip."""

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        gain = math.sqrt(2)
        self.one, self.norm_one = _Linear(members, size, size, gain), _Norm(members, size)
        self.two, self.norm_two = _Linear(members, size, size, gain), _Norm(members, size)

    def forward(self, x: Tensor) -> Tensor:
        silu = nn.functional.silu
        return x + silu(self.norm_two(self.two(silu(self.norm_one(self.one(x))))))


class _SimbaBlock(nn.Module):
    """[LayerNorm, Linear to four times the width, ReLU, Linear back] around a skip."""

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        gain = math.sqrt(2)
        self.norm = _Norm(members, size)
        self.wide, self.back = _Linear(members, size, 4 * size, gain), _Linear(members, 4 * size, size, gain)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.back(self.wide(self.norm(x)).relu())


class ResidualEnsemble(GraphEnsemble):
    """The reference recipe's body: LayerNorm(input), Linear, LayerNorm, SiLU, then ``layers`` residual blocks of
    [Linear, LayerNorm, SiLU, Linear, LayerNorm, SiLU] and a last layer; block weights start orthogonal with zero bias.

    A critic's action, at the end of x, skips the backbone and enters a Linear and SiLU with its output before the last layer.
    """

    def __init__(self, config: TrainConfig, shape: Shape) -> None:
        members, hidden, late = shape.members, config.hidden, shape.actions
        super().__init__(members)
        self.early = early = shape.inputs - late
        self.norm = _Norm(members, early)
        self.first, self.first_norm = _Linear(members, early, hidden), _Norm(members, hidden)
        self.blocks = nn.Sequential(*(_ResidualBlock(members, hidden) for _ in range(config.layers)))
        self.join = _Linear(members, hidden + late, hidden) if late else None
        self.last = _Linear(members, hidden, shape.outputs)

    def body(self, x: Tensor) -> Tensor:
        """Map (E, B, I) to (E, B, O)."""
        silu = nn.functional.silu
        h = silu(self.first_norm(self.first(self.norm(x[..., : self.early]))))
        h = self.blocks(h)
        if self.join is not None:
            h = silu(self.join(torch.cat((h, x[..., self.early :]), -1)))
        return self.last(h)


class SimbaEnsemble(GraphEnsemble):
    """SimBa (Lee et al. 2025): Linear, then ``layers`` pre-norm residual blocks [LayerNorm, Linear to 4 times the width,
    ReLU, Linear back], a LayerNorm and a last layer. Instead of the paper's running normalisation of inputs there is
    ``scale_observations``."""

    def __init__(self, config: TrainConfig, shape: Shape) -> None:
        members, hidden = shape.members, config.hidden
        super().__init__(members)
        self.first = _Linear(members, shape.inputs, hidden, 1.0)
        self.blocks = nn.Sequential(*(_SimbaBlock(members, hidden) for _ in range(config.layers)))
        self.norm = _Norm(members, hidden)
        self.last = _Linear(members, hidden, shape.outputs, 1.0)

    def body(self, x: Tensor) -> Tensor:
        """Map (E, B, I) to (E, B, O)."""
        return self.last(self.norm(self.blocks(self.first(x))))
