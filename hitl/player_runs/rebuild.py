"""Player runs of the old tool, seen and paid as today: positions found again from the road points in the recorded observations.

Such an observation (tmrl's TQCGRAB without images) holds points of the road ahead relative to the car, in the world's axes or in
the car's; numbers of the car, among them its progress along the line; and the last actions. What the numbers do tells which is
which (``hitl.player_runs.road``), laying the seen road on the line tells the places (``hitl.player_runs.places``), and both must
agree with the recorded speed.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.exchange.importing import EpisodeRefusedError
from data.exchange.player_runs import ACTIONS, PlayerRun, as_steps
from data.exchange.portable import Portable
from data.exchange.relayout import add_pending, plain_names
from data.records import SessionInfo
from hitl.games.base import VehicleState
from hitl.games.pictures import pixel_names
from hitl.player_runs.beside import beside_line
from hitl.player_runs.places import (
    MAX_MISFIT,
    MAX_SPEED_MISFIT,
    Array,
    Complex,
    Flags,
    Places,
    bends,
    find_speed,
    fit,
    off_line,
    on_line,
)
from hitl.player_runs.road import progress_columns, see_road
from hitl.road.track import Track
from hitl.task.driving_task import DrivingTask, TaskSettings

POINT_SCALE = 100.0  # m that become 1.0
MAX_TURN = 0.003  # rad between the direction of the points and the line's; beyond it they are not points of the line
MAX_ROUGH = 8.0  # m, of points of a road beside the line
MAX_ASTRAY = 0.25  # rad that a road beside the line may run askew of it
MAX_UNIT = 1.35  # times that the seen road may bend as much as the line
MOVING = 3.0  # m/s
COLUMNS = ("x", "y", "z", "heading", "speed")  # of a state, as stored beside a step
ROOM_M = 5.0  # m that a position may be from where the speed brings the car, before it counts as not known


class OldRuns:
    """Turns player runs driven on ``track`` into laps of today's layout and reward."""

    def __init__(
        self, track: Track, settings: TaskSettings | None = None, keep_rewards: bool = False, digest: str = ""
    ) -> None:
        """``digest``: what the track is known by in the store (``hitl.road.known_tracks.file_under``)."""
        self.track, self.keep_rewards, self.digest = track, keep_rewards, digest
        self.settings = replace(settings or TaskSettings(), layout="road")  # such a run says no more of the car

    def __call__(self, run: PlayerRun) -> Portable:
        """Rebuild one run. Raises EpisodeRefusedError with the reason when its positions cannot be found on this track."""
        states = self._states(run)
        task = DrivingTask(self.track, self.settings)
        line = self.track.line
        near = line.begin_at(states[0].x, states[0].y).s
        seen, paid = [task.begin(states[0], near)[0]], [0.0]
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
        add_pending(data)
        n = len(data)
        data.columns = {name: np.array([getattr(s, name) for s in states[:n]]) for name in COLUMNS}
        data.columns["progress"] = np.array(places[:n])
        return Portable(session_of(task, self.track, self.digest), data, f"player-run:{run.run_id}")

    def _states(self, run: PlayerRun) -> list[VehicleState]:
        position, speed, heading = self.drive(run)
        hz, n = self.settings.hz, len(run)
        velocity = np.gradient(position) * hz
        rate = np.gradient(heading) * hz
        way = np.where(np.abs(velocity) > 1.0, velocity / np.maximum(np.abs(velocity), 1e-9), np.exp(1j * heading))
        motion = speed * way
        done = run.terminated & (np.arange(n) == n - 1)
        return [
            VehicleState(
                time=i / hz, x=float(position[i].real), y=float(position[i].imag), z=0.0, heading=float(heading[i]),
                vx=float(motion[i].real), vy=float(motion[i].imag), yaw_rate=float(rate[i]), steer=float(run.action[i, 2]),
                gas=float(run.action[i, 0]), brake=float(run.action[i, 1]),
                finished=bool(done[i]),
            )
            for i in range(n)
        ]  # fmt: skip

    def drive(self, run: PlayerRun) -> tuple[Complex, Array, Array]:
        """Return the car's position (N,) as x + iy, speed (N,) in m/s and heading (N,) in rad.

        Raises EpisodeRefusedError with the reason when they cannot be told for sure.
        """
        if len(run) < 3:
            raise EpisodeRefusedError("it is too short for its positions to be found")
        if not np.isfinite(run.observation).all():
            raise EpisodeRefusedError("its observations hold numbers that are not finite")
        road = see_road(run.observation)
        others = np.setdiff1d(np.arange(run.observation.shape[1]), road.columns)
        if (road.known.sum(1) >= 3).mean() < 0.5:
            raise EpisodeRefusedError("most points that it saw are cut off at the end of their range, so they are no places")
        reasons = []
        for column in progress_columns(run.observation, others)[:3]:
            progress = run.observation[:, column].astype(np.float64)
            try:
                places = find_places(
                    self.track, _metres(road.centre), road.known, tuple(_metres(side) for side in road.sides), progress,
                    run.observation[:, others].astype(np.float64), self.settings.hz,
                )  # fmt: skip
                return self._checked(run, others, places)
            except EpisodeRefusedError as error:
                reasons.append(str(error))
        raise EpisodeRefusedError(
            reasons[0] if reasons else "its recorded progress does not tell where on the road it was: no number grows on the way"
        )

    def _checked(self, run: PlayerRun, others: NDArray[np.int64], places: Places) -> tuple[Complex, Array, Array]:
        """Check what was found against the recorded speed, and fill in what is not known."""
        hz = self.settings.hz
        numbers = run.observation[:, others].astype(np.float64)
        speed, misfit = find_speed(numbers, places, hz)
        if misfit > MAX_SPEED_MISFIT:
            raise EpisodeRefusedError(f"the positions found do not move at the recorded speed ({misfit:.1f} m/s off)")
        position = _filled(places, speed / hz)
        return position, speed, _heading(position, places, numbers, hz)


