"""What every game offers: start again, take an action, say where the car is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hitl.road.line import Place


@dataclass(frozen=True, slots=True)
class CarDetails:
    """What only some games tell of the car. Wheels: front left, front right, rear left, rear right."""

    up_speed: float  # m/s
    pitch: float  # how far its nose points up: the sine, -1 to 1
    roll: float  # how far it leans to the right: the sine, -1 to 1
    slips: tuple[float, ...]  # of the wheels, as the game counts them
    grounds: tuple[str, ...]  # under the wheels, ``hitl.task.details.GROUNDS``; "" for a wheel in the air
    sliding: float  # wheels
    airborne: bool
    adherence: float  # 0 to 1
    rpm: float
    gear: float
    checkpoints: float  # passed in this run
    lap: float  # counted from 0
    numbers: tuple[float, ...] = ()  # all that the game sent, in its own order and units


@dataclass(frozen=True, slots=True)
class VehicleState:
    """The car at one moment. The road plane is (x, y); z is height. Metres, seconds, radians counter-clockwise from +x."""

    time: float  # s since the start of the run
    x: float
    y: float
    z: float
    heading: float  # unwrapped
    vx: float  # m/s, world axes
    vy: float
    yaw_rate: float  # rad/s
    steer: float  # what the wheels do, -1 (left) to 1 (right)
    gas: float  # what the engine does, 0 to 1
    brake: float  # 0 to 1
    slip: float = 0.0  # driven wheels' surface speed minus the road's, m/s; 0 where the game does not tell
    finished: bool = False  # the game itself says that the run is over at its finish
    lap_time: float = field(default=math.nan, hash=False)
    """s: of a finished run by the game's own clock; NaN where it has none, or is not finished."""
    details: CarDetails | None = None  # where the game tells more

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same moment. A time that neither has is alike: Python 3.13 would call them different."""
        if not isinstance(other, VehicleState):
            return NotImplemented
        return all(one == its or (one != one and its != its) for one, its in zip(_fields(self), _fields(other), strict=True))

    @property
    def speed(self) -> float:
        """Speed over ground, m/s."""
        return float(np.hypot(self.vx, self.vy))


_fields = attrgetter(*(each.name for each in fields(VehicleState)))
AT_REST = VehicleState(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Stands for the state where the car was not seen, or there is none."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where and how a run begins: on the line at ``s`` (m), moved to the left by ``offset`` (m) and turned by ``turn`` (rad)."""

    s: float = 0.0
    offset: float = 0.0
    turn: float = 0.0
    speed: float = 0.0  # m/s along the car's heading
    side_speed: float = 0.0  # m/s to its left: a car that slides
    yaw_rate: float = 0.0  # rad/s, counter-clockwise
    steer: float = 0.0  # how far its wheels are turned already, -1 (left) to 1 (right)

    @classmethod
    def of(
        cls, place: Place, heading: float, velocity: tuple[float, float], yaw_rate: float, steer: float
    ) -> Start:
        """Return the start of a car that is at that place of the line. ``heading`` (rad), ``velocity`` (m/s): in world axes."""
        (vx, vy), c, s = velocity, math.cos(heading), math.sin(heading)
        turn = math.remainder(heading - place.heading, math.tau)
        return cls(place.s, place.offset, turn, c * vx + s * vy, c * vy - s * vx, yaw_rate, steer)


class Game(Protocol):
    """A game that can be driven. Actions are float32 vectors in [-1, 1], one number for each of ``action_names``.

    The session's own thread makes these calls, and stands still for as long as one takes: what has to be waited for (a socket,
    another process) belongs on a thread of the game's. A game whose time is ours also has ``advance(dt)``, which lets ``dt``
    seconds of it pass.
    """

    action_names: tuple[str, ...]

    def restart(self, start: Start) -> None:
        """Put the car at the start, at rest unless the start says otherwise."""

    def send(self, action: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Set the controls; they hold until the next call. Returns what they were set to where that is another action."""

    def release(self) -> None:
        """Let go of all controls at once."""

    def state(self) -> VehicleState:
        """Return the newest state."""

    def close(self) -> None:
        """Let go of the game."""


@runtime_checkable
class Restorable(Protocol):
    """A game that can go back to a moment of the past exactly: the same actions then give the same run, to the last bit."""

    def save(self) -> Any:
        """Return what brings this moment back. It is called in every tick, so it must cost next to nothing."""

    def restore(self, saved: Any) -> None:
        """Go back to a moment that ``save`` returned, of this run or of one before it. The car stands there until time passes."""
