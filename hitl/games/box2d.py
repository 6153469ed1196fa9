"""The embedded game: Gymnasium's own Box2D car on our tracks.

The physics is ``gymnasium.envs.box2d.car_dynamics``: rear-wheel drive, four wheels that slip. Only three things are decided
here: which wheels are on the road (from the reference line, instead of thousands of road bodies), how much of the
engine a full press of the pedal asks for, and how fast the model's clock runs beside ours. The model corners at 20 g; at
half speed a hairpin is taken at 60 to 80 km/h, which a person with a pad can drive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import Box2D
import numpy as np
from gymnasium.envs.box2d.car_dynamics import Car
from numpy.typing import NDArray

from hitl.games.base import Start, VehicleState
from hitl.home import Home
from hitl.road.track import Track

PHYSICS_HZ = 60
CLOCK = 0.5  # seconds of the car model for one of ours
ENGINE_SHARE = 0.5  # of the car model's engine at full pedal
FULL_LOCK = 0.4  # rad of the front wheels; the joints allow no more
_BRAKE = 0.8  # at 0.9 the car model blocks all four wheels at once


class _Road:
    """Stands for a road tile under a wheel; the car asks it only for the grip."""

    road_friction = 1.0


def copy_of(track: Track, home: Home) -> Box2DGame:
    """Return another car on a track."""
    return Box2DGame(track)


@dataclass(frozen=True, slots=True)
class RunSoFar:
    """A run up to a moment: its start, what was pressed since, and what is pressed now."""

    start: Start
    pressed: list[tuple[float, float, float, float]]  # gas, brake, steer, seconds; it grows, and only the first ``ticks`` count
    ticks: int
    now: tuple[float, float, float]


class Box2DGame:
    """The car on one track. Deterministic: the same start and the same actions give the same run on the same machine.

    That is how it goes back: Box2D neither shows the forces that its solver begins with nor lets them be set, so the run is
    driven again from its start, an eighth of a millisecond for each tick.
    """

    action_names: tuple[str, ...] = ("gas_brake", "steer")

    def __init__(self, track: Track) -> None:
        self.track = track
        self.restart(Start())

    def restart(self, start: Start) -> None:
        """Build a fresh world: reusing one would carry over the solver's warm-start state and break repeatability."""
        x, y, heading = self.track.line.beside(start.s, start.offset)
        heading += start.turn
        self._start = start
        self._pressed: list[tuple[float, float, float, float]] = []
        self._world = Box2D.b2World((0, 0))
        self._car = Car(self._world, heading - math.pi / 2, x, y)  # the model's nose is its +y axis
        self._time = 0.0
        self._near_s = start.s
        self._gas = self._brake = self._steer = 0.0
        self._braked = 0.0  # in the last step: what was sent since then has not acted yet
        self._place_wheels(x, y, heading)
        self._set_moving(start, x, y, heading)

    def _place_wheels(self, x: float, y: float, heading: float) -> None:
        """Turn the wheels' positions with the hull (the car model lays them out as if it pointed along +y)."""
        c, s = math.cos(heading - math.pi / 2), math.sin(heading - math.pi / 2)
        for wheel in self._car.wheels:
            dx, dy = wheel.position[0] - x, wheel.position[1] - y
            wheel.position = (x + c * dx - s * dy, y + s * dx + c * dy)

    def _set_moving(self, start: Start, x: float, y: float, heading: float) -> None:
        """Give hull and wheels the speed, slide and turn of the start, and the front wheels their angle."""
        along, left, turn = start.speed / CLOCK, start.side_speed / CLOCK, start.yaw_rate / CLOCK
        c, s = math.cos(heading), math.sin(heading)
        vx, vy = along * c - left * s, along * s + left * c
        hull, wheels = self._car.hull, self._car.wheels
        hull.linearVelocity, hull.angularVelocity = (vx, vy), turn
        for k, wheel in enumerate(wheels):
            wx, wy = wheel.position
            wheel.linearVelocity = (vx - turn * (wy - y), vy + turn * (wx - x))
            wheel.angularVelocity = turn
            wheel.omega = along / wheel.wheel_rad  # it rolls
            if k < 2:
                wheel.angle = hull.angle - min(max(start.steer, -1.0), 1.0) * FULL_LOCK

    def send(self, action: NDArray[np.float32]) -> None:
        """Take (gas_brake, steer), each in [-1, 1]: gas is positive, right is positive."""
        pedal, steer = float(action[0]), float(action[1])
        self._gas = min(max(pedal, 0.0), 1.0)
        self._brake = min(max(-pedal, 0.0), 1.0)
        self._steer = min(max(steer, -1.0), 1.0)

    def release(self) -> None:
        """Let go of the pedals and straighten the wheel."""
        self.send(np.zeros(len(self.action_names), np.float32))

    def advance(self, dt: float) -> None:
        """Let ``dt`` seconds pass, in steps of 1/60 s."""
        car, world = self._car, self._world
        self._pressed.append((self._gas, self._brake, self._steer, dt))
        car.steer(-self._steer * FULL_LOCK)
        car.brake(self._brake * _BRAKE)
        self._braked = self._brake
        gas = self._gas * ENGINE_SHARE
        self._grip()
        for _ in range(max(1, round(dt * PHYSICS_HZ))):
            self._press(gas)
            car.step(CLOCK / PHYSICS_HZ)
            world.Step(CLOCK / PHYSICS_HZ, 6, 2)
        self._time += dt

    def save(self) -> RunSoFar:
        """Return this moment; it costs as much after an hour as at the start."""
        return RunSoFar(self._start, self._pressed, len(self._pressed), (self._gas, self._brake, self._steer))

    def restore(self, saved: RunSoFar) -> None:
        """Drive the run of that moment again, up to it."""
        pressed = saved.pressed[: saved.ticks]
        self.restart(saved.start)
        for self._gas, self._brake, self._steer, dt in pressed:
            self.advance(dt)
        self._gas, self._brake, self._steer = saved.now

    def _press(self, gas: float) -> None:
        """Do what the model's own ``gas`` does, in plain floats; NumPy's, which its step leaves behind, make that slower."""
        wheels = self._car.wheels
        for wheel in wheels[2:4]:
            wheel.gas += min(gas - wheel.gas, 0.1)
        for wheel in wheels:
            wheel.omega = float(wheel.omega)

    def _grip(self) -> None:
        """Tell each wheel whether it is on the road; off it the car model has 60 % of the grip."""
        line = self.track.line
        x, y = self._car.hull.position
        place = line.locate(x, y, self._near_s)
        self._near_s = place.s
        if abs(place.offset) < self.track.half_width - 3.0:  # half a car: no wheel can be on the grass
            for wheel in self._car.wheels:
                wheel.tiles.add(_Road)
            return
        for wheel in self._car.wheels:
            wx, wy = wheel.position
            if abs(line.locate(wx, wy, place.s).offset) <= self.track.half_width:
                wheel.tiles.add(_Road)
            else:
                wheel.tiles.clear()

    def state(self) -> VehicleState:
        """Return the car as it is now."""
        hull, wheels = self._car.hull, self._car.wheels
        (x, y), (ux, uy) = hull.position, hull.linearVelocity
        vx, vy = ux * CLOCK, uy * CLOCK
        heading = hull.angle + math.pi / 2
        forward = vx * math.cos(heading) + vy * math.sin(heading)
        rear = float(wheels[2].omega + wheels[3].omega) / 2 * wheels[2].wheel_rad * CLOCK
        return VehicleState(
            time=self._time,
            x=x,
            y=y,
            z=0.0,
            heading=heading,
            vx=vx,
            vy=vy,
            yaw_rate=hull.angularVelocity * CLOCK,
            steer=-wheels[0].joint.angle / FULL_LOCK,
            gas=float(wheels[2].gas) / ENGINE_SHARE,
            brake=self._braked,
            slip=rear - forward,
        )

    def close(self) -> None:
        """Nothing to let go of: the world goes with the object."""
