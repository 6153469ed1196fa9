"""An agent and ours beside it as one program: observations (B, O) and metres along the track (B,) in, actions (B, A) out.

Where the human helped, the actions are our actor's, and the agent's own elsewhere, as in `hitl.agents.beside.BesidePolicy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from data.errors import UsageError
from hitl.agents.actions import Continuous, Table
from hitl.agents.agent import Agent
from hitl.agents.export.programs import driving_module
from hitl.agents.formats.checkpoint import CheckpointNetwork
from hitl.agents.formats.programs import TorchScriptNetwork
from hitl.agents.layers import TorchNetwork

if TYPE_CHECKING:
    from torch import Tensor, nn


def together(agent: Agent, ours: nn.Module, zones: Sequence[tuple[float, float]]) -> nn.Module:
    """Return a module (B, O), (B,) to (B, A): ``ours`` (B, O) to (B, A) in the zones (metres), and the agent elsewhere.

    Raises UsageError for an agent that remembers, or whose network is not torch's.
    """
    import torch
    from torch import nn

    theirs = agent_module(agent)

    class Together(nn.Module):
        begins: Tensor
        ends: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.theirs, self.ours = theirs, ours
            self.register_buffer("begins", torch.tensor([low for low, _ in zones]))
            self.register_buffer("ends", torch.tensor([high for _, high in zones]))

        def forward(self, observation: Tensor, progress: Tensor) -> Tensor:
            metre = progress[:, None]
            inside = ((metre >= self.begins) & (metre <= self.ends)).any(1, keepdim=True)
            return torch.where(inside, self.ours(observation), self.theirs(observation))

    return Together().eval().requires_grad_(False)


def agent_module(agent: Agent) -> nn.Module:
    """Return what an agent does as a module of its own, (B, O) to (B, A). Raises UsageError where that cannot be."""
    import torch
    from torch import nn

    network, shown = agent.network, agent.shown
    if agent.remembers or not isinstance(network, TorchNetwork | CheckpointNetwork | TorchScriptNetwork):
        what = "remembers what it saw" if agent.remembers else "is no program of torch"
        raise UsageError(
            f"The agent '{agent.identity.name}' {what}, so it cannot be one program with ours. The two drive together only here."
        )
    body = driving_module(network.actor) if isinstance(network, CheckpointNetwork) else network.module
    actions, seen = agent.actions, shown.normalization
    assert isinstance(actions, Table | Continuous)
    made = _Rows(actions) if isinstance(actions, Table) else _Range(actions)

    class Alone(nn.Module):
        mean: Tensor
        scale: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.body, self.made = body, made
            if seen is not None:
                self.register_buffer("mean", torch.from_numpy(seen.mean))
                self.register_buffer("scale", torch.from_numpy(seen.var + seen.epsilon).sqrt())

        def forward(self, observation: Tensor) -> Tensor:
            if seen is not None:
                observation = ((observation.double() - self.mean) / self.scale).clamp(-seen.clip, seen.clip).float()
            given = self.body(observation)
            done: Tensor = self.made(given[0] if isinstance(given, tuple | list) else given)
            return done

    return Alone().eval().requires_grad_(False)


def _Rows(actions: Table) -> nn.Module:  # noqa: N802 (stands for a module's class, without importing torch to say so)
    """Return the layer that makes scores (B, N) the best row of a table, or numbers (B,) that row."""
    import torch
    from torch import nn

    class Rows(nn.Module):
        rows: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("rows", torch.from_numpy(actions.rows))

        def forward(self, outputs: Tensor) -> Tensor:
            scores = outputs.dim() == 2 and outputs.shape[1] > 1
            return self.rows[outputs.argmax(1) if scores else outputs.reshape(-1).long()]

    return Rows()


def _Range(actions: Continuous) -> nn.Module:  # noqa: N802 (as above)
    """Return the layer that makes outputs (B, A) actions in [-1, 1]: `hitl.agents.actions.Continuous` in torch."""
    import torch
    from torch import nn

    squashed = actions.squashed

    class Range(nn.Module):
        low: Tensor
        high: Tensor
        around: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("low", torch.from_numpy(actions.low))
            self.register_buffer("high", torch.from_numpy(actions.high))
            self.register_buffer("around", torch.from_numpy(actions.around))

        def forward(self, outputs: Tensor) -> Tensor:
            x = outputs.double()
            if squashed:
                x = self.low + 0.5 * (x + 1.0) * (self.high - self.low)
            x = torch.minimum(torch.maximum(x, self.low), self.high)
            # An end at 0 divides by 1 here: nothing lies beyond it.
            up, down = torch.where(self.high == 0, 1.0, self.high), torch.where(self.low == 0, 1.0, self.low)
            centred = torch.where(x > 0, x / up, -x / down)
            spread = 2.0 * (x - self.low) / (self.high - self.low) - 1.0
            return torch.where(self.around, centred, spread).clamp(-1.0, 1.0).float()

    return Range()
