"""What a recorder does to the store, as a list of plain operations, and the one place that applies them.

The same operations travel through the recorder's queue and, when the store cannot be written, through a spill file.
They name episodes and segments by their number within the session, not by row, and each may be applied twice without
harm, so a spill file can be read back by another process, and again after that process was killed half-way.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from data.connect import now, transaction
from data.records import SessionInfo
from data.tables.judgements import take_judgement
from data.tables.tracks import place

EPISODE, STEP, SEGMENT, STOP, OUTCOME, END, EVENT, CLOSE, JUDGE = (
    "episode",
    "step",
    "segment",
    "stop",
    "outcome",
    "end",
    "event",
    "close",
    "judge",
)
Op = tuple[Any, ...]
"""(name, …):
EPISODE number, purpose, seed, checkpoint_id, started
STEP    episode, t, driver, reward, terminated, truncated, progress, x, y, z, heading, speed, risk, checkpoint_id,
observation, executed, proposed SEGMENT number, episode, kind, start, trigger, corner, priority, started
STOP    segment, stop, outcome, interrupted
OUTCOME segment, outcome
END     episode, end, reason, last_observation, length, return, max_progress, ended
EVENT   at, level, kind, message, data
CLOSE   status, ended
JUDGE   segment, state, at (from another machine: verdict, priority, trim, tags, note; the later one stands)
"""

STEP_COLUMNS = (
    "episode_id, t, driver, reward, terminated, truncated, progress, x, y, z, heading, speed, risk, checkpoint_id, "
    "observation, executed, proposed"
)
INSERT_STEP = f"INSERT OR IGNORE INTO steps ({STEP_COLUMNS}) VALUES ({', '.join('?' * 17)})"


def insert_session(
    conn: sqlite3.Connection, uuid: str, info: SessionInfo, started: str, source: str | None = None
) -> int:
    """Write the row of a session, or find it by its uuid, and return its id."""
    found = conn.execute("SELECT id FROM sessions WHERE uuid = ?", (uuid,)).fetchone()
    if found:
        return int(found[0])
    track = place(conn, info.track, info.track_digest)
    cursor = conn.execute(
        "INSERT INTO sessions (uuid, kind, env, track, hz, observation_names, action_names, reward, frame_shape, "
        "seed, driver, started, "
        "status, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)",
        (
            uuid, info.kind, info.env, track, float(info.hz), json.dumps(list(info.observation_names)),
            json.dumps(list(info.action_names)), json.dumps(dict(info.reward)),
            json.dumps(list(info.frame_shape)) if info.frame_shape else None, info.seed, info.driver, started, source,
        ),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


class Applier:
    """Applies operations of one session; every call to :meth:`apply` is one transaction."""

    def __init__(self, conn: sqlite3.Connection, uuid: str, info: SessionInfo, started: str) -> None:
        self.conn, self.uuid, self.info, self.started = conn, uuid, info, started
        self.session_id: int | None = None
        self.refused: list[str] = []
        self._episodes: dict[int, int] = {}

    def apply(self, ops: Sequence[Op]) -> None:
        """Write all of them or none.

        Raises sqlite3.OperationalError (locked, full, read-only) with nothing written. An operation that the store's
        own rules refuse is left out and named in ``refused``, so that one bad row never holds up what comes after it.
        """
        try:
            with transaction(self.conn):
                self._open_session()
                self._apply(ops)
        except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, KeyError):
            self._episodes.clear()
            with transaction(self.conn):
                self._open_session()
                for op in ops:
                    self._apply_alone(op)
        except BaseException:
            self._episodes.clear()
            raise

    def _open_session(self) -> None:
        if (
            self.session_id is None
            or not self.conn.execute("SELECT 1 FROM sessions WHERE id = ?", (self.session_id,)).fetchone()
        ):
            self.session_id = insert_session(self.conn, self.uuid, self.info, self.started)

    def _apply(self, ops: Iterable[Op]) -> None:
        steps: list[tuple[Any, ...]] = []
        for op in ops:
            if op[0] == STEP:
                steps.append((self._episode(op[1]), *op[2:]))
                continue
            if steps:
                self.conn.executemany(INSERT_STEP, steps)
                steps = []
            self._one(op)
        if steps:
            self.conn.executemany(INSERT_STEP, steps)

    def _apply_alone(self, op: Op) -> None:
        self.conn.execute("SAVEPOINT one")
        try:
            self._apply([op])
        except (
            sqlite3.IntegrityError,
            sqlite3.InterfaceError,
            sqlite3.ProgrammingError,
            OverflowError,
            KeyError,
        ) as error:
            self.conn.execute("ROLLBACK TO one")
            self._episodes.clear()
            self.refused.append(f"{op[0]} {op[1]}: {error}")
        self.conn.execute("RELEASE one")

    def _episode(self, number: int) -> int:
        found = self._episodes.get(number)
        if found is None:
            row = self.conn.execute(
                "SELECT id FROM episodes WHERE session_id = ? AND number = ?", (self.session_id, number)
            ).fetchone()
            if row is None:
                raise KeyError(f"episode {number} of session {self.session_id} is not in the store")
            found = self._episodes[number] = int(row[0])
        return found

    def _session(self) -> int:
        assert self.session_id is not None
        return self.session_id

    def _one(self, op: Op) -> None:
        execute, session = self.conn.execute, self.session_id
        name, args = op[0], op[1:]
        if name == EPISODE:
            execute(
                "INSERT OR IGNORE INTO episodes (session_id, number, purpose, seed, checkpoint_id, started) VALUES "
                "(?, ?, ?, ?, ?, ?)",
                (session, *args),
            )
        elif name == SEGMENT:
            number, episode, kind, start, trigger, corner, priority, started = args
            execute(
                'INSERT OR IGNORE INTO segments (session_id, number, episode_id, kind, start, "trigger", corner, '
                "priority, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (session, number, self._episode(episode), kind, start, trigger, corner, priority, started),
            )
        elif name == STOP:
            number, stop, outcome, interrupted = args
            execute(
                "UPDATE segments SET stop = ?, outcome = ?, interrupted = ? WHERE session_id = ? AND number = ?",
                (stop, outcome, int(interrupted), session, number),
            )
        elif name == OUTCOME:
            execute("UPDATE segments SET outcome = ? WHERE session_id = ? AND number = ?", (args[1], session, args[0]))
        elif name == END:
            episode, end, reason, last, length, total, far, ended = args
            execute(
                'UPDATE episodes SET "end" = ?, reason = ?, last_observation = ?, length = ?, "return" = ?, '
                "max_progress = ?, ended = ? WHERE id = ?",
                (end, reason, last, length, total, far, ended, self._episode(episode)),
            )
        elif name == EVENT:
            execute(
                "INSERT INTO events (session_id, at, level, kind, message, data) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT "
                "EXISTS (SELECT 1 FROM events WHERE session_id = ?1 AND at = ?2 AND kind = ?4 AND message = ?5)",
                (session, *args),
            )
        elif name == JUDGE:
            take_judgement(self.conn, self._session(), *args)
        elif name == CLOSE:
            execute("UPDATE sessions SET status = ?, ended = ? WHERE id = ?", (*args, session))
        else:
            raise KeyError(f"unknown operation {name}")


def close_interrupted(conn: sqlite3.Connection, session_id: int) -> tuple[int, int, int]:
    """Close what a dead session left open; returns how many episodes, segments and steps that concerned.

    The observation after the last step is not known, so ``last_observation`` stays NULL and nobody may use that step
    as a transition.
    """
    with transaction(conn):
        open_episodes = [
            row[0]
            for row in conn.execute('SELECT id FROM episodes WHERE session_id = ? AND "end" IS NULL', (session_id,))
        ]
        segments = conn.execute(
            "UPDATE segments SET interrupted = 1, stop = max(start, coalesce((SELECT max(t) + 1 FROM steps WHERE "
            "episode_id = "
            "segments.episode_id), 0)) WHERE session_id = ? AND stop IS NULL",
            (session_id,),
        ).rowcount
        steps = 0
        for episode in open_episodes:
            length, total, far = conn.execute(
                "SELECT coalesce(max(t) + 1, 0), sum(reward), max(progress) FROM steps WHERE episode_id = ?", (episode,)
            ).fetchone()
            steps += length
            conn.execute(
                "UPDATE episodes SET \"end\" = 'interrupted', reason = 'killed', length = ?, \"return\" = ?, "
                "max_progress = ?, ended = ? WHERE id = ?",
                (length, total, far, now(), episode),
            )
        conn.execute(
            "UPDATE sessions SET status = 'interrupted', ended = ? WHERE id = ? AND status = 'open'",
            (now(), session_id),
        )
    return len(open_episodes), segments, steps
