"""The report: one HTML file that needs no network and runs no script, from plain records.

Every text is escaped, and a Content-Security-Policy lets the page use its own style sheet (by hash) and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.records import Corner
from takeover_ui.view import Scene


@dataclass(frozen=True, slots=True)
class Outcome:
    """What deterministic episodes without help came to. ``passed`` tells it episode by episode where that is known."""

    episodes: int
    corner_passes: int
    return_mean: float
    finished: int | None = None
    passed: tuple[bool, ...] = ()
    checkpoint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DrivenLine:
    """One drive: positions (n, 2) and progress (n,) in metres, speed (n,) in m/s. ``failed``: it ended off the road."""

    kind: Literal["before", "human", "after"]
    points: NDArray[np.floating]
    progress: NDArray[np.floating]
    speed: NDArray[np.floating]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class EpisodePoint:
    """One live episode, placed by the agent steps recorded until its end."""

    agent_steps: float
    total: float
    human_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EvaluationPoint:
    """One evaluation of one checkpoint."""

    agent_steps: float
    passes: int
    episodes: int
    return_mean: float


@dataclass(frozen=True, slots=True)
class CornerRow:
    """What is known of one corner: episodes that reached it, that left its end on the road, and the help given there."""

    name: str
    from_m: float
    to_m: float
    reached: int
    passed: int
    takeovers: int
    human_seconds: float
    cleared: int = 0


@dataclass(slots=True)
class Report:
    """All that a report shows; what is empty or None is left out."""

    title: str
    scene: Scene
    corner: Corner | None = None
    """The corner that the report is about."""
    before: Outcome | None = None
    after: Outcome | None = None
    takeover_seconds: float = 0.0
    takeovers: int = 0
    agent_steps: int = 0
    updates: int = 0
    wall_seconds: float = 0.0
    seed: int | None = None
    ceiling: float | None = None
    lines: Sequence[DrivenLine] = ()
    episodes: Sequence[EpisodePoint] = ()
    evaluations: Sequence[EvaluationPoint] = ()
    failures: Sequence[float] = ()
    """Progress (m) at which episodes of the agent failed."""
    corners: Sequence[CornerRow] = ()
    judged: Mapping[str, int] = field(default_factory=dict)
    """Segments by verdict."""
    figures: Sequence[tuple[str, str]] = ()
    """More figures, as (name, value)."""
    versions: Mapping[str, str] = field(default_factory=dict)
