"""What a store holds that cannot be learned from, counted by name. Readers leave it out; this is what is said about it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter

import numpy as np

from data.numbers import MOST, all_numbers, counted, no_numbers
from data.reading.new_steps import number_names
from data.reading.schema_check import readable_rows
from data.schema import STEP_MEASURES

BLOCK = 4_000


@readable_rows()
def unusable(conn: sqlite3.Connection) -> tuple[int, dict[str, int]]:
    """Return how many steps (or observations after an episode's last step) there are, and how many by each number's name.

    Reads every step, in about two microseconds each.
    """
    steps, names = 0, Counter[str]()
    for session, seen, acted in conn.execute("SELECT id, observation_names, action_names FROM sessions").fetchall():
        layout = tuple(json.loads(seen)), tuple(json.loads(acted))
        width = len(layout[0]) + 2 * len(layout[1])
        listed = number_names(*layout)
        cursor = conn.execute(
            "SELECT p.reward, CAST(p.observation || p.executed || p.proposed AS BLOB) FROM episodes e JOIN steps p ON "
            "p.episode_id = e.id WHERE e.session_id = ? UNION ALL SELECT 0.0, CAST(last_observation || zeroblob(?) AS "
            "BLOB) FROM episodes WHERE session_id = ? AND last_observation IS NOT NULL",
            (session, 8 * len(layout[1]), session),
        )
        while rows := cursor.fetchmany(BLOCK):
            rows = [row for row in rows if len(row[1]) == 4 * width]  # another check names those that do not fit
            flat = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), width)
            rewards = np.array([row[0] for row in rows], np.float64)
            if all_numbers(flat) and all_numbers(rewards):
                continue
            bad = np.column_stack((no_numbers(flat), no_numbers(rewards)))
            steps += int(bad.any(axis=1).sum())
            found = bad.sum(axis=0)
            names.update({listed[k]: int(found[k]) for k in np.flatnonzero(found).tolist()})
    return steps, dict(names)


def places(conn: sqlite3.Connection) -> dict[str, int]:
    """Return how many steps hold a place, a speed or a risk that is infinite or beyond any measure, by its name."""
    sums = ", ".join(f"sum(abs({name}) > {MOST})" for name in STEP_MEASURES)
    found = conn.execute(f"SELECT {sums} FROM steps").fetchone()
    return {name: int(count) for name, count in zip(STEP_MEASURES, found, strict=True) if count}


def unusable_sentences(conn: sqlite3.Connection) -> list[str]:
    """Return what is to be said of these, a sentence each."""
    said = []
    steps, names = unusable(conn)
    if steps:
        said.append(f"{counted(steps, names)}. Training leaves {'it' if steps == 1 else 'them'} out.")
    if wrong := places(conn):
        listed = ", ".join(f"{name} in {count:,}" for name, count in wrong.items())
        said.append(f"Some steps say that the car was at infinity ({listed}). They are learned from, but drawn nowhere.")
    return said
