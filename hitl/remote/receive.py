"""The trainer's side: what workers send is written into the trainer's store, each row once and in each worker's order."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import uuid as uuids
from collections.abc import Callable, Sequence
from typing import Any

from data.connect import FULL, open_store, reason, transaction
from data.errors import HitlError, StoreError, StoreReplacedError, shown
from data.exchange.unpickle import Holder
from data.fields import is_text
from data.files.in_place import InPlace
from data.numbers import counted
from data.recording.applier import Applier
from data.recording.operations import AddStep, BeginEpisode, EndSession, Operation
from data.recording.session_lock import LiveLock
from data.records import SessionInfo
from data.store import now_unusable
from data.tables import received
from data.tables.checkpoints import id_of, newest_name
from data.tables.received import Received
from data.tables.sessions import add_event, reopen
from data.tables.tracks import plain, settle
from data.words import number_of
from hitl.home import Home
from hitl.remote.checks import NONSENSE, drop_unusable, read_numbers, read_operations, read_session
from hitl.remote.elsewhere import told_to_workers
from hitl.remote.link import COPIES, Access, connection
from hitl.remote.reach import Reach
from hitl.remote.tmrl_samples import TmrlSamples
from hitl.remote.wire import Unreadable, WorkerGreeting

POLL_S = 0.02
STATE_S = 1.0  # between two messages to the workers
ECHO_S = 3.0  # without our own message coming back, after which the server counts as gone
GONE_S = 15.0  # without a message from a worker, after which none is sent to it
WEIGHTS_S = 0.5
REFUSED = (
    *NONSENSE, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError,
)  # fmt: skip
"""What an invalid message raises; every other error is a passing problem of the store."""


class Inbox:
    """Writes messages into the store at ``home``. ``acks``: by run of a worker, the last message that is safely stored."""

    def __init__(self, home: Home) -> None:
        self.path = home.store_path
        try:
            self._conn = open_store(self.path)
        except sqlite3.OperationalError as error:
            raise now_unusable(self.path, error, "opened") from error
        self._place = InPlace(self.path)
        self._sessions: dict[str, tuple[Applier, LiveLock]] = {}
        self.acks: dict[str, int] = {}
        self.steps = 0
        self.refused: list[str] = []
        """Rows that the store's own rules refused."""
        self.noted: list[str] = []
        """Sentences about messages, or steps in them, that were skipped."""
        self.trouble = ""
        """Why the store cannot take now what workers send."""
        self._named: dict[str, set[str]] = {}
        self.id = uuids.uuid4().hex  # told to workers, which then ask what is here
        self._has: dict[str, dict[str, Any]] = {}

    def take(self, message: dict[str, Any]) -> bool:
        """Store one message; returns whether it was the next one. Raises sqlite3.OperationalError when the store is busy.

        One that cannot be stored is noted and skipped. It is acknowledged all the same: else it would be sent again and again,
        and hold up all that come after it. Raises ValueError for what is not a message at all.
        """
        of = read_numbers(message)
        worker, run, seq, base, told = of.worker, of.run, of.seq, of.base, message.get("received")
        here = None if told is None else Received.read(told)
        if here is not None and message.get("to") != self.id:
            return False  # it was sent before this store told what it has: something before it may be missing
        # A restarted trainer relies on what was acknowledged before.
        self.acks[run] = max(self.acks.get(run, 0), base)
        if seq != self.acks[run] + 1:
            return False
        try:
            self._store(message)
        except REFUSED as error:
            self._note(message, f"A message was left out: {shown(error, 120) or type(error).__name__}")
        if here is not None:
            received.keep(self._conn, worker, shown(message.get("name"), 40), here)
            self._has[worker] = here.as_row()
        self.acks[run] = seq
        return True

    def has(self, worker: str) -> dict[str, Any]:
        """Return what this store has of a worker, as :func:`data.tables.received.kept` tells it."""
        return self._has.get(worker) or received.kept(self._conn, worker)

    def _store(self, message: dict[str, Any]) -> None:
        info = read_session(message["session"])
        ops, left_out, names = drop_unusable(read_operations(message["ops"], info), info)
        self._use_own_checkpoint_ids(ops, message["checkpoints"])
        applier, lock = self._session(message, info)
        applier.apply(ops)
        self.refused += applier.refused
        applier.refused.clear()
        if any(isinstance(op, EndSession) for op in ops):
            settle(self._conn, plain(applier.info.track))  # an older worker's: its positions tell which of its name it was
            lock.release()
            del self._sessions[applier.uuid]
        self.steps += sum(isinstance(op, AddStep) for op in ops)
        if left_out and not names.keys() <= self._named.setdefault(applier.uuid, set()):
            self._named[applier.uuid] |= names.keys()  # once, and not with each message of the same environment
            self._note(message, f"{counted(left_out, names)}. Such steps are left out.")

    def _note(self, message: dict[str, Any], text: str) -> None:
        text = f"From worker '{shown(message.get('name'), 40)}': {text}"
        self.noted.append(text)
        with transaction(self._conn):
            add_event(self._conn, "worker", text, "warning")

    def newest_weights(self) -> str:
        """Return the name of the newest checkpoint, "" before the first."""
        return newest_name(self._conn)

    def check_place(self) -> None:
        """Raise StoreGoneError or StoreReplacedError where the store that is written is no longer the one at its place."""
        self._place.check()

    def close(self) -> None:
        """Close the store; sessions that go on elsewhere stay open in it until their worker is back."""
        for _, lock in self._sessions.values():
            lock.release()
        self._sessions.clear()
        self._conn.close()

    def _session(self, message: dict[str, Any], info: SessionInfo) -> tuple[Applier, LiveLock]:
        row = message["session"]
        uuid = str(row["uuid"])
        if uuid not in self._sessions:
            applier = Applier(self._conn, uuid, info, row["started"])
            applier.apply([])
            with transaction(self._conn):
                reopen(self._conn, uuid, f"worker {shown(message['name'], 40)} {str(message['worker'])[:8]}")
            lock = LiveLock(self.path, uuid)  # its session lives, though in no process of this machine
            lock.acquire()
            self._sessions[uuid] = (applier, lock)
        return self._sessions[uuid]

    def _use_own_checkpoint_ids(self, ops: Sequence[Operation], names: dict[int, str]) -> None:
        """Give the operations this store's numbers of their checkpoints."""
        here: dict[int | None, int | None] = {there: id_of(self._conn, name) for there, name in names.items()}
        for op in ops:
            if isinstance(op, AddStep | BeginEpisode):
                op.checkpoint_id = here.get(op.checkpoint_id)


