"""Giving laps that an earlier version imported today's layout. Nothing is lost: it could be turned back.

Earlier versions left out the action about to act, or gave the numbers of an observation names of their own. What is missing is
in the episode itself, so no file is needed.
"""

from __future__ import annotations

import json
import sqlite3

import numpy as np

from data.connect import transaction
from data.reading.episodes import EpisodeData
from data.reading.layouts import is_road, outdated_sessions
from data.records import ACTION_PENDING
from data.store import Store
from data.words import number_of


def plain_names(size: int) -> tuple[str, ...]:
    """Return the names of numbers of which only the order is known, as sessions in foreign environments have them."""
    return tuple(f"observation_{k}" for k in range(size))


def add_pending(data: EpisodeData) -> None:
    """Put a lap whose actions were measured into the timing of a live session, whose observations end with the pending action.

    Given, an action is the one that acted from what was seen to what was seen next: ``executed[i]`` leads from observation i to
    observation i + 1. Live, what leads there was decided one tick earlier; it is pending while observation i is seen, and the
    action of step i is the one after it. So each action becomes pending, and each step gets the next one. The action after the
    last step never acts: the last one stands for it.
    """
    acting = np.asarray(data.executed, np.float32)
    after = np.concatenate([acting[1:], acting[-1:]])
    data.observation = np.concatenate([np.asarray(data.observation, np.float32), acting], axis=1)
    if data.last_observation is not None:
        data.last_observation = np.concatenate([np.asarray(data.last_observation, np.float32), acting[-1]])
    data.executed = after
    if data.proposed is not None:
        data.proposed = after


def rebuild_said(store: Store) -> list[str]:
    """Give imports of earlier versions the layout of today and return what is to be said about it.

    A session at a time, all of it or nothing. The steps get new numbers, so that a trainer that is at work sees them as new.
    """
    laps = steps = 0
    for session, _, (names, actions) in list(outdated_sessions(store.conn)):
        with transaction(store.conn):
            road = is_road(names)
            found = store.conn.execute("SELECT id FROM episodes WHERE session_id = ? ORDER BY id", (session,)).fetchall()
            changed = [_episode(store.conn, episode, road) for (episode,) in found]
            new = (*names, *(ACTION_PENDING + name for name in actions)) if road else plain_names(len(names))
            store.conn.execute("UPDATE sessions SET observation_names = ? WHERE id = ?", (json.dumps(list(new)), session))
        laps, steps = laps + len(changed), steps + sum(changed)
    if not laps:
        return []
    imported, driven = number_of(laps, "imported lap has", "imported laps have"), number_of(steps, "step")
    text = f"{imported} the layout of a live session now ({driven})"
    store.add_event("rebuilt", f"{text}.")
    return [f"{text}, as an earlier version did not give it: what is driven and imported is learned from together."]


def _episode(conn: sqlite3.Connection, episode: int, road: bool) -> int:
    """Rewrite an episode's steps; returns how many there are."""
    rows = conn.execute(
        "SELECT id, t, observation, executed FROM steps WHERE episode_id = ? ORDER BY t", (episode,)
    ).fetchall()
    if road:
        after = {t: executed for _, t, _, executed in rows}
        changed = [
            (observation + executed, after.get(t + 1, executed), after.get(t + 1, executed), id_)
            for id_, t, observation, executed in rows
        ]
        conn.executemany("UPDATE steps SET observation = ?, executed = ?, proposed = ? WHERE id = ?", changed)
        (last,) = conn.execute("SELECT last_observation FROM episodes WHERE id = ?", (episode,)).fetchone()
        if rows and last is not None:
            conn.execute("UPDATE episodes SET last_observation = ? WHERE id = ?", (last + rows[-1][3], episode))
    (newest,) = conn.execute("SELECT coalesce(max(id), 0) FROM steps").fetchone()
    conn.executemany("UPDATE steps SET id = ? WHERE id = ?", [(newest + k, row[0]) for k, row in enumerate(rows, 1)])
    conn.execute("UPDATE episodes SET length = length WHERE id = ?", (episode,))  # followers look at it again
    return len(rows)
