"""A checkpoint of hitl as an agent that does not change: the actor that drives without noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import InputFileError
from trainer.checkpoints.meta import CheckpointMeta


class CheckpointNetwork:
    """The actor in a file. Raises CheckpointError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        import torch

        from trainer.checkpoints.files import load_policy

        self._torch = torch
        self.actor, self.meta = load_policy(path)
        self.inputs: int | None = len(self.meta.observation_names)
        self.reset()
        self.remembers = self._memory is not None

    def __call__(self, shown: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return outputs (B, A) for observations (B, O)."""
        return self.actor.act(self._torch.tensor(shown, dtype=self._torch.float32), True, None, self._memory).numpy()

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """The step was made with this action (A,)."""
        if self._memory is not None:
            self._memory.stepped(self._torch.tensor(executed, dtype=self._torch.float32)[None])

    def reset(self) -> None:
        """An episode begins."""
        from trainer.networks.actor_critic import remember

        self._memory = remember(self.actor)


def check_names(meta: CheckpointMeta, name: str, observation_names: tuple[str, ...], action_names: tuple[str, ...]) -> None:
    """Raise InputFileError unless a checkpoint was made for these numbers, in this order."""
    for kind, here, there in (
        ("observation", observation_names, tuple(meta.observation_names)),
        ("action", action_names, tuple(meta.action_names)),
    ):
        if here != there:
            apart = next((f"'{b}' where this session has '{a}'" for a, b in zip(here, there, strict=False) if a != b), "")
            also = f", among them {apart}" if apart else ""
            raise InputFileError(
                f"The checkpoint '{name}' was trained for {len(there)} {kind} numbers{also}, and this session has {len(here)}: "
                "use the environment and the settings it was trained with."
            )
