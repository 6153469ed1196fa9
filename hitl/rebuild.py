"""Player runs of the old tool, seen and paid as today: positions found again from the line points in the recorded observations.

Such an observation (tmrl's TQCGRAB without images) holds, for the left edge, the centre and the right edge of the road, K points
of the line minus the car's position, then fifteen numbers of the car, then the last actions. The centre points give the car's
position as soon as it is known which points of the line they are; the recorded progress says that, up to its scale, and the
scale is the one for which the points have the line's shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.episodes import EpisodeData
from data.importing import EpisodeRefusedError
from data.player_runs import ACTIONS, PlayerRun, as_steps
from data.portable import Portable
from data.records import SessionInfo
from hitl.games.base import VehicleState
from hitl.line import ReferenceLine
from hitl.task import DrivingTask, TaskSettings
from hitl.track import Track

CAR = ("speed", "acceleration", "jerk", "progress", "steer", "gas", "brake", "gear", "yaw", "pitch", "steer_left", "steer_right",
       "slip_left", "slip_right", "failures")  # fmt: skip
POINT_SCALE = 100.0  # m
SPEED_SCALE = 500.0 / 3.6  # m/s
MAX_MISFIT = 0.5  # m between the recorded points and the line's; beyond it this is another road
MAX_SPEED_MISFIT = 3.0  # m/s between the recorded speed and the one at which the positions move


@dataclass(frozen=True)
class OldLayout:
    """How many line points and past actions an observation holds."""

    points: int
    actions: int

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each number."""
        road = [
            f"{side}_{i}_{axis}"
            for side in ("left", "centre", "right")
            for i in range(self.points)
            for axis in ("dx", "dz")
        ]
        past = [f"past_{i}_{name}" for i in range(self.actions, 0, -1) for name in ACTIONS]
        return (*road, *CAR, *past)


def old_layouts(size: int) -> Iterator[OldLayout]:
    """Yield the layouts an observation of that size may have, the most usual first."""
    for actions in (2, 1, 0, 3, 4):
        points, rest = divmod(size - len(CAR) - 3 * actions, 6)
        if rest == 0 and points >= 3:
            yield OldLayout(points, actions)


