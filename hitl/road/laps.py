"""How fast laps are: where a lap's time goes, and what a number of tries comes to. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from data.reading.attempts import approaches
from data.reading.drives import Drive
from data.records import DRIVING_FAULTS, Corner
from data.statistics import bootstrap
from hitl.road.corner_stats import Rate

NEAR_M = 10.0  # m before a corner from which a crash belongs to it
ELSEWHERE = "elsewhere"
MOST_GAP_S = 0.5  # s between two steps beyond which it is not known when the car was in between
CRASH_S = 10.0  # what a crash costs, in the measure of tmrl's competition
COMPETITION_OF = 10  # tries whose mean that is


class Stretch(NamedTuple):
    """The stretch whose time belongs to a corner: from its approach to the next corner's. ``to_m`` None: to the finish."""

    corner: str
    from_m: float
    to_m: float | None


def stretches(corners: Iterable[Corner]) -> list[Stretch]:
    """Return each corner's stretch: a slow exit costs time on the straight behind the corner, so that is the corner's."""
    ordered = sorted(corners, key=lambda corner: corner.from_m)
    begins = list(approaches(ordered).values())
    return [Stretch(c.name, begin, after) for c, begin, after in zip(ordered, begins, [*begins[1:], None], strict=False)]


def time_at(drive: Drive, metre: float) -> float | None:
    """Return the seconds at which a drive first came to a metre of the line, between its steps; None where it never did, or the
    steps around that place are no longer stored.

    Needs the columns ``t`` and ``progress``.
    """
    reached = np.flatnonzero(drive.progress >= metre)
    if not len(reached):
        return None
    k, hz = int(reached[0]), drive.episode.hz
    if k == 0:
        return float(drive.t[0]) / hz if drive.progress[0] <= metre + 2.0 else None
    (before, after), (then, now) = drive.progress[k - 1 : k + 1].tolist(), drive.t[k - 1 : k + 1].tolist()
    if now - then > max(1.0, MOST_GAP_S * hz):
        return None  # of a pruned drive
    return float(then + (now - then) * (metre - before) / (after - before)) / hz


def corner_times(drive: Drive, spans: Iterable[Stretch]) -> dict[str, float]:
    """Return the seconds in each stretch that was driven from end to end. Needs the columns ``t`` and ``progress``."""
    found = {}
    for corner, from_m, to_m in spans:
        begin, end = time_at(drive, from_m), drive.episode.lap_s if to_m is None else time_at(drive, to_m)
        if begin is not None and end is not None and end > begin:
            found[corner] = end - begin
    return found


@dataclass(frozen=True, slots=True)
class LapTry:
    """One try without help: why it ended, the time of its lap (None: not finished), how long and how far it drove, its return."""

    reason: str
    lap_s: float | None
    driven_s: float
    farthest: float
    total: float
    seed: int | None = None

    @property
    def crashed(self) -> bool:
        """Whether it ended by the driving's fault."""
        return self.reason in DRIVING_FAULTS


class Figure(NamedTuple):
    """A number of seconds with the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Laps:
    """What tries come to. Times in seconds, None where no lap was finished."""

    trials: tuple[LapTry, ...]
    finish: Rate
    median: Figure | None
    p95: Figure | None
    best: float | None
    worst: float | None
    crashes: Mapping[str, int]
    """By the corner in which they happened, or ``ELSEWHERE``; most first."""

    @property
    def competition(self) -> Figure | None:
        """The measure of tmrl's competition: the mean of the first ten tries, with ten seconds more for each crash.

        A try without a finish has the seconds that it drove. None for fewer than ten.
        """
        tries = self.trials[:COMPETITION_OF]
        times = [(t.driven_s if t.lap_s is None else t.lap_s) + CRASH_S * t.crashed for t in tries]
        return _figure(times, np.mean) if len(times) == COMPETITION_OF else None

    def said(self) -> str:
        """Return them in one line."""
        finished = f"{self.finish.k} of {self.finish.n} finished"
        if self.median is None or self.p95 is None:
            return finished
        return f"{finished}; median {self.median.value:.3f} s, p95 {self.p95.value:.3f} s, best {self.best:.3f} s"

    def as_dict(self) -> dict[str, Any]:
        """Return them as plain values, for JSON."""

        def figure(one: Figure | None) -> dict[str, Any] | None:
            return None if one is None else {"s": round(one.value, 3), "interval": [round(one.low, 3), round(one.high, 3)]}

        return {
            "finish": {"finished": self.finish.k, "of": self.finish.n, "interval": list(self.finish.interval)},
            "median": figure(self.median),
            "p95": figure(self.p95),
            "best_s": self.best,
            "worst_s": self.worst,
            "crashes": dict(self.crashes),
            "competition": figure(self.competition),
        }


def laps_of(trials: Iterable[LapTry], corners: Iterable[Corner]) -> Laps:
    """Return what tries come to."""
    tries, known = tuple(trials), tuple(corners)
    times = [t.lap_s for t in tries if t.lap_s is not None]
    crashes = Counter(crash_place(t.farthest, known) for t in tries if t.crashed)
    return Laps(
        tries,
        Rate.of([t.lap_s is not None for t in tries]),
        _figure(times, np.median),
        _figure(times, lambda values, axis=None: np.percentile(values, 95, axis=axis)),
        min(times, default=None),
        max(times, default=None),
        dict(crashes.most_common()),
    )


def crash_place(metre: float, corners: Iterable[Corner]) -> str:
    """Return the name of the corner in or shortly before which a crash at that metre happened, or ``ELSEWHERE``."""
    return next((c.name for c in corners if c.from_m - NEAR_M <= metre <= c.to_m), ELSEWHERE)


def _figure(times: Sequence[float], of: Callable[..., Any]) -> Figure | None:
    return Figure(float(of(times)), *bootstrap(times, of)) if times else None
