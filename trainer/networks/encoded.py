"""Networks that first make a few features of what they see, by autograd, and then go on as the mlp does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from trainer.networks.mlp import MlpEnsemble, Tape


class EncodedTape(Tape):
    """A pass through an encoder and the heads behind it."""

    def __init__(self, net: EncodedEnsemble, x: Any, members: Tensor | None) -> None:
        self.net = net
        with torch.set_grad_enabled(net.trains_encoder):
            plain, self.features, action = net.parts(x)
        self.where = slice(plain.shape[1], plain.shape[1] + self.features.shape[1])
        with torch.no_grad():
            self.tape = net.head.run(torch.cat((plain, self.features.detach(), action), 1), members=members)

    @property
    def out(self) -> Tensor:
        """See ``Tape.out``."""
        return self.tape.out

    def back(self, gradient: Tensor, *, inputs: bool = False, parameters: bool = True) -> Tensor | None:
        """See ``Tape.back``; of the inputs, the action's alone (B, A): pictures and the past are as they are."""
        g = self.tape.back(gradient, inputs=True, parameters=parameters)
        assert g is not None
        if parameters and self.net.trains_encoder:
            # The .grad of every parameter stays the view that it is: it is added to in place.
            torch.autograd.backward(self.features, g[:, self.where], inputs=list(self.net.encoder.parameters()))
        return g[:, self.where.stop :] if inputs else None

    def slope(self, value: float, columns: slice) -> Tensor:
        """See ``Tape.slope``; ``columns`` of the action."""
        return self.tape.slope(value, slice(self.where.stop, None))[:, columns]


class EncodedEnsemble(nn.Module, ABC):
    """``members`` heads (``trainer.networks.mlp``) behind one encoder that they share; the same face as ``MlpEnsemble``."""

    encoder: nn.Module
    head: MlpEnsemble
    """Registered last: the last of all biases is its."""
    trains_encoder = True
    """Whether a loss of this ensemble changes its encoder. If not, the encoder is another's (see ``see_with``)."""

    @abstractmethod
    def parts(self, x: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Return what goes straight to the heads (B, K), the encoder's features (B, F) and the action (B, A), A 0 in an actor."""

    @torch.no_grad()
    def see_with(self, other: EncodedEnsemble) -> None:
        """Take over the weights of another one's encoder. Each keeps its own copy, so that an actor alone can drive."""
        for mine, theirs in zip(self.encoder.parameters(), other.encoder.parameters(), strict=True):
            mine.copy_(theirs)

    def sees_with(self, other: EncodedEnsemble) -> bool:
        """Whether both encoders are the same."""
        pairs = zip(self.encoder.parameters(), other.encoder.parameters(), strict=True)
        return all(torch.equal(mine, theirs) for mine, theirs in pairs)

    def run(self, x: Any, *, members: Tensor | None = None) -> EncodedTape:
        """Return outputs and tape; see ``MlpEnsemble.run``."""
        return EncodedTape(self, x, members)

    def forward(self, x: Any, *, members: Tensor | None = None) -> Tensor:
        """Return (E, B, O), outside of any graph."""
        with torch.no_grad():
            return self.head(torch.cat(self.parts(x), 1), members=members)