def _along(line: ReferenceLine, s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (…, 2) positions of the line at arc lengths of any shape."""
    grid = np.arange(len(line.points)) * line.spacing
    return np.stack([np.interp(s, grid, line.points[:, k]) for k in range(2)], axis=-1)


def _misfit(
    line: ReferenceLine, s: NDArray[np.float64], points: NDArray[np.float64], arcs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for each step how far (m, root mean square) the shape of its points is from the line's at ``s``."""
    there = _along(line, s[..., None] + arcs)
    error = (there - there.mean(-2, keepdims=True)) - (points - points.mean(-2, keepdims=True))
    return np.sqrt((error**2).sum(-1).mean(-1))


def find_positions(
    line: ReferenceLine, points: NDArray[np.float64], progress: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the car's positions (N, 2) and the misfit (m) of the points to the line.

    ``points``: (N, K, 2) line points minus the car's position, in the line's axes, metres; ``progress``: (N,) recorded share of
    the line. The arc length of a step's first point is taken as ``scale * progress + ahead``, with the two numbers that fit the
    run best.
    """
    arcs = np.concatenate(
        [np.zeros((len(points), 1)), np.cumsum(np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0)), axis=1)], axis=1
    )
    some = np.linspace(0, len(points) - 1, min(len(points), 120)).astype(int)
    scales, aheads = np.linspace(0.95, 1.5, 56) * line.length, np.arange(0.0, 61.0, 3.0)
    for finer in range(4):
        best, found = np.inf, (line.length, 0.0)
        for scale in scales:
            s = scale * progress[some] + aheads[:, None]
            cost = np.median(_misfit(line, s, points[some], arcs[some]), axis=1)
            if cost.min() < best:
                best, found = float(cost.min()), (float(scale), float(aheads[cost.argmin()]))
        width = 0.01 * line.length / 4**finer
        scales = found[0] + np.linspace(-width, width, 21)
        aheads = found[1] + np.linspace(-3.0, 3.0, 13) / 4**finer
    s = found[0] * progress + found[1]
    positions = (_along(line, s[:, None] + arcs) - points).mean(axis=1)
    return positions, float(np.median(_misfit(line, s, points, arcs)))


def _heading(velocity: NDArray[np.float64], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the car's heading (rad, unwrapped): the recorded yaw if it turns as the car moves, else the direction of
    movement."""
    fast = np.hypot(*velocity.T) > 3.0
    if not fast.any():
        return np.zeros(len(yaw))
    moving = np.arctan2(velocity[:, 1], velocity[:, 0])
    best: tuple[float, NDArray[np.float64]] | None = None
    for sign in (1.0, -1.0):
        turn = np.exp(1j * (moving[fast] - sign * yaw[fast])).mean()
        if best is None or abs(turn) > best[0]:
            best = float(abs(turn)), sign * yaw + np.angle(turn)
    assert best is not None
    if best[0] > 0.97:
        return np.unwrap(best[1])
    index = np.flatnonzero(fast)
    return np.unwrap(moving[index[np.clip(np.searchsorted(index, np.arange(len(yaw))), 0, len(index) - 1)]])


class OldRuns:
    """Turns player runs driven on ``track`` into laps of today's layout and reward."""

    def __init__(
        self, track: Track, settings: TaskSettings | None = None, keep_rewards: bool = False, digest: str = ""
    ) -> None:
        """``digest``: what the track is known by in the store (``hitl.known_tracks.file_under``)."""
        self.track, self.keep_rewards, self.digest = track, keep_rewards, digest
        self.settings = settings or TaskSettings()

    def info(self, task: DrivingTask) -> SessionInfo:
        """Return what holds for every step of such a lap."""
        return SessionInfo(
            kind="import",
            env="trackmania",
            track=self.track.name,
            hz=self.settings.hz,
            observation_names=tuple(task.observer.names),
            action_names=ACTIONS,
            reward=task.reward.settings.as_dict(),
            driver="imported",
            track_digest=self.digest,
        )

    def __call__(self, run: PlayerRun) -> Portable:
        """Rebuild one run. Raises EpisodeRefusedError with the reason when its positions cannot be found on this track."""
        states = self._states(run)
        task = DrivingTask(self.track, self.settings)
        line = self.track.line
        near = line.begin_at(states[0].x, states[0].y).s
        first, _ = task.begin(states[0], near)
        seen, paid = [first], [0.0]
        places = [task.place.s]
        for state in states[1:]:
            if state.finished:  # the run is over: at the finish only where the road to there was driven
                reached = line.locate(state.x, state.y, task.place.s).s
                state = replace(state, finished=reached > 0.9 * line.length)
            observation, reward, _, _ = task.step(state)
            seen.append(observation)
            paid.append(reward)
            places.append(task.place.s)
        data = as_steps(run, np.stack(seen), None if self.keep_rewards else np.array(paid))
        self._add_columns(data, states, places)
        return Portable(self.info(task), data, f"player-run:{run.run_id}")

    @staticmethod
    def _add_columns(data: EpisodeData, states: list[VehicleState], places: list[float]) -> None:
        n = len(data)
        columns = {
            name: np.array([getattr(s, name) for s in states[:n]]) for name in ("x", "y", "z", "heading", "speed")
        }
        data.columns = columns | {"progress": np.array(places[:n])}

    def _states(self, run: PlayerRun) -> list[VehicleState]:
        if len(run) < 3:
            raise EpisodeRefusedError("it is too short for its positions to be found")
        size, reasons = run.observation.shape[1], []
        for layout in old_layouts(size):
            try:
                return self._states_of(run, layout)
            except EpisodeRefusedError as error:
                reasons.append(str(error))
        raise EpisodeRefusedError(
            reasons[0] if reasons else f"its observations of {size} numbers hold no line points that are known"
        )

    def _states_of(self, run: PlayerRun, layout: OldLayout) -> list[VehicleState]:
        k = layout.points
        points = run.observation[:, 2 * k : 4 * k].reshape(len(run), k, 2).astype(np.float64) * POINT_SCALE
        points[:, :, 1] *= -1  # as with the line itself: the game's axes are left-handed
        car = {name: run.observation[:, 6 * k + i].astype(np.float64) for i, name in enumerate(CAR)}
        progress = car["progress"]
        if not np.isfinite(points).all() or not np.isfinite(progress).all() or np.ptp(progress) <= 0:
            raise EpisodeRefusedError("its recorded progress does not tell where on the road it was")
        positions, misfit = find_positions(self.track.line, points, progress)
        if misfit > MAX_MISFIT:
            raise EpisodeRefusedError(
                f"its line points do not lie on track '{self.track.name}' ({misfit:.1f} m off): give its own --track"
            )
        hz = self.settings.hz
        velocity = np.gradient(positions, axis=0) * hz
        speed = car["speed"] * SPEED_SCALE
        moved = np.median(np.abs(np.hypot(*velocity.T) - speed))
        if moved > MAX_SPEED_MISFIT:
            raise EpisodeRefusedError(f"the positions found do not move at the recorded speed ({moved:.1f} m/s off)")
        heading = _heading(velocity, car["yaw"])
        rate = np.gradient(heading) * hz
        norm = np.maximum(np.hypot(*velocity.T), 1e-9)
        direction = np.where(
            norm[:, None] > 1.0, velocity / norm[:, None], np.stack([np.cos(heading), np.sin(heading)], 1)
        )
        done = run.terminated & (np.arange(len(run)) == len(run) - 1)
        return [
            VehicleState(
                time=i / hz, x=float(x), y=float(y), z=0.0, heading=float(heading[i]), vx=float(speed[i] * direction[i, 0]),
                vy=float(speed[i] * direction[i, 1]), yaw_rate=float(rate[i]), steer=float(car["steer"][i]),
                gas=float(car["gas"][i]), brake=float(car["brake"][i]),
                finished=bool(done[i]),
            )
            for i, (x, y) in enumerate(positions)
        ]  # fmt: skip


def as_recorded(run: PlayerRun, track: str, hz: float) -> Portable:
    """Take a run with the observations and rewards it was recorded with, under names that say what they are.

    Raises EpisodeRefusedError when the layout is not known.
    """
    layout = next(old_layouts(run.observation.shape[1]), None)
    if layout is None:
        raise EpisodeRefusedError(
            f"its observations of {run.observation.shape[1]} numbers are of no layout that is known"
        )
    info = SessionInfo(
        kind="import",
        env="tmrl",
        track=track,
        hz=hz,
        observation_names=layout.names,
        action_names=ACTIONS,
        driver="imported",
    )
    return Portable(info, as_steps(run), f"player-run:{run.run_id}")
