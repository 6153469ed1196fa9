"""What a checkpoint says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.learner.learner import Learner

FORMAT = 1


@dataclass(frozen=True)
class CheckpointMeta:
    """What a checkpoint says about itself."""

    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    config: dict[str, Any]
    updates: int
    env_steps: int
    kind: str = "train"
    """``train`` (the daemon's), ``stall`` (learned in-process)."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Counters of the learner and the daemon."""
    tracks: dict[str, str] = field(default_factory=dict)
    """What it has learned on: names of tracks by their digests (``data.tracks``)."""
    format: int = FORMAT

    @classmethod
    def of(
        cls,
        learner: Learner,
        observation_names: Sequence[str],
        action_names: Sequence[str],
        kind: str = "train",
        numbers: Mapping[str, float] | None = None,
        tracks: Mapping[str, str] | None = None,
    ) -> CheckpointMeta:
        """Describe a learner; ``numbers`` are added to its own counters."""
        return cls(
            observation_names=tuple(observation_names),
            action_names=tuple(action_names),
            config=learner.config.to_dict(),
            updates=learner.updates,
            env_steps=learner.env_steps,
            kind=kind,
            numbers={**learner.numbers(), **(numbers or {})},
            tracks=dict(tracks or {}),
        )
