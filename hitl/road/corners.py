"""Corners: named stretches of the reference line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hitl.road.line import ReferenceLine


@dataclass(frozen=True)
class Corner:
    """A stretch of the line from ``from_m`` to ``to_m`` (metres of arc length)."""

    name: str
    from_m: float
    to_m: float

    def contains(self, progress: float) -> bool:
        """Tell whether a car at that progress (m) is in the corner."""
        return self.from_m <= progress < self.to_m


def corners_from_curvature(line: ReferenceLine, *, radius: float = 40.0, join_m: float = 12.0) -> tuple[Corner, ...]:
    """Name the bends of a line that nobody has named: stretches tighter than ``radius`` (m), near ones joined."""
    bends = np.flatnonzero(np.abs(line.curvatures) > 1.0 / radius) * line.spacing
    if len(bends) == 0:
        return ()
    groups = np.split(bends, np.flatnonzero(np.diff(bends) > join_m) + 1)
    spans = [(float(g[0]), float(g[-1])) for g in groups if g[-1] - g[0] >= 4.0]
    return tuple(Corner(f"corner {k}", a, min(b + 2.0, line.length)) for k, (a, b) in enumerate(spans, 1))
