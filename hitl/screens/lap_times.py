"""Lap times as a driver knows them: running, last, best of each driver, and the difference at each corner's end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from data.reading.drives import EpisodeSummary
from data.records import Corner
from data.store import Store
from hitl.road.laps import time_at
from hitl.road.time_lost import fastest_laps
from hitl.screens.pace import Pace, RunningPace, pace_of
from hitl.task.driving_task import LAP_FROM_M
from takeover_ui.view import LapView

SHOWN_S = 3.0  # for which the comparison at a corner's end stays


@dataclass(frozen=True)
class Lap:
    """A finished lap. ``splits``: seconds from the start to each corner's end."""

    seconds: float
    splits: Mapping[str, float] = field(default_factory=dict)
    pace: Pace | None = None


class LapTimes:
    """Follows the laps of a session. A lap is of the ``human``, the ``agent`` or the ``scripted`` driver who drove all of it."""

    def __init__(self, corners: Iterable[Corner], hz: float, best: Mapping[str, Lap] | None = None) -> None:
        """``best``: the fastest recorded lap of each driver."""
        self._ends = [(corner.to_m, corner.name) for corner in corners]
        self._hz = hz
        self.best: dict[str, Lap] = dict(best or {})
        self.last: float | None = None
        self._pace = RunningPace(from_start=True)
        self._begin()

    def _begin(self) -> None:
        self._steps = 0
        self._splits: dict[str, float] = {}
        self._drivers: set[str] = set()
        self._behind: tuple[float | None, float | None] | None = None  # s, at the finish
        self._delta: tuple[str, float, float] | None = None  # corner, seconds against the best, when

    def step(
        self, steps: int, progress: float, driver: str, reason: str = "", lap_s: float | None = None
    ) -> None:
        """One step was driven. ``steps``: of this episode so far; ``reason``: why the episode ends with it, if it does.

        ``lap_s``: the time of the lap that it finishes, where that is known more finely than to a step.
        """
        if steps <= self._steps or not self._steps:
            self._begin()
            if steps > 1:  # the same drive goes on from an earlier moment
                self._pace.back_to(steps / self._hz)
            else:
                self._pace = RunningPace(progress <= LAP_FROM_M)
        self._steps = steps
        now = steps / self._hz
        self._drivers.add(driver)
        self._pace.step(progress, now)
        fastest = self._fastest()
        for end, name in self._ends:
            if progress >= end and name not in self._splits:
                self._splits[name] = now
                if fastest is not None and name in fastest.splits:
                    self._delta = name, now - fastest.splits[name], now
        if reason == "finish":
            self._finished(now if lap_s is None else lap_s)

    def _finished(self, seconds: float) -> None:
        self._behind = self._deltas()  # against what was best before this lap
        self.last = seconds
        if len(self._drivers) != 1:
            return
        (driver,) = self._drivers
        if driver not in self.best or seconds < self.best[driver].seconds:
            self.best[driver] = Lap(seconds, dict(self._splits), self._pace.finished())

    def view(self) -> LapView:
        """Return what the screen shows now."""
        now = self._steps / self._hz
        shown = self._delta if self._delta is not None and now - self._delta[2] < SHOWN_S else None
        you, agent = (self.best[who].seconds if who in self.best else None for who in ("human", "agent"))
        corner, delta = shown[:2] if shown is not None else ("", None)
        return LapView(now, self.last, you, agent, corner, delta, *(self._behind or self._deltas()))

    def _deltas(self) -> tuple[float | None, float | None]:
        """Return the seconds behind the best lap and behind the human's, at this place; the second where it is another lap."""
        if not self._steps:  # the car stands where it was put, and the best lap needed a moment to get there
            return None, None
        fastest, human = self._fastest(), self.best.get("human")
        others = human if human is not fastest else None
        return self._pace.delta(fastest.pace if fastest else None), self._pace.delta(others.pace if others else None)

    def _fastest(self) -> Lap | None:
        return min(self.best.values(), key=lambda lap: lap.seconds, default=None)


def best_laps(store: Store, track: str, corners: Iterable[Corner], env: str | None = None) -> dict[str, Lap]:
    """Return the fastest recorded lap of each driver on a track, in one game where it is named."""
    corners = tuple(corners)
    return {who: _lap(store, lap, corners) for who, lap in fastest_laps(store, track, env).items()}


def _lap(store: Store, episode: EpisodeSummary, corners: tuple[Corner, ...]) -> Lap:
    drive = store.steps(episode, columns=("t", "progress"))
    splits = {corner.name: seconds for corner in corners if (seconds := time_at(drive, corner.to_m)) is not None}
    pace = pace_of(zip(drive.progress.tolist(), (drive.t / episode.hz).tolist(), strict=True))
    return Lap(episode.lap_s or episode.length / episode.hz, splits, pace)
