"""The corners of a line that has none of its own."""

from __future__ import annotations

import numpy as np

from data.records import Corner
from hitl.road.line import ReferenceLine


def corners_from_curvature(line: ReferenceLine, *, radius: float = 40.0, join_m: float = 12.0) -> tuple[Corner, ...]:
    """Name the bends of a line that nobody has named: stretches tighter than ``radius`` (m), near ones joined."""
    bends = np.flatnonzero(np.abs(line.curvatures) > 1.0 / radius) * line.spacing
    if len(bends) == 0:
        return ()
    groups = np.split(bends, np.flatnonzero(np.diff(bends) > join_m) + 1)
    spans = [(float(g[0]), float(g[-1])) for g in groups if g[-1] - g[0] >= 4.0]
    return tuple(Corner(f"corner {k}", a, min(b + 2.0, line.length)) for k, (a, b) in enumerate(spans, 1))
