"""Ensembles of multilayer perceptrons with a backward pass written by hand.

One node in autograd's graph for a whole ensemble: a dozen matrix products and little else, forwards and backwards.
A hidden layer is Linear, LayerNorm (when wanted; Ba et al. 2016), ReLU: the order of RLPD (Ball et al. 2023, sec. 4.2).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

EPS = 1e-5


class _Mlp(torch.autograd.Function):
    """``apply(x, layer_norm, *parameters)``; parameters are, per hidden layer, weight (E, I, H), bias (E, 1, H) and with
    LayerNorm gain and shift (E, 1, H), then the last layer's weight and bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer_norm: bool, *parameters: Tensor) -> Tensor:
        """Map (B, I), shared by the members, or (E, B, I) to (E, B, O)."""
        members = parameters[0].shape[0]
        per_layer = 4 if layer_norm else 2
        h = x if x.dim() == 3 else x.expand(members, *x.shape)
        saved: list[Tensor] = [h]
        for i in range(0, len(parameters) - 2, per_layer):
            h = torch.baddbmm(parameters[i + 1], h, parameters[i])
            if layer_norm:
                linear = h
                # Unit gain first: the gain differs between members, and the unscaled output is what backward needs.
                unit, mean, rstd = torch.native_layer_norm(linear, linear.shape[-1:], None, None, EPS)
                h = torch.addcmul(parameters[i + 3], unit, parameters[i + 2]).relu_()
                saved += [linear, unit, mean, rstd, h]
            else:
                h = h.relu_()
                saved.append(h)
        ctx.save_for_backward(*saved, *parameters)
        ctx.layer_norm, ctx.count, ctx.shared = layer_norm, len(saved), x.dim() == 2
        return torch.baddbmm(parameters[-1], h, parameters[-2])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what needs one."""
        tensors = ctx.saved_tensors
        saved, parameters = tensors[: ctx.count], tensors[ctx.count :]
        need_x, need_p = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
        out: list[Tensor | None] = [None] * len(parameters)
        g = grads[0]
        at = ctx.count - 1
        i = len(parameters) - 2
        per_layer = 4 if ctx.layer_norm else 2
        while True:
            h = saved[at]  # what went into this layer's product
            if need_p:
                out[i] = torch.bmm(h.transpose(1, 2), g)
                out[i + 1] = g.sum(1, keepdim=True)
            if i == 0:
                break
            g = torch.bmm(g, parameters[i].transpose(1, 2))
            g = torch.ops.aten.threshold_backward(g, h, 0)
            i -= per_layer
            if ctx.layer_norm:
                linear, unit, mean, rstd = saved[at - 4 : at]
                if need_p:
                    out[i + 2] = (g * unit).sum(1, keepdim=True)
                    out[i + 3] = g.sum(1, keepdim=True)
                g.mul_(parameters[i + 2])
                g = torch.ops.aten.native_layer_norm_backward(
                    g, linear, linear.shape[-1:], mean, rstd, None, None, [True, False, False]
                )[0]
                at -= 5
            else:
                at -= 1
        gx = None
        if need_x:
            w = parameters[0]
            if ctx.shared:
                # The members share x: one product over (member, unit) instead of a sum of members.
                rows = g.transpose(0, 1).reshape(g.shape[1], -1)
                gx = rows @ w.transpose(1, 2).reshape(-1, w.shape[1])
            else:
                gx = torch.bmm(g, w.transpose(1, 2))
        return (gx, None, *out)


class MlpEnsemble(nn.Module):
    """``members`` perceptrons of the same shape, each with weights of its own.

    Maps (B, ``inputs``), or (E, B, ``inputs``) with an input for each member, to (E, B, ``outputs``).
    Weights start as torch's ``nn.Linear`` does: uniform within 1/sqrt(fan-in).
    """

    def __init__(
        self, members: int, inputs: int, outputs: int, hidden: int, layers: int, layer_norm: bool = True
    ) -> None:
        super().__init__()
        self.layer_norm = layer_norm
        sizes = [inputs, *[hidden] * layers, outputs]
        self._order: list[str] = []
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            bound = 1 / math.sqrt(a)
            self._add(f"weight{i}", torch.empty(members, a, b).uniform_(-bound, bound))
            self._add(f"bias{i}", torch.empty(members, 1, b).uniform_(-bound, bound))
            if layer_norm and i < layers:
                self._add(f"gain{i}", torch.ones(members, 1, b))
                self._add(f"shift{i}", torch.zeros(members, 1, b))
        self._frozen: list[Tensor] | None = None

    def _add(self, name: str, value: Tensor) -> None:
        self.register_parameter(name, nn.Parameter(value))
        self._order.append(name)

    def freeze_views(self) -> None:
        """Keep graph-free views of the parameters; call after their memory has been laid out for good."""
        self._frozen = [getattr(self, name).detach() for name in self._order]

    def forward(self, x: Tensor, *, frozen: bool = False, members: Tensor | None = None) -> Tensor:
        """Return the outputs; ``frozen`` lets gradients pass to ``x`` only, ``members`` (K,) picks some of the ensemble."""
        if frozen and self._frozen is not None:
            parameters = self._frozen
        else:
            parameters = [getattr(self, name) for name in self._order]
            if frozen:
                parameters = [p.detach() for p in parameters]
        if members is not None:
            parameters = [p[members] for p in parameters]
        return _Mlp.apply(x, self.layer_norm, *parameters)
