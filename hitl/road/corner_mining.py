"""Find corners where episodes end: zones sized by braking distance, merged, numbered along the line. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from data.reading.drives import Drive
from data.records import Corner
from data.tables.corners import same_stretch
from hitl.road.line import ReferenceLine

NEWEST = 150  # episodes that are looked at: where an agent crashed as a beginner is no corner to name
LEAST = 3  # failures that make a place
SHARE = 0.05  # of all failures that a place must hold: one crash here and there is no corner
JOIN_M = 12.0  # m between failures of one place
LOOK_BACK_S = 4.0  # s before an end in which the speed of arrival is looked for
BRAKING_DEFAULT = 8.0  # m/s^2, until there is braking to measure
STRAIGHT_RADIUS_M = 60.0  # m: a road wider bent than this counts as straight
LEAST_BEFORE_M, LEAST_BEHIND_M, MOST_BEHIND_M = 5.0, 8.0, 40.0


@dataclass(frozen=True, slots=True)
class End:
    """An episode that ended badly: where (m), and how fast the car had come there (m/s)."""

    progress: float
    arrival: float
    speed: float


@dataclass(frozen=True, slots=True)
class FailurePlace:
    """A stretch in which episodes end that no known corner covers."""

    corner: Corner
    failures: int


def ends(drives: Sequence[Drive]) -> tuple[list[End], float]:
    """Return where the newest drives ended badly, and the deceleration (m/s^2) that braking reaches on this track.

    Laps of a human count for the braking, not for the ends.
    """
    newest = {drive.episode.id for drive in [d for d in drives if d.episode.purpose != "lap"][-NEWEST:]}
    found: list[End] = []
    decelerations: list[float] = []
    for drive in drives:
        lost = -np.diff(drive.speed) * drive.episode.hz
        braked = lost[(drive.brake[:-1] > 0.5) & (lost > 0.0) & (np.diff(drive.t) == 1)]
        if len(braked) and len(decelerations) < 200_000:
            decelerations.extend(braked.tolist())
        if drive.episode.failed and drive.episode.id in newest:
            near = drive.t > drive.t[-1] - max(1, round(LOOK_BACK_S * drive.episode.hz))
            found.append(End(drive.farthest, float(drive.speed[near].max()), float(drive.speed[-1])))
    firm = float(np.percentile(decelerations, 75)) if len(decelerations) >= 20 else BRAKING_DEFAULT
    return found, max(firm, 2.0)


def mine(
    failures: Sequence[End], deceleration: float, known: Sequence[Corner] = (), line: ReferenceLine | None = None
) -> list[FailurePlace]:
    """Return the places where episodes end and no known corner is, along the line.

    A zone reaches back by the distance in which the usual arrival speed can be braked away, and forward to where the
    road is straight again. Zones that touch are one. Names are numbers in the order of all corners along the line.
    """
    ordered = sorted(failures, key=lambda f: f.progress)
    gaps = np.diff([f.progress for f in ordered])
    edges = [0, *(np.flatnonzero(gaps > JOIN_M) + 1).tolist(), len(ordered)]
    zones: list[tuple[float, float, int]] = []
    for group in (ordered[a:b] for a, b in pairwise(edges)):
        if len(group) < max(LEAST, SHARE * len(failures)):
            continue
        low, high = np.percentile([f.progress for f in group], (10, 90)).tolist()
        arrival = float(np.median([f.arrival for f in group]))
        end_speed = float(np.median([min(f.speed, f.arrival) for f in group]))
        need = (arrival**2 - min(end_speed, 0.6 * arrival) ** 2) / (2.0 * deceleration)
        begin = max(0.0, low - max(LEAST_BEFORE_M, need))
        zones.append((begin, _leave(high, line), len(group)))
    merged: list[tuple[float, float, int]] = []
    for begin, end, count in sorted(zones):
        if merged and begin <= merged[-1][1]:
            last = merged.pop()
            begin, end, count = last[0], max(last[1], end), last[2] + count
        merged.append((begin, end, count))
    new = [zone for zone in merged if not any(same_stretch(zone[:2], (c.from_m, c.to_m)) for c in known)]
    return [FailurePlace(corner, zone[2]) for corner, zone in zip(_named(new, known), new, strict=True)]


def _leave(high: float, line: ReferenceLine | None) -> float:
    if line is None:
        return high + 2 * LEAST_BEHIND_M
    behind = high
    while behind < min(high + MOST_BEHIND_M, line.length):
        index = min(int(behind / line.spacing), len(line.curvatures) - 1)
        if abs(float(line.curvatures[index])) < 1.0 / STRAIGHT_RADIUS_M and behind > high:
            break
        behind += line.spacing
    return min(max(behind, high + LEAST_BEHIND_M), line.length)


def _named(zones: Sequence[tuple[float, float, int]], known: Sequence[Corner]) -> list[Corner]:
    taken = {c.name for c in known}
    starts = sorted([c.from_m for c in known] + [z[0] for z in zones])
    corners = []
    for begin, end, _ in zones:
        number = starts.index(begin) + 1
        name, letter = f"corner {number}", ord("b")
        while name in taken:
            name, letter = f"corner {number}{chr(letter)}", letter + 1
        taken.add(name)
        corners.append(Corner(name, round(begin, 1), round(end, 1)))
    return corners