def session_of(task: DrivingTask, track: Track, digest: str, driver: str = "imported") -> SessionInfo:
    """Return what holds for all that is rebuilt on a track."""
    return SessionInfo(
        kind="import", env="trackmania", track=track.name, hz=task.settings.hz, observation_names=task.names(ACTIONS),
        action_names=ACTIONS, reward=task.reward.settings.as_dict(), driver=driver, track_digest=digest,
    )  # fmt: skip


def _metres(points: NDArray[np.float64]) -> Complex:
    """Return points of the observation in metres; as with the line itself, the game's axes are left-handed."""
    return POINT_SCALE * points[..., 0] - 1j * POINT_SCALE * points[..., 1]


def find_places(
    track: Track, points: Complex, known: Flags, sides: tuple[Complex, ...], progress: Array, numbers: Array, hz: float
) -> Places:
    """Return where the car was that saw (N, K) points of the middle of the road, of the line itself or of a road beside it.

    ``numbers``: (N, C) what else the observation holds. Raises EpisodeRefusedError with the reason when it cannot be told for
    sure.
    """
    line = track.line
    found = fit(line, points, known, progress, turned=False)
    off = off_line(line, points, known, found)
    if found.misfit <= MAX_MISFIT and off <= MAX_TURN:
        _same_unit(bends(line, points, known, found))
        return on_line(line, points, known, found)
    if found.misfit > MAX_ROUGH or off > MAX_ASTRAY:  # not in the world's axes but in the car's, or another road
        turned, own, sides = min(
            (
                (fit(line, p, known, progress, turned=True), p, e)
                for p, e in ((points, sides), (points.conj(), tuple(side.conj() for side in sides)))
            ),
            key=lambda f: f[0].misfit,
        )
        places = on_line(line, own, known, turned)
        yaw = yaw_of(places, numbers)
        if yaw is None or turned.misfit > MAX_ROUGH:
            raise EpisodeRefusedError(
                f"its line points do not lie on track '{track.name}' ({found.misfit:.1f} m off"
                + (f", {np.degrees(off):.0f} degrees turned" if off > MAX_ASTRAY else "") + "): give its own --track"
            )  # fmt: skip
        turn = np.exp(1j * yaw)[:, None]
        if turned.misfit <= MAX_MISFIT:
            _same_unit(bends(line, own, known, turned))
            if off_line(line, own * turn, known, turned) <= MAX_TURN:
                return places
        points, sides = own * turn, tuple(side * turn for side in sides)
        found = fit(line, points, known, progress, turned=False)
    _same_unit(bends(line, points, known, found))
    return beside_line(line, points, known, sides, progress, numbers, hz, found)


def _same_unit(share: float) -> None:
    if share < 1 / MAX_UNIT or share > MAX_UNIT:
        raise EpisodeRefusedError(
            f"the road that it saw curves {share:.2g} times as much as the line: its points are in another unit than 100 m, or "
            "this is another road"
        )


def yaw_of(places: Places, numbers: Array) -> Array | None:
    """Return (N,) rad, the recorded number that turns as the axes do in which the road was seen; None when none does."""
    if places.turn is None:
        return None
    if np.abs(np.exp(1j * places.turn)[places.known].mean()) > 0.97:
        return None  # these axes do not turn at all
    best: tuple[float, Array] | None = None
    for column in numbers.T[np.ptp(numbers, axis=0) > 0.05]:
        # The game's yaw turns as ours does; on a mirrored road it would turn the other way.
        mean = np.exp(1j * (places.turn - column))[places.known].mean()
        if best is None or abs(mean) > best[0]:
            right = np.pi / 2 * np.round(np.angle(mean) / (np.pi / 2))  # axes lie along each other, or across
            best = float(abs(mean)), column + (right if abs(right - np.angle(mean)) < 0.1 else np.angle(mean))
    return best[1] if best is not None and best[0] > 0.97 else None


