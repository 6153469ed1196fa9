"""The scripted driver: stands in for the player where there is no display or pad.

It drives as a person does: it looks at the road ahead, knows roughly how fast each stretch can be taken, follows its line almost
exactly, reacts late, and lets go when the work is done. It knows nothing of the agent or of learning.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.records import Corner
from hitl.games.base import VehicleState
from hitl.road.line import Place
from hitl.road.speed_profile import speed_profile
from hitl.road.track import Track


@dataclass(frozen=True)
class Answers:
    """What a practised player expects of a car: how soon it follows their hands, and what it can do."""

    wheels_per_s: float = 3.75  # share of full lock that its wheels turn
    yaw_s: float = 0.08  # s, time constant of turning in
    grip: float = 40.0  # m/s² sideways
    pull: float = 8.0  # m/s²
    brakes: float = 40.0  # m/s²
    brakes_from: float = 0.0  # share of the pedal from which the brake acts, and then wholly; 0: it acts by shares


@dataclass(frozen=True)
class Skill:
    """What a driver dares and how well they do it (tuned for the embedded car)."""

    corner_grip: float = 24.0  # m/s² sideways; the car slides at about 45
    braking: float = 16.0  # m/s²
    top_speed: float = 33.0  # m/s
    wander_m: float = 0.5  # m that their line differs from the middle of the road, standard deviation
    wheelbase: float = 3.24  # m
    full_lock: float = 0.4  # rad
    reaction_s: float = 0.2  # s between seeing that help is needed and acting
    look_m: float = 4.0  # m ahead that they steer for, standing
    look_s: float = 0.22  # s further for each m/s
    settling: float = 0.06  # how strongly they answer to the car's turning otherwise than meant
    gas: float = 0.35  # pedal for each m/s that they are too slow
    brake: float = 0.25  # and too fast
    radii: tuple[tuple[float, float], ...] = ()  # (m/s, m): the arc at full lock by speed, between them in proportion
    answers: Answers = Answers()

    def lock(self, curvature: float, speed: float) -> float:
        """Return the lock (rad; full is ``full_lock``) that turns the car on an arc (1/m) at a speed (m/s); left is positive."""
        if self.radii:
            return curvature * self._radius(speed) * self.full_lock
        # A sliding car turns less than its wheels say: more lock with speed.
        return math.atan(self.wheelbase * curvature) * (1 + 0.0004 * speed * speed)

    def turning(self, wheels: float, speed: float) -> float:
        """Return the yaw rate (rad/s) at a share of full lock (positive to the left), of a car that does not slide."""
        if self.radii:
            return wheels * speed / self._radius(speed)
        return speed * math.tan(wheels * self.full_lock) / self.wheelbase

    def _radius(self, speed: float) -> float:
        return float(np.interp(speed, [known for known, _ in self.radii], [radius for _, radius in self.radii]))


CAR = Skill()
CARS = {
    "supertuxkart": Skill(
        corner_grip=12.0, braking=8.0, top_speed=22.0, full_lock=1.0, gas=0.8,
        radii=((0.0, 2.0), (10.0, 7.5), (25.0, 15.0)),
        answers=Answers(wheels_per_s=20.0, yaw_s=0.01, pull=6.0, brakes=21.0, brakes_from=0.3),
    )
}  # fmt: skip
"""How the driver that ``CAR`` is of the embedded car drives in other games (``Track.game``)."""


def in_car_of(track: Track, skill: Skill) -> Skill:
    """Return the same skill in the car of the track's game: as near to that car's limits as it is to the embedded one's."""
    car = CARS.get(track.game)
    if car is None:
        return skill
    return replace(
        skill,
        corner_grip=skill.corner_grip * car.corner_grip / CAR.corner_grip,
        braking=skill.braking * car.braking / CAR.braking,
        top_speed=skill.top_speed * car.top_speed / CAR.top_speed,
        wheelbase=car.wheelbase,
        full_lock=car.full_lock,
        settling=skill.settling * car.full_lock / CAR.full_lock,
        gas=skill.gas * car.gas / CAR.gas,
        radii=car.radii,
        answers=car.answers,
    )


