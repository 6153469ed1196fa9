"""What stays of the agent's steps where a drive is made smaller: those that the figures about its tries are read from.

They are the first step (where a try began) and, at each place where a corner's approach, entry or end is, the two steps between
which the car came past (when, how fast). All else that is counted is in the episode's row, or in a human's steps.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from data.reading.attempts import approaches
from data.records import AGENT, Corner


def places(conn: sqlite3.Connection, schema: str = "main") -> dict[str, NDArray[np.float64]]:
    """Return by track the metres at which a corner's approach, entry or end lies, from the least on.

    ``schema``: "main", or what another store was attached as.
    """
    rows = conn.execute(f"SELECT track, name, from_m, to_m FROM {schema}.corners ORDER BY track").fetchall()
    found = {}
    for track, group in groupby(rows, key=lambda row: row[0]):
        corners = [Corner(*row[1:]) for row in group]
        metres = {*approaches(corners).values(), *(m for c in corners for m in (c.from_m, c.to_m))}
        found[str(track)] = np.array(sorted(metres))
    return found


def told_by(t: NDArray[np.int64], progress: NDArray[np.float64], metres: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,): which of an episode's steps, in their order, the figures about its tries need."""
    kept = t == 0
    past = np.searchsorted(metres, progress, side="right")  # how many of the places lie behind the car
    passing = (np.diff(past) != 0) & (np.diff(t) == 1) & np.isfinite(progress[1:]) & np.isfinite(progress[:-1])
    kept[1:] |= passing
    kept[:-1] |= passing
    return kept


def told_steps(
    conn: sqlite3.Connection, episodes: Iterable[int], known: dict[str, NDArray[np.float64]], schema: str = "main"
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (episode, ids, ``t``) of the agent's steps that stay where an episode is made smaller.

    ``known``: of :func:`places`.
    """
    rows = conn.execute(
        "SELECT p.episode_id, s.track, p.id, p.t, p.driver, p.progress FROM "
        f"{schema}.steps p JOIN {schema}.episodes e ON e.id = p.episode_id JOIN {schema}.sessions s ON s.id = e.session_id "
        "WHERE p.episode_id IN (SELECT value FROM json_each(?)) ORDER BY p.episode_id, p.t",
        (json.dumps(list(episodes)),),
    )
    for (episode, track), group in groupby(rows, key=lambda row: (row[0], row[1])):
        steps = np.array([row[2:] for row in group], np.float64)  # an unknown place is NaN
        ids, t = steps[:, :2].T.astype(np.int64)
        stays = told_by(t, steps[:, 3], known.get(track, np.empty(0))) & (steps[:, 2] == AGENT)
        yield int(episode), ids[stays], t[stays]
