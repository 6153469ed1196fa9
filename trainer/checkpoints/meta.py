"""What a checkpoint says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from data.fields import MOST_NAMES, Name, checked

if TYPE_CHECKING:
    from trainer.learner.learner import Learner

FORMAT = 1
_Names = Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_NAMES)]
_Counter = Annotated[int, Meta(ge=0, lt=2**53)]


@dataclass(frozen=True)
class CheckpointMeta:
    """What a checkpoint says about itself."""

    observation_names: _Names
    action_names: _Names
    config: dict[str, Any]
    updates: _Counter
    env_steps: _Counter
    kind: str = "train"
    """``train`` (the daemon's), ``stall`` (learned in-process)."""
    numbers: dict[str, int | float] = field(default_factory=dict)
    """Counters of the learner and the daemon."""
    tracks: dict[Name, Name] = field(default_factory=dict)
    """What it has learned on: names of tracks by their digests (``data.tables.tracks``)."""
    format: _Counter = FORMAT

    @classmethod
    def from_json(cls, values: Any) -> CheckpointMeta:
        """Return the description that a file holds. Raises ValueError when a field is missing or not what it may be."""
        meta: CheckpointMeta = checked(values, cls, "description")
        for name, value in meta.numbers.items():
            counts = name in ("updates", "env_steps", "online_steps") or name.startswith("steps.")
            if not abs(value) < 2**53 or (value < 0 and counts):
                raise ValueError(f"invalid counter: {name}")
        return meta

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
