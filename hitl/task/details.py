"""The layout ``detailed``: beside the motion and the road, what only some games tell of the car.

TrackMania tells it by the plugin with 33 numbers. Everything is scaled to the order of one.
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
