"""Parameters as one vector: Adam, clipping and Polyak averaging are then a handful of vector operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.learner.schedule import Scalar
from trainer.networks.mlp import without_graph


class FlatParameters:
    """Lays the parameters of ``module`` into one vector and their gradients into another.

    Each parameter stays what it was, a named tensor of its own shape, but its memory is a view into ``values`` and its
    ``.grad`` a view into ``gradient``. Backward passes add into these views, so nothing is gathered or copied.
    Call ``zero`` before each backward pass; never set ``.grad`` to None.
    """

    def __init__(self, module: nn.Module, trainable: bool = True) -> None:
        parameters = list(module.parameters())
        first = parameters[0]
        size = sum(p.numel() for p in parameters)
        self.values = torch.empty(size, dtype=first.dtype, device=first.device)
        self.gradient = torch.zeros_like(self.values) if trainable else torch.empty(0)
        start = 0
        for p in parameters:
            stop = start + p.numel()
            self.values[start:stop].copy_(p.detach().reshape(-1))
            p.data = self.values[start:stop].view(p.shape)
            p.requires_grad_(trainable)
            if trainable:
                p.grad = self.gradient[start:stop].view(p.shape)
            start = stop

    def zero(self) -> None:
        """Set the gradient to zero."""
        self.gradient.zero_()

    def clip(self, largest: float | None) -> Tensor:
        """Scale the gradient down to the norm ``largest`` if it is longer; return the norm before (0-d, no sync)."""
        norm = self.norm()
        if largest is not None:
            self.gradient.div_(too_long_by(norm, largest))
        return norm

    def norm(self) -> Tensor:
        """Return the norm of the gradient (0-d, no sync)."""
        return torch.linalg.vector_norm(self.gradient)


def too_long_by(norm: Tensor, largest: float) -> Tensor:
    """Return what a gradient of this norm (0-d) is to be divided by so that it is no longer than ``largest``; 1 at least."""
    return norm.add(1e-6).div_(largest).clamp_(min=1.0)


class FlatOptimiser:
    """Adam (Kingma and Ba 2015) with optional decoupled decay (AdamW), on one flat vector."""

    def __init__(
        self,
        flat: FlatParameters,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        self.flat, self.betas, self.weight_decay = flat, betas, weight_decay
        self.first = torch.zeros_like(flat.values)
        self.second = torch.zeros_like(flat.values)
        self._count = torch.zeros((), device=flat.values.device)
        """Steps done. It counts on the device, up to 2^24; the correction that it is for is 1 long before."""

    @property
    def steps(self) -> int:
        """Steps done (one host sync)."""
        return int(self._count)

    @without_graph
    def step(self, lr: Scalar, divisor: Tensor | None = None, *, counted: bool = False) -> None:
        """Move the parameters once along the gradient.

        ``divisor`` (0-d): what that is divided by first, in the same pass. ``counted``: see ``count_steps``.
        """
        if not counted:
            count_steps(self)
        if divisor is not None and divisor.dtype != torch.float32:  # the fused pass reads it in single precision
            self.flat.gradient.div_(divisor)
            divisor = None
        # What torch.optim calls in the end, on the one vector: what it does before costs up to 5 % of a whole update.
        move = torch._fused_adamw_ if self.weight_decay else torch._fused_adam_
        move(
            [self.flat.values],
            [self.flat.gradient],
            [self.first],
            [self.second],
            [],
            [self._count],
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            grad_scale=divisor,
        )

    def reset(self) -> None:
        """Forget what was averaged."""
        for part in (self.first, self.second, self._count):
            part.zero_()

    def state(self) -> dict[str, Tensor]:
        """Return the moments, by name (references, not copies)."""
        return {"first": self.first, "second": self.second}

    def load(self, first: Tensor, second: Tensor, steps: int) -> None:
        """Take moments and the count of steps back."""
        self.first.copy_(first)
        self.second.copy_(second)
        self._count.fill_(steps)


def count_steps(*optimisers: FlatOptimiser) -> None:
    """Count a step that each of them is about to make."""
    torch._foreach_add_([optimiser._count for optimiser in optimisers], 1)
