"""Geometry of the road as seen from above, shared by the game view, the review and the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ribbon:
    """The road: middle and edges (n, 2) and distance along it (n,) in metres, curvature (n,) in 1/m, left positive."""

    middle: Points
    left: Points
    right: Points
    s: Points
    curvature: Points

    def between(self, from_m: float, to_m: float) -> slice:
        """Return the indices whose distance lies in ``[from_m, to_m]``, at least two of them."""
        first = int(np.searchsorted(self.s, from_m, side="left"))
        last = int(np.searchsorted(self.s, to_m, side="right"))
        first = min(first, max(0, len(self.s) - 2))
        return slice(first, max(last, first + 2))

    def at(self, distance: float) -> Points:
        """Return the point (2,) of the middle at ``distance`` metres."""
        return np.array([np.interp(distance, self.s, axis) for axis in self.middle.T])

    def offset(self, points: Points, progress: Points) -> Points:
        """Return how far to the left of the middle (n,) points (n, 2) are that lie at these metres (n,)."""
        middle, edge = (
            np.stack([np.interp(progress, self.s, axis) for axis in side.T], axis=1) for side in (self.middle, self.left)
        )
        outwards = (edge - middle) / np.maximum(np.hypot(*(edge - middle).T), 1e-9)[:, None]
        offset: Points = ((points - middle) * outwards).sum(axis=1)
        return offset

    def beside_apex(self, from_m: float, to_m: float, gap: float) -> Points:
        """Return the point (2,) that lies ``gap`` metres off the middle, outside the tightest bend of a stretch."""
        part = self.between(from_m, to_m)
        index = part.start + int(np.argmax(np.abs(self.curvature[part])))
        outwards = (self.right[index] - self.left[index]) * (1 if self.curvature[index] > 0 else -1)
        return np.array(self.middle[index] + outwards * gap / max(float(np.hypot(*outwards)), 1e-9))


class Plan:
    """A piece of ground from above, north up, in a picture: turns metres into its pixels.

    ``middle`` (2,) in metres is the middle of the picture, ``size`` its width and height in pixels, ``scale`` pixels a metre.
    """

    def __init__(self, middle: Points, size: tuple[float, float], scale: float) -> None:
        self.scale = scale
        self.origin: Points = middle + np.array([-size[0], size[1]]) / scale / 2

    def at(self, points: NDArray[np.floating], fine: int = 1) -> Points:
        """Return the pixels (..., 2) of points (..., 2), in a picture that is drawn ``fine`` times as large."""
        return np.array((points - self.origin) * (self.scale * fine, -self.scale * fine))


def distances(points: Points) -> Points:
    """Return the running length (n,) of a polyline (n, 2)."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def ribbon(points: NDArray[np.floating], half_width: float, spacing: float = 1.5) -> Ribbon:
    """Return the road around the line ``points`` (N, 2), resampled to about ``spacing`` metres.

    The inner edge is held on its side of the centre of a bend that is tighter than the road is wide.
    """
    line = np.asarray(points, dtype=np.float64)[:, :2]
    s = distances(line)
    keep = np.concatenate([[True], np.diff(s) > 1e-9])
    line, s = line[keep], s[keep]
    if len(line) < 2:
        raise ValueError("a line needs at least two different points")
    count = max(2, round(s[-1] / spacing) + 1)
    along = np.linspace(0.0, s[-1], count)
    middle = np.stack([np.interp(along, s, line[:, 0]), np.interp(along, s, line[:, 1])], axis=1)
    tangent = np.gradient(middle, along, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1])[:, None], 1e-9)
    angle = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    curvature = np.gradient(angle, along)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    reach = 0.97 / np.maximum(np.abs(curvature), 1e-6)
    left = middle + normal * np.where(curvature > 0, np.minimum(half_width, reach), half_width)[:, None]
    right = middle - normal * np.where(curvature < 0, np.minimum(half_width, reach), half_width)[:, None]
    return Ribbon(middle, left, right, along, curvature)


def heat(failures: NDArray[np.floating] | tuple[float, ...], length: float, bins: int) -> Points:
    """Return how often episodes failed in each of ``bins`` equal stretches, scaled to a maximum of 1 and smoothed by one bin."""
    values = np.asarray(failures, dtype=np.float64)
    counts = np.histogram(values, bins=bins, range=(0.0, max(length, 1e-9)))[0].astype(np.float64)
    if not counts.any():
        return counts
    smooth = np.convolve(np.pad(counts, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    return smooth / smooth.max()