class ScriptedDriver:
    """Drives one track. ``begin`` starts a stint with a line of its own; ``act`` gives (gas_brake, steer)."""

    def __init__(self, track: Track, skill: Skill | None = None, seed: int = 0, hz: float = 20.0) -> None:
        self.track = track
        self.skill = skill = in_car_of(track, skill or CAR)
        self._profile = speed_profile(track, top=skill.top_speed, braking=skill.braking, grip=skill.corner_grip)
        self._rng = np.random.default_rng(seed)
        self.keep_time(hz)
        self.begin()

    def keep_time(self, hz: float) -> None:
        """A second has ``hz`` steps."""
        self._dt = 1.0 / hz

    def begin(self) -> None:
        """Choose how this stint differs from the perfect one."""
        waves = self._rng.uniform(30.0, 90.0, 3)
        phases = self._rng.uniform(0, 2 * math.pi, 3)
        self._waves = list(zip(waves.tolist(), phases.tolist(), strict=True))
        self._pace = float(self._rng.uniform(0.9, 1.02))

    def _line_offset(self, s: float) -> float:
        wave = sum(math.sin(2 * math.pi * s / length + phase) for length, phase in self._waves)
        limit = max(0.0, self.track.half_width_at(s) - 2.5)
        return min(max(self.skill.wander_m * wave * math.sqrt(2 / 3), -limit), limit)

    def see(self, state: VehicleState, place: Place) -> None:
        """Nothing to remember: ``act`` sees the car as it is."""

    def decides_in(self) -> float:
        """Return the seconds from the need of help to the hand on the wheel."""
        return self.skill.reaction_s

    def act(self, state: VehicleState, place: Place) -> NDArray[np.float32]:
        """Return the action for the coming time-step.

        The action acts one time-step after the state was seen, so the car is thought of as one step further on.
        """
        skill, line = self.skill, self.track.line
        speed = state.speed
        heading = state.heading + state.yaw_rate * self._dt
        x, y = state.x + state.vx * self._dt, state.y + state.vy * self._dt
        reach = skill.look_m + skill.look_s * speed
        target_s = place.s + speed * self._dt + reach
        tx, ty = line.point_ahead(target_s)
        direction = line.at(target_s)[2]
        offset = self._line_offset(target_s)
        dx, dy = tx - math.sin(direction) * offset - x, ty + math.cos(direction) * offset - y
        left = dy * math.cos(heading) - dx * math.sin(heading)
        curvature = 2 * left / max(dx * dx + dy * dy, 1.0)  # pure pursuit: the arc through the target (Coulter 1992)
        lock = skill.lock(curvature, speed)
        lock += skill.settling * (curvature * speed - state.yaw_rate)  # less when it already turns enough
        steer = -lock / skill.full_lock
        ahead = place.s + speed * (self._dt + 0.1)
        index = min(int(ahead / line.spacing), len(self._profile) - 1)
        allowed = self._profile[index] * self._pace
        away = state.vy * math.cos(place.heading) - state.vx * math.sin(place.heading)
        if abs(place.offset + 0.4 * away) > 0.7 * self.track.half_width_at(place.s):
            allowed = min(allowed, 9.0)  # near the edge and on the way out: slow down first
        pedal = (skill.gas if speed < allowed else skill.brake) * (allowed - speed)
        return np.array([min(max(pedal, -1.0), 1.0), min(max(steer, -1.0), 1.0)], dtype=np.float32)


@dataclass(frozen=True)
class HelpRule:
    """When the scripted driver takes over, and when it lets go."""

    corners: frozenset[str] = frozenset()  # takes over on the approach to these
    approach_m: float = 25.0  # m before the corner
    leave_m: float = 8.0  # m behind the corner's end
    danger: bool = True  # also takes over when the car is on its way off the road
    look_s: float = 0.7  # s that "on its way" looks ahead
    settle_s: float = 0.6  # s of calm driving before it ends a takeover
    patient: bool = False  # after each help the agent tries by itself, and is helped again only when it fails there
    earlier_s: float = 1.0  # after help that failed, so much earlier the next time, at the speed that the car had; if patient
    onward: bool = False  # once the agent passes the corners alone, helps where such a try ended before the finish; if patient


