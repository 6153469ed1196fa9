"""Ensembles of multilayer perceptrons with a backward pass written by hand.

A hidden layer is Linear, LayerNorm (when wanted; Ba et al. 2016), ReLU: the order of RLPD (Ball et al. 2023, sec. 4.2). A whole
ensemble is a dozen matrix products and little else, without autograd's bookkeeping, in memory that is used again and again.
"""

from __future__ import annotations

import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from trainer.config import TrainConfig
from trainer.networks.registry import Shape

EPS = 1e-5
_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default  # a form by its name: none is looked for in each call
_relu_backward = torch.ops.aten.threshold_backward.grad_input
_P = ParamSpec("_P")
_R = TypeVar("_R")


def without_graph(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Do as ``torch.no_grad()``, which itself is asked for only where it is not on: within an update it always is."""
    off = torch.no_grad()(method)

    @functools.wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return (off if torch.is_grad_enabled() else method)(*args, **kwargs)

    return call


class Tape(ABC):
    """What a forward pass leaves behind so that one backward pass can follow: ``back`` or ``slope``, once."""

    @property
    @abstractmethod
    def out(self) -> Tensor:
        """(E, B, O), graph-free; to be asked for before the backward pass."""

    @abstractmethod
    def back(self, gradient: Tensor, *, inputs: bool = False, parameters: bool = True) -> Tensor | None:
        """Take dL/d(out); add dL/d(parameters) to their ``.grad``; return dL/d(inputs) if asked."""

    def slope(self, value: float, columns: slice) -> Tensor:
        """Return dL/d(inputs) of some ``columns``, when dL/d(out) is ``value`` everywhere; the parameters are left alone."""
        g = self.back(torch.full_like(self.out, value), inputs=True, parameters=False)
        assert g is not None
        return g[..., columns]


class MlpEnsemble(nn.Module):
    """``members`` perceptrons of the same shape, each with weights of its own.

    Maps (B, ``inputs``), or (E, B, ``inputs``) with an input for each member, to (E, B, ``outputs``).
    Weights start as torch's ``nn.Linear`` does: uniform within 1/sqrt(fan-in).
    """

    def __init__(
        self, members: int, inputs: int, outputs: int, hidden: int, layers: int, layer_norm: bool = True
    ) -> None:
        super().__init__()
        self.members, self.layers, self.layer_norm = members, layers, layer_norm
        self._hidden: list[tuple[str, str, str, str]] = []
        """Of each hidden layer: the names of its weight, bias, gain and shift."""
        self._last = f"weight{layers}", f"bias{layers}"
        for i, (a, b) in enumerate(itertools.pairwise([inputs, *[hidden] * layers, outputs])):
            bound = 1 / math.sqrt(a)
            self._add(f"weight{i}", torch.empty(members, a, b).uniform_(-bound, bound))
            self._add(f"bias{i}", torch.empty(members, 1, b).uniform_(-bound, bound))
            if i < layers:
                self._hidden.append((f"weight{i}", f"bias{i}", f"gain{i}", f"shift{i}"))
            if layer_norm and i < layers:
                self._add(f"gain{i}", torch.ones(members, 1, b))
                self._add(f"shift{i}", torch.zeros(members, 1, b))
        self._pool: dict[tuple[int, ...], list[Tensor]] = {}

    def _add(self, name: str, value: Tensor) -> None:
        self.register_parameter(name, nn.Parameter(value))

    def take(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return a tensor of this shape with any content, used before or new."""
        free = self._pool.get(shape)
        return free.pop() if free else torch.empty(shape, dtype=like.dtype, device=like.device)

    def give(self, *tensors: Tensor) -> None:
        """Let these be used again."""
        for x in tensors:
            self._pool.setdefault(tuple(x.shape), []).append(x)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_pool": {}}

    @without_graph
    def run(self, x: Tensor, *, members: Tensor | None = None) -> MlpTape:
        """Return outputs and tape for inputs (B, I) or (E, B, I); ``members`` (K,) picks some of the ensemble."""
        return MlpTape(self, x, members)

    def forward(self, x: Tensor, *, members: Tensor | None = None) -> Tensor:
        """Return the outputs (E, B, O), outside of any graph: gradients go by ``run`` and ``back``."""
        tape = self.run(x, members=members)
        out = tape.out
        tape.free()
        return out


def mlp(config: TrainConfig, shape: Shape, inputs: int | None = None) -> MlpEnsemble:
    """Return the ensemble that the settings describe; ``inputs`` replaces the shape's."""
    inputs = shape.inputs if inputs is None else inputs
    return MlpEnsemble(shape.members, inputs, shape.outputs, config.hidden, config.layers, shape.layer_norm)


class MlpTape(Tape):
    """One pass through an ``MlpEnsemble``."""

    def __init__(self, net: MlpEnsemble, x: Tensor, members: Tensor | None) -> None:
        self.net, self.shared = net, x.dim() == 2
        p: dict[str, Tensor] = net._parameters  # type: ignore[assignment]
        if members is not None:
            p = {name: value[members] for name, value in p.items()}
        self.p = p
        count = net.members if members is None else len(members)
        h = x.expand(count, *x.shape) if self.shared else x
        self.saved: list[tuple[Tensor, ...]] = []
        for weight_name, bias_name, gain_name, shift_name in net._hidden:
            weight, bias = p[weight_name], p[bias_name]
            shape = count, h.shape[1], weight.shape[2]
            linear = net.take(shape, h)
            if net.layer_norm:
                torch.baddbmm(bias, h, weight, out=linear)
                # Unit gain first: the gain differs between members, and the unscaled output is what backward needs.
                one, zero = _units(shape[2], linear.dtype, linear.device)
                unit, mean, rstd = torch.native_layer_norm(linear, shape[2:], one, zero, EPS)
                out = net.take(shape, linear)
                torch.addcmul(p[shift_name], unit, p[gain_name], out=out).relu_()
                self.saved.append((h, linear, unit, mean, rstd))
            else:
                out = linear
                if count == 1:  # one step on a GPU
                    torch._addmm_activation(bias[0, 0], h[0], weight[0], out=out[0])
                else:
                    torch.baddbmm(bias, h, weight, out=out).relu_()
                self.saved.append((h,))
            h = out
        self.h = h
        self._out: Tensor | None = None

    @property
    @without_graph
    def out(self) -> Tensor:
        """See ``Tape.out``. Worked out when first asked for: the actor's step needs only its slope."""
        if self._out is None:
            weight_name, bias_name = self.net._last
            bias, weight = self.p[bias_name], self.p[weight_name]
            # The few outputs as rows, the batch as columns: on a CPU a product that is narrow costs up to four times as much.
            flipped = torch.baddbmm(bias.transpose(1, 2), weight.transpose(1, 2), self.h.transpose(1, 2))
            self._out = flipped.transpose(1, 2)
        return self._out

    def free(self) -> None:
        """Give the memory back without a backward pass."""
        for i, part in enumerate(self.saved):
            if i:
                self.net.give(part[0])
            if self.net.layer_norm:
                self.net.give(part[1])
        if self.saved:
            self.net.give(self.h)
        self.saved = []

    @without_graph
    def back(
        self, gradient: Tensor, *, inputs: bool = False, parameters: bool = True, replace: bool = False
    ) -> Tensor | None:
        """See ``Tape.back``; ``replace``: the ``.grad`` are written anew, whatever was in them.

        ``gradient`` may be that of the first rows alone: the others then have no part in the loss.
        """
        net, h = self.net, self.h
        (weight_name, bias_name), p = net._last, self.p
        if gradient.shape[1] < h.shape[1]:
            h = h[:, : gradient.shape[1]]
        if parameters:
            weight, bias = p[weight_name].grad, p[bias_name].grad
            assert weight is not None
            assert bias is not None
            if replace and h.device.type != "cpu":
                torch.bmm(h.transpose(1, 2), gradient, out=weight)
            else:
                flipped = net.take((weight.shape[0], weight.shape[2], weight.shape[1]), gradient)
                torch.bmm(gradient.transpose(1, 2), h, out=flipped)  # as in ``out``
                (weight.copy_ if replace else weight.add_)(flipped.transpose(1, 2))
                net.give(flipped)
            self._put_rows(bias, gradient, replace)
        g = net.take(tuple(h.shape), h)
        torch.bmm(gradient, p[weight_name].transpose(1, 2), out=g)
        g = _relu_backward(g, h, 0, grad_input=g)
        return self._down(g, slice(None) if inputs else None, parameters, replace)

    @staticmethod
    def _put_rows(grad: Tensor, g: Tensor, replace: bool) -> None:
        """Put the sum over the rows of ``g`` (E, B, H) into ``grad`` (E, 1, H)."""
        if replace:
            torch.sum(g, 1, keepdim=True, out=grad)
        else:
            grad.add_(g.sum(1, keepdim=True))

    @without_graph
    def slope(self, value: float, columns: slice) -> Tensor:
        """See ``Tape.slope``. Every row sends the same down into the last hidden layer: the sum of a unit's weights."""
        same = self.p[self.net._last[0]].sum(2).unsqueeze(1)
        g = self.net.take(tuple(self.h.shape), self.h)
        g = _relu_backward(same.expand_as(self.h), self.h, 0, grad_input=g)
        result = self._down(g, columns, False, False, value)
        assert result is not None
        return result

    def _down(
        self, g: Tensor, columns: slice | None, parameters: bool, replace: bool, factor: float = 1.0
    ) -> Tensor | None:
        """Go on from ``g``, dL/d(last hidden layer) before its ReLU, down to ``columns`` of the inputs (None: not wanted).

        ``factor``: what those are multiplied by.
        """
        net, p, rows = self.net, self.p, g.shape[1]
        whole = rows == self.h.shape[1]
        for i in range(net.layers - 1, -1, -1):
            weight_name, bias_name, gain_name, shift_name = net._hidden[i]
            h, *norm = self.saved[i] if whole else [part[:, :rows] for part in self.saved[i]]
            if net.layer_norm:
                linear, unit, mean, rstd = norm
                gain, before = p[gain_name], g
                if parameters:
                    self._put_rows(p[shift_name].grad, g, replace)  # type: ignore[arg-type]
                    scaled = net.take(tuple(g.shape), g)
                    self._put_rows(gain.grad, torch.mul(g, unit, out=scaled), replace)  # type: ignore[arg-type]
                    net.give(scaled)
                g.mul_(gain)
                g = _layer_norm_backward(g, linear, linear.shape[-1:], mean, rstd, None, None, [True, False, False])[0]
                net.give(before)
            weight = p[weight_name]
            if parameters:
                # Straight into the gradient: no temporary, no copy.
                weight.grad.baddbmm_(h.transpose(1, 2), g, beta=0 if replace else 1)  # type: ignore[union-attr]
                self._put_rows(p[bias_name].grad, g, replace)  # type: ignore[arg-type]
            if i:
                below = net.take(tuple(h.shape), h)
                torch.bmm(g, weight.transpose(1, 2), out=below)
                if not net.layer_norm:
                    net.give(g)
                g = _relu_backward(below, h, 0, grad_input=below)
        result = None
        if columns is not None:
            weight = p["weight0"][:, columns].transpose(1, 2)
            result = g.new_empty((*g.shape[:2], weight.shape[2])).baddbmm_(g, weight, beta=0, alpha=factor)
            if self.shared:
                result = result.sum(0)
        if not net.layer_norm:
            net.give(g)
        self.free()
        return result


@functools.cache
def _units(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return ones and zeros (H,): with them LayerNorm runs faster than with no affine part at all."""
    return torch.ones(size, dtype=dtype, device=device), torch.zeros(size, dtype=dtype, device=device)
