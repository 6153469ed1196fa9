"""The recorder: the driving thread appends to a queue, a thread of its own writes to the store.

Nothing here ever makes the driving thread wait for the disk. When the store cannot be written (locked, full disk,
read-only mount), the operations go to a spill file, and into the store as soon as it can be written again or at the next
start. So a kill costs at most a second of driving, in trouble as well: the time between two commits, and that for
which a store that another program holds is waited for.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import threading
import time
import uuid as uuids
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from data.connect import now, open_store, reason
from data.errors import StoreError
from data.numbers import MOST
from data.recording.applier import Applier
from data.recording.last_written import last_written
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
    SetOutcome,
)  # fmt: skip
from data.recording.recovery import BLOCK, recover
from data.recording.session_lock import LiveLock
from data.recording.spill_file import SpillFile, first_session, read_spill
from data.records import DRIVING_FAULTS, RecorderStatus, SessionInfo, StepRow
from data.tables.review_fields import SET_AT

COMMIT_EVERY_S = 0.4
"""At most this much driving is uncommitted while the store can be written."""

START_S = 3.0
"""How long to wait for the store at the start; after that the recording begins without it."""

BUSY_S = 0.3
"""A store that is locked for longer than this is left alone until the next try, and what waits is spilled."""

KEEPABLE = 6000
"""Newest steps of an episode whose metres are remembered: a minute, which is the most that can be kept, at up to 100 Hz."""


class Kept(NamedTuple):
    """A stretch of an episode that the player kept: steps from ``start`` to before ``stop``."""

    number: int
    """Of the segment, in its session."""
    start: int
    stop: int
    outcome: str
    metres: list[float]


_OPEN: weakref.WeakSet[Recorder] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Write down what a program has not when it ends without closing its recorders: the writers are cut off after this."""
    for recorder in list(_OPEN):
        recorder.close()