def _filled(places: Places, step: Array) -> Complex:
    """Return the positions, the unknown ones put between the others, or behind them by the distance that the car drove.

    ``step``: (N,) m that it moves in a step. The game has no position when a run finishes: the last sample is often such a one.
    """
    known = places.known.copy()
    position = places.position.copy()
    good = np.flatnonzero(known)
    for before, here in pairwise(good.tolist()):  # a jump that no car makes: the later one is not its place
        at = before if known[before] else int(np.flatnonzero(known[:here])[-1])
        if abs(position[here] - position[at]) > 2 * step[at : here + 1].sum() + ROOM_M:
            known[here] = False
    good, all_of_them = np.flatnonzero(known), np.arange(len(position))
    filled = np.interp(all_of_them, good, position[good])
    last = good[-1]
    if last + 1 < len(position) and len(good) > 1:
        way = position[last] - position[good[-2]]
        way = way / abs(way) if abs(way) > 1e-9 else 0.0
        filled[last + 1 :] = position[last] + way * np.cumsum(step[last + 1 :])
    return filled


def _heading(position: Complex, places: Places, numbers: Array, hz: float) -> Array:
    """Return the car's heading (rad, unwrapped): that of the axes in which it saw the road, else a recorded yaw if it turns as
    the car moves, else the direction of movement."""
    velocity = np.gradient(position) * hz
    fast = (np.abs(velocity) > MOVING) & places.known
    if not fast.any():
        return np.zeros(len(position))
    moving = np.angle(velocity)
    candidates = [numbers[:, c] * sign for c in range(numbers.shape[1]) for sign in (1.0, -1.0) if np.ptp(numbers[:, c]) > 0.1]
    if places.turn is not None:
        candidates = [places.turn]
    best: tuple[float, Array] | None = None
    for yaw in candidates:
        turn = np.exp(1j * (moving[fast] - yaw[fast])).mean()
        if best is None or abs(turn) > best[0]:
            best = float(abs(turn)), yaw + np.angle(turn)
    if best is not None and best[0] > 0.97:
        return np.unwrap(best[1])
    index = np.flatnonzero(fast)
    return np.unwrap(moving[index[np.clip(np.searchsorted(index, np.arange(len(position))), 0, len(index) - 1)]])


def as_recorded(run: PlayerRun, track: str, hz: float) -> Portable:
    """Take a run with the observations and rewards it was recorded with, in the layout of a live session of its environment.

    As there, the numbers have no names but their place. Raises EpisodeRefusedError when there is no step.
    """
    observation, picture = run.observation, next((k for k, shape in enumerate(run.shapes) if len(shape) in (3, 4)), None)
    names, image = plain_names(observation.shape[1]), None
    if picture is not None:
        observation, image = _picture_last(run, picture)
        pixels = pixel_names(*image)
        names = (*plain_names(observation.shape[1] - len(pixels)), *pixels)
    info = SessionInfo(
        kind="import",
        env="tmrl",
        track=track,
        hz=hz,
        observation_names=names,
        action_names=ACTIONS,
        driver="imported",
        frame_shape=image[1:] if image else None,
    )
    return Portable(info, as_steps(run, observation), f"player-run:{run.run_id}")


def _picture_last(run: PlayerRun, picture: int) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
    """Return observations whose picture is grey, from 0 to 1 and last, as ``hitl.games.tmrl.env`` shows it, and its shape."""
    sizes = [int(np.prod(shape)) for shape in run.shapes]
    begin = sum(sizes[:picture])
    shape = run.shapes[picture]
    light = run.observation[:, begin : begin + sizes[picture]].reshape(len(run), *shape)
    if len(shape) == 4:
        light = light.mean(axis=4)
    if float(light.max(initial=0.0)) > 1.5:
        light = light / 255.0
    rest = np.delete(run.observation, np.s_[begin : begin + sizes[picture]], axis=1)
    return np.concatenate([rest, light.reshape(len(run), -1)], axis=1).astype(np.float32), (shape[0], shape[1], shape[2])


def left_empty(run: PlayerRun) -> bool:
    """Whether the recorder left the last actions in the observations at 0, where a live session has them."""
    count = next((k for k, shape in enumerate(reversed(run.shapes)) if int(np.prod(shape)) != len(ACTIONS)), len(run.shapes))
    buffers = run.observation[:, run.observation.shape[1] - count * len(ACTIONS) :]
    return 0 < count < len(run.shapes) and not buffers.any() and bool(run.action.any())
