"""The agent's lap times on one line, for those who look at how training goes."""

from __future__ import annotations

from statistics import median

from data.store import Store
from data.words import number_of
from hitl.road.time_lost import fastest_laps

NEWEST = 200  # episodes without help that are looked at
LAPS = 20  # of them, of which the median is


def lap_line(store: Store) -> str:
    """Return best, median and last of the laps that the agent finished alone on the track driven last; "" without one.

    The best is that of the whole store, the median that of the newest ``LAPS``.
    """
    session = next(iter(store.driven_sessions()), None)
    if session is None:
        return ""
    episodes = store.episodes(session.track, purpose=("drive", "evaluation"), newest=NEWEST, imported=False, helped=False,
                              env=session.env)
    times = [e.lap_s for e in episodes if e.lap_s is not None][-LAPS:]
    best = fastest_laps(store, session.track, session.env).get("agent")
    if not times or best is None or best.lap_s is None:
        return ""
    of = f" of the last {number_of(len(times), 'lap')}" if len(times) > 1 else ""
    return f"best {best.lap_s:.3f} s, median{of} {median(times):.3f} s, last {times[-1]:.3f} s"