class _Post:
    """What comes from others, and what is to be answered."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.workers: dict[str, float] = {}  # when each of our workers was heard last
        self.known: set[str] = set()  # those of which data came
        self.echoed = 0.0
        self.news = self.wanted = False

    def take(self, message: Any, inbox: Inbox, foreign: TmrlSamples, now: float) -> None:
        """Do with a message what it is for. May raise any of `NONSENSE` for one that is none: anybody may have written it."""
        if isinstance(message, Holder):
            foreign.take(message.state, self._say)
        elif isinstance(message, Unreadable):
            raise ValueError(message.why)
        elif isinstance(message, WorkerGreeting):
            self.news |= message.worker not in self.workers
            self._heard(message.worker, now)
        elif isinstance(message, dict) and message.get("kind") == "state":
            self.echoed = now
        elif isinstance(message, dict) and message.get("kind") in ("data", "want"):
            worker = self._heard(message.get("worker"), now)
            if message["kind"] == "want":
                self.wanted = True
                return
            self.news = True
            _take(inbox, message, self._say)
            if worker not in self.known:
                self.known.add(worker)
                self._say(f"Worker '{shown(message.get('name'), 40)}' has connected.")

    def _heard(self, worker: Any, now: float) -> str:
        if not is_text(worker):
            raise ValueError("invalid message: worker")
        self.workers[worker] = now
        return str(worker)


def receive(
    endpoint: Any, home: Home, stopping: Callable[[], bool], say: Callable[[str], None], *, to: Access,
    tmrl_weights: bool = False,
) -> None:
    """Store what workers send, and send them new weights, until told to stop.

    ``tmrl_weights``: tmrl's own RolloutWorkers get them as well, which must use :class:`hitl.remote.tmrl_actor.HitlActor`.
    """
    inbox = _open_inbox(home, stopping, say)
    foreign = TmrlSamples(home)
    post = _Post(say)
    told = looked = sent = 0.0
    reach = Reach(endpoint, to, "", "Connected to the server.", time.monotonic(), home.root)
    connected, again = False, False
    link: Any = None
    newest = broadcast = ""
    try:
        while not stopping():
            now = time.monotonic()
            if (found := _at_its_place(inbox, home, stopping, say)) is not inbox:
                foreign.close()
                inbox, foreign = found, TmrlSamples(home)
            if (here := connection(endpoint)) is not None and here is not link:
                link = here
                endpoint.notify({"trainers": 1 << 30})  # from now on all that comes, as it comes
            post.news = post.wanted = False
            for message in endpoint.receive_all():
                try:
                    post.take(message, inbox, foreign, now)
                except NONSENSE as error:
                    say(f"A message was left out: {shown(error, 120) or type(error).__name__}.")
            alive = post.echoed > 0 and now - post.echoed < ECHO_S
            if connected and not alive:
                say("Lost the connection to the server; trying again.")
            connected = alive
            if said := reach.news(alive, now):
                say(said)
            if now - looked > WEIGHTS_S:
                looked, newest = now, inbox.newest_weights()
            here_now = [worker for worker, heard in post.workers.items() if now - heard < GONE_S]
            listening = min(len(here_now), COPIES)
            if here is not None and (post.news or now - told > STATE_S):
                told = now
                has = {worker: inbox.has(worker) for worker in here_now}
                state = {"kind": "state", "acks": dict(inbox.acks), "weights": newest, "trainer": inbox.id, "has": has}
                state |= {"trouble": inbox.trouble, "beat": told_to_workers(home.root)}
                endpoint.send_object(state, {"trainers": 1} | ({"workers": listening} if listening else {}))
            again = again or post.wanted
            if again and listening and newest and now - sent > WEIGHTS_S:
                again, sent = False, now
                if (data := _weights(home, newest)) is not None:
                    endpoint.send_object({"kind": "weights", "name": newest, "data": data}, {"workers": listening})
            if tmrl_weights and connected and newest and newest != broadcast:
                broadcast = newest
                if (data := _weights(home, newest)) is not None:
                    endpoint.broadcast(data, "workers")  # as the bytes of a file; our own workers ignore it
            time.sleep(POLL_S)
    finally:
        inbox.close()
        foreign.close()
    say(f"{number_of(inbox.steps, 'step')} came from {number_of(len(post.known), 'worker')}.")
    if foreign.steps:
        say(f"{number_of(foreign.steps, 'step')} came from tmrl's own workers.")


def _open_inbox(home: Home, stopping: Callable[[], bool], say: Callable[[str], None]) -> Inbox:
    """Open the store; where that cannot be now (the disk is full), say so once and wait. Raises StoreError at the end of that."""
    said = ""
    while True:
        try:
            return Inbox(home)
        except StoreError as error:
            if stopping() or not isinstance(error.__cause__, sqlite3.OperationalError):
                raise
            if str(error) != said:
                said = str(error)
                say(f"{said} Until then nothing comes from workers.")
        time.sleep(STATE_S)


def _at_its_place(inbox: Inbox, home: Home, stopping: Callable[[], bool], say: Callable[[str], None]) -> Inbox:
    """Return an inbox of the file that lies at the store's place: another one where that was replaced. Raises StoreGoneError.

    The workers hear of another trainer then, and send again what is not in that store.
    """
    try:
        inbox.check_place()
    except StoreReplacedError as error:
        say(f"{error} What workers send goes into that one now.")
        inbox.close()
        time.sleep(STATE_S)  # whoever replaces it deletes what is left of its log, too
        other = _open_inbox(home, stopping, say)
        other.steps = inbox.steps
        return other
    return inbox


def _take(inbox: Inbox, message: dict[str, Any], say: Callable[[str], None]) -> None:
    """Store a message; try again while the store is busy, and leave out what cannot be stored."""
    for _ in range(50):
        try:
            inbox.take(message)
        except sqlite3.DatabaseError as error:
            if "locked" not in str(error):
                _cannot(inbox, reason(inbox.path, error), say)
                return
            continue
        except NONSENSE as error:
            say(f"A message was left out: {shown(error, 120) or type(error).__name__}.")
            return
        _cannot(inbox, "", say)
        while inbox.noted:
            say(inbox.noted.pop(0))
        while inbox.refused:
            say(f"A row was left out: {shown(inbox.refused.pop(), 200)}")
        return


def _cannot(inbox: Inbox, why: str, say: Callable[[str], None]) -> None:
    """Say why the store cannot take what workers send, "" where it can: once, as the workers try again every few seconds."""
    if why and why != inbox.trouble:
        do = "; make room on it" if why == FULL else ""
        say(f"The store cannot take what workers send ({why}){do}. They keep it, and send it again.")
    elif inbox.trouble and not why:
        say("The store takes what workers send again.")
    inbox.trouble = why


def _weights(home: Home, name: str) -> bytes | None:
    """Return the file of a checkpoint's policy; None where it is gone."""
    from trainer.checkpoints.packed import policy_only

    with contextlib.suppress(HitlError):
        return policy_only(home.checkpoints / name)
    return None
