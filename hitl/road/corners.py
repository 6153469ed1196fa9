"""The corners of a line that has none of its own."""

from __future__ import annotations

import numpy as np

from data.records import Corner
from hitl.road.line import ReferenceLine

RADIUS_M = 40.0  # m: a stretch that bends more tightly is a corner
JOIN_M = 12.0  # m: bends nearer than this are one corner


def corners_from_curvature(line: ReferenceLine) -> tuple[Corner, ...]:
    """Return the bends of a line that has no corners of its own, numbered."""
    bends = np.flatnonzero(np.abs(line.curvatures) > 1.0 / RADIUS_M) * line.spacing
    if len(bends) == 0:
        return ()
    groups = np.split(bends, np.flatnonzero(np.diff(bends) > JOIN_M) + 1)
    spans = [(float(g[0]), float(g[-1])) for g in groups if g[-1] - g[0] >= 4.0]
    return tuple(Corner(f"corner {k}", a, min(b + 2.0, line.length)) for k, (a, b) in enumerate(spans, 1))
