"""What the numbers of a foreign observation mean, by what they do and not by how many there are.

Points of a road are recognised because neighbours lie one behind the other, at similar distances, whatever the car does. That
shows how many there are, at which distances, in which order the sides come, and where in the observation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from data.exchange.importing import EpisodeRefusedError
from data.words import number_of

Array = NDArray[np.float64]

CAR = ("speed", "acceleration", "jerk", "progress", "steer", "gas", "brake", "gear", "yaw", "pitch", "steer_left", "steer_right",
       "slip_left", "slip_right", "failures")  # fmt: skip
SPEED_SCALE = 500.0 / 3.6  # m/s that are 1.0 in the old tool's observation
LEAST_POINTS = 3
MOST_POINTS = 200
LOOKED_AT = 90  # samples from which the meaning of the numbers is told
SHARE = 0.97  # of these, in which points must be as points of a road are
MOST_SEARCHED = 1000  # numbers of an observation in which every order is looked for
MOST_NUMBERS = 4000  # in an observation that is searched for a road: a picture holds none


@dataclass(frozen=True)
class SeenRoad:
    """The road as one run saw it, in the units and axes of the observation, N samples and K points ahead."""

    centre: Array
    """(N, K, 2) the middle of the road"""
    known: NDArray[np.bool_]
    """(N, K) points that were seen where they are: up to the first one that was cut off at the end of the numbers' range"""
    sides: tuple[Array, ...]
    """(N, K, 2) each: the two edges, where they were seen"""
    columns: NDArray[np.int64]
    """The places of these numbers in the observation"""


def limits(seen: Array) -> list[float]:
    """Return the values at which numbers were cut off: extremes that several columns share to the last digit."""
    top = np.abs(seen).max(axis=0)
    values, counts = np.unique(top[top > 0], return_counts=True)
    return [float(v) for v in values[counts >= 3]]


def see_road(observation: NDArray[np.float32]) -> SeenRoad:
    """Find the points of the road in (N, O) observations. Raises EpisodeRefusedError with the reason when there are none."""
    size = observation.shape[1]
    n = len(observation)
    if size > MOST_NUMBERS:
        raise EpisodeRefusedError(
            f"its observations of {number_of(size, 'number')} hold pictures, not points of the road, so where it was driven "
            "cannot be found"
        )
    seen = observation.astype(np.float64)
    cut = np.isin(np.abs(seen), limits(seen))
    some = np.unique(np.linspace(0, n - 1, min(n, LOOKED_AT)).astype(int))
    found = polylines(seen[some], cut[some])
    if not found:
        raise EpisodeRefusedError(
            f"none of the {size} numbers of its observations are points of a road, so where it was driven cannot be found"
        )
    middle, sides = _sides(seen, cut, found)
    count = min(len(found[i]) for i in sides) if middle is None else len(found[middle])
    lines = [found[i][:count] for i in (sides if middle is None else (middle,))]
    hidden = np.logical_or.reduce([cut[:, columns].any(axis=2) for columns in lines])
    edges = tuple(seen[:, found[i]] for i in sides)
    centre = seen[:, found[middle]] if middle is not None else (edges[0][:, :count] + edges[1][:, :count]) / 2
    moved = np.concatenate([np.ones((n, 1), bool), np.hypot(*np.moveaxis(np.diff(centre, axis=1), -1, 0)) > 1e-7], axis=1)
    known = np.logical_and.accumulate(~hidden & moved, axis=1)  # at the road's end the last point is repeated
    return SeenRoad(centre, known, edges, np.unique(np.concatenate([columns.ravel() for columns in found])))


