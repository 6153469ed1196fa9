"""What a worker's store has and the trainer's does not have yet, as numbered messages.

What was acknowledged is kept in ``worker.json``, so a worker that was killed resumes where it was. A message may arrive twice
(everything unacknowledged is sent again after a reconnect), and that does no harm.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
import uuid as uuids
from collections import deque
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from data.connect import data_version, open_to_follow, transaction
from data.errors import InputFileError, StoreError
from data.files import held
from data.numbers import counted
from data.reading import news
from data.reading.news import Marks
from data.recording.operations import (
    AddEvent,
    AddStep,
    BeginEpisode,
    BeginSegment,
    EndEpisode,
    EndSegment,
    EndSession,
    Judge,
    Operation,
    as_row,
)  # fmt: skip
from data.tables.judgements import last_review
from data.tables.received import Received
from data.words import number_of
from hitl.home import Home
from hitl.remote.checks import drop_unusable, read_session

MESSAGE_BYTES = 400_000  # of steps in one message, about
WINDOW = 8  # messages on their way
PATIENCE_S = 20.0  # with a store that cannot be read
SAVE_AGAIN_S = 5.0


def unsent_steps(home: Home, conn: sqlite3.Connection) -> int:
    """Return how many steps in a store a worker still has to send; 0 in a home that was never a worker's."""
    try:
        kept = json.loads(held.read_bytes(home.root / "worker.json"))
        return news.steps_after(conn, int(kept["marks"]["step"]), int(kept.get("first", 0)))
    except (OSError, ValueError, KeyError, TypeError):
        return 0


class _News(NamedTuple):
    """What one message is about: at most one session."""

    session: dict[str, Any]
    ops: list[Operation]
    marks: Marks  # how far the store is read with it
    steps: int
    still_open: list[int]  # sessions whose end is not sent with it


