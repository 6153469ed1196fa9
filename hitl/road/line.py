"""The reference line: where a car is along the road, and what the road does ahead of it.

All lengths are metres, all angles radians, counter-clockwise from +x. A line is a plane curve: heights are not kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPACING = 1.0  # m between the points that a line is resampled to, about
MOST_LENGTH = 100_000.0  # m: no road is longer, and what claims to be would ask for memory without end
MOST_FAR = 1e7  # m: beyond it neighbouring positions cannot be told apart well
DRIVES, DRIVEN_M = 20, 8_000.0  # that judge an agent, and m that they are in all on a long road
LEAD_IN = 50.0  # m of straight road imagined before the beginning: a line is often recorded from a car that rolls already
START_M = 30.0  # a car that near to a line's beginning, at the game's start, is at the line's
_TAIL = 300.0  # m of straight road imagined behind the end, so that looking ahead needs no special case


class Place(NamedTuple):
    """Where a point is, seen from the line."""

    s: float  # arc length of the nearest point, m
    offset: float  # distance from the line, m, positive to the left of the driving direction
    heading: float  # direction of the line there, rad, unwrapped along the line


class ReferenceLine:
    """A line resampled to even steps, so that arc length is an index and nothing has to be searched for.

    ``points``: (N, 2) or (N, 3) positions in driving order, in metres. Repeated points are dropped.
    """

    def __init__(self, points: ArrayLike) -> None:
        raw = np.asarray(points, dtype=np.float64)
        if raw.ndim != 2 or raw.shape[1] not in (2, 3) or not np.isfinite(raw).all():
            raise ValueError("a line is a table of finite x, y[, z] positions")
        if np.abs(raw).max(initial=0.0) > MOST_FAR:
            raise ValueError(f"it has positions more than {MOST_FAR / 1000:,.0f} km away")
        keep = np.r_[True, np.hypot(*np.diff(raw[:, :2], axis=0).T) > 1e-6][: len(raw)]
        raw = raw[keep, :2]
        if len(raw) < 2:
            raise ValueError("a line needs at least two different points")
        arc = np.r_[0.0, np.cumsum(np.hypot(*np.diff(raw, axis=0).T))]
        self.length = float(arc[-1])
        if self.length < 0.01:
            raise ValueError("it is shorter than a centimetre")
        if self.length > MOST_LENGTH:
            raise ValueError(f"it is {self.length / 1000:,.0f} km long, and {MOST_LENGTH / 1000:.0f} km can be driven")
        count = max(2, round(self.length / SPACING) + 1)
        grid = np.linspace(0.0, self.length, count)
        self.spacing = self.length / (count - 1)
        xy = np.stack([np.interp(grid, arc, raw[:, k]) for k in range(2)], axis=1)
        self.points: NDArray[np.float64] = xy
        """(count, 2) evenly spaced positions."""
        step = np.diff(xy, axis=0)
        segment_heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
        self.headings = np.r_[segment_heading[0], (segment_heading[1:] + segment_heading[:-1]) / 2, segment_heading[-1]]
        """(count,) tangent directions, unwrapped."""
        self.curvatures = np.gradient(self.headings, self.spacing) if count > 2 else np.zeros(count)
        """(count,) 1/m, positive to the left."""
        ahead = np.arange(1, math.ceil(_TAIL / self.spacing) + 2)[:, None] * self.spacing
        direction = np.array([math.cos(segment_heading[-1]), math.sin(segment_heading[-1])])
        self._extended = np.ascontiguousarray(np.vstack([xy, xy[-1] + ahead * direction]))
        self._steps = np.diff(self._extended, axis=0)
        self._x: list[float] = xy[:, 0].tolist()  # plain floats: the search below is a loop, and lists are faster there
        self._y: list[float] = xy[:, 1].tolist()
        self._headings: list[float] = self.headings.tolist()

    def locate(self, x: float, y: float, near_s: float, *, behind: float = 8.0, ahead: float = 14.0) -> Place:
        """Return the nearest place on the line, looked for only between ``near_s - behind`` and ``near_s + ahead``.

        The window is what keeps a car from being moved to a neighbouring stretch of a road that folds back on itself;
        it also makes the search cost the same on any track. Positions before the start or behind the end give ``s`` at
        the end in question. Up to ``LEAD_IN`` before the start the offset is the distance from the straight that leads there.
        """
        xs, ys, spacing = self._x, self._y, self.spacing
        last = min(len(xs) - 1, int((near_s + ahead) / spacing) + 1)
        first = min(last, max(0, int((near_s - behind) / spacing)))
        best, best_d2 = first, math.inf
        for i in range(first, last + 1):
            dx = x - xs[i]
            dy = y - ys[i]
            d2 = dx * dx + dy * dy
            if d2 < best_d2:
                best, best_d2 = i, d2
        return self._project(x, y, best)

    def locate_anywhere(self, x: float, y: float) -> Place:
        """Return the nearest place on the whole line (for a car whose past is not known)."""
        d2 = (self.points[:, 0] - x) ** 2 + (self.points[:, 1] - y) ** 2
        return self._project(x, y, int(d2.argmin()))

    def begin_at(self, x: float, y: float, at_most: float = 0.0, within: float = 8.0) -> Place:
        """Return the place of a car that is put on its road, and did not drive there.

        The line may pass there more than once: a circuit ends where it begins. Of the stretches within ``within`` (m) it is the
        last one that is not behind ``at_most`` (m), else the first one; with the default that is the start and never the end.
        Where no stretch is so near it is the nearest place of all.
        """
        distance = np.hypot(self.points[:, 0] - x, self.points[:, 1] - y)
        first, at_beginning = self._project(x, y, 0), distance[0] <= START_M
        distance[0] = min(distance[0], abs(first.offset))  # a car before the line's beginning is at its beginning
        near = np.flatnonzero(distance <= within)
        stretches = np.split(near, np.flatnonzero(np.diff(near) > 1) + 1) if len(near) else [np.arange(len(distance))]
        places = [self._project(x, y, int(stretch[distance[stretch].argmin()])) for stretch in stretches]
        if at_most <= 0.0 and at_beginning and places[0].s > START_M:
            return first
        return next((place for place in reversed(places) if place.s <= at_most), places[0])

    def overlap(self) -> float | None:
        """Return how far (m) a circuit's end lies beyond its beginning, below 0 for before it; None where it is no circuit."""
        x, y, heading = self.at(self.length)
        home = self.begin_at(x, y)
        turned = (heading - home.heading + math.pi) % (2 * math.pi) - math.pi
        if abs(home.offset) > 8.0 or home.s > self.length / 2 or abs(turned) > math.pi / 3:
            return None
        return home.s or -self.before(x, y)

    def before(self, x: float, y: float) -> float:
        """Return how far (m) a point lies before the line's beginning, along the line; 0 where it does not."""
        tx, ty = self._x[1] - self._x[0], self._y[1] - self._y[0]
        return max(0.0, -((x - self._x[0]) * tx + (y - self._y[0]) * ty) / (math.hypot(tx, ty) or 1.0))

    def _project(self, x: float, y: float, i: int) -> Place:
        """Project onto the two pieces that meet at point ``i`` and return the nearer foot."""
        xs, ys = self._x, self._y
        best: tuple[float, int, float, float] | None = None
        for k in (i - 1, i):
            if not 0 <= k < len(xs) - 1:
                continue
            tx, ty = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
            rx, ry = x - xs[k], y - ys[k]
            length2 = tx * tx + ty * ty or 1.0  # a line that turns back on itself has pieces without length
            u = min(1.0, max(0.0, along := (rx * tx + ry * ty) / length2))
            d2 = (rx - u * tx) ** 2 + (ry - u * ty) ** 2
            if k == 0 and along < 0.0:
                before = max(0.0, -along * self.spacing - LEAD_IN)
                d2 = (tx * ry - ty * rx) ** 2 / length2 + before * before
            if best is None or d2 < best[0]:
                best = (d2, k, u, tx * ry - ty * rx)
        assert best is not None  # there are at least two points
        d2, k, u, cross = best
        heading = self._headings[k] + u * (self._headings[k + 1] - self._headings[k])
        return Place((k + u) * self.spacing, math.copysign(math.sqrt(d2), cross), heading)

    def drives(self, at_least: int) -> int:
        """Return how many drives judge an agent here: 20, and on a long road fewer, so that they are some 8 km in all."""
        return min(DRIVES, max(at_least, round(DRIVEN_M / self.length)))

    def ahead(self, s: float, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (K, 2) positions of the line at ``s + distances``; behind its end the road goes straight on."""
        index = (s + distances) / self.spacing
        np.minimum(np.maximum(index, 0.0), len(self._extended) - 2.0, out=index)  # as np.clip, at a fifth of its cost
        low = index.astype(np.intp)
        found = self._steps.take(low, 0)  # as indexing, at half its cost
        found *= (index - low)[:, None]
        found += self._extended.take(low, 0)
        return found

    def point_ahead(self, s: float) -> tuple[float, float]:
        """Return the one position at ``s`` as ``ahead`` does, at a tenth of its cost."""
        index = min(max(s / self.spacing, 0.0), len(self._extended) - 2.0)
        low = int(index)
        part = index - low
        (x, y), (next_x, next_y) = self._extended[low : low + 2].tolist()
        return x + part * (next_x - x), y + part * (next_y - y)

    def at(self, s: float) -> tuple[float, float, float]:
        """Return (x, y, heading) at arc length ``s``."""
        index = min(max(s / self.spacing, 0.0), len(self._x) - 1.000001)
        k = int(index)
        u = index - k
        x = self._x[k] + u * (self._x[k + 1] - self._x[k])
        y = self._y[k] + u * (self._y[k + 1] - self._y[k])
        return x, y, self._headings[k] + u * (self._headings[k + 1] - self._headings[k])

    def beside(self, s: float, offset: float) -> tuple[float, float, float]:
        """Return (x, y, heading) ``offset`` (m) to the left of the line at arc length ``s``; the heading is the line's."""
        x, y, heading = self.at(s)
        return x - math.sin(heading) * offset, y + math.cos(heading) * offset, heading
