"""Where a car was, from points of the line that it saw, and how well these fit the line.

Positions and points are complex numbers here, x + iy in metres, so that turning is multiplying.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitl.road.line import ReferenceLine

Complex = NDArray[np.complex128]
Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MAX_MISFIT = 0.5  # m between the recorded points and the line's; beyond it this is another road
MAX_SPEED_MISFIT = 3.0  # m/s between the recorded speed and the one at which the positions move
SPEED_SCALES = (500 / 3.6, 1000 / 3.6, 300 / 3.6, 100.0, 1 / 3.6, 1.0)  # m/s that are 1.0, the old tool's own first
SEARCHED = 12  # points of a sample that are enough to find the place


@dataclass(frozen=True)
class Places:
    """Where the car was in each of N samples."""

    position: Complex
    """(N,)"""
    turn: Array | None
    """(N,) rad: the direction of the car's own axes where the points were seen in these; None where they were in the world's"""
    known: Flags
    """(N,) samples that showed it; the others lie between or behind them"""


@dataclass(frozen=True)
class Fit:
    """The best scale and offset from progress to arc length of the first point, and how well the points then fit."""

    s: Array
    """(N,) arc length of each sample's first point"""
    scale: float
    misfit: float
    turned: bool


def along(line: ReferenceLine, s: Array) -> Complex:
    """Return the positions of the line at arc lengths of any shape; before and behind it, the line goes straight on."""
    points = line.points[:, 0] + 1j * line.points[:, 1]
    last = len(points) - 1
    at = np.asarray(s) / line.spacing
    inside = np.clip(at, 0.0, last)
    left = np.minimum(inside.astype(np.int64), last - 1)  # the points are evenly spaced, so nothing needs to be searched for
    place = points[left]
    place += (inside - left) * np.diff(points)[left]
    outside = at != inside
    if outside.any():
        begin, end = np.exp(1j * line.headings[[0, -1]])
        place += (at - inside) * line.spacing * np.where(at < 0, begin, end)
    return place


def heading(line: ReferenceLine, s: Array) -> Array:
    """Return the line's direction (rad, unwrapped) at arc lengths of any shape."""
    return np.interp(s, np.arange(len(line.points)) * line.spacing, line.headings)


def arcs(points: Complex) -> Array:
    """Return (N, K) how far along the road each point is from the first."""
    return np.concatenate([np.zeros((len(points), 1)), np.cumsum(np.abs(np.diff(points, axis=1)), axis=1)], axis=1)


class _Points:
    """Points (…, K) that are laid on places of the line, again and again: what is the same each time is worked out once."""

    def __init__(self, points: Complex, known: Flags, turned: bool) -> None:
        """``turned``: the points lie in axes of their own, which are turned as they fit best."""
        self._known, self._turned = known, turned
        self._all = bool(known.all())
        self._count = known.sum(-1, keepdims=True)
        self._mean = (points * known).sum(-1, keepdims=True) / self._count
        self._about = (points - self._mean) * known
        self._conjugate = self._about.conj()

    def on(self, there: Complex) -> tuple[Complex, Complex, Array]:
        """Lay them on the line's (…, K); return (middle offset, turn: 1 unless they are turned, misfit in m root mean square)."""
        known = there if self._all else there * self._known
        there_mean = known.sum(-1, keepdims=True) / self._count
        a = there - there_mean
        if not self._all:
            a *= self._known
        b, mean = self._about, self._mean
        turn = np.ones_like(mean)
        if self._turned:
            product = (a * self._conjugate).sum(-1, keepdims=True)
            turn = product / np.maximum(np.abs(product), 1e-12)
            b, mean = turn * b, turn * mean
        a -= b
        squares = (a.real**2 + a.imag**2).sum(-1)
        return (there_mean - mean)[..., 0], turn[..., 0], np.sqrt(squares / self._count[..., 0])


