"""How a corner goes: attempts, passes, takeovers, entry speed and braking point, from recorded drives. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.reading.drives import Drive
from data.records import AGENT, HUMAN, Corner
from data.statistics import wilson

APPROACH_M = 30.0  # m before a corner within which a takeover is meant for it, and its braking begins
BRAKING = 0.1  # brake above this is braking
RECENT = 20  # attempts in each half of the trend


@dataclass(frozen=True, slots=True)
class Visit:
    """One arrival at a corner in one episode."""

    episode_id: int
    purpose: str
    passed: bool
    helped: bool  # a human drove somewhere between the approach and the end
    entry_driver: int
    entry_speed: float  # m/s
    braking_m: float | None  # m before the corner where its main braking began; None: none
    braking_driver: int


@dataclass(frozen=True, slots=True)
class Rate:
    """k of n, with its 95 % Wilson interval (low, high); n = 0 gives (0, 1)."""

    k: int
    n: int

    @classmethod
    def of(cls, outcomes: Sequence[bool]) -> Rate:
        """Count the outcomes that are true."""
        return cls(sum(outcomes), len(outcomes))

    @property
    def share(self) -> float | None:
        """k / n, None when n is 0."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """The Wilson score interval at 95 %."""
        return wilson(self.k, self.n)


@dataclass(frozen=True, slots=True)
class CornerStats:
    """What is known of one corner. Speeds in m/s, braking points in metres before the corner (negative: inside it)."""

    corner: Corner
    visits: int
    agent: Rate  # the agent without help
    human: Rate  # laps and takeovers
    takeovers: Rate  # of the visits in which a human could help
    trend: float | None  # the agent's pass rate of the newest attempts less that of those before; None: too few
    agent_entry: float | None
    human_entry: float | None
    agent_braking: float | None
    human_braking: float | None


def visit(drive: Drive, corner: Corner, previous_end: float = 0.0) -> Visit | None:
    """Return what happened at a corner in a drive; None if it never came there, began after it, or did not decide.

    Undecided is what ended inside for a reason other than the driving: stopped, panic, time limit, a killed session.
    ``previous_end``: end (m) of the corner before, whose braking is not this one's.
    """
    progress = drive.progress
    if progress[0] >= corner.to_m or drive.farthest < corner.from_m:
        return None
    passed = drive.farthest >= corner.to_m
    if not passed and not drive.episode.failed:
        return None
    inside = np.flatnonzero(progress >= corner.from_m)
    entry = int(inside[0]) if len(inside) else len(progress) - 1
    if entry == 0 and progress[0] > corner.from_m + 2.0:
        return None  # began in the middle of it: neither an entry nor a whole passage
    left = np.flatnonzero(progress >= corner.to_m)
    leave = int(left[0]) if len(left) else len(progress)
    start = max(corner.from_m - APPROACH_M, min(previous_end, corner.from_m))
    first = int(np.flatnonzero(progress >= start)[0]) if (progress >= start).any() else entry
    stretch = slice(first, max(leave, first + 1))
    onset = braking_onset(drive.speed[stretch], drive.brake[stretch])
    return Visit(
        drive.episode.id,
        drive.episode.purpose,
        passed,
        bool((drive.driver[stretch] == HUMAN).any()),
        int(drive.driver[entry]),
        float(drive.speed[entry]),
        None if onset is None else corner.from_m - float(progress[first + onset]),
        AGENT if onset is None else int(drive.driver[first + onset]),
    )


def braking_onset(speed: NDArray[np.float64], brake: NDArray[np.float64]) -> int | None:
    """Return the index at which the braking that took off most speed began; None if there was none that did."""
    pressed = np.r_[False, brake > BRAKING, False]
    begins, ends = np.flatnonzero(~pressed[:-1] & pressed[1:]), np.flatnonzero(pressed[:-1] & ~pressed[1:])
    if len(begins) == 0:
        return None
    lost = speed[begins] - speed[np.minimum(ends, len(speed) - 1)]
    best = int(np.argmax(lost))
    return int(begins[best]) if lost[best] > 0.5 else None


def corner_stats(drives: Iterable[Drive], corners: Sequence[Corner]) -> list[CornerStats]:
    """Return the statistics of each corner, in the order given. Goes through the drives once."""
    ordered = sorted(corners, key=lambda c: c.from_m)
    ends = {c.name: max((o.to_m for o in ordered if o.to_m <= c.from_m), default=0.0) for c in ordered}
    visits: dict[str, list[Visit]] = {c.name: [] for c in corners}
    for drive in drives:
        for corner in corners:
            seen = visit(drive, corner, ends[corner.name])
            if seen is not None:
                visits[corner.name].append(seen)
    return [_summary(corner, visits[corner.name]) for corner in corners]


def _summary(corner: Corner, visits: Sequence[Visit]) -> CornerStats:
    alone = [v.passed for v in visits if not v.helped]
    return CornerStats(
        corner,
        len(visits),
        Rate.of(alone),
        Rate.of([v.passed for v in visits if v.helped]),
        Rate.of([v.helped for v in visits if v.purpose not in ("lap", "evaluation")]),
        trend(alone),
        _median([v.entry_speed for v in visits if v.entry_driver == AGENT]),
        _median([v.entry_speed for v in visits if v.entry_driver == HUMAN]),
        _median([v.braking_m for v in visits if v.braking_m is not None and v.braking_driver == AGENT]),
        _median([v.braking_m for v in visits if v.braking_m is not None and v.braking_driver == HUMAN]),
    )


def trend(passed: Sequence[bool]) -> float | None:
    """Return the pass rate of the newest attempts less that of as many before them; None for fewer than six."""
    half = min(RECENT, len(passed) // 2)
    if half < 3:
        return None
    newest, before = passed[-half:], passed[-2 * half : -half]
    return (sum(newest) - sum(before)) / half


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) else None
