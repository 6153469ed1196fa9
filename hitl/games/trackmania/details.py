"""What the 33 numbers say of the car beyond its motion: wheels, ground, engine, tilt. **(untried in the game)**"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hitl.games.base import CarDetails

_KINDS: dict[str, tuple[int, ...]] = {
    "road": (0, 1, 4, 16, 18, 19, 22),  # concrete, pavement, metal, asphalt; wet asphalt and pavement; resonant metal
    "dirt": (5, 6, 8, 17),  # sand, dirt, dirt road, wet dirt road
    "grass": (2, 20),  # grass, wet grass
    "ice": (3, 21),  # ice, snow
    "": (80,),  # no contact
}
_GROUND = {number: kind for kind, numbers in _KINDS.items() for number in numbers}
"""The kind of each of the game's materials; those that are not here are ``other``."""


def car_details(numbers: Sequence[float]) -> CarDetails:
    """Return what one frame of 33 numbers says. Numbers that a car cannot have come out within its limits."""
    _, forward_up, _ = numbers[10:13]
    grounds = tuple(_GROUND.get(round(material), "other") for material in numbers[23:27])
    return CarDetails(
        up_speed=numbers[8], pitch=_sine(forward_up), roll=_roll(numbers[10:13], numbers[13:16]),
        slips=tuple(numbers[19:23]), grounds=grounds, sliding=min(4.0, max(0.0, numbers[27])),
        airborne=numbers[28] > 0.0, adherence=numbers[29], rpm=numbers[17], gear=numbers[18],
        checkpoints=numbers[0], lap=numbers[1], numbers=tuple(numbers),
    )  # fmt: skip


def _roll(forward: Sequence[float], up: Sequence[float]) -> float:
    """Return the sine of the lean to the right: how far the car's left side points up."""
    # The axes are left-handed (x right, y up, z ahead of a car that heads along z): its right side is up x forward.
    return _sine(-(up[2] * forward[0] - up[0] * forward[2]))


def _sine(value: float) -> float:
    return min(1.0, max(-1.0, value)) if math.isfinite(value) else 0.0
