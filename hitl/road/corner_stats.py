"""How a corner goes: attempts, passes, takeovers, entry speed and braking point. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.reading.attempts import CornerAttempt, approaches, outcome
from data.reading.drives import Drive
from data.records import AGENT, HUMAN, By, Corner
from data.statistics import stretches, wilson

BRAKING = 0.1  # brake above this is braking
RECENT = 20  # attempts in each half of the trend


@dataclass(frozen=True, slots=True)
class Visit:
    """One arrival at a corner in one episode."""

    episode_id: int
    passed: bool
    entry_driver: int
    entry_speed: float | None  # m/s; None: the steps around it are not stored
    braking_m: float | None  # m before the corner where its main braking began; None: none, or it is not stored all the way
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
    agent: Rate  # the agent alone
    by: Mapping[By, Rate]  # laps and takeovers, by who drove them, and what another home's agent drove alone
    takeovers: Rate  # of the visits in which a human could help
    newest: Rate  # of these the newest
    trend: float | None  # the agent's pass rate of the newest attempts less that of those before; None: too few
    agent_entry: float | None
    human_entry: float | None
    agent_braking: float | None
    human_braking: float | None

    @property
    def humans(self) -> list[Rate]:
        """How it went where a human had a part."""
        return [rate for who, rate in self.by.items() if who != "stranger"]


def visit(drive: Drive, corner: Corner, approach_m: float) -> Visit | None:
    """Return what happened at a corner in a drive; None where that is no attempt (:func:`data.reading.attempts.outcome`).

    ``approach_m``: where it begins: braking before that is for the corner before.
    """
    progress = drive.progress
    passed = outcome(corner, float(progress[0]), drive.farthest, drive.episode.reason)
    if passed is None:
        return None
    inside = np.flatnonzero(progress >= corner.from_m)
    entry = int(inside[0]) if len(inside) else len(progress) - 1
    left = np.flatnonzero(progress >= corner.to_m)
    leave = int(left[0]) if len(left) else len(progress)
    first = int(np.flatnonzero(progress >= approach_m)[0]) if (progress >= approach_m).any() else entry
    stretch = slice(first, max(leave, first + 1))
    whole = bool((np.diff(drive.t[stretch]) == 1).all())  # of what was pruned, steps here and there are left
    onset = braking_onset(drive.speed[stretch], drive.brake[stretch]) if whole else None
    seen = entry == 0 or drive.t[entry] - drive.t[entry - 1] == 1
    return Visit(
        drive.episode.id,
        passed,
        int(drive.driver[entry]),
        float(drive.speed[entry]) if seen else None,
        None if onset is None else corner.from_m - float(progress[first + onset]),
        AGENT if onset is None else int(drive.driver[first + onset]),
    )


def braking_onset(speed: NDArray[np.float64], brake: NDArray[np.float64]) -> int | None:
    """Return the index at which the braking that took off most speed began; None if there was none that did."""
    pressed = stretches(brake > BRAKING)
    if not pressed:
        return None
    begins, ends = np.array(pressed).T
    lost = speed[begins] - speed[np.minimum(ends, len(speed) - 1)]
    best = int(np.argmax(lost))
    return int(begins[best]) if lost[best] > 0.5 else None


def whose(attempts: Mapping[str, Sequence[CornerAttempt]]) -> By:
    """Return who is compared with the agent: the player, or where they never drove here, who did most of it for them."""
    drove = Counter(a.by for each in attempts.values() for a in each if a.by not in ("agent", "stranger"))
    return "you" if drove["you"] or not drove else drove.most_common(1)[0][0]


def corner_stats(
    drives: Iterable[Drive], corners: Sequence[Corner], attempts: Mapping[str, Sequence[CornerAttempt]]
) -> list[CornerStats]:
    """Return the statistics of each corner, in the order given. Goes through the drives once.

    ``attempts``: all of each corner (:func:`data.reading.attempts.stored_attempts`), also those whose steps are no longer stored.
    """
    begins, human = approaches(corners), whose(attempts)
    visits: dict[str, list[Visit]] = {c.name: [] for c in corners}
    for drive in drives:
        for corner in corners:
            seen = visit(drive, corner, begins[corner.name])
            if seen is not None:
                visits[corner.name].append(seen)
    return [_summary(corner, visits[corner.name], attempts[corner.name], human) for corner in corners]


def _summary(corner: Corner, visits: Sequence[Visit], attempts: Sequence[CornerAttempt], human: By) -> CornerStats:
    by = {a.episode_id: a.by for a in attempts}
    outcomes: dict[By, list[bool]] = {}
    for attempt in attempts:
        outcomes.setdefault(attempt.by, []).append(attempt.passed)
    alone = outcomes.pop("agent", [])
    theirs = [v for v in visits if by.get(v.episode_id) == human]
    ours = [v for v in visits if by.get(v.episode_id) != "stranger"]
    return CornerStats(
        corner,
        len(attempts),
        Rate.of(alone),
        {who: Rate.of(passed) for who, passed in outcomes.items()},
        Rate.of([a.by != "agent" for a in attempts if a.ours and a.purpose not in ("lap", "evaluation")]),
        Rate.of(alone[-RECENT:]),
        trend(alone),
        _median([v.entry_speed for v in ours if v.entry_speed is not None and v.entry_driver == AGENT]),
        _median([v.entry_speed for v in theirs if v.entry_speed is not None and v.entry_driver == HUMAN]),
        _median([v.braking_m for v in ours if v.braking_m is not None and v.braking_driver == AGENT]),
        _median([v.braking_m for v in theirs if v.braking_m is not None and v.braking_driver == HUMAN]),
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