class Outbox:
    """Reads the store and makes messages. ``everything``: also what was recorded before the first call for this home.

    ``name``: what the trainer calls this worker; None: as before in this home, else by its id. A machine's name would be kept in
    the trainer's store, and go along where that is given to others.

    Verdicts (with priority, trim, tags and note) are sent whenever they are given or taken back, also long after the drive.
    Raises InputFileError where what was sent cannot be read: as another worker, it would leave out what waits.
    """

    def __init__(self, home: Home, name: str | None, everything: bool = False) -> None:
        self._path, self._file = home.store_path, home.root / "worker.json"
        self._conn: sqlite3.Connection | None = None
        self._save_at: float | None = None  # s: when what could not be saved is tried again
        self.said: list[str] = []
        """Sentences for the player."""
        kept = self._load()
        self._named_as = name or str(kept.get("name") or "")
        self.worker: str = kept.get("worker") or uuids.uuid4().hex
        self.name = self._named_as or self.worker[:8]
        self.run = uuids.uuid4().hex
        self.open: list[int] = list(kept.get("open", []))  # sessions whose end has not been sent
        self._trouble: float | None = None  # s: since when the store cannot be read
        self._seen: int | None = None  # the store's version when nothing new was found
        self._first = int(kept.get("first", 0))  # the first session that the trainer knows
        if "marks" in kept and self._path.exists() and not (everything and self._first):
            self.acked = Marks(**kept["marks"])
        else:
            self.acked, self._first = Marks(), 0
            if not everything and self._path.exists():
                self.acked, self._first = news.marks_now(self._connect())
        self._sent, self._kept_open = self.acked, list(self.open)
        self._to = ""  # the trainer that has told what it has, by an id of its own; "" for one of an earlier version
        self.seq = self.base = 0
        self.steps = 0  # acknowledged in this run
        self._named: set[str] = set()
        self._unacked: deque[tuple[dict[str, Any], _News]] = deque()
        self._resend: deque[dict[str, Any]] = deque()
        self._save()

    def next(self) -> dict[str, Any] | None:
        """Return the next message, None while there is nothing new or enough is on its way."""
        if self._save_at is not None and time.monotonic() >= self._save_at:
            self._save()
        if self._resend:
            return self._addressed(self._resend.popleft())
        if len(self._unacked) >= WINDOW or not self._path.exists():
            return None
        try:
            made = self._news()
            self._trouble = None
        except (StoreError, sqlite3.OperationalError):  # it is just being made, or another process holds it
            self.close()
            self._trouble = self._trouble or time.monotonic()
            if time.monotonic() - self._trouble > PATIENCE_S:
                raise
            return None
        if made is None:
            return None
        ops = made.ops
        # What an older version recorded is judged here; what is recorded now was judged at the session's door.
        left_out, names = 0, dict[str, int]()
        with contextlib.suppress(KeyError, TypeError, ValueError):  # a damaged row is for the trainer to refuse and pass over
            ops, left_out, names = drop_unusable(ops, read_session(made.session))
        if left_out and not names.keys() <= self._named:
            self._named |= names.keys()
            self.said.append(f"{counted(left_out, names)}. Such steps are not sent.")
        self.seq += 1
        self._sent, self.open = made.marks, made.still_open
        message = {
            "kind": "data", "worker": self.worker, "name": self.name, "run": self.run, "seq": self.seq, "base": self.base,
            "session": made.session, "ops": [as_row(op) for op in ops], "checkpoints": self._checkpoint_names(ops),
            "received": Received(made.marks, tuple(made.still_open)).as_row(),
        }  # fmt: skip
        self._unacked.append((message, made))
        return self._addressed(message)

    def may_send(self, state: dict[str, Any]) -> bool:
        """Tell by a trainer's message whether it can be sent to: one that tells what it has must have done so first.

        Where it has less than was sent (its home is a new one, or its store was put back from a copy), that is sent again.
        """
        trainer = str(state.get("trainer") or "")
        if trainer != self._to:
            if trainer:
                if self.worker not in (has := state.get("has") or {}):
                    return False  # it has not heard of this worker yet
                try:
                    self._compare(has[self.worker])
                except (StoreError, sqlite3.OperationalError):  # as in `next`
                    self.close()
                    return False
            self._to = trainer
            self.resend()
        return True

    def acknowledged(self, seq: int) -> bool:
        """Note that the trainer has everything up to that number; returns whether that is new."""
        before = self.base
        while self._unacked and self._unacked[0][0]["seq"] <= seq:
            message, made = self._unacked.popleft()
            self.acked, self._kept_open = made.marks, made.still_open
            self.base = int(message["seq"])
            self.steps += made.steps
        if self.base == before:
            return False
        self._resend = deque(m for m in self._resend if m["seq"] > seq)
        self._save()
        return True

    def resend(self) -> None:
        """Send what was not acknowledged again: the very same messages, as the first ones may still arrive."""
        self._resend = deque(message for message, _ in self._unacked)

    def unsent(self) -> int:
        """Return how many recorded steps have not been acknowledged; 0 where the store cannot be read now."""
        if not self._path.exists():
            return 0
        try:
            return news.steps_after(self._connect(), self.acked.step, self._first)
        except (StoreError, sqlite3.OperationalError):
            self.close()
            return 0

    def is_empty(self) -> bool:
        """Return whether nothing waits here, neither steps nor reviews nor ends; False where the store cannot be read now."""
        if self._unacked or not self._path.exists():
            return not self._unacked
        try:
            return self._news() is None
        except (StoreError, sqlite3.OperationalError):
            self.close()
            return False

    @property
    def waiting(self) -> int:
        """Messages on their way."""
        return len(self._unacked)

    def close(self) -> None:
        """Close the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = self._seen = None

    # -- inside

    def _addressed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message as it is sent now: with how far it goes only to a trainer that has told what it has."""
        return message | {"base": self.base, "received": message["received"] if self._to else None, "to": self._to}

    def _compare(self, has: dict[str, Any]) -> None:
        """Go back to where the trainer's store is, if that is behind."""
        sent = Received(self.acked, tuple(self._kept_open))
        if "sessions" in has:  # all that is known there: an earlier version received them, or they were imported
            missing = self._path.exists() and news.sessions_until(self._connect(), sent.marks, self._first) > int(has["sessions"])
            there = Received(Marks()) if missing else sent
        else:
            there = Received.read(has)
        if (both := sent.before(there)) == sent:
            return
        unsent = self.unsent()
        self.acked = self._sent = both.marks
        self.open, self._kept_open = list(both.open), list(both.open)
        # Under new numbers: what is on its way may still arrive, and does no harm.
        self.run, self.seq, self.base = uuids.uuid4().hex, 0, 0
        self._unacked.clear()
        self._seen = None
        self._save()
        if again := self.unsent() - unsent:
            steps = number_of(again, "step that was sent before is", "steps that were sent before are")
            self.said.append(f"{steps} not in the trainer's store: sent again.")

    def _news(self) -> _News | None:
        """Return what the next message is about, without looking further where nothing was written since the last look."""
        conn = self._connect()
        version = data_version(conn)
        if version == self._seen:
            return None
        with transaction(conn, "DEFERRED"):
            made = self._make(conn)
        if made is None:
            self._seen = version  # looked up before the reading: what was written since makes another one
        return made

    def _connect(self) -> sqlite3.Connection:
        if self._conn is None:
            self._conn = open_to_follow(self._path)
        return self._conn

    def _make(self, conn: sqlite3.Connection) -> _News | None:
        while True:
            marks = self._sent
            session = news.next_session(conn, marks)
            if session is None:
                return self._endings(conn, marks)
            if session >= self._first:
                return self._of_session(conn, session, marks)
            # The trainer does not have that session, so it has no use for a verdict on it.
            self._sent = self._past(conn, session, marks)

    def _of_session(self, conn: sqlite3.Connection, session: int, marks: Marks) -> _News:
        size = news.step_bytes(conn, marks.step)
        most = max(1, MESSAGE_BYTES // size) if size else 1
        rows = news.new_steps(conn, marks.step, most + 1)
        own = list(itertools.takewhile(lambda row: row[1] == session, rows[:most]))
        whole = len(own) == len(rows)  # every new step is in this message: what closes episodes may follow
        step = own[-1][0] if own else marks.step
        changed = _first_of(news.changed_episodes(conn, marks.episode), session)
        episodes = dict.fromkeys([r[2] for r in own] + [c[2] for c in changed])
        ops: list[Operation] = [BeginEpisode(*news.episode_begun(conn, e)) for e in episodes]
        ops += [AddStep(*r[3:]) for r in own]
        still_open = list(dict.fromkeys((*self.open, session)))
        described = news.session_described(conn, session)
        if not whole:
            return _News(described, ops, replace(marks, step=step), len(own), still_open)
        segment = marks.segment
        rows = news.changed_segments(conn, marks.segment)
        for _, revision, number, *begun, stop, outcome, interrupted in _first_of(rows, session):
            segment = revision
            ops.append(BeginSegment(number, *begun))
            if stop is not None:
                ops.append(EndSegment(number, stop, outcome, bool(interrupted)))
            if (judged := last_review(conn, session, number)) is not None:
                ops.append(Judge(number, *judged))
        for _, _, episode in changed:
            ended = news.episode_ended(conn, episode)
            if ended is not None:
                ops.append(EndEpisode(*ended))
        event = self._events(conn, session, marks.event, ops)
        revision = changed[-1][1] if changed else marks.episode
        return _News(described, ops, Marks(step, revision, segment, event), len(own), still_open)

    def _past(self, conn: sqlite3.Connection, session: int, marks: Marks) -> Marks:
        """Return marks past everything new in one session, up to what belongs to another."""
        new = {
            "step": news.sessions_of_steps(conn, marks.step),
            "episode": news.changed_episodes(conn, marks.episode),
            "segment": news.changed_segments(conn, marks.segment),
            "event": [(session if of is None else of, id_) for id_, of, *_ in news.new_events(conn, marks.event)],
        }
        ends = {name: rows[-1][1] for name, found in new.items() if (rows := _first_of(found, session))}
        return replace(marks, **ends)

    def _events(self, conn: sqlite3.Connection, session: int, mark: int, ops: list[Operation]) -> int:
        """Add the session's events to ``ops``, up to the first one of another session; returns the new mark."""
        for id_, of, *event in news.new_events(conn, mark):
            if of not in (session, None):
                break
            mark = id_
            if of is not None:
                ops.append(AddEvent(*event))
        return mark

    def _endings(self, conn: sqlite3.Connection, marks: Marks) -> _News | None:
        """Return what closes a session which has ended."""
        for session in self.open:
            if (found := news.session_status(conn, session)) is None:  # this store, too, may have been put back from a copy
                self.open = [s for s in self.open if s != session]
                continue
            status, ended = found
            if status != "open":
                ops: list[Operation] = []
                event = self._events(conn, session, marks.event, ops)
                ops.append(EndSession(status, ended))
                left = [s for s in self.open if s != session]
                return _News(news.session_described(conn, session), ops, replace(marks, event=event), 0, left)
        return None

    def _checkpoint_names(self, ops: list[Operation]) -> dict[int, str]:
        """Return the names of the checkpoints that the operations refer to: their numbers differ from store to store."""
        used = {op.checkpoint_id for op in ops if isinstance(op, AddStep | BeginEpisode)}
        return news.checkpoint_names(self._connect(), {id_ for id_ in used if id_ is not None})

    def _load(self) -> dict[str, Any]:
        try:
            kept = json.loads(held.read_bytes(self._file))
        except PermissionError as error:
            why = held.why(error, "make it readable")
            raise InputFileError(f"What has been sent is noted in {self._file.name}, which cannot be read {why}.") from error
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _save(self) -> None:
        """Note what was acknowledged. Where that cannot be written now, a later turn does: what is sent twice is recognised."""
        kept = {"worker": self.worker, "marks": asdict(self.acked), "open": self._kept_open, "first": self._first}
        text = json.dumps(kept | ({"name": self._named_as} if self._named_as else {}))
        try:
            held.write_whole(self._file, text)
            self._save_at = None
        except OSError as error:
            if self._save_at is None:
                why = held.why(error, "make room, or make the home folder writable")
                self.said.append(f"What is sent cannot be noted in {self._file.name} {why}. Sending goes on meanwhile.")
            self._save_at = time.monotonic() + SAVE_AGAIN_S


def _first_of(rows: list[Any], session: int) -> list[Any]:
    """Return the first rows, as long as they are of that session: a mark must not pass what belongs to another."""
    return list(itertools.takewhile(lambda row: row[0] == session, rows))
