"""A corner by its name, and the corners of a line that has none of its own."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from data.errors import UsageError
from data.records import Corner
from data.suggest import did_you_mean
from hitl.road.line import ReferenceLine


def corner_called(name: str, corners: Iterable[Corner], track: str) -> Corner:
    """Return the corner of that name among a track's. Raises UsageError, which lists them."""
    known = {corner.name: corner for corner in corners}
    if name not in known:
        listed = ", ".join(f"'{corner}'" for corner in known) or "none yet"
        raise UsageError(f"Track '{track}' has no corner '{name}'; its corners are {listed}.{did_you_mean(name, known)}")
    return known[name]


def corners_from_curvature(line: ReferenceLine, *, radius: float = 40.0, join_m: float = 12.0) -> tuple[Corner, ...]:
    """Name the bends of a line that nobody has named: stretches tighter than ``radius`` (m), near ones joined."""
    bends = np.flatnonzero(np.abs(line.curvatures) > 1.0 / radius) * line.spacing
    if len(bends) == 0:
        return ()
    groups = np.split(bends, np.flatnonzero(np.diff(bends) > join_m) + 1)
    spans = [(float(g[0]), float(g[-1])) for g in groups if g[-1] - g[0] >= 4.0]
    return tuple(Corner(f"corner {k}", a, min(b + 2.0, line.length)) for k, (a, b) in enumerate(spans, 1))
