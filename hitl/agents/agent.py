"""What an agent from elsewhere is to hitl: it answers observations with actions, and nothing changes it.

An agent is three parts: what it is shown (`Preprocessing`), its own network (`Network`, one file a format in
``hitl/agents/formats``), and what its outputs stand for (`hitl.agents.actions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError
from hitl.agents.actions import Actions
from hitl.agents.preprocessing import Preprocessing

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AgentIdentity:
    """What an agent is known by, wherever its file lies: no folder is part of it."""

    kind: str
    """The form and, where it says so, the algorithm: ``SAC``, ``tmrl``, ``TorchScript``, ``ONNX``, ``checkpoint``, ``Python``."""
    name: str
    """The name of the file, or ``module:callable``."""
    sha256: str
    """Of the file; of the module's source for ``module:callable``, "" where there is none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What it was opened with: ``stack``, ``range``, and the sha256 of ``normalize`` and ``actions``, as far as given."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


class AgentNetwork(Protocol):
    """An agent's own network. ``inputs`` is how many numbers it takes, None where only trying tells."""

    inputs: int | None
    remembers: bool

    def __call__(self, shown: Floats, /) -> NDArray[Any]:
        """Return outputs (B, K), or (B,) indices, for what is shown (B, I); B is 1 for a network that remembers."""

    def stepped(self, executed: Floats) -> None:
        """The step was made with this action (A,)."""

    def reset(self) -> None:
        """An episode begins."""


class Stateless:
    """The rest of a `Network` that remembers nothing."""

    remembers = False

    def stepped(self, executed: Floats) -> None:
        """Nothing to note."""

    def reset(self) -> None:
        """Nothing to forget."""


class Agent:
    """An agent that drives and is never changed. Observations and actions are the session's, in its order and units.

    Raises InputFileError when its three parts do not fit the session.
    """

    def __init__(self, identity: AgentIdentity, network: AgentNetwork, shown: Preprocessing, actions: Actions) -> None:
        self._identity, self.network, self._shown, self.actions = identity, network, shown, actions
        self._try_out()

    @property
    def identity(self) -> AgentIdentity:
        """What it is known by."""
        return self._identity

    @property
    def remembers(self) -> bool:
        """Whether an answer depends on what was seen before: by a memory, or by stacked observations."""
        return self.network.remembers or self._shown.stack > 1

    @property
    def shown(self) -> Preprocessing:
        """What it is shown of an observation."""
        return self._shown

    def act(self, observation: Floats) -> Floats:
        """Return the action (A,) in [-1, 1] for the next observation (O,) of the running episode."""
        return self.actions(self.network(self._shown(observation)[None]))[0]

    def stepped(self, executed: Floats) -> None:
        """The step was made with this action (A,), whoever drove."""
        self.network.stepped(executed)

    def reset(self) -> None:
        """An episode begins."""
        self._shown.reset()
        self.network.reset()

    def act_many(self, observations: Floats) -> Floats:
        """Return actions (B, A) for observations (B, O) that have nothing to do with each other.

        Raises ValueError for an agent that remembers: ask `follow` there.
        """
        if self.remembers:
            raise ValueError("an agent that remembers is asked along an episode: follow")
        return self.actions(self.network(self._shown.many(observations)))

    def follow(self, observations: Floats, executed: Floats | None = None) -> Floats:
        """Return the actions (T, A) that it would have chosen along an episode (T, O), from its first step.

        ``executed`` (T, A): what was done instead; None: what it chose. The running episode, if any, is forgotten.
        """
        self.reset()
        if not self.network.remembers:
            shown = np.stack([self._shown(o) for o in observations]) if len(observations) else self._shown.many(observations)
            return self.actions(self.network(shown))
        chosen = []
        for k, observation in enumerate(observations):
            chosen.append(self.act(observation))
            self.stepped(chosen[-1] if executed is None else executed[k])
        self.reset()
        return np.stack(chosen) if chosen else np.zeros((0, self.actions.size), np.float32)

    def _try_out(self) -> None:
        """Ask it once, so that what does not fit is said now and not in the first tick."""
        self.reset()
        outputs = self.network(self._shown(np.zeros(self._shown.size, np.float32))[None])
        if (reason := self.actions.misfit(outputs)) is not None:
            raise InputFileError(f"The agent '{self._identity.name}' cannot drive here: {reason}")
        self.reset()
