"""A corner by its name, and the corners of a line that has none of its own."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from data.errors import UsageError
from data.records import Corner
from data.suggest import did_you_mean
from hitl.road.line import ReferenceLine

RADIUS_M = 40.0  # m: a stretch that bends more tightly is a corner
JOIN_M = 12.0  # m: bends nearer than this are one corner


def corner_called(name: str, corners: Iterable[Corner], track: str) -> Corner:
    """Return the corner of that name among a track's. Raises UsageError, which lists them."""
    known = {corner.name: corner for corner in corners}
    if name not in known:
        listed = ", ".join(f"'{corner}'" for corner in known)
        there = f"its {'corner is' if len(known) == 1 else 'corners are'} {listed}" if known else "no corners of it are known"
        raise UsageError(f"Track '{track}' has no corner '{name}'; {there}.{did_you_mean(name, known)}")
    return known[name]


def corners_from_curvature(line: ReferenceLine) -> tuple[Corner, ...]:
    """Return the bends of a line that has no corners of its own, numbered."""
    bends = np.flatnonzero(np.abs(line.curvatures) > 1.0 / RADIUS_M) * line.spacing
    if len(bends) == 0:
        return ()
    groups = np.split(bends, np.flatnonzero(np.diff(bends) > JOIN_M) + 1)
    spans = [(float(g[0]), float(g[-1])) for g in groups if g[-1] - g[0] >= 4.0]
    return tuple(Corner(f"corner {k}", a, min(b + 2.0, line.length)) for k, (a, b) in enumerate(spans, 1))
