"""The car of tmrl's environment, which tells nothing of it: as the game's telemetry shows it, on the line of tmrl's reward."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from hitl.games.base import AT_REST, VehicleState
from hitl.games.trackmania.frames import Frame
from hitl.games.trackmania.motion import Motion, ground
from hitl.road.line import Place
from hitl.road.track import Track
from hitl.task.line_check import LineCheck

RECORD_ANEW = (
    "no corner counts",
    "Put this map's line into TmrlData/reward/reward.pkl: `python -m tmrl --record-reward` records it here.",
)


class SeenCar:
    """Follows the car through an episode, frame by frame. ``has_line`` False: its place and progress are not known.

    tmrl goes on where the car has left the road, so a metre counts as driven only on the road: beside it the progress stays.
    """

    def __init__(self, track: Track, *, has_line: bool) -> None:
        self._track, self._has_line = track, has_line
        self._line_check = LineCheck(RECORD_ANEW)
        self.begin()

    def begin(self) -> None:
        """An episode begins, of which nothing has been seen yet."""
        self._frames: deque[Frame] = deque(maxlen=12)
        self._motion = Motion()
        self.state, self._place = AT_REST, Place(0.0, 0.0, 0.0)
        self._began = time.perf_counter()
        self._on_road_m: float | None = None  # where it was on the road last; None: nowhere yet
        self._drives = False
        self.finished = False
        """Whether it has finished in this episode: a finish that is shown before it drives is that of the run before."""
        self._lap_s = 0.0

    @property
    def is_seen(self) -> bool:
        """Whether a frame of this episode has shown where it is."""
        return bool(self._frames)

    def see(self, seen: Frame) -> None:
        """Take a frame, the newest one."""
        self._drives |= not seen.finished
        self.finished = seen.finished and self._drives
        self._lap_s = seen.race_s if seen.race_s > 0.0 else seen.received - self._began
        if seen.nowhere:
            return
        line = self._track.line
        x, y = ground(seen)
        if not self._frames:
            self._place = line.begin_at(x, y)
            self._motion.begin(self._place.heading)
            self._began = seen.received
        if not self._frames or seen.received > self._frames[-1].received:
            self._frames.append(seen)
        self._motion.follow(self._frames)
        self._place = line.locate(x, y, self._place.s)
        if not self._is_off_road:
            self._on_road_m = self._place.s
        motion = self._motion
        self.state = VehicleState(
            seen.received - self._began, x, y, seen.y, motion.heading, motion.vx, motion.vy, motion.yaw_rate, seen.steer,
            seen.gas, seen.brake, finished=seen.finished,
        )  # fmt: skip

    @property
    def _is_off_road(self) -> bool:
        return abs(self._place.offset) > self._track.half_width_at(self._place.s)

    def info(self, reason: str | None) -> dict[str, Any]:
        """Return what an environment tells beside its observation. ``reason``: why the episode is over, None while it is not."""
        told: dict[str, Any] = {
            "state": self.state, "place": Place(0.0, 0.0, 0.0), "progress": 0.0, "off_road": False, "reason": reason
        }  # fmt: skip
        finishes = reason == "finish" and (self._on_road_m is not None or not self._has_line)  # a lap of this road
        if finishes:
            told["lap_s"] = self._lap_s
        if self._has_line and self._frames:
            driven_m = self._track.line.length if finishes else self._on_road_m or 0.0
            told |= {"place": self._place, "progress": driven_m, "off_road": self._is_off_road}
            if len(self._frames) == 1:
                told["notices"] = self._line_check.notices(self._track, self._place)
        return told
