"""What the agent sees: the car in its own frame, and the road ahead of it; in the layout ``detailed`` more of the car.

The look-ahead is given in metres and reaches beyond the braking distance at top speed, so that every corner is seen before it
is too late to slow down. Everything is scaled to the order of one and nothing is clipped on the road.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hitl.games.base import VehicleState
from hitl.road.line import Place, ReferenceLine
from hitl.task import details

LayoutName = Literal["road", "detailed", "frame"]
"""The car's motion and the road ahead; the same, and what only some games tell of the car (``hitl.task.details``); nothing but
the numbers that the game sends, for an agent from elsewhere that makes something of them itself."""


@dataclass(frozen=True)
class ObservationSettings:
    """How far and in what detail the agent sees the road ahead."""

    points: Annotated[int, Meta(ge=1, le=256)] = 16  # points of the road ahead that are seen
    horizon_m: Annotated[float, Meta(ge=1, le=2000)] = 60.0  # m ahead; braking from top speed takes less than half of it
    speed_scale: Annotated[float, Meta(gt=0, le=1000)] = 30.0  # m/s that become 1.0
    yaw_scale: Annotated[float, Meta(gt=0, le=100)] = 3.0  # rad/s that become 1.0


_CAR = (
    "forward_speed",
    "side_speed",
    "yaw_rate",
    "slip",
    "steer",
    "gas",
    "brake",
    "offset",
    "heading_sin",
    "heading_cos",
    "remaining",
)


class Observer:
    """Turns a state and its place on the line into a float32 vector; ``names`` tells what each number is."""

    def __init__(
        self,
        line: ReferenceLine,
        half_width_at: Callable[[float], float],
        settings: ObservationSettings | None = None,
        layout: LayoutName = "road",
    ) -> None:
        """``half_width_at``: half the road's width (m) at a place (m) along the line."""
        self.line, self.half_width_at = line, half_width_at
        self.settings, self.layout = settings or ObservationSettings(), layout
        # Finer near the car: steering needs the next metres, braking only the shape of what comes.
        share = np.arange(1, self.settings.points + 1) / self.settings.points
        self.distances = self.settings.horizon_m * share**1.5
        points = [f"ahead_{d:.0f}m_{axis}" for d in self.distances for axis in ("x", "y")]
        # An agent that was trained with other scales must not drive with these, and only the names tell them apart.
        usual, own = ObservationSettings(), self.settings
        scaled = {"side_speed": (own.speed_scale, usual.speed_scale), "yaw_rate": (own.yaw_scale, usual.yaw_scale)}
        marks = {name: f"{name}_per_{scale:g}" for name, (scale, default) in scaled.items() if scale != default}
        names = (*(marks.get(name, name) for name in _CAR), *points)
        if layout == "frame":
            names = details.FRAME
        elif layout == "detailed":
            names = (*(name for name in names if name != "slip"), *details.NAMES)
        self.names = names
        self.size = len(self.names)

    def __call__(self, state: VehicleState, place: Place) -> NDArray[np.float32]:
        """Return the observation, shape (size,)."""
        if self.layout == "road":
            return self._road(state, place)
        assert state.details is not None, "the game was asked before whether it tells them"
        if self.layout == "frame":
            return np.array(state.details.numbers, np.float32)
        seen = self._road(state, place)
        more = details.numbers_of(state.details, self.settings.speed_scale)
        slip = _CAR.index("slip")
        return np.concatenate((seen[:slip], seen[slip + 1 :], np.array(more, np.float32)))

    def _road(self, state: VehicleState, place: Place) -> NDArray[np.float32]:
        settings, line = self.settings, self.line
        c, s = math.cos(state.heading), math.sin(state.heading)
        error = state.heading - place.heading
        out = np.empty(len(_CAR) + 2 * len(self.distances), dtype=np.float32)
        out[:11] = (
            (c * state.vx + s * state.vy) / settings.speed_scale,
            (c * state.vy - s * state.vx) / settings.speed_scale,
            state.yaw_rate / settings.yaw_scale,
            state.slip / settings.speed_scale,
            state.steer,
            state.gas,
            state.brake,
            place.offset / self.half_width_at(place.s),
            math.sin(error),
            math.cos(error),
            min(line.length - place.s, settings.horizon_m) / settings.horizon_m,
        )
        ahead = line.ahead(place.s, self.distances)
        dx, dy = ahead[:, 0] - state.x, ahead[:, 1] - state.y
        scale = 1.0 / settings.horizon_m
        out[11::2] = (dx * c + dy * s) * scale
        out[12::2] = (dy * c - dx * s) * scale
        return out