FINISH_M = 3.0  # m before the end of the line at which a try counts as finished
AROUND_M = 15.0  # m before and behind the place where a try ended, of help where no corner is


def _around(end: float) -> Corner:
    """Return the stretch of road around a place where a try ended."""
    return Corner("where it ended", max(0.0, end - AROUND_M), end + AROUND_M)


class TakeoverRule:
    """Decides, step by step, whether the scripted driver wants the wheel. Like a person, it needs time to see why."""

    def __init__(
        self,
        track: Track,
        rule: HelpRule,
        hz: float = 20.0,
        corners: tuple[Corner, ...] | None = None,
        decides_in: Callable[[], float] = lambda: Skill.reaction_s,
    ) -> None:
        """``corners``: where ``rule.corners`` are looked up; None: the track's. ``decides_in``: s of reaction, per episode."""
        self.track, self.rule = track, rule
        self._corners = [c for c in (track.corners if corners is None else corners) if c.name in rule.corners]
        self._where = self._corners
        self._helping, self._helped, self._reached = True, False, 0.0
        self._approach_m, self._speed = rule.approach_m, 0.0
        self._decides_in = decides_in
        self.keep_time(hz)
        self.begin()

    def keep_time(self, hz: float) -> None:
        """A second has ``hz`` steps; the time to decide is counted in them from the next ``begin`` on."""
        self._hz, self._settle = hz, max(1, round(self.rule.settle_s * hz))

    def begin(self) -> None:
        """Forget the last episode."""
        if self.rule.patient and self._reached > 0:
            passed = all(self._reached >= c.to_m for c in self._corners)
            # Who was ready to help and did not come to it, for the car was lost before, is ready in the next try.
            alone, short = not self._helped, self._reached < self.track.line.length - FINISH_M
            goes_on = self.rule.onward and passed and short
            self._helping = alone and (self._helping or not passed or goes_on)
            if self._helped and not passed:
                self._approach_m += self.rule.earlier_s * self._speed
            if alone:
                self._where = [_around(self._reached)] if goes_on else self._corners
        self._reached, self._helped = 0.0, False
        delay = max(1, round(self._decides_in() * self._hz))
        self._seen: deque[bool] = deque([False] * delay, maxlen=delay + 1)
        self._calm = 0
        self.holding = False

    def requests_control(self, state: VehicleState, place: Place) -> bool:
        """Tell whether the driver holds the wheel in this step."""
        self._reached = max(self._reached, place.s)
        if not self._helping:
            return False
        in_corner = any(c.from_m - self._approach_m <= place.s < c.to_m + self.rule.leave_m for c in self._where)
        leaving = self.rule.danger and self._leaving(state, place)
        self._seen.append(in_corner or leaving)
        if not self.holding:
            self.holding = self._seen[0] and self._seen[-1]
            self._helped |= self.holding
            self._speed = state.speed
            self._calm = 0
        else:
            self._calm = 0 if in_corner or leaving else self._calm + 1
            self.holding = in_corner or self._calm < self._settle
        return self.holding

    def _leaving(self, state: VehicleState, place: Place) -> bool:
        """Tell whether the car, turning as it does while the road turns as it does, will be off the road in ``look_s``."""
        line, t = self.track.line, self.rule.look_s
        speed = state.speed
        index = min(int((place.s + speed * t / 2) / line.spacing), len(line.curvatures) - 1)
        sideways = state.vy * math.cos(place.heading) - state.vx * math.sin(place.heading)
        bending = speed * (state.yaw_rate - speed * float(line.curvatures[index]))
        drift = sideways * t + bending * t * t / 2
        edge = self.track.half_width_at(place.s)
        return abs(place.offset + drift) > edge and (abs(place.offset) > edge / 3 or abs(drift) > edge)
