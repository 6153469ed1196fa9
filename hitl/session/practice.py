"""Practice: one corner again and again, each try begun where a recorded approach can still go either way.

A try begins before the corner, in the state in which the agent itself arrived: at most ``LEAD_S`` before it and, where the agent
then failed in it, no more than ``OPEN_S`` before that failure. At that moment the failure can still be prevented
(``benchmarks/practice.py`` measures it); to begin earlier only costs time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UsageError
from data.numbers import all_numbers
from data.reading.drives import Drive, EpisodeSummary
from data.records import Corner
from data.store import Store
from hitl.games.base import Start
from hitl.road.line import ReferenceLine

if TYPE_CHECKING:
    from hitl.protocols import EpisodeResult
    from hitl.session.setup import SessionSetup

LEAD_S = 1.0  # s before the corner at which a try begins at the earliest
OPEN_S = 2.7  # s before a failure at which it can still be prevented
THERE_M = 1.0  # m before its farthest place at which a failed drive had failed; what follows is standing and sliding
NEWEST = 40  # approaches that are used: the agent arrives today as it drives today
TRIES = 5  # that are offered to a player who fails
MAX_OFF = 1.0  # share of half the road's width beyond which a recorded approach is no place to start


def approaches(store: Store, track: str, corner: Corner, lead_s: float | None = None, env: str | None = None) -> Iterator[Drive]:
    """Yield how recorded cars came to the corner, newest first: three steps each, of which a try begins at the middle one.

    ``lead_s``: begin exactly so long before the corner, however the approach ended. Laps are used only where the agent has no
    approach of its own: one without help, in a real attempt (practice would breed its own beginnings).
    """
    own = list(islice(_approaches(store, track, corner, lead_s, ("drive", "evaluation"), env, agent=True), NEWEST))
    yield from own or islice(_approaches(store, track, corner, lead_s, ("drive", "lap"), env, agent=False), NEWEST)


def _approaches(
    store: Store, track: str, corner: Corner, lead_s: float | None, purposes: Sequence[str], env: str | None, *,
    agent: bool,
) -> Iterator[Drive]:
    came = [e for e in store.episodes(track, purpose=purposes, closed=False, env=env) if e.farthest >= corner.from_m]
    for episode in reversed(came):
        drive = store.steps(episode, columns=("t", "driver", "progress"))
        entry = first_at(drive, corner.from_m)
        if entry is None:
            continue
        first = entry - round((LEAD_S if lead_s is None else lead_s) * episode.hz)
        begin = first
        if agent and lead_s is None and episode.failed and episode.farthest < corner.to_m:
            failed = first_at(drive, episode.farthest - THERE_M)
            if failed is not None and not _helped(drive, entry, failed):
                begin = min(max(first, failed - round(OPEN_S * episode.hz)), entry - 1)
        if agent and _helped(drive, first, entry):
            continue
        # A corner at the line's very beginning is tried from the start.
        passage = passage_at(store, episode, max(begin, 1))
        if passage is not None:
            yield passage


def first_at(drive: Drive, place: float) -> int | None:
    """Return the first step at a place (m) or beyond it; None where it never came there."""
    there = np.flatnonzero(drive.progress >= place)
    return int(drive.t[there[0]]) if len(there) else None


def _helped(drive: Drive, first: int, last: int) -> bool:
    """Tell whether a human drove in these steps, the last one included."""
    return bool(drive.human[(drive.t >= first) & (drive.t <= last)].any())


def passage_at(store: Store, episode: EpisodeSummary, t: int) -> Drive | None:
    """Return a step with the ones before and after it, which tell how the car moved; None at the drive's ends."""
    drive = store.steps(episode, t - 1, t + 2, ("x", "y", "heading", "progress", "observation"))
    known = all_numbers(np.stack([drive.x, drive.y, drive.heading, drive.progress]))
    return drive if len(drive) == 3 and known else None


def start_at(passage: Drive, line: ReferenceLine, half_width: float) -> Start | None:
    """Return the start that puts a car at the middle step, moving as it did; None where it was hardly on the road."""
    names, hz = passage.episode.observation_names, passage.episode.hz
    (x0, x, x1), (y0, y, y1) = passage.x.tolist(), passage.y.tolist()
    before, heading, after = passage.heading.tolist()
    place = line.locate(x, y, float(passage.progress[1]))
    if abs(place.offset) > MAX_OFF * half_width:
        return None
    vx, vy, turned = (x1 - x0) * hz / 2, (y1 - y0) * hz / 2, math.remainder(after - before, math.tau)
    steer = float(passage.observation[1, names.index("steer")]) if "steer" in names else 0.0
    # Its place may be the line's very beginning (0 m), and is to stay that: a try from there is a new run. In the run of the try
    # before, TrackMania would put the car down at the last checkpoint, which may lie behind the corner.
    return Start.of(place, heading, (vx, vy), turned * hz / 2, steer)


def starts(
    store: Store, track: str, corner: Corner, line: ReferenceLine, half_width: float, lead_s: float | None = None,
    env: str | None = None,
) -> list[Start]:
    """Return starts for tries at a corner, newest approach first; empty when no recording reaches it."""
    found = (start_at(passage, line, half_width) for passage in approaches(store, track, corner, lead_s, env))
    return [start for start in found if start is not None]


class Practice:
    """Tries at one corner, each begun as the agent (or, before it ever came there, a lap) once came to it."""

    def __init__(self, rig: SessionSetup, corner: str, seed: int, lead_s: float | None = None) -> None:
        """``lead_s``: begin so long before the corner; None: as late as a failure can still be prevented. Raises UsageError."""
        self.rig, self.corner = rig, rig.corner(corner)
        with Store(rig.home.store_path, read_only=True) as store:
            road = rig.track.name, self.corner, rig.track.line, rig.track.half_width, lead_s
            # Another game's cars on the same road serve until there are this one's.
            self.starts = starts(store, *road, rig.options.env) or starts(store, *road)
        if not self.starts:
            raise UsageError(
                f"No recording reaches '{corner}' yet. Let the agent drive there first (`hitl play`), or drive a lap "
                "(`hitl play --lap`)."
            )
        self._until = min(self.corner.to_m, rig.track.line.length - 3.0)
        self._rng = np.random.default_rng(seed)

    def lap_steps(self) -> float | None:
        """Return the mean number of steps of the whole laps recorded on this track; None without one."""
        with Store(self.rig.home.store_path, read_only=True) as store:
            driven = store.episodes(self.rig.track.name, env=self.rig.options.env)
        finished = [e.length for e in driven if e.reason == "finish" and e.purpose != "practice"]
        return sum(finished) / len(finished) if finished else None

    def attempt(self, seed: int) -> EpisodeResult:
        """Drive one try; it is marked as practice, and cut off at the corner's end."""
        start = self.starts[int(self._rng.integers(len(self.starts)))]
        return self.rig.session.episode("practice", seed=seed, start=start, until_m=self._until)
