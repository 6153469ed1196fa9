"""Following the store: what is new since the last look, as arrays. The trainer's way in."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.connect import BUSY_TIMEOUT_S, data_version, open_to_follow, transaction
from data.errors import StoreError
from data.files.in_place import InPlace
from data.numbers import all_numbers, no_numbers
from data.reading.layouts import driven_layout
from data.reading.new_steps import SELECT, Layout, NewSteps
from data.reading.schema_check import readable_rows
from data.reading.standing import may_have_stood, steps_stood
from data.reading.step_cache import Run, StepCache
from data.records import EpisodeRecord, SegmentRecord
from data.tables.segments import changed
from data.tables.sessions import session_records

BLOCK = 4_000
"""Rows fetched at a time: small enough to stay in the processor's cache, large enough that NumPy does the work."""

_STEPS = f"{SELECT} id > ? AND id < ? ORDER BY id LIMIT ?"
_STRETCH = f"{SELECT} episode_id = ? AND t BETWEEN ? AND ? AND id < ? ORDER BY t"

_NO_STEP = 2**63 - 1
"""Above the id of any step."""


class Follower:
    """Reads what is new in the store at ``path``; never writes to it.

    ``newest``: how many of the newest steps to begin with (in whole episodes). Of older ones only the episodes that are still
    open are read, and the segments, each with ``around`` as many steps before and after it. So a store of any size is read in
    the time that these take. Without it everything is read.

    ``observation_names`` and ``action_names`` are the layout wanted; left out, it is that of the newest session when
    the first step is seen, of those that were driven here rather than imported if there are any. A store that is not there
    yet has nothing new. Raises StoreError when the store can never be read (newer, damaged).

    ``cache``: steps that it holds are taken from there, and the others given to it, until :meth:`caught_up` is called.
    """

    def __init__(
        self,
        path: str | Path,
        observation_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        newest: int | None = None,
        around: tuple[int, int] = (0, 1),
        cache: StepCache | None = None,
    ) -> None:
        self.path, self._cache = Path(path), cache
        self._newest, self._around = newest, around
        self._first = self._begin = 0  # the first episode that is read as a whole, and its first step
        self._old: dict[int, list[tuple[int, int]]] = {}  # what is read of older ones: stretches of t, ends included
        self._stretches: deque[tuple[int, int, int]] = deque()  # (episode, first t, last t): of these, what is not read yet
        self._lengths: dict[int, int] = {}  # of older ones, during the first look
        self.expected = 0
        """About how many steps the first looks give, where ``newest`` was given; 0 before that is known."""
        self.skipped: dict[str, int] = {}
        """Steps driven that are left out, by the purpose of their episode."""
        self._busy = busy_timeout_s
        self._conn: sqlite3.Connection | None = None
        self._place: InPlace | None = None  # of what the connection reads
        self.layout: Layout | None = None
        """Observation names and action names of the steps given; None while not decided."""
        if observation_names is not None and action_names is not None:
            self.layout = tuple(observation_names), tuple(action_names)
        self._step = self._episode = self._segment = 0
        self._seen_version: int | None = None
        self._more = False
        self._layouts: dict[int, Layout] = {}  # by episode

    @property
    def last_step(self) -> int:
        """The id of the newest step given, of those read in their order."""
        return self._step

    def caught_up(self) -> None:
        """All that was there has been read: what comes now is new, and read from the store."""
        if self._cache is not None:
            self._cache.finish()
            self._cache = None

    def close(self) -> None:
        """Close the connection."""
        if self._cache is not None:
            self._cache.close()
            self._cache = None
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def check_place(self) -> None:
        """Raise StoreGoneError or StoreReplacedError where the file that is read is no longer the one at its place."""
        if self._place is not None:
            self._place.check()

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def poll(self, limit: int = 200_000) -> NewSteps:
        """Return what is new, at most ``limit`` steps; costs a few microseconds when nothing is.

        A store that another program holds locked has nothing new yet. Raises StoreError when the store cannot be read, and as
        :meth:`check_place`.
        """
        self.check_place()
        marks = self._step, self._episode, self._segment, self._stretches.copy()
        try:
            if self._conn is None:
                if not self.path.exists():
                    return self._empty()
                self._conn = open_to_follow(self.path, self._busy)
                self._place = InPlace(self.path)
            version = data_version(self._conn)
            if version == self._seen_version and not self._more:
                return self._empty()
            with readable_rows(), transaction(self._conn, "DEFERRED"):
                if self._newest is not None:
                    self._leave_out_old(self._conn, self._newest)
                new = self._read(self._conn, limit)
            self._lengths.clear()
            self._newest, self._seen_version, self._more = None, version, new.more
            return new
        except sqlite3.DatabaseError as error:
            self._step, self._episode, self._segment, self._stretches = marks
            if "locked" in str(error):
                return self._empty()
            raise StoreError(f"The store {self.path.name} cannot be read ({error}): run `hitl store check`.") from error

    def _empty(self) -> NewSteps:
        return NewSteps.empty(*map(len, self.layout or ()))

    def _leave_out_old(self, conn: sqlite3.Connection, newest: int) -> None:
        """Find out where the newest steps begin, and what of the older ones is wanted all the same."""
        first = total = 0
        for episode, count in conn.execute(
            "SELECT id, (SELECT count(*) FROM steps WHERE episode_id = episodes.id) FROM episodes ORDER BY id DESC"
        ):
            first, total = episode, total + count
            if total >= newest:
                break
        self.expected = total
        # Asked of each episode: for the smallest of all SQLite would look at every step from the store's first on.
        (begin,) = conn.execute(
            "SELECT min((SELECT min(id) FROM steps WHERE episode_id = episodes.id)) FROM episodes WHERE id >= ?", (first,)
        ).fetchone()
        if total < newest or begin is None:
            return
        self._first, self._begin, self._step, self._old = first, begin, begin - 1, {}
        for episode, start, stop in conn.execute(
            "SELECT episode_id, start, stop FROM segments WHERE episode_id < ?1 AND stop > start UNION ALL "
            'SELECT id, 0, 1 << 30 FROM episodes WHERE id < ?1 AND "end" IS NULL ORDER BY 1, 2',
            (first,),
        ):
            start, stop = start - self._around[0], stop - 1 + self._around[1]
            parts = self._old.setdefault(episode, [])
            if parts and start <= parts[-1][1] + 1:
                parts[-1] = (parts[-1][0], max(parts[-1][1], stop))
            else:
                parts.append((start, stop))
        self._stretches = deque((episode, *part) for episode, parts in self._old.items() for part in parts)
        self.skipped = dict(
            conn.execute("SELECT purpose, sum(length) FROM episodes WHERE id < ? GROUP BY 1", (first,)).fetchall()
        )
        for episode, purpose in conn.execute('SELECT id, purpose FROM episodes WHERE id < ? AND "end" IS NOT NULL', (first,)):
            if episode in self._old:
                self._lengths[episode] = self._length(conn, episode)
                self.skipped[purpose] -= self._lengths[episode]
        self.expected += sum(self._lengths.values())

    def _length(self, conn: sqlite3.Connection, episode: int) -> int:
        """Return how many steps of an older episode are given."""
        if episode in self._lengths:
            return self._lengths[episode]
        parts = self._old[episode]
        wanted = " OR ".join(["t BETWEEN ? AND ?"] * len(parts))
        sql = f"SELECT count(*) FROM steps WHERE episode_id = ? AND (id >= ? OR {wanted})"
        return int(conn.execute(sql, (episode, self._begin, *(t for part in parts for t in part))).fetchone()[0])

    def _read(self, conn: sqlite3.Connection, limit: int) -> NewSteps:
        driven = "id IN (SELECT session_id FROM episodes WHERE revision > ?)"
        sessions = {session.id: session for session in session_records(conn, driven, (self._episode,))}
        rows = conn.execute(
            # Counted, not `length`: of a pruned episode, or one of which only segments came here, fewer steps are stored.
            'SELECT id, session_id, purpose, "end", reason, CASE WHEN "end" IS NULL OR id < ? THEN 0 ELSE (SELECT count(*) '
            # The last observation is given where it follows the last step that is stored, and nothing was pruned in between.
            "FROM steps WHERE episode_id = episodes.id) END, CASE WHEN length = 0 OR EXISTS (SELECT 1 FROM steps WHERE "
            "episode_id = episodes.id AND t = episodes.length - 1) THEN last_observation END, length, revision FROM episodes "
            "WHERE revision > ? ORDER BY revision",
            (self._first, self._episode),
        )
        episodes: dict[int, EpisodeRecord] = {}
        bad_last: dict[int, np.ndarray] = {}
        for id_, session, purpose, end, reason, length, last, driven, revision in rows:
            self._episode = revision
            if id_ < self._first:
                if id_ not in self._old:
                    continue
                length = self._length(conn, id_) if end is not None else 0
            observation = None if last is None else np.frombuffer(last, np.float32)
            if observation is not None and not all_numbers(observation):
                bad_last[id_] = observation
                observation = None
            stands = end is not None and may_have_stood(purpose, reason)
            stood = steps_stood(conn, id_, sessions[session].hz) if stands else None
            episodes[id_] = EpisodeRecord(id_, session, purpose, end, reason, length, observation, driven, stood)
            self._layouts[id_] = (sessions[session].observation_names, sessions[session].action_names)
        segments: dict[int, SegmentRecord] = {}
        for segment, revision in changed(conn, self._segment):
            self._segment = revision
            if segment.episode_id >= self._first or segment.episode_id in self._old:
                segments[segment.id] = segment
        new = self._read_stretches(conn, limit) if self._stretches else self._read_steps(conn, limit)
        new.episodes, new.segments, new.sessions = episodes, segments, sessions
        for id_, seen in bad_last.items():
            if self._layouts[id_] == self.layout:
                new.count_bad(self._layouts[id_][0], no_numbers(seen)[None])
        return new

    def _decide_layout(self, conn: sqlite3.Connection) -> Layout:
        if self.layout is None:
            self.layout = driven_layout(conn)
            assert self.layout is not None  # there are steps
        if self._cache is not None and not self._cache.is_open:
            self._cache.open(conn, self.layout, self._is_wanted)
        return self.layout

    def _is_wanted(self, episode: int) -> bool:
        """Whether steps of an episode are given."""
        return (episode >= self._first or episode in self._old) and self._layouts.get(episode) == self.layout

    def _read_stretches(self, conn: sqlite3.Connection, limit: int) -> NewSteps:
        """Read what is wanted of older episodes, up to ``limit`` steps and the rest of a stretch."""
        layout = self._decide_layout(conn)
        pieces: list[list[tuple] | Run] = []
        left_out: dict[Layout, int] = {}
        count = 0
        while self._stretches and count < limit:
            for piece in self._stretch(conn, *self._stretches.popleft()):
                if isinstance(piece, Run):
                    count += piece.length
                elif piece := self._wanted(piece, layout, left_out):
                    count += len(piece)
                    if pieces and isinstance(pieces[-1], list):
                        pieces[-1] += piece
                        continue
                pieces.append(piece)
        new = NewSteps.empty(len(layout[0]), len(layout[1]), count)
        kept, fresh = 0, list[tuple[int, int]]()
        for piece in pieces:
            kept = self._put(piece, new, kept, layout, fresh)
        new.cut(kept, count)
        self._note(new, fresh)
        new.left_out, new.more = left_out, True
        return new

    def _stretch(self, conn: sqlite3.Connection, episode: int, first: int, last: int) -> Iterator[list[tuple] | Run]:
        """Yield the steps of an older episode from ``t`` ``first`` to ``last``, both included: those in the cache as runs."""
        for run in self._cache.within(episode, first, last, self._begin) if self._cache is not None else ():
            if run.t > first:
                yield conn.execute(_STRETCH, (episode, first, run.t - 1, self._begin)).fetchall()
            yield run
            first = run.t + run.length
        if first <= last:
            yield conn.execute(_STRETCH, (episode, first, last, self._begin)).fetchall()

    def _put(
        self, piece: list[tuple] | Run, new: NewSteps, at: int, layout: Layout, fresh: list[tuple[int, int]]
    ) -> int:
        """Put steps into new steps from ``at`` on; return where they end. ``fresh`` gets the places of those that were read."""
        if isinstance(piece, Run):
            assert self._cache is not None
            return self._cache.take(piece, new, at)
        stop = new.fill(at, piece, layout) if piece else at
        if fresh and fresh[-1][1] == at:
            fresh[-1] = (fresh[-1][0], stop)
        else:
            fresh.append((at, stop))
        return stop

    def _note(self, new: NewSteps, fresh: list[tuple[int, int]]) -> None:
        if self._cache is not None:
            for start, stop in fresh:
                self._cache.note(new, start, stop)

    def _read_steps(self, conn: sqlite3.Connection, limit: int) -> NewSteps:
        (newest,) = conn.execute("SELECT coalesce(max(id), 0) FROM steps").fetchone()
        room = min(limit, newest - self._step)
        if room <= 0:
            return self._empty()
        layout = self._decide_layout(conn)
        new = NewSteps.empty(len(layout[0]), len(layout[1]), room)
        seen = kept = 0
        fresh: list[tuple[int, int]] = []
        while seen < limit:
            run = self._cache.block_after(self._step) if self._cache is not None else None
            if run is not None and run.step == self._step + 1:
                run = run.cut(0, min(run.length, limit - seen))
                kept = self._put(run, new, kept, layout, fresh)
                self._step, seen = self._step + run.length, seen + run.length
                continue
            cursor = conn.execute(_STEPS, (self._step, _NO_STEP if run is None else run.step, limit - seen))
            while rows := cursor.fetchmany(BLOCK):
                seen += len(rows)
                self._step = rows[-1][0]
                kept = self._put(self._wanted(rows, layout, new.left_out), new, kept, layout, fresh)
            if run is None:
                break
            if seen < limit:  # there are no others before those of the cache
                self._step = run.step - 1
        new.cut(kept, room)
        self._note(new, fresh)
        new.more = seen >= limit
        return new

    def _wanted(self, rows: list[tuple], layout: Layout, left_out: dict[Layout, int]) -> list[tuple]:
        """Leave out, and count, the steps of episodes with another layout; those that are too old were counted before."""
        if self._first:
            rows = [row for row in rows if row[1] >> 32 >= self._first or row[1] >> 32 in self._old]
        others = {episode for episode in {row[1] >> 32 for row in rows} if self._layouts.get(episode) != layout}
        if not others:
            return rows
        for row in rows:
            if row[1] >> 32 in others:
                other = self._layouts[row[1] >> 32]
                left_out[other] = left_out.get(other, 0) + 1
        return [row for row in rows if row[1] >> 32 not in others]
