"""What a checkpoint says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from data.fields import MOST_NAMES, Name, checked, is_text

if TYPE_CHECKING:
    from trainer.learner.learner import Learner

FORMAT = 1
_Names = Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_NAMES)]
ZONE = "zone."
"""How the names of its zones begin among its numbers: ``zone.TRACK.NUMBER.from`` and ``.to``."""
EVERYWHERE = 1e9
"""m: a zone without an end ends here."""
_Counter = Annotated[int, Meta(ge=0, lt=2**53)]


def zone_numbers(zones: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, float]:
    """Return zones as a description's numbers (see ``CheckpointMeta.zones``)."""
    return {
        f"{ZONE}{track}.{k}.{end}": min(max(metre, -EVERYWHERE), EVERYWHERE)
        for track, found in zones.items()
        for k, zone in enumerate(found)
        for end, metre in zip(("from", "to"), zone, strict=True)
    }


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
    teacher: Name = ""
    """Which agent teaches or has taught it (``frozen_teaches``); "" where none does, or an earlier version did not say."""
    format: _Counter = FORMAT

    @property
    def zones(self) -> dict[str, list[tuple[float, float]]]:
        """Where it drives beside a frozen agent: from and to, in metres, by the track's name."""
        found: dict[str, list[tuple[float, float]]] = {}
        for name, low in self.numbers.items():
            if name.startswith(ZONE) and name.endswith(".from"):
                track, _, _ = name.removeprefix(ZONE).removesuffix(".from").rpartition(".")
                found.setdefault(track, []).append((float(low), float(self.numbers[name.removesuffix("from") + "to"])))
        return found

    @property
    def drives_alone(self) -> bool:
        """Whether its actor drives without another agent: it never had one beside it, or was taught all that it does."""
        return not self.config.get("frozen_agent") or bool(self.numbers.get("drives_everywhere"))

    def zones_on(self, track: str) -> list[tuple[float, float]]:
        """Return where it drives on a track, in metres; everywhere where it drives alone."""
        if self.drives_alone:
            return [(-EVERYWHERE, EVERYWHERE)]
        return [] if self.config.get("frozen_teaches") else self.zones.get(track, [])

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
        teacher: str = "",
    ) -> CheckpointMeta:
        """Describe a learner; ``numbers`` are added to its own counters, and have other names."""
        own, more = learner.numbers(), dict(numbers or {})
        assert not own.keys() & more.keys(), "one would be read as the other"
        return cls(
            observation_names=tuple(observation_names),
            action_names=tuple(action_names),
            config=learner.config.to_dict(),
            updates=learner.updates,
            env_steps=learner.env_steps,
            kind=kind,
            numbers=own | more,
            tracks=dict(tracks or {}),
            teacher=teacher,
        )


def taught_by(teacher: object, before: CheckpointMeta | None) -> str:
    """Return who teaches a learner that goes on from ``before``, by name; once it is taught, who did, whoever is asked now."""
    known, now = before.teacher if before is not None else "", getattr(teacher, "name", "")
    if before is not None and before.drives_alone:
        return known
    return now if now and is_text(now) else known
