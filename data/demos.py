"""What the agent is shown of all that a human drove: one rule for every part of the program.

The trainer asks it for the rows that are cloned, the rows of the demo half and their weights; the list, the review, the session,
the report, export and diagnosis ask it what to say. A step counts when a segment that it lies in, trimmed, counts. A human
step in no segment never does: it is experience like any other, but there is nothing that the player could judge.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from data.records import Segment, SegmentRecord

STARTS_WITHIN_STEPS = 2
"""A takeover that begins this early in its episode was begun before it: letting go and pressing again takes longer."""
HANDED = ("rewind", "call", "function")
"""Triggers of takeovers that begin with their episode because the wheel was handed over there, or by what holds no key."""
LAP_FROM_S = 5.0
"""A lap that failed sooner than this is a wrecked start, and no lap."""


UNNAMED: dict[str, Any] = {"failed_takeovers": False, "bc_weight": 0.0}
"""What a run does whose settings do not name these: it is of a version that did nothing of the kind, and goes on so."""


class Why(StrEnum):
    """Why a segment does not count, in a player's words; the screens say it in every language (``why_`` and the name)."""

    RECORDING = "it is still being recorded"
    BAD = "judged bad"
    WRECKED = "a wrecked start"
    FAILED = "it failed"
    LITTLE = "it earned too little"
    PRIORITY = "its priority is 0"
    TRIMMED = "it failed, and your trim leaves nothing before that"
    SHORT = "too short"
    HELD = "a key still held from before"
    STILL = "hardly moved"
    UNTOUCHED = "no one touched the wheel"
    LAYOUT = "other numbers than this run"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a segment does not count, and what was measured of it ("0.22 s"; empty: nothing)."""

    why: Why
    measured: str = ""

    def __str__(self) -> str:
        """Return it as it is printed and stored."""
        return f"{self.why} ({self.measured})" if self.measured else str(self.why)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rule says of a segment."""

    counts: bool
    """Whether the agent is drawn towards its actions."""
    weight: float
    """With which each of its steps is drawn in the demo half; 0 keeps them out of it."""
    reason: Reason | None = None
    """Why it does not count; None where it does."""
    cut_s: float = 0.0
    """Seconds at its end, as it was driven, that do not count: there the mistake lies."""


