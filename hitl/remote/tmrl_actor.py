"""An actor for tmrl's own RolloutWorker that drives with this project's weights, which `hitl train --tmrl-weights` sends it.

    from tmrl.networking import RolloutWorker
    from hitl.remote.tmrl_actor import HitlActor
    RolloutWorker(env_cls=..., actor_module_cls=HitlActor, ...).run()

To be imported by a program that uses tmrl already: importing it imports tmrl.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tmrl.actor import ActorModule

from data.errors import CheckpointError


class HitlActor(ActorModule):
    """Acts at random until weights have come. ``updates``: how much those in force have learned."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        super().__init__(observation_space, action_space)
        self._actor: Any = None
        self._data = b""
        self.updates = 0

    def load(self, path: str | Path, device: Any) -> HitlActor:
        """Load the weights in a file, on the CPU. Invalid ones, or those of another game, change nothing."""
        from trainer.checkpoints.files import load_policy

        try:
            actor, meta = load_policy(Path(path))
        except CheckpointError as error:
            logging.warning("%s The actor keeps what it has.", error)
            return self
        if len(meta.action_names) != int(np.prod(self.action_space.shape)):
            logging.warning("The weights that came are for %d actions. The actor keeps its own.", len(meta.action_names))
            return self
        from trainer.networks.actor_critic import remember

        if self._actor is None and remember(actor) is not None:
            logging.warning(
                "These weights remember an episode, and tmrl's worker asks for each step by itself: they drive as if each step "
                "were the first. Drive with `hitl play`, or train another network (`hitl train --fresh --set network=mlp`)."
            )
        self._actor, self._data, self.updates = actor, Path(path).read_bytes(), meta.updates
        return self

    def save(self, path: str | Path) -> None:
        """Write the weights in force into a file."""
        Path(path).write_bytes(self._data)

    def act(self, obs: Any, test: bool = False) -> NDArray[np.float32]:
        """Return the action (A,) for one observation: any nest of arrays, concatenated."""
        seen = np.concatenate([np.asarray(part, np.float32).ravel() for part in _parts(obs)])
        if self._actor is not None and len(seen) != self._actor.observation_size:
            logging.warning("The weights that came are for another observation (%d numbers).", self._actor.observation_size)
            self._actor = None
        if self._actor is None:
            return np.asarray(self.action_space.sample(), np.float32)
        import torch

        action: NDArray[np.float32] = self._actor.act(torch.from_numpy(seen)[None], test)[0].numpy()
        return action


def _parts(observation: Any) -> list[Any]:
    if isinstance(observation, tuple | list):
        return [part for item in observation for part in _parts(item)]
    return [observation]
