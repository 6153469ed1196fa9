"""What only some games tell of the car, as numbers of an observation; TrackMania tells it by the plugin with 33 numbers.

The layout ``detailed`` has it beside the motion and the road, scaled to the order of one. The layout ``frame`` is what the plugin
sends, as it comes.
"""

from __future__ import annotations

from collections.abc import Collection

from hitl.games.base import CarDetails

WHEELS = ("front_left", "front_right", "rear_left", "rear_right")
GROUNDS = ("road", "dirt", "grass", "ice", "other")
"""Kinds of ground; a wheel in the air is on none."""
SHARES = (*(f"on_{ground}" for ground in GROUNDS), "sliding", "airborne", "adherence")
COUNTERS = ("checkpoints", "lap")
NAMES = (
    "up_speed", "pitch", "roll", *(f"slip_{wheel}" for wheel in WHEELS), *SHARES, "rpm", "gear", *COUNTERS,
)  # fmt: skip
"""What the numbers are, after those of the layout ``road``, of which ``slip`` is left out."""
STEADY = frozenset((*SHARES, *COUNTERS, "up_speed", "pitch", "roll"))
"""Those that a flat map of one ground, driven without a slide, never changes."""
_PARTS = (
    "checkpoints", "lap", "finished", "race_ms",
    *(f"{what}_{axis}" for what in ("place", "velocity", "forward", "up") for axis in "xyz"),
    "speed", "rpm", "gear", *(f"{what}_{wheel}" for what in ("slip", "ground") for wheel in WHEELS),
    "skidding", "flying", "adherence", "steer", "gas", "brake",
)  # fmt: skip
FRAME = tuple(f"frame_{part}" for part in _PARTS)
"""The names of the 33 numbers of the layout ``frame``, in the plugin's order."""
RPM, GEARS, SLIP_MOST, COUNT = 10_000.0, 5.0, 10.0, 10.0


def is_detailed(names: Collection[str]) -> bool:
    """Tell whether an observation with these names is of this layout."""
    return set(NAMES) <= set(names)


def numbers_of(car: CarDetails, speed_scale: float) -> list[float]:
    """Return the numbers that ``NAMES`` names. ``speed_scale``: m/s that become 1.0."""
    on = [car.grounds.count(ground) / len(WHEELS) for ground in GROUNDS]
    return [
        car.up_speed / speed_scale, car.pitch, car.roll, *(_within(slip, SLIP_MOST) for slip in car.slips),
        *on, car.sliding / len(WHEELS), float(car.airborne), _within(car.adherence, 1.0),
        _within(car.rpm / RPM, 3.0), _within(car.gear / GEARS, 3.0),
        car.checkpoints / COUNT, car.lap / COUNT,
    ]  # fmt: skip


def _within(value: float, most: float) -> float:
    return min(most, max(-most, value))
