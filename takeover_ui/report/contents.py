"""What a report shows, as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.records import Corner
from takeover_ui.language import Words
from takeover_ui.report.texts import ENGLISH, share
from takeover_ui.view import Scene


@dataclass(frozen=True, slots=True)
class Score:
    """How a checkpoint did in deterministic episodes without help."""

    passed: tuple[bool, ...]
    """Whether each episode passed the corner."""
    return_mean: float
    finished: int
    """Laps that reached the finish."""
    updates: int | None
    """Updates that made the checkpoint; None where its row is gone."""
    rule: str
    """Which evaluation this is: the name of a text."""
    best_lap: float | None = None
    """Seconds of the fastest lap that reached the finish."""

    def said(self, words: Words = ENGLISH) -> str:
        """Return in words how many episodes passed."""
        return share(words, sum(self.passed), len(self.passed))


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
    """One evaluated checkpoint."""

    agent_steps: float
    passes: int
    episodes: int
    return_mean: float


@dataclass(frozen=True, slots=True)
class CornerRow:
    """One corner: the attempts of the agent alone, those that passed, and the help given there."""

    name: str
    from_m: float
    to_m: float
    attempts: int
    passed: int
    takeovers: int
    human_seconds: float
    cleared: int = 0
    newest: tuple[int, int] = (0, 0)
    """Of the newest of these attempts: how many passed, and how many there are."""


@dataclass(frozen=True, slots=True)
class Film:
    """One takeover: what it is called, what is said of it, and the files beside the page that show it, if any."""

    title: str
    said: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriveRow:
    """One drive of a session: when it began (local time), its lap time, how far it came, and what the human drove of it."""

    number: int
    began: str
    lap_s: float | None
    farthest_m: float
    human_seconds: float
    takeovers: int


@dataclass(slots=True)
class Report:
    """All that a report shows; what is empty or None is left out."""

    title: str
    scene: Scene
    corner: Corner | None = None
    """The corner that the report is about."""
    before: Score | None = None
    after: Score | None = None
    takeover_seconds: float = 0.0
    takeovers: int = 0
    empty_takeovers: int = 0
    """Others, which show nothing and are not counted: a press too short, a car that hardly moved."""
    told_takeovers: int = 0
    """Those that the sentence below the title tells of: at the corner, and before the evaluation with which it compares."""
    told_seconds: float = 0.0
    helped_elsewhere: bool = False
    """Whether there were others on the track before that evaluation."""
    agent_steps: int = 0
    """Steps driven by the agent since the first takeover; all of them without a takeover."""
    updates: int = 0
    """Updates of the trainer since then."""
    ceiling: float | None = None
    lines: Sequence[DrivenLine] = ()
    episodes: Sequence[EpisodePoint] = ()
    evaluations: Sequence[EvaluationPoint] = ()
    failures: Sequence[float] = ()
    """Progress (m) at which episodes of the agent alone failed, oldest first."""
    failures_before: int | None = None
    """How many of these lie before the first takeover; None where there was none."""
    alone: tuple[int, int] = (0, 0)
    """Episodes that the agent drove alone before the first takeover, and since."""
    hz: float = 20.0
    """Steps in a second of driving."""
    corners: Sequence[CornerRow] = ()
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """Segments by verdict."""
    figures: Sequence[tuple[str, str]] = ()
    """More figures, as (name, value)."""
    versions: Mapping[str, str] = field(default_factory=dict)
    films: Sequence[Film] = ()
    """The takeovers of a session, where they lie beside the page."""
    drives: Sequence[DriveRow] = ()
    """The drives of a session."""
    words: Words = field(default_factory=lambda: ENGLISH)
    """The texts of the language that it is written in."""
