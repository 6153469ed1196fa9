"""How punctual a session's clock is here, as other programs run and as a session does."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from hitl.field_kit.site import FigureDict, Site
from hitl.timing.clocks import Lateness, PacedClock, punctual
from hitl.timing.priority import goes_first

HZ = 20.0
SECONDS = 10.0


def measure(site: Site) -> FigureDict:
    """Return the lateness of a session's clock with nothing to do between ticks."""
    clock = time.get_clock_info("perf_counter")
    return {
        "counts_in_us": clock.resolution * 1e6,
        **_rhythm("plain", nullcontext()),
        **_rhythm("session", punctual()),
    }


def _rhythm(name: str, way: AbstractContextManager[None]) -> FigureDict:
    clock = PacedClock(HZ)
    with way:
        first = goes_first()
        for _ in range(round(SECONDS * HZ)):
            clock.wait_for_send()
            clock.sending()
    return {f"{name}_goes_first": first, **lateness_figures(clock.lateness, f"{name}_")}


def lateness_figures(lateness: Lateness, prefix: str = "") -> FigureDict:
    """Return how late actions were sent: counts, and the spread in ms."""
    late = np.array(lateness.recent or [np.nan]) * 1000
    spread = {f"{prefix}late_ms_p{share}": float(np.percentile(late, share)) for share in (50, 90, 99)}
    return {
        f"{prefix}ticks": lateness.ticks,
        f"{prefix}late_ticks": lateness.late,
        f"{prefix}missed_ticks": lateness.missed,
        **spread,
        f"{prefix}late_ms_max": 1000 * lateness.worst,
    }
