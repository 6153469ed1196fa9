"""Figures of a road for the diagnosis: where its line ends, how far ahead a car must brake, how long its corners take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.statistics import stretches
from hitl.road.speed_profile import speed_profile
from hitl.road.track import Track, finish_artefact, load_track, reward_points
from trainer.diagnosis.case import RoadFacts

ASSUMED_TOP = 100 / 3.6  # m/s
ASSUMED_BRAKING = 10.0  # m/s^2
ASSUMED_GRIP = 10.0  # m/s^2 sideways
ASSUMED_GAIN = 5.0  # m/s^2 of acceleration


def braking_zones(speed: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return [begin, end) of every stretch on which the car slows down, by at least a tenth."""
    return [(a, b) for a, b in stretches(np.diff(speed) < -1e-9) if speed[min(b, len(speed) - 1)] < 0.9 * speed[a]]


def facts(
    track: Track, *, top: float | None = None, braking: float | None = None, grip: float | None = None
) -> RoadFacts:
    """Return a track's figures. ``top`` (m/s), ``braking`` and ``grip`` (m/s^2) as driven; None: assumed."""
    v, b, g = top or ASSUMED_TOP, braking or ASSUMED_BRAKING, grip or ASSUMED_GRIP
    speed = speed_profile(track, top=v, braking=b, grip=g, gain=ASSUMED_GAIN)
    line = track.line
    how = "driven" if top else "assumed"
    road = RoadFacts(
        name=track.name,
        length_m=line.length,
        spacing_m=line.spacing,
        top_speed=v,
        corners=track.corners,
        driven=bool(top),
        assumed=f"{how}: {v * 3.6:.0f} km/h at most, braking with {b:.0f} m/s², {g:.0f} m/s² in corners",
    )
    zones = braking_zones(speed)
    if zones:
        begin, end = max(zones, key=lambda zone: zone[1] - zone[0])
        road.braking_m = (end - begin) * line.spacing
        road.braking_from = float(speed[begin])
        road.braking_to_s = end * line.spacing
    else:
        road.braking_from = v
    for corner in track.corners:
        first = max((a for a, z in zones if a * line.spacing <= corner.to_m and z * line.spacing >= corner.from_m - 5),
                    default=int(corner.from_m / line.spacing))  # fmt: skip
        stretch = speed[min(first, int(corner.from_m / line.spacing)) : int(corner.to_m / line.spacing) + 1]
        road.corner_seconds[corner.name] = float((line.spacing / np.maximum(stretch, 1.0)).sum())
    return road


def line_facts(path: str | Path) -> RoadFacts:
    """Return the figures of a line file, or of a shipped track by its name. Raises InputFileError."""
    road = facts(load_track(path))
    if Path(path).suffix.lower() != ".pkl":
        return road
    points = np.asarray(reward_points(Path(path)), np.float64)  # as tmrl recorded them, artefact included
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    end = finish_artefact(points)
    road.name, road.spacing_m = Path(path).name, float(np.median(steps))
    road.artefact_points = len(points) - end
    # The straight behind the road's end; the gap between two points belongs to neither.
    road.artefact_m = float(steps[end:].sum()) if road.artefact_points else 0.0
    direction = np.arctan2(*np.diff(points[:end], axis=0)[:, [0, 2]].T)
    road.heading_outside = float((np.abs(direction) > 1.0).mean())
    return road