def fit(line: ReferenceLine, points: Complex, known: Flags, progress: Array, turned: bool) -> Fit:
    """Find where on the line the points lie: the arc length of a sample's first point is ``scale * progress + ahead``."""
    rows = np.flatnonzero(known.sum(1) >= 3)
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), 120)).astype(int)]
    few = np.unique(np.linspace(0, points.shape[1] - 1, min(points.shape[1], SEARCHED)).astype(int))
    few_known = known[some][:, few]
    if points.shape[1] > SEARCHED:  # of each sample, points all over what it knows
        last = known[some].sum(1) - 1
        few_at = np.round(np.linspace(0, 1, SEARCHED) * last[:, None]).astype(int)
        few_points, few_arcs = (np.take_along_axis(v[some], few_at, axis=1) for v in (points, arcs(points)))
        few_known = np.ones_like(few_at, bool)
    else:
        few_points, few_arcs = points[some], arcs(points)[some]
    scales, aheads = np.linspace(0.95, 1.5, 56) * line.length, np.arange(-15.0, 61.0, 3.0)
    found, best = (line.length, 0.0), np.inf
    for finer in range(5):
        best = np.inf
        part = slice(None, None, 1 if finer or len(some) < 60 else 3)  # to find the neighbourhood, fewer samples are enough
        seen = _Points(few_points[part], few_known[part], turned)
        for scale in scales:
            s = scale * progress[some[part]] + aheads[:, None]
            there = along(line, s[..., None] + few_arcs[part])
            cost = np.median(seen.on(there)[2], axis=1)
            if cost.min() < best:
                best, found = float(cost.min()), (float(scale), float(aheads[cost.argmin()]))
        width = 0.01 * line.length / 4**finer
        scales = found[0] + np.linspace(-width, width, 21)
        aheads = found[1] + np.linspace(-3.0, 3.0, 13) / 4**finer
    s = found[0] * progress + found[1]
    misfit = _Points(points[rows], known[rows], turned).on(along(line, s[rows, None] + arcs(points)[rows]))[2]
    return Fit(s, found[0], float(np.median(misfit)), turned)


def on_line(line: ReferenceLine, points: Complex, known: Flags, found: Fit) -> Places:
    """Return the places of a car that saw points of the line itself; what was seen behind the line's end does not count."""
    at = found.s[:, None] + arcs(points)
    there, known = along(line, at), known & (at < line.length + 1.0)
    seen = known.sum(1) >= (3 if found.turned else 1)
    count = np.maximum(known, ~seen[:, None])  # nothing is divided by zero
    offset, turn, misfit = _Points(points, count, found.turned).on(there)
    seen &= misfit < max(4 * MAX_MISFIT, 4 * found.misfit)
    return Places(offset, np.unwrap(np.angle(turn)) if found.turned else None, seen)


def off_line(line: ReferenceLine, points: Complex, known: Flags, found: Fit) -> float:
    """Return the angle (rad) by which the direction of the points differs from the line's: points of the line have none."""
    at = found.s[:, None] + arcs(points)
    known = known & (at < line.length)
    seen = known.sum(1) >= 3
    if not seen.any():
        return np.inf
    turn = _Points(points[seen], known[seen], True).on(along(line, at[seen]))[1]
    return float(np.median(np.abs(np.angle(turn))))


def bends(line: ReferenceLine, points: Complex, known: Flags, found: Fit) -> float:
    """Return how strongly the road that was seen bends, as a share of how the line does: 1 where both are in the same unit.

    NaN where there is hardly a bend.
    """
    at = found.s[:, None] + arcs(points)
    last = (known & (at < line.length)).sum(1) - 1
    rows = np.flatnonzero(last >= 2)
    if not len(rows):
        return np.nan
    last = last[rows]
    begin = points[rows, 1] - points[rows, 0]
    end = points[rows, last] - points[rows, last - 1]
    s = at[rows]
    theirs = np.angle(end * begin.conj())
    each = np.arange(len(rows))
    ours = heading(line, (s[each, last] + s[each, last - 1]) / 2) - heading(line, (s[:, 0] + s[:, 1]) / 2)
    plain = np.abs(ours) < 2.5  # beyond half a turn the angle between two directions says less
    if plain.sum() < 10 or float(np.sqrt((ours[plain] ** 2).mean())) < 0.01:
        return np.nan
    return float((theirs * ours)[plain].sum() / (ours[plain] ** 2).sum())


def find_speed(numbers: Array, places: Places, hz: float) -> tuple[Array, float]:
    """Return the column of (N, C) numbers that is the speed (N,), in m/s, and by how much (m/s) it differs from the movement."""
    both = places.known[1:] & places.known[:-1]
    moved = np.abs(np.diff(places.position))[both] * hz
    if len(moved) < 2:
        return np.zeros(len(numbers)), np.inf
    between = ((numbers[1:] + numbers[:-1]) / 2)[both]
    best = np.inf, 0, 1.0
    for scale in SPEED_SCALES:
        off = np.median(np.abs(between * scale - moved[:, None]), axis=0)
        off[numbers.min(axis=0) < -1e-3] = np.inf
        column = int(off.argmin())
        if off[column] < best[0]:
            best = float(off[column]), column, scale
    return numbers[:, best[1]] * best[2], best[0]
