"""Laps recorded as the game's own frames (``data.exchange.trackmaniarl``), seen and paid as today: laps and takeovers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import HitlError, shown
from data.exchange.checks import EpisodeRefusedError, need
from data.exchange.portable import Portable
from data.exchange.relayout import add_pending
from data.exchange.trackmaniarl.reading import Demonstration, find_files, read_demonstration, read_replay
from data.reading.attempts import corner_of
from data.reading.episodes import EpisodeData, SegmentData, takeovers
from data.records import AGENT, HUMAN, REPLAY
from hitl.games.base import VehicleState
from hitl.games.trackmania.details import car_details
from hitl.player_runs.rebuild import COLUMNS, session_of
from hitl.road.track import Track
from hitl.task.driving_task import DrivingTask, TaskSettings

SAME_PACE = 1.25  # times that frames may come more often than steps, and are steps all the same
MOVING = 3.0  # m/s
AGREES = (0.8, 1.25)  # shares of the speed by the positions that a velocity may say
ASTRAY = 0.5  # share of the frames that may lie beside the road


class Demonstrations:
    """Turns laps driven on ``track`` into episodes of today's layout and reward."""

    def __init__(self, track: Track, settings: TaskSettings | None = None, digest: str = "") -> None:
        """``digest``: what the track is known by in the store (``hitl.road.known_tracks.file_under``)."""
        self.track, self.digest = track, digest
        self.settings = settings or TaskSettings()

    def read(self, path: Path) -> Iterator[tuple[str, Portable | EpisodeRefusedError]]:
        """Yield (name, episode, or why it is refused) of a file, or of each file in a folder and below."""
        for file in find_files(path):
            try:
                lap = read_replay(file) if file.suffix.lower() == ".json" else read_demonstration(file)
                yield file.name, self(lap)
            except EpisodeRefusedError as error:
                yield file.name, error
            except HitlError as error:  # a file that cannot be read at all: the others go on
                yield file.name, EpisodeRefusedError(shown(error, 300))

    def __call__(self, lap: Demonstration) -> Portable:
        """Rebuild one lap. Raises EpisodeRefusedError where it was driven on another map."""
        known = self.track.map_uid
        if known and lap.map_uid:
            other, ours = shown(lap.map_uid, 60), shown(known, 60)
            need(known == lap.map_uid, f"it was driven on the map {other}, and the track is of {ours}")
        frames, acting, driver = _stepped(lap, self.settings.hz)
        states = _states(frames, lap.finish_s)
        task, line, n = DrivingTask(self.track, self._seen_by(states)), self.track.line, len(acting)
        seen, paid, places, beside = [task.begin(states[0], line.begin_at(states[0].x, states[0].y).s)[0]], [], [task.place.s], 0
        for state in states[1:]:
            observation, reward, _, _ = task.step(state)
            seen.append(observation)
            paid.append(reward)
            places.append(task.place.s)
            beside += abs(task.place.offset) > 2 * self.track.half_width
        need(beside <= ASTRAY * n, f"it lies beside the track '{self.track.name}': it was driven on another map")
        terminated = np.arange(n) == n - 1
        data = EpisodeData(
            np.stack(seen[:-1]), acting.astype(np.float32), np.array(paid), driver=driver, terminated=terminated,
            last_observation=seen[-1], purpose="lap" if driver.all() else "drive", reason="finish", lap_s=lap.finish_s,
            columns={name: np.array([getattr(state, name) for state in states[:n]]) for name in COLUMNS},
        )  # fmt: skip
        data.columns["progress"] = np.array(places[:n])
        add_pending(data)
        driver = data.driver = np.concatenate([driver[1:], driver[-1:]])  # as the actions: decided a tick before they act
        data.segments = self._segments(driver, data.columns["progress"])
        info = session_of(task, self.track, self.digest, REPLAY if lap.replay else "imported")
        return Portable(info, data, lap.origin)

    def _seen_by(self, states: list[VehicleState]) -> TaskSettings:
        """Return the settings, with the layout ``road`` where the frames tell no more of the car."""
        return self.settings if states[0].details is not None else replace(self.settings, layout="road")

    def _segments(self, driver: NDArray[np.uint8], progress: NDArray[np.float64]) -> list[SegmentData]:
        if driver.all():
            return [SegmentData("lap", 0, len(driver), trigger="imported")]
        found = []
        for start, stop in takeovers(driver):
            corner = corner_of(self.track.corners, progress[start:stop].tolist())
            name = corner.name if corner else None
            found.append(SegmentData("takeover", start, stop, trigger="imported", corner=name, outcome="cleared"))
        return found


def _stepped(lap: Demonstration, hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """Return the frames at each step and the last one (N + 1, 33), what acted in each step (N, 3), and who drove it (N,).

    A lap with more frames than steps is thinned: the actions of a step are those of its frames, on average.
    """
    times = lap.frames[:, 3]
    gap, apart = 1000.0 / hz, float(np.median(np.diff(times)))
    need(apart <= SAME_PACE * gap, f"its frames are {apart:.0f} ms apart, and a step is {gap:.0f} ms")
    if apart * SAME_PACE >= gap:
        return lap.frames, lap.acting, lap.driver
    first = np.unique(np.searchsorted(times, np.arange(times[0], times[-1] - gap / 2, gap)))
    bounds = [*first.tolist(), len(times) - 1]
    spans = [slice(a, b) for a, b in itertools.pairwise(bounds)]
    acting = np.stack([lap.acting[span].mean(axis=0) for span in spans])
    driver = np.array([HUMAN if (lap.driver[span] == HUMAN).mean() >= 0.5 else AGENT for span in spans], np.uint8)
    return lap.frames[bounds], acting, driver


def _states(frames: NDArray[np.float64], finish_s: float) -> list[VehicleState]:
    seconds = frames[:, 3] / 1000
    place = frames[:, 4:7] * [1.0, 1.0, -1.0]  # the game's axes are left-handed
    moved = np.gradient(place, seconds, axis=0)
    velocity = frames[:, 7:10] * [1.0, 1.0, -1.0]
    by_place, by_game = np.linalg.norm(moved, axis=1), np.linalg.norm(velocity, axis=1)
    moving = by_place > MOVING
    share = float(np.median(by_game[moving] / by_place[moving])) if moving.any() else 1.0
    if not AGREES[0] <= share <= AGREES[1]:  # its recorder had another unit
        velocity = moved
    forward = frames[:, [10, 12]] * [1.0, -1.0]
    known = np.hypot(*forward.T) > 0.5
    heading = np.unwrap(np.where(known, np.arctan2(forward[:, 1], forward[:, 0]), np.arctan2(velocity[:, 2], velocity[:, 0])))
    rate = np.gradient(heading, seconds)
    told = bool(frames[:, 17].any())  # an engine runs: a replay, or a lap that was written here, has none of these numbers
    states = [
        VehicleState(
            time=float(seconds[i] - seconds[0]), x=float(place[i, 0]), y=float(place[i, 2]), z=float(place[i, 1]),
            heading=float(heading[i]), vx=float(velocity[i, 0]), vy=float(velocity[i, 2]), yaw_rate=float(rate[i]),
            steer=float(frames[i, 30]), gas=float(frames[i, 31]), brake=float(frames[i, 32]),
            details=car_details(frames[i].tolist()) if told else None,
        )
        for i in range(len(frames))
    ]  # fmt: skip
    states[-1] = replace(states[-1], finished=True, lap_time=finish_s)
    return states