class Recorder:
    """Records one session into the store at ``path``.

    All methods are called from the driving thread, and return at once (``flush`` and ``close`` excepted). Raises
    StoreError at construction when the file can never become this session's store (newer, damaged, another program's).
    """

    def __init__(
        self,
        path: str | Path,
        info: SessionInfo,
        *,
        busy_timeout_s: float = BUSY_S,
        retry_s: float = 1.0,
    ) -> None:
        """``busy_timeout_s``: how long to wait for a locked store; ``retry_s``: pause between tries at a store in trouble."""
        self.path, self.info = Path(path), info
        self.uuid, self.started = uuids.uuid4().hex, now()
        self.recovered: list[str] = []
        """What the start found and repaired, in sentences."""
        action_bytes = 4 * len(info.action_names)
        self._sizes = (4 * len(info.observation_names), action_bytes, action_bytes)
        self._busy, self._retry = busy_timeout_s, retry_s
        self._queue: deque[Operation] = deque()
        self._waiting: list[Operation] = []  # taken from the queue, not in the store yet; the writer's alone
        self._episode: int | None = None
        self._episodes = self._segments = self._t = 0
        self._return, self._far = 0.0, float("-inf")
        self._starting: list[tuple[int, str, str, str | None]] = []  # segments that begin with the next step
        self._running: dict[int, BeginSegment] = {}  # those that no step has ended, as they began
        self._begun: set[int] = set()  # segments of which at least one step was recorded
        self._reviewed = ""  # when the last review was given
        self._weighted: set[int] = set()  # those whose priority was reviewed here
        # Of the episode before the open one: number, length, reason, metres.
        self._before: tuple[int, int, str, deque[float]] | None = None
        self._wake = threading.Event()
        self._ready = threading.Event()
        self._written = threading.Condition()
        self._flush_asked = self._flush_done = 0
        self._stop = False
        self._applier: Applier | None = None
        self._file: os.stat_result | None = None  # that is written, however it is called by now
        self.session_id: int | None = None
        """The session's row; None while the store has not been writable yet."""
        self._pid = os.getpid()
        self._live = LiveLock(self.path, self.uuid)
        self._spill = SpillFile(self.path, self.uuid, info, self.started)
        self._committed_steps = 0
        self._problem: str | None = None
        self._trouble = ""
        self._refusal: StoreError | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()
        self._ready.wait(START_S)
        if self._refusal is not None:
            self._thread.join()
            raise self._refusal
        _OPEN.add(self)

    # -- the driving thread

    @property
    def status(self) -> RecorderStatus:
        """How recording is going; cheap."""
        return RecorderStatus(
            queue=len(self._queue) + len(self._waiting),
            committed_steps=self._committed_steps,
            spilled=self._spill.written,
            problem=self._problem,
        )

    def begin_episode(self, purpose: str = "drive", seed: int | None = None, checkpoint_id: int | None = None) -> int:
        """Begin an episode (an open one is ended as interrupted) and return its number in the session.

        A seed of more than 63 bits, as Gymnasium's may be, has no room in a store: it is not kept.
        """
        if self._episode is not None:
            self.end_episode("interrupted", "stopped")
        self._episode = self._episodes
        self._episodes += 1
        self._t, self._return, self._far = 0, 0.0, float("-inf")
        self._metres: deque[float] = deque(maxlen=KEEPABLE)
        seed, checkpoint_id = (None if value is None else int(value) for value in (seed, checkpoint_id))
        if seed is not None and not -(2**63) <= seed < 2**63:
            seed = None
        self._queue.append(BeginEpisode(self._episode, purpose, seed, checkpoint_id, now()))
        return self._episode

    def step(self, row: StepRow) -> None:
        """Record one step of the open episode; takes a few microseconds.

        Raises ValueError outside of an episode, or when an array has another size than the session's names say.
        """
        if self._episode is None:
            raise ValueError("a step was recorded outside of an episode")
        for number, kind, trigger, corner in self._starting:
            begun = BeginSegment(number, self._episode, kind, self._t, trigger, corner, 1.0, now())
            self._queue.append(begun)
            self._running[number] = begun
            self._begun.add(number)
        self._starting.clear()
        reward, progress = float(row.reward), _finite(row.progress)
        if not -MOST <= reward <= MOST:
            self.event("reward", f"A reward cannot be learned from ({reward:g}) and was recorded as 0.", "warning")
            reward = 0.0
        observation = np.asarray(row.observation, np.float32).tobytes()
        executed = np.asarray(row.executed, np.float32).tobytes()
        proposed = np.asarray(row.proposed, np.float32).tobytes()
        if (len(observation), len(executed), len(proposed)) != self._sizes:
            raise ValueError("a step's observation or actions have another size than the session's")
        self._queue.append(
            AddStep(
                self._episode, self._t, 1 if row.driver else 0, reward, int(row.terminated), int(row.truncated),
                progress, _finite(row.x), _finite(row.y), _finite(row.z), _finite(row.heading), _finite(row.speed),
                None if row.risk is None else _finite(row.risk),
                None if row.checkpoint_id is None else int(row.checkpoint_id), observation, executed, proposed,
            )
        )  # fmt: skip
        self._t += 1
        self._return += reward
        self._metres.append(progress)
        if progress > self._far:
            self._far = progress

    def begin_segment(self, kind: str, trigger: str = "", corner: str | None = None) -> int:
        """Begin a segment with the next step recorded; returns its number in the session."""
        if self._episode is None:
            raise ValueError("a segment was begun outside of an episode")
        number = self._segments
        self._segments += 1
        self._starting.append((number, kind, trigger, corner))
        return number

    def file_segment(self, number: int, corner: str) -> None:
        """A segment that runs and belongs to no corner yet has driven into that one."""
        self._starting = [(*s[:3], corner) if s[0] == number else s for s in self._starting]
        if number in self._running:
            self._running[number] = replace(self._running[number], corner=corner)
            self._queue.append(self._running[number])

    def end_segment(self, number: int, outcome: str = "unclear", interrupted: bool = False) -> None:
        """End it after the last step recorded; one without any step is forgotten."""
        self._starting = [s for s in self._starting if s[0] != number]
        if number in self._running:
            del self._running[number]
            self._queue.append(EndSegment(number, self._t, outcome, interrupted))
            self._wake.set()

    def keep(
        self, steps: int, trigger: str = "", corner: Callable[[list[float]], str | None] = lambda metres: None, settled: int = 0
    ) -> Kept | None:
        """Make a segment of kind ``kept`` of the newest steps; returns it, None where none was recorded.

        They are of one episode: the open one, or where that has fewer than ``settled`` steps, the one before it.
        Where they end with a fault in driving, they have failed. ``corner`` names the corner of their metres.
        """
        here = None if self._episode is None else (self._episode, self._t, "", self._metres)
        chosen = self._before if here is None or (here[1] < settled and self._before is not None) else here
        if chosen is None or not chosen[1]:
            return None
        number, (episode, length, reason, metres) = self._segments, chosen
        self._segments += 1
        start = max(0, length - steps)
        kept = Kept(number, start, length, "failed" if reason in DRIVING_FAULTS else "unclear", list(metres)[start - length :])
        self._queue.append(BeginSegment(number, episode, "kept", start, trigger, corner(kept.metres), 1.0, now()))
        self._queue.append(EndSegment(number, length, kept.outcome, False))
        self._begun.add(number)
        self._wake.set()
        return kept

    def review(self, number: int, verdict: str, priority: float | None = None) -> bool:
        """Give a segment of this session a verdict, and a priority: a review that can be undone. False: it holds no step yet.

        Without a priority it is 1 again where an earlier review here has changed it. What others say of it meanwhile stays.
        """
        if number not in self._begun:
            return False
        at = self._reviewed = now(self._reviewed)  # of two within a millisecond, or around a clock set back, the later one holds
        when = {"verdict": at}
        if priority is not None or number in self._weighted:
            self._weighted.add(number)
            when["priority"] = at
        state = {
            "verdict": verdict, "priority": 1.0 if priority is None else priority, "note": "", "trim_start": 0, "trim_stop": 0,
            "tags": [], "judged_by": "player", "judged_at": at, SET_AT: when,
        }  # fmt: skip
        self._queue.append(Judge(number, state, at))
        self._wake.set()
        return True

    def set_outcome(self, number: int, outcome: str) -> None:
        """Report the outcome of a takeover: ``cleared``, ``failed`` or ``unclear``; may come after its end."""
        self._queue.append(SetOutcome(number, outcome))

    def end_episode(
        self, end: str, reason: str, last_observation: np.ndarray | None = None, reached: float | None = None
    ) -> None:
        """End the open episode and its segments. ``last_observation`` (O,) and ``reached`` (m): what its last step led to."""
        if self._episode is None:
            return
        for number in sorted(self._running):
            self.end_segment(number)
        self._starting.clear()
        last = None if last_observation is None else np.asarray(last_observation, np.float32).tobytes()
        known = [metres for metres in (self._far, reached) if metres is not None and np.isfinite(metres)]
        far = max(known) if self._t and known else None
        self._queue.append(EndEpisode(self._episode, end, reason, last, self._t, self._return, far, now()))
        self._before = self._episode, self._t, reason, self._metres
        self._episode = None
        self._wake.set()

    def event(self, kind: str, message: str, level: str = "info", data: Mapping[str, Any] | None = None) -> None:
        """Note something that happened, for the player's log."""
        self._queue.append(AddEvent(now(), level, kind, message, json.dumps(data) if data else None))

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all that was recorded so far is in the store.

        False when some of it is in the spill file or was refused (``status.problem`` says why), when the time is over, and in a
        process that was forked from the recorder's own.
        """
        with self._written:
            self._flush_asked += 1
            asked = self._flush_asked
            self._wake.set()
            done = self._written.wait_for(lambda: self._flush_done >= asked or not self._thread.is_alive(), timeout)
        alone = not self._thread.is_alive() and self._queue  # no one writes it any more
        return done and not (self._waiting or alone or self._spill.written or self._problem)

    @property
    def closed(self) -> bool:
        """Whether the session was ended: what is not in the store by now comes there with the next start."""
        return self._stop

    def close(self) -> None:
        """End the session; what the store cannot take now is spilled for the next start."""
        _OPEN.discard(self)
        if self._stop or os.getpid() != self._pid:
            return
        if self._episode is not None:
            self.end_episode("interrupted", "stopped")
        self._queue.append(EndSession("ended", now()))
        self._stop = True
        self._wake.set()
        self._thread.join()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- the writer thread

    def _run(self) -> None:
        next_try = 0.0
        while True:
            stopping = self._stop
            asked = self._flush_asked
            if stopping or asked > self._flush_done or time.monotonic() >= next_try:
                well = self._write()
                next_try = 0.0 if well else time.monotonic() + self._retry
            else:
                self._drain()
                self._spill_over()
            self._ready.set()
            with self._written:
                self._flush_done = asked
                self._written.notify_all()
            if self._refusal is not None or stopping:
                break
            self._wake.wait(COMMIT_EVERY_S)
            self._wake.clear()
        self._spill.close()
        self._close_store()
        self._live.release()

    def _drain(self) -> None:
        while self._queue:
            self._waiting.append(self._queue.popleft())

    def _write(self) -> bool:
        """Commit what is in the queue, or spill it; False when the store is in trouble."""
        self._drain()
        try:
            if self._applier is None:
                self._open()
            if self._refusal is not None:
                return False
            assert self._applier is not None
            if self._spill.written:
                self._read_spill_back()
            fresh = self._applier.session_id is None
            if self._waiting or fresh:
                self._applier.apply(self._waiting)
                if fresh:  # a copy of the file without its log then knows at least that a session was at work
                    self._applier.conn.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self.session_id = self._applier.session_id
            self._spill.first = self._spill.first or self.uuid
            self._committed_steps += sum(isinstance(op, AddStep) for op in self._waiting)
            if told := last_written(self._waiting):
                self._live.tell(told)
            self._waiting = []
            refused = self._applier.refused
            self._problem = f"The store refused: {refused[-1]}." if refused else self._gone()
            return True
        except Exception as error:  # whatever it is: recording must go on while the car is driven
            self._trouble = reason(self.path, error)
            # First what it means: the overlay has no room for more.
            self._problem = f"What is driven is kept aside: the store cannot be written now ({self._trouble})."
            if not any(word in str(error) for word in ("locked", "full")):
                self._close_store()  # a connection that was opened on a read-only mount never gets better
            self._spill_over()
            return False

    def _open(self) -> None:
        try:
            conn = open_store(self.path, busy_timeout_s=self._busy)
        except StoreError as error:
            self._refusal = error
            return
        try:
            self._live.acquire()
            self.recovered = recover(conn, self.path)
        except BaseException:
            conn.close()
            raise
        self._file = self.path.stat()
        self._applier = Applier(conn, self.uuid, self.info, self.started)
        row = conn.execute("SELECT uuid FROM sessions ORDER BY id LIMIT 1").fetchone()
        self._spill.first = row[0] if row else None

    def _gone(self) -> str | None:
        """Return a sentence where the file that is written is not the one at its place: SQLite writes on to what was deleted."""
        with contextlib.suppress(OSError):
            if self._file is not None and os.path.samestat(self._file, self.path.stat()):
                return None
        return (
            f"The store {self.path.name} is no longer at its place: it was deleted, moved or replaced while this was recorded "
            "into it. If it was deleted, all of that is lost, and so is what follows: end here, and begin again."
        )

    def _close_store(self) -> None:
        if self._applier is not None:
            self._applier.conn.close()
            self._applier = None

    def _spill_over(self) -> None:
        if not self._waiting or self._refusal is not None:
            return
        try:
            if self._spill.first is None and not self._spill.written:
                self._spill.first = first_session(self.path)
            self._spill.write(self._waiting)
        except (OSError, TypeError, ValueError) as error:
            self._problem = (
                "Recording is in memory only: free some disk space now. Neither the store nor a spill file can be written "
                f"({error})."
            )
            return
        self._waiting = []
        self._problem = (
            f"What is driven is kept aside, in a spill file that is read back later: the store cannot be written now "
            f"({self._trouble}). Check the disk."
        )

    def _read_spill_back(self) -> None:
        assert self._applier is not None
        steps = 0
        for path in self._spill.paths:
            ops = read_spill(path)[2]
            while block := list(islice(ops, BLOCK)):
                self._applier.apply(block)
                steps += sum(isinstance(op, AddStep) for op in block)
        self._committed_steps += steps
        self._spill.remove()


def _finite(value: float) -> float:
    """Return a number, or NaN (stored as unknown) for one that is not finite or too large."""
    number = float(value)
    return number if -MOST <= number <= MOST else float("nan")
