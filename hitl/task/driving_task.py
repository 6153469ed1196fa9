"""The driving task: what a game's states mean for the learner. One object serves every game, in real time and in lock-step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import ACTION_PENDING
from data.reward import RewardSettings
from hitl.games.base import VehicleState
from hitl.road.line import Place
from hitl.road.track import Track
from hitl.task.observation import LayoutName, ObservationSettings, Observer
from hitl.task.reward import Reward, RewardMemory

FINISH_M = 2.0  # m before the end of the line at which a lap counts as driven
LAP_FROM_M = 5.0  # m: a drive that begins farther on is no whole lap, and has no lap time
WALKING_PACE = 5.0  # m/s
FALL_M = 6.0  # m below the road at which a car has fallen from it, where heights are known
PAY_PER_M = 1 / 3  # our progress reward: a metre is worth the same on a short track and on a long one


@dataclass(frozen=True)
class TaskSettings:
    """How a drive is seen, paid and bounded."""

    observation: ObservationSettings = field(default_factory=ObservationSettings)
    reward: RewardSettings | Mapping[str, float] | None = None  # changes to ours for the track's length and width, or all of it
    max_seconds: float | None = None  # time limit, which truncates and does not terminate; None: the track at walking pace
    hz: float = 20.0
    layout: LayoutName = "road"


class DrivingTask:
    """Follows one car along one track."""

    def __init__(self, track: Track, settings: TaskSettings | None = None) -> None:
        self.track = track
        self.settings = settings or TaskSettings()
        length = track.line.length
        ours = replace(RewardSettings(), max_stray=track.half_width, progress=length * PAY_PER_M)
        given = self.settings.reward or {}
        reward = given if isinstance(given, RewardSettings) else replace(ours, **given)  # type: ignore[arg-type]
        self.max_steps = round((self.settings.max_seconds or 10 + length / WALKING_PACE) * self.settings.hz)
        self.reward = Reward(track.line.length, reward, self.settings.hz)
        self.observer = Observer(track.line, track.half_width_at, self.settings.observation, self.settings.layout)

    def names(self, actions: Sequence[str]) -> tuple[str, ...]:
        """Return the names of all that a session's observation holds: what is seen, and the action about to act."""
        return (*self.observer.names, *(f"{ACTION_PENDING}{name}" for name in actions))

    def begin(self, state: VehicleState, near_s: float = 0.0) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; returns (observation, info)."""
        self.place = self.track.line.locate(state.x, state.y, near_s)
        self.reward.begin(self._along(state))
        self._before_finish = self.place.s < self.track.line.length - FINISH_M
        self._began_s = state.time if self.place.s <= LAP_FROM_M else math.nan
        self._before = (state.time, self.place.s)
        return self.observer(state, self.place), self._info(state, None)

    def step(self, state: VehicleState) -> tuple[NDArray[np.float32], float, bool, dict[str, Any]]:
        """Take the state one step later; returns (observation, reward, terminated, info).

        With the step that finishes a whole lap, ``info`` holds its time, ``lap_s``.
        """
        line = self.track.line
        self.place = line.locate(state.x, state.y, self.place.s)
        over = self.place.s >= line.length - FINISH_M
        finished = state.finished or (over and self._before_finish)  # a car put down behind the finish has driven nothing
        self._before_finish |= not over
        before, self._before = self._before, (state.time, self.place.s)
        reward, reason = self.reward.step(self._along(state), self._off(state), state.speed * 3.6, finished)
        info = self._info(state, reason)
        if reason == "finish" and not math.isnan(self._began_s):
            info["lap_s"] = self._lap_time(state, before)
        return self.observer(state, self.place), reward, reason is not None, info

    def _lap_time(self, state: VehicleState, before: tuple[float, float]) -> float:
        """Return the seconds of the lap that this state ends: by the game's clock, else between the states around the finish."""
        if not math.isnan(state.lap_time):
            return state.lap_time
        (then, there), finish_m = before, self.track.line.length - FINISH_M
        driven = self.place.s - there
        share = min(1.0, max(0.0, (finish_m - there) / driven)) if driven > 0.0 else 1.0
        return then + share * (state.time - then) - self._began_s

    def _off(self, state: VehicleState) -> float:
        """Return the distance to the line (m), on a road as wide as is usual there; after a fall it is off any road."""
        track, s = self.track, self.place.s
        off = abs(self.place.offset) * track.half_width / track.half_width_at(s)
        if track.heights is not None and state.z < track.height_at(s) - FALL_M:
            return max(off, 2.01 * self.reward.settings.max_stray)
        return off

    def save(self) -> tuple[Place, bool, float, tuple[float, float], RewardMemory]:
        """Return where the episode stands, for ``restore``."""
        return self.place, self._before_finish, self._began_s, self._before, self.reward.save()

    def restore(self, saved: tuple[Place, bool, float, tuple[float, float], RewardMemory]) -> None:
        """Go on from where an episode stood."""
        self.place, self._before_finish, self._began_s, self._before, paid = saved
        self.reward.restore(paid)

    def _along(self, state: VehicleState) -> float:
        """Return the progress (m), below 0 on the way to a line that begins ahead of the start."""
        return self.place.s or -self.track.line.before(state.x, state.y)

    def _info(self, state: VehicleState, reason: str | None) -> dict[str, Any]:
        # A lap that counts has all of the line behind it, the corner that ends with the line included.
        progress = self.track.line.length if reason == "finish" else self.place.s
        return {"state": state, "place": self.place, "progress": progress, "reason": reason, "stands": self.reward.stands}
