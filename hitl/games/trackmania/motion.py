"""How a car moves, from where it was seen: velocity, heading and yaw rate, which most telemetry does not hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from hitl.games.trackmania.frames import Frame

WINDOW_S = 0.065  # s over which positions are compared: frames come in bunches, a longer time evens that out
LEAST_S, LONGEST_S = 0.2 * WINDOW_S, 0.3  # s between two frames that say how fast the car is
MOVING = 1.0  # m/s from which the motion says where the nose points
SURE = 8.0  # m/s from which the plugin's yaw is checked against the motion
CHECKS = 40
TOLD_OFF = 2.0  # m/s by which a plugin's velocity may differ from that of the positions, or by half of it
TURNED_AWAY = 0.7  # rad of mean disagreement from which the yaw is not believed


def ground(frame: Frame) -> tuple[float, float]:
    """Return the place on the road plane: the game's axes are left-handed, so its z is turned round."""
    return frame.x, -frame.z


@dataclass
class Motion:
    """Follows one car. ``heading`` (rad) is unwrapped; begin with the road's where the car stands."""

    heading: float = 0.0
    vx: float = 0.0
    vy: float = 0.0
    yaw_rate: float = 0.0
    trusts_yaw: bool = True
    problem: str = ""
    _checks: list[float] = field(default_factory=list)
    _last: float | None = None  # s: time of the newest frame used

    def begin(self, heading: float) -> None:
        """A run begins, with the nose pointing there."""
        self.heading, self.vx, self.vy, self.yaw_rate = heading, 0.0, 0.0, 0.0
        self._last = None

    def follow(self, frames: Sequence[Frame]) -> None:
        """Take the frames of the last moments into account, oldest first."""
        if not frames:
            return
        newest = frames[-1]
        self._velocity(frames, newest)
        speed = math.hypot(self.vx, self.vy)
        before, since = self.heading, 0.0 if self._last is None else newest.received - self._last
        motion = math.atan2(self.vy, self.vx) if speed > MOVING else None
        nose = self._nose(newest, motion, speed)
        if nose is not None:
            self.heading = nose + math.tau * round((before - nose) / math.tau)  # unwrapped
        if since > 0.0:
            rate = (self.heading - before) / since
            self.yaw_rate += (rate - self.yaw_rate) * min(1.0, since / 0.05)
        self._last = newest.received

    def _velocity(self, frames: Sequence[Frame], newest: Frame) -> None:
        first = next((f for f in frames if newest.received - f.received <= WINDOW_S), newest)
        seconds = newest.received - first.received
        if seconds < LEAST_S:  # these came in one bunch, or are few: what came before them tells how long they took
            before = (f for f in reversed(frames) if LEAST_S <= newest.received - f.received <= LONGEST_S)
            if (first := next(before, newest)) is newest:
                return
            seconds = newest.received - first.received
        (x0, y0), (x1, y1) = ground(first), ground(newest)
        vx, vy = (x1 - x0) / seconds, (y1 - y0) / seconds
        speed = math.hypot(vx, vy)
        told = math.hypot(newest.vx, newest.vz)
        if speed > 500.0:  # carried off: a respawn is no motion
            vx = vy = 0.0
        elif abs(told - speed) < max(TOLD_OFF, 0.5 * speed):  # never so where the plugin tells none, or in another unit
            vx, vy = newest.vx, -newest.vz
        elif speed > MOVING and abs(newest.speed) > MOVING:
            unit = 3.6 if abs(newest.speed) > 1.9 * speed else 1.0  # plugins differ: m/s or km/h
            share = abs(newest.speed) / unit / speed
            if 0.5 < share < 2.0:  # the game's own figure is exact, ours has the jitter of arrival
                vx, vy = vx * share, vy * share
        self.vx, self.vy = vx, vy

    def _nose(self, newest: Frame, motion: float | None, speed: float) -> float | None:
        """Return where the nose points: by the plugin's yaw where it can be believed, else by the motion, else None."""
        if self.trusts_yaw and math.isfinite(newest.yaw):
            nose = newest.yaw - math.pi / 2  # yaw 0 is along +z, to +x at a quarter turn
            if motion is not None and speed > SURE:
                self._checks.append(abs(math.remainder(nose - motion, math.tau)))
                if len(self._checks) >= CHECKS:
                    if sum(self._checks) / CHECKS > TURNED_AWAY:
                        self.trusts_yaw = False
                        self.problem = "The plugin's yaw does not fit how the car moves; the heading is taken from the motion."
                    self._checks.clear()
            return nose
        if motion is None:
            return None
        away = abs(math.remainder(motion - self.heading, math.tau))
        backwards = away > 2.0 and speed < 12.0  # no car turns round between two frames: it reverses
        return motion + math.pi if backwards else motion