def polylines(seen: Array, cut: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the columns (K, 2) of each row of points in (S, O) samples, longest first and none twice.

    The two numbers of a point may be neighbours, point after point or side after side, or all first numbers may come first.
    """
    size = seen.shape[1]
    found: list[NDArray[np.int64]] = []
    best = 0
    for step, apart in [(2, 1), (4, 1), (6, 1), *((1, q) for q in range(LEAST_POINTS, min(size // 2, MOST_POINTS) + 1))]:
        if step == 1 and size > MOST_SEARCHED:
            break
        lines = _runs(seen, cut, step, apart)
        longest = max((len(line) for line in lines), default=0)
        if longest > best:
            found, best = lines, longest
    kept: list[NDArray[np.int64]] = []
    taken: set[int] = set()
    for line in sorted(found, key=lambda columns: (-len(columns), columns[0, 0])):
        if not taken & set(line.ravel().tolist()):
            kept.append(line)
            taken |= set(line.ravel().tolist())
    return [line for line in kept if len(line) >= max(LEAST_POINTS, best // 2)]


def _runs(seen: Array, cut: NDArray[np.bool_], step: int, apart: int) -> list[NDArray[np.int64]]:
    """Return the rows of points whose first numbers lie ``step`` columns from each other and the second ``apart`` behind them."""
    size = seen.shape[1]
    count = size - apart - 2 * step  # places at which three points in a row may begin
    if count <= 0:
        return []
    x, y = seen[:, : size - apart], seen[:, apart:]
    hidden = cut[:, : size - apart] | cut[:, apart:]
    dx, dy = x[:, step:] - x[:, :-step], y[:, step:] - y[:, :-step]
    squared = dx * dx + dy * dy  # of the lengths: hypot takes several times as long
    there = ~(hidden[:, step:] | hidden[:, :-step]) & (squared > 1e-12)
    first, second = squared[:, :-step], squared[:, step:]
    both = there[:, :-step] & there[:, step:]
    onward = dx[:, :-step] * dx[:, step:] + dy[:, :-step] * dy[:, step:] > 0.3 * np.sqrt(first * second)
    like = (first < 16 * second) & (second < 16 * first)
    total = np.count_nonzero(both, axis=0)
    good = (total >= min(5, len(seen))) & (np.count_nonzero(onward & like & both, axis=0) >= SHARE * total)
    maybe = np.flatnonzero(good)
    good[maybe] = np.ptp(np.where(hidden[:, maybe], 0.0, seen[:, maybe]), axis=0) > 0
    lines = []
    begun = np.zeros(count, bool)
    for c in np.flatnonzero(good):
        if begun[c]:
            continue
        end = int(c)
        while end < count and good[end]:
            begun[end] = True
            end += step
        columns = np.arange(c, end + step + 1, step)
        if step == 1 and len(columns) > apart:
            columns = columns[:apart]
        line = np.stack([columns, columns + apart], axis=1)
        values = seen[:, line]
        # Points relative to a car lie on both its sides; what only ever has one sign is a row of distances.
        if ((values.min(axis=(0, 1)) < 0) & (values.max(axis=(0, 1)) > 0)).any():
            lines.append(line)
    return lines


def _sides(
    seen: Array, cut: NDArray[np.bool_], found: Sequence[NDArray[np.int64]]
) -> tuple[int | None, tuple[int, ...]]:
    """Return which row of points is the middle of the road (None: it is between the two sides), and which are its sides."""
    best: tuple[float, int, tuple[int, ...]] | None = None
    for three in combinations(range(min(len(found), 12)), 3):
        count = min(len(found[i]) for i in three)
        for middle in three:
            one, other = (i for i in three if i != middle)
            good = ~np.logical_or.reduce([cut[:, found[i][:count]].any(axis=2) for i in three])
            if not good.any():
                continue
            m, a, b = (seen[:, found[i][:count]][good] for i in (middle, one, other))
            wide = max(float(np.median(np.hypot(*(a - b).T))), 1e-9)
            off = float(np.median(np.hypot(*((a + b) / 2 - m).T))) / wide
            if best is None or off < best[0] - 1e-4 or (off < best[0] + 1e-4 and middle > best[1]):  # of several times, the last
                best = off, middle, (one, other)
    if best is not None and best[0] < 0.45:
        return best[1], best[2]
    if len(found) == 1:
        return 0, ()
    if len(found) == 2:
        return None, (0, 1)
    raise EpisodeRefusedError("its rows of points are not two sides of a road and its middle: it cannot be told which is which")


def progress_columns(observation: NDArray[np.float32], columns: NDArray[np.int64]) -> list[int]:
    """Return which of the columns may be progress, likeliest first: they only grow, as no other number of a car does."""
    found = []
    for c in columns.tolist():
        values = observation[:, c].astype(np.float64)
        steps = np.diff(values)
        span = float(np.ptp(values))
        if span <= 0 or float(np.abs(values).max()) > 1e6:
            continue
        grows = float((steps > 0).mean())
        if (steps >= -1e-4 * span).mean() >= 0.98 and values[-1] > values[0] and grows > 0.2:
            found.append((float(np.abs(steps).max()) / span > 0.1, -grows, int(c)))
    return [c for _, _, c in sorted(found)]


def old_names(observation: NDArray[np.float32]) -> tuple[str, ...] | None:
    """Return names for the numbers of (N, O) observations in the old tool's own order; None for any other order.

    It is: the left side, the middle and the right side of the road, fifteen numbers of the car, the last actions.
    """
    size = observation.shape[1]
    try:
        road = see_road(observation)
    except EpisodeRefusedError:  # nothing speaks for this order, and nothing against it but the count
        known = [(actions, *divmod(size - len(CAR) - 3 * actions, 6)) for actions in (2, 1, 0, 3, 4)]
        actions, points = next(((a, k) for a, k, rest in known if rest == 0 and k >= LEAST_POINTS), (0, 0))
    else:
        points, progress = road.centre.shape[1], 6 * road.centre.shape[1] + CAR.index("progress")
        actions, rest = divmod(size - 6 * points - len(CAR), 3)
        others = np.setdiff1d(np.arange(size), road.columns)
        if len(road.sides) != 2 or rest or not 0 <= actions <= 8 or progress not in progress_columns(observation, others):
            return None
    if not points:
        return None
    sides = ("left", "centre", "right")
    names = [f"{side}_{i}_{axis}" for side in sides for i in range(points) for axis in ("dx", "dz")]
    past = [f"past_{i}_{name}" for i in range(actions, 0, -1) for name in ("gas", "brake", "steer")]
    return (*names, *CAR, *past)
