"""A worker's side: what its store has that the trainer's has not, as numbered messages; and the weights that come back.

What was acknowledged is kept in ``worker.json``, so a worker that was killed goes on where it was. A message may arrive twice
(after a cut everything unacknowledged is sent again), and that does no harm.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sqlite3
import time
import uuid as uuids
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.connect import open_store, transaction
from data.errors import HitlError
from data.ops import CLOSE, END, EPISODE, EVENT, SEGMENT, STEP, STEP_COLUMNS, STOP, Op
from data.store import Store
from hitl.home import Home

MESSAGE_BYTES = 400_000  # of steps in one message, about
WINDOW = 8  # messages on their way
SILENCE_S = 6.0  # without a word from the trainer, after which nothing more is sent
AGAIN_S = 3.0  # without progress, after which what was not acknowledged is sent again
POLL_S = 0.1


@dataclass(frozen=True)
class Marks:
    """How far the store has been sent."""

    step: int = 0
    episode: int = 0  # revisions
    segment: int = 0
    event: int = 0


class Outbox:
    """Reads the store and makes messages. ``everything``: also what was recorded before the first call for this home."""

    def __init__(self, home: Home, name: str, everything: bool = False) -> None:
        self._path, self._file, self.name = home.store_path, home.root / "worker.json", name
        self._conn: sqlite3.Connection | None = None
        kept = self._load()
        self.worker: str = kept.get("worker") or uuids.uuid4().hex
        self.run = uuids.uuid4().hex
        self.open: list[int] = list(kept.get("open", []))  # sessions whose end has not been told
        if "marks" in kept:
            self.acked = Marks(**kept["marks"])
        else:
            self.acked = Marks() if everything else self._now()
        self._sent = self.acked
        self.seq = self.base = 0
        self.steps = 0  # acknowledged in this run
        self._unacked: deque[tuple[int, Marks, int, list[int]]] = deque()
        self._save()

    def next(self) -> dict[str, Any] | None:
        """Return the next message, None while there is nothing new or enough is on its way."""
        if len(self._unacked) >= WINDOW or not self._path.exists():
            return None
        conn = self._connect()
        with transaction(conn, "DEFERRED"):
            made = self._make(conn)
        if made is None:
            return None
        session, ops, marks, steps, still_open = made
        self.seq += 1
        self._sent = marks
        self.open = still_open
        self._unacked.append((self.seq, marks, steps, still_open))
        return {
            "kind": "data", "worker": self.worker, "name": self.name, "run": self.run, "seq": self.seq, "base": self.base,
            "session": session, "ops": ops, "checkpoints": self._names(conn, ops),
        }  # fmt: skip

    def acknowledged(self, seq: int) -> bool:
        """The trainer has everything up to that number; tells whether that is news."""
        news = False
        while self._unacked and self._unacked[0][0] <= seq:
            self.base, self.acked, steps, still_open = self._unacked.popleft()
            self.steps += steps
            self._kept_open = still_open
            news = True
        if news:
            self._save()
        return news

    def again(self) -> None:
        """Send once more what was not acknowledged."""
        self._unacked.clear()
        self._sent, self.seq = self.acked, self.base
        self.open = list(getattr(self, "_kept_open", self._load().get("open", [])))

    @property
    def waiting(self) -> int:
        """Messages on their way."""
        return len(self._unacked)

    def close(self) -> None:
        """Close the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    # -- inside

    def _connect(self) -> sqlite3.Connection:
        if self._conn is None:
            self._conn = open_store(self._path, create=False)
            self._conn.execute("PRAGMA query_only = ON")
        return self._conn

    def _now(self) -> Marks:
        if not self._path.exists():
            return Marks()
        conn = self._connect()
        values = [
            conn.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0]
            for table, column in (
                ("steps", "id"),
                ("episodes", "revision"),
                ("segments", "revision"),
                ("events", "id"),
            )
        ]
        return Marks(*values)

    def _make(self, conn: sqlite3.Connection) -> tuple[dict[str, Any], list[Op], Marks, int, list[int]] | None:
        """Return (session, operations, marks, steps, open sessions) of the next message; one session at a time."""
        marks = self._sent
        row = conn.execute(
            "SELECT session_id FROM (SELECT e.session_id, s.id AS at FROM steps s JOIN episodes e ON e.id = s.episode_id "
            "WHERE s.id > ? ORDER BY s.id LIMIT 1) UNION ALL SELECT session_id FROM (SELECT session_id FROM episodes WHERE "
            "revision > ? ORDER BY revision LIMIT 1) UNION ALL SELECT session_id FROM (SELECT session_id FROM segments WHERE "
            "revision > ? ORDER BY revision LIMIT 1) LIMIT 1",
            (marks.step, marks.episode, marks.segment),
        ).fetchone()
        if row is None:
            return self._endings(conn, marks)
        return self._of_session(conn, int(row[0]), marks)

    def _of_session(
        self, conn: sqlite3.Connection, session: int, marks: Marks
    ) -> tuple[dict[str, Any], list[Op], Marks, int, list[int]]:
        columns = ", ".join(f"s.{c.strip()}" for c in STEP_COLUMNS.split(",")[1:])
        size = conn.execute(
            "SELECT length(observation) + 2 * length(executed) + 120 FROM steps WHERE id > ? LIMIT 1", (marks.step,)
        ).fetchone()
        most = max(1, MESSAGE_BYTES // size[0]) if size else 1
        rows = conn.execute(
            f"SELECT s.id, e.session_id, e.id, e.number, {columns} FROM steps s JOIN episodes e ON e.id = s.episode_id "
            "WHERE s.id > ? ORDER BY s.id LIMIT ?",
            (marks.step, most + 1),
        ).fetchall()
        own = []
        for found in rows[:most]:
            if found[1] != session:
                break
            own.append(found)
        whole = len(own) == len(rows)  # every new step is in this message: what closes episodes may follow
        step = own[-1][0] if own else marks.step
        changed = _of_one(
            conn.execute(
                "SELECT session_id, revision, id FROM episodes WHERE revision > ? ORDER BY revision", (marks.episode,)
            ).fetchall(),
            session,
        )
        ops: list[Op] = [self._episode(conn, e) for e in dict.fromkeys([r[2] for r in own] + [c[2] for c in changed])]
        ops += [(STEP, r[3], *r[4:]) for r in own]
        still_open = [*self.open, *(() if session in self.open else (session,))]
        if not whole:
            return self._session(conn, session), ops, replace(marks, step=step), len(own), still_open
        segment = marks.segment
        rows = conn.execute(
            'SELECT g.session_id, g.revision, g.number, e.number, g.kind, g.start, g."trigger", g.corner, g.priority, '
            "g.started, g.stop, g.outcome, g.interrupted FROM segments g JOIN episodes e ON e.id = g.episode_id "
            "WHERE g.revision > ? ORDER BY g.revision",
            (marks.segment,),
        ).fetchall()
        for _, revision, number, *begun, stop, outcome, interrupted in _of_one(rows, session):
            segment = revision
            ops.append((SEGMENT, number, *begun))
            if stop is not None:
                ops.append((STOP, number, stop, outcome, bool(interrupted)))
        for _, _, episode in changed:
            ended = conn.execute(
                'SELECT number, "end", reason, last_observation, length, "return", max_progress, ended FROM episodes '
                'WHERE id = ? AND "end" IS NOT NULL',
                (episode,),
            ).fetchone()
            if ended is not None:
                ops.append((END, *ended))
        event = self._events(conn, session, marks.event, ops)
        revision = changed[-1][1] if changed else marks.episode
        return self._session(conn, session), ops, Marks(step, revision, segment, event), len(own), still_open

    def _events(self, conn: sqlite3.Connection, session: int, mark: int, ops: list[Op]) -> int:
        """Add the session's events to ``ops``, up to the first one of another session; returns the new mark."""
        for id_, of, *event in conn.execute(
            "SELECT id, session_id, at, level, kind, message, data FROM events WHERE id > ? ORDER BY id", (mark,)
        ).fetchall():
            if of not in (session, None):
                break
            mark = id_
            if of is not None:
                ops.append((EVENT, *event))
        return mark

    def _endings(
        self, conn: sqlite3.Connection, marks: Marks
    ) -> tuple[dict[str, Any], list[Op], Marks, int, list[int]] | None:
        """Return a message that closes a session which has ended."""
        for session in self.open:
            status, ended = conn.execute("SELECT status, ended FROM sessions WHERE id = ?", (session,)).fetchone()
            if status != "open":
                left = [s for s in self.open if s != session]
                ops: list[Op] = []
                event = self._events(conn, session, marks.event, ops)
                ops.append((CLOSE, status, ended))
                return self._session(conn, session), ops, replace(marks, event=event), 0, left
        return None

    def _episode(self, conn: sqlite3.Connection, episode: int) -> Op:
        row = conn.execute(
            "SELECT number, purpose, seed, checkpoint_id, started FROM episodes WHERE id = ?", (episode,)
        ).fetchone()
        return (EPISODE, *row)

    def _session(self, conn: sqlite3.Connection, session: int) -> dict[str, Any]:
        names = (
            "uuid, kind, env, track, hz, observation_names, action_names, reward, seed, driver, frame_shape, started"
        )
        row = conn.execute(f"SELECT {names} FROM sessions WHERE id = ?", (session,)).fetchone()
        return dict(zip(names.split(", "), row, strict=True))

    def _names(self, conn: sqlite3.Connection, ops: list[Op]) -> dict[int, str]:
        """Return the names of the checkpoints that the operations speak of: numbers differ from store to store."""
        used = {op[14] for op in ops if op[0] == STEP} | {op[4] for op in ops if op[0] == EPISODE}
        return {
            id_: conn.execute("SELECT name FROM checkpoints WHERE id = ?", (id_,)).fetchone()[0]
            for id_ in used
            if id_ is not None
        }

    def _load(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _save(self) -> None:
        text = json.dumps({"worker": self.worker, "marks": asdict(self.acked), "open": self.open})
        new = self._file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, self._file)


def _of_one(rows: list[Any], session: int) -> list[Any]:
    """Return the first rows, as long as they are of that session: a mark must not pass what belongs to another."""
    return list(itertools.takewhile(lambda row: row[0] == session, rows))


def forward(
    endpoint: Any, home: Home, name: str, stopping: Callable[[], bool], say: Callable[[str], None], *, everything: bool
) -> None:
    """Send until told to stop, and then until everything has arrived or the trainer says nothing any more."""
    outbox = Outbox(home, name, everything)
    heard = moved = 0.0
    connected, until = False, None
    while True:
        now = time.monotonic()
        for message in endpoint.receive_all():
            if message.get("kind") == "state":
                heard = now
                if outbox.acknowledged(int(message["acks"].get(outbox.run, 0))):
                    moved = now
            elif message.get("kind") == "weights":
                take_weights(home, message, say)
        alive = heard > 0 and now - heard < SILENCE_S
        if alive != connected:
            connected = alive
            say(
                "The trainer answers; what is recorded goes there."
                if alive
                else "The trainer is silent; sending waits."
            )
            moved = now
        if stopping() and until is None:
            until = now + 15.0
        if alive:
            if outbox.waiting and now - moved > AGAIN_S:
                outbox.again()
                moved = now
            while (made := outbox.next()) is not None:
                moved = now if outbox.waiting == 1 else moved
                endpoint.produce(made, "trainers")
        if until is not None and ((alive and not outbox.waiting) or now > until or (not alive and now > until - 9.0)):
            break
        time.sleep(POLL_S)
    say(
        f"{outbox.steps:,} steps have arrived at the trainer."
        if not outbox.waiting and alive
        else f"{outbox.steps:,} steps have arrived; the rest goes there with the next `hitl worker`."
    )
    outbox.close()


def take_weights(home: Home, message: dict[str, Any], say: Callable[[str], None]) -> bool:
    """Write a checkpoint that was sent into this home, unless it is there or cannot be used; tells whether it is new."""
    from trainer.checkpoint import load

    name = Path(str(message["name"])).name
    path = home.checkpoints / name
    if path.exists() or not name.endswith(".safetensors"):
        return False
    half = home.checkpoints / f".{name}.{os.getpid()}.part"
    try:
        half.write_bytes(message["data"])
        _, meta = load(half)
        os.replace(half, path)
        with Store.open(home.store_path) as store:
            store.add_checkpoint(
                name, hashlib.sha256(message["data"]).hexdigest(), meta.updates, meta.env_steps, meta.kind, meta.config
            )
    except (HitlError, OSError, sqlite3.Error) as error:
        half.unlink(missing_ok=True)
        say(f"Weights from the trainer could not be used: {error}")
        return False
    say(f"New weights from the trainer: {meta.updates:,} updates.")
    return True