@dataclass(frozen=True)
class DemoRule:
    """Which segments count, and how much. The fields are training settings of the same names."""

    takeover_priority: float = 2.0
    lap_priority: float = 1.0
    star_priority: float = 2.0
    failed_takeovers: bool = True
    failed_laps: bool = False
    failed_cut_s: float = 1.0
    one_replay: bool = False
    bc_weight: float = 10.0
    takeover_min_s: float = 0.3
    takeover_min_m: float = 2.0
    takeover_held_s: float = 1.0

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, begins: bool = False) -> DemoRule:
        """Return the rule of a run's settings (those of a checkpoint).

        What they do not name, or misname, the run does not do (`UNNAMED`); it is as usual where a run only ``begins``.
        """
        values: dict[str, Any] = {}
        for known in dataclasses.fields(cls):
            default = known.default if begins else UNNAMED.get(known.name, known.default)
            value = settings.get(known.name, default)
            if isinstance(known.default, bool):
                good = isinstance(value, bool)
            else:
                good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
            values[known.name] = value if good else default
        return cls(**values)

    @property
    def ordinary(self) -> bool:
        """Whether takeovers are learned from as any other step: they lie in the one replay, and nothing is cloned."""
        return self.one_replay and not self.bc_weight

    def judge(self, segment: Segment | SegmentRecord) -> Standing:
        """Return whether a segment counts, and how much."""
        reason = self._why_not(segment)
        if reason is not None:
            return Standing(False, 0.0, reason)
        weight = self.takeover_priority if segment.kind == "takeover" else self.lap_priority
        weight *= segment.priority * (self.star_priority if segment.verdict == "star" else 1.0)
        if weight <= 0:
            return Standing(False, 0.0, Reason(Why.PRIORITY))
        start, stop = self.shown_steps(segment)
        if start >= stop and _failed(segment):
            return Standing(False, 0.0, Reason(Why.TRIMMED))
        # In the one replay of the reference recipe takeovers lie among the other steps already.
        weight = 0.0 if self.one_replay and segment.kind != "lap" else weight
        return Standing(True, weight, cut_s=self.cut_s(segment.outcome, segment.verdict, _seconds(segment)))

    def shown_steps(self, segment: Segment | SegmentRecord, moved: int | None = None) -> tuple[int, int]:
        """Return the steps of its episode, from the first to before the second, that a segment shows if it counts.

        They are trimmed, and without the end of one that failed. ``moved``: steps of the episode until the car stood for good.
        """
        stop = segment.stop
        if moved is not None and _failed(segment):
            stop = max(segment.start, min(stop, moved))
        cut_s = self.cut_s(segment.outcome, segment.verdict, _seconds(segment))
        cut = min(round(cut_s * segment.hz), (stop - segment.start) // 2)
        return segment.start + segment.trim_start, min(segment.stop - segment.trim_stop, stop - cut)

    def cut_s(self, outcome: str, verdict: str, seconds: float) -> float:
        """Return how much (s) of the end of a segment of that length (s), as it was driven, does not count."""
        return min(self.failed_cut_s, seconds / 2) if counts_as_failed(outcome, verdict) else 0.0

    def _why_not(self, segment: Segment | SegmentRecord) -> Reason | None:
        if not segment.closed:
            return Reason(Why.RECORDING)
        if segment.verdict == "bad":
            return Reason(Why.BAD)
        wanted = segment.verdict in ("good", "star")
        if not wanted and wrecked_start(segment):
            return Reason(Why.WRECKED, f"{_seconds(segment):.1f} s")
        if _earned_little(segment):
            return Reason(Why.LITTLE)
        if _failed(segment) and not (self.failed_laps if segment.kind == "lap" else self.failed_takeovers):
            return Reason(Why.FAILED)
        return None if wanted else self.nothing_shown(segment)

    def nothing_shown(self, segment: Segment | SegmentRecord) -> Reason | None:
        """Return why a segment shows nothing, as it was driven; None where it shows something or has a priority of its own."""
        if segment.kind == "lap" or segment.priority != 1.0:
            return None
        if segment.kind == "kept":  # the player chose the moment: only one that stands still is a mistake
            return self._too_near(segment.moved)
        return self.too_little(segment.start, _seconds(segment), segment.moved, segment.trigger)

    def takeovers(self, segments: Iterable[Segment]) -> tuple[list[Segment], int]:
        """Return the takeovers among segments, and how many more show nothing: a press too short, a car that hardly moved.

        What is counted as takeovers, wherever it is told, are the first. One that is still driven is among neither.
        """
        taken = [s for s in segments if s.kind == "takeover" and s.closed]
        shown = [s for s in taken if not self.nothing_shown(s)]
        return shown, len(taken) - len(shown)

    def empty(self, segment: Segment | SegmentRecord) -> bool:
        """Tell whether a segment shows nothing and has no verdict yet: what a store may be cleaned of."""
        return segment.closed and segment.verdict == "unreviewed" and bool(self.nothing_shown(segment))

    def outcome(self, segment: Segment) -> str:
        """Return a segment's outcome as lists show it: one that shows nothing, was cut off or is still recorded has none."""
        if self.empty(segment):
            return "nothing"
        return "interrupted" if segment.interrupted else segment.outcome if segment.closed else "recording"

    def reasons(self, segments: Iterable[Segment | SegmentRecord]) -> str:
        """Return how many of these do not count, and why: "3 × judged bad, 2 × hardly moved"; "" for none."""
        said = Counter(reason.why for s in segments if (reason := self.judge(s).reason))
        return ", ".join(f"{count} × {why}" for why, count in said.most_common())

    def too_little(self, start: int, seconds: float, moved: float | None, trigger: str = "") -> Reason | None:
        """Return why a takeover of that length (s) and distance (m; None: not known) shows nothing; None where it does not.

        ``start``: the steps of its episode before it. Trims do not matter here: the player chooses which steps are shown.
        """
        if seconds < self.takeover_min_s - 1e-6:
            return Reason(Why.SHORT, f"{seconds:.2f} s")
        if trigger not in HANDED and start <= STARTS_WITHIN_STEPS and seconds < self.takeover_held_s - 1e-6:
            return Reason(Why.HELD, f"{seconds:.1f} s")
        return self._too_near(moved)

    def _too_near(self, moved: float | None) -> Reason | None:
        return Reason(Why.STILL, f"{moved:.1f} m") if moved is not None and moved < self.takeover_min_m else None


@dataclass(frozen=True)
class RunRule(DemoRule):
    """The same with what a home's run cannot learn from: its learner has one input for each number of an observation."""

    apart: frozenset[int] = frozenset()
    """The sessions whose numbers have other names than those of the run."""

    def judge(self, segment: Segment | SegmentRecord) -> Standing:
        """Return whether a segment counts in the run, and how much."""
        standing = super().judge(segment)
        if standing.counts and isinstance(segment, Segment) and segment.session_id in self.apart:
            return Standing(False, 0.0, Reason(Why.LAYOUT))
        return standing


def wrecked_start(segment: Segment | SegmentRecord) -> bool:
    """Tell whether a lap failed so soon that it is none."""
    return segment.kind == "lap" and segment.outcome == "failed" and _seconds(segment) < LAP_FROM_S


def finished_lap(segment: Segment) -> bool:
    """Tell whether a lap was finished: of what was imported as one, or driven to its end without a road, no more is known."""
    known = segment.outcome == "unclear" and (segment.trigger == "imported" or (segment.closed and segment.roadless))
    return segment.kind == "lap" and (segment.outcome == "cleared" or known)


def counts_as_failed(outcome: str, verdict: str) -> bool:
    """Tell whether a segment failed, and the player does not want it all the same."""
    return outcome == "failed" and verdict not in ("good", "star")


def _failed(segment: Segment | SegmentRecord) -> bool:
    return counts_as_failed(segment.outcome, segment.verdict)


def _earned_little(segment: Segment | SegmentRecord) -> bool:
    """Whether it failed by what it earned, which tells nothing of where: there is no road."""
    return segment.kind == "takeover" and segment.roadless and _failed(segment)


def _seconds(segment: Segment | SegmentRecord) -> float:
    return (segment.stop - segment.start) / max(segment.hz, 1e-9)


MOVED = """
CASE WHEN g.kind IN ('takeover', 'kept') AND g.stop > g.start THEN (
  SELECT CASE
    WHEN d.m > 0 THEN d.m
    WHEN d.known AND EXISTS (
      SELECT 1 FROM steps o WHERE o.episode_id = g.episode_id AND (o.progress != 0 OR o.x != 0 OR o.y != 0 OR o.speed != 0)
    ) THEN 0.0 END
  FROM (
    SELECT max(ifnull(max(p.progress) - min(p.progress), 0), ifnull(max(p.x) - min(p.x), 0), ifnull(max(p.y) - min(p.y), 0)) AS m,
           count(p.progress) + count(p.x) + count(p.y) AS known
    FROM steps p WHERE p.episode_id = g.episode_id AND p.t >= g.start AND p.t < g.stop) d)
END
"""
"""SQL: how far (m) the car came in a segment ``g`` that is no lap, along the line or in the plane. NULL where its place is not
known (an environment without a line says 0 everywhere)."""
