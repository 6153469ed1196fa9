"""What is looked at: any of a history, a recipe, a road, recorded drives, and a learner's networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainer.diagnosis.finding import Outcome

if TYPE_CHECKING:
    from trainer.diagnosis.drives import Drives
    from trainer.diagnosis.history import History
    from trainer.diagnosis.probe import Probe
    from trainer.diagnosis.recipe import Recipe
    from trainer.diagnosis.road import RoadFacts


@dataclass(slots=True)
class Case:
    """All that is known of one run; whatever is None was not given."""

    history: History | None = None
    recipe: Recipe | None = None
    road: RoadFacts | None = None
    drives: Drives | None = None
    probe: Probe | None = None
    unusable: tuple[int, Mapping[str, int]] | None = None
    """Steps of the store that cannot be learned from, and how many by each number's name."""
    looked_at: list[str] = field(default_factory=list)
    """What was given, one sentence each."""


Answer = Outcome | Iterable[Outcome] | None
Check = Callable[[Case], Answer]
