"""What a trainer has read of the store, kept beside it as arrays, so that its next start need not read it row by row again.

Never a source of truth: the folder can be deleted at any time, and everything in it is compared with the store before it is used.
A stored step is never changed under its number (what changes one gives it another), so it is enough to know that the same steps
of the same session have the same numbers; some of them, another sample each time, are compared as a whole. What does not fit is
read from the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
import struct
import zlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.files import held
from data.reading.new_steps import ARRAYS, SELECT, Layout, NewSteps

PART_ROWS, PART_BYTES = 65_536, 1 << 26
"""So many new rows are written as one file, and no more than so many bytes of them."""
LEAST_ROWS = 10_000
"""Fewer are read again more cheaply than they are kept."""
SHORTEST = 16
"""Steps in a row; shorter runs cost as much to check as to read."""
MOST_BYTES = 1 << 30
"""All files together never take more, and so much stays free on the disk."""
SAMPLES = 256
"""Steps that are compared as a whole each time."""

_START = struct.Struct("<8sII")  # magic, bytes of the header, checksum of the header
_MAGIC = b"hitlrow1"
_RUN = (
    "SELECT count(*), min(id), max(id), total((id - ?2) * (t - ?3)) FROM steps "
    "WHERE episode_id = ?1 AND t BETWEEN ?3 AND ?3 + ?4 - 1"
)


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of one file whose steps have consecutive numbers; those of an episode also follow each other in ``t``."""

    part: int
    start: int
    """The first row in that file."""
    length: int
    step: int
    """The id of its first step; the next one has the next id."""
    episode: int
    t: int

    def cut(self, skip: int, length: int) -> Run:
        """Return ``length`` rows of it from the row ``skip`` on."""
        return replace(self, start=self.start + skip, length=length, step=self.step + skip, t=self.t + skip)


class _Part:
    """One file: a header, then the arrays of :class:`NewSteps`, one after the other."""

    def __init__(self, path: Path, layout: Layout) -> None:
        """Raises ValueError when it is not whole or of another layout, OSError when it cannot be read."""
        self.path, self.used = path, 0
        self.whole = np.memmap(path, np.uint8, "r")
        try:
            size = len(self.whole)
            magic, length, check = _START.unpack(self.whole[: _START.size].tobytes())
            header = self.whole[_START.size : _START.size + length].tobytes()
            if magic != _MAGIC or zlib.crc32(header) != check:
                raise ValueError("not such a file")
            known = json.loads(header)
            self.rows = int(known["rows"])
            self.episodes = {int(id_): str(key) for id_, key in known["episodes"].items()}
            """What the episodes in it are known by everywhere."""
            body = zlib.crc32(self.whole[_START.size + length :].data)  # without a name: what holds these bytes holds the file
            if known["layout"] != _digest(layout) or body != known["checksum"]:
                raise ValueError("of another layout, or not whole")
            self.arrays: dict[str, np.ndarray] = {}
            at = _START.size + length
            for name, like in _kinds(layout).items():
                stop = at + self.rows * like.nbytes
                self.arrays[name] = self.whole[at:stop].view(like.dtype).reshape(self.rows, *like.shape[1:])
                at = stop
            if at != size:
                raise ValueError("not whole")
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, struct.error) as error:
            self.close()
            raise ValueError(str(error)) from error

    def runs(self, number: int) -> list[Run]:
        """Return its rows as runs."""
        ids, episodes, t = (self.arrays[name] for name in ("step_id", "episode_id", "t"))
        starts, lengths = _runs(ids, episodes, t)
        columns = starts, lengths, ids[starts], episodes[starts], t[starts]
        return [Run(number, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def close(self) -> None:
        """Let go of the file: on Windows it could not be deleted."""
        self.arrays = {}
        self.whole = np.empty(0, np.uint8)  # type: ignore[assignment]


class StepCache:
    """The files in ``folder`` during one start of one trainer; whatever goes wrong with them, there is only more to read.

    First :meth:`open`, then the follower takes what is known here and notes what it had to read, then :meth:`finish`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_open = False
        self._parts: list[_Part] = []
        self._blocks: list[Run] = []  # by step, side by side as far as possible
        self._of_episode: dict[int, list[Run]] = defaultdict(list)  # by t
        self._layout: Layout = ((), ())
        self._part_rows, self._row_bytes, self._kept = PART_ROWS, 0, 0
        self._fresh: list[dict[str, np.ndarray]] = []
        self._keys: dict[int, str] = {}
        self._can_write = True

    def open(self, conn: sqlite3.Connection, layout: Layout, is_wanted: Callable[[int], bool]) -> None:
        """Find out which rows are still those of the store. ``is_wanted``: whether steps of this episode are asked for."""
        self.is_open, self._layout = True, layout
        self._row_bytes = sum(like.nbytes for like in _kinds(layout).values())
        self._part_rows = max(SHORTEST, min(PART_ROWS, PART_BYTES // self._row_bytes))
        self._keys = {
            id_: f"{uuid}/{number}"
            for id_, uuid, number in conn.execute(
                "SELECT e.id, s.uuid, e.number FROM episodes e JOIN sessions s ON s.id = e.session_id"
            )
            if is_wanted(id_)
        }
        useless = []
        for path in sorted(self.folder.glob("*.steps")) if self.folder.is_dir() else ():
            try:
                self._parts.append(_Part(path, layout))
            except (ValueError, OSError):
                useless.append(path)
        for path in useless:  # not while the error is handled: it holds the file, which Windows would not delete then
            self._delete(path)
        runs = sorted((run for k, part in enumerate(self._parts) for run in part.runs(k)), key=lambda run: run.step)
        good, end = [], 0
        for run in runs:
            part = self._parts[run.part]
            known = self._keys.get(run.episode)
            if known is None or known != part.episodes.get(run.episode) or run.step < end or run.length < SHORTEST:
                continue
            if self._is_stored(conn, run):
                good.append(run)
                end = run.step + run.length
        if not self._sample_fits(conn, good):
            good = []
        for run in good:
            last = self._blocks[-1] if self._blocks else None
            self._of_episode[run.episode].append(run)
            side_by_side = last is not None and (last.part, last.start + last.length, last.step + last.length) == (
                run.part, run.start, run.step
            )  # fmt: skip
            if last is not None and side_by_side:
                self._blocks[-1] = replace(last, length=last.length + run.length)
            else:
                self._blocks.append(run)
        for of in self._of_episode.values():
            of.sort(key=lambda run: run.t)

    def _is_stored(self, conn: sqlite3.Connection, run: Run) -> bool:
        """Whether the store has these steps, and no others in between.

        With the right count, and the right first and last id, the ids are all those between. The sum is largest where both rise
        together, so only then is it the sum of squares.
        """
        n = run.length
        found = conn.execute(_RUN, (run.episode, run.step, run.t, n)).fetchone()
        return tuple(found) == (n, run.step, run.step + n - 1, float((n - 1) * n * (2 * n - 1) // 6))

    def _sample_fits(self, conn: sqlite3.Connection, runs: list[Run]) -> bool:
        """Whether some steps, others each time, are the same here and in the store."""
        rng = np.random.default_rng()
        chosen = [runs[k] for k in np.sort(rng.permutation(len(runs))[:SAMPLES])]
        chosen = [run.cut(int(rng.integers(run.length)), 1) for run in chosen]
        rows = [row for run in chosen for row in conn.execute(f"{SELECT} id = ?", (run.step,))]
        if len(rows) != len(chosen):
            return False
        stored, here = (NewSteps.empty(len(self._layout[0]), len(self._layout[1]), len(rows)) for _ in range(2))
        if not rows:
            return True
        if stored.fill(0, rows, self._layout) != len(rows):
            return False
        for k, run in enumerate(chosen):
            self._copy(run, here, k)
        return all(getattr(stored, name).tobytes() == getattr(here, name).tobytes() for name in ARRAYS)

    # What the follower asks

    def block_after(self, step: int) -> Run | None:
        """Return the first rows known with ids above ``step``; they may be of several episodes."""
        k = bisect_right(self._blocks, step, key=lambda run: run.step + run.length - 1)
        if k == len(self._blocks):
            return None
        run = self._blocks[k]
        skip = max(0, step + 1 - run.step)
        return run.cut(skip, run.length - skip) if skip else run

    def within(self, episode: int, first: int, last: int, before: int) -> Iterable[Run]:
        """Yield the rows known of an episode from ``t`` ``first`` to ``last``, both included, with ids below ``before``."""
        for run in self._of_episode.get(episode, ()):
            start, stop = max(run.t, first), min(run.t + run.length, last + 1)
            if start < stop and run.step + run.length <= before:
                yield run.cut(start - run.t, stop - start)

    def take(self, run: Run, new: NewSteps, at: int) -> int:
        """Copy rows into new steps from ``at`` on; return where they end."""
        self._parts[run.part].used += run.length
        return self._copy(run, new, at)

    def _copy(self, run: Run, new: NewSteps, at: int) -> int:
        for name, array in self._parts[run.part].arrays.items():
            getattr(new, name)[at : at + run.length] = array[run.start : run.start + run.length]
        return at + run.length

    def note(self, new: NewSteps, start: int, stop: int) -> None:
        """Keep rows that had to be read from the store."""
        while start < stop and self._can_write and (self._kept or self._has_room()):
            end = min(stop, start + self._part_rows - self._kept)
            self._fresh.append({name: getattr(new, name)[start:end].copy() for name in ARRAYS})
            self._kept += end - start
            start = end
            if self._kept >= self._part_rows:
                self._write()

    def _has_room(self) -> bool:
        """Whether another file of rows may be written; asked before any are kept for it."""
        most = self._part_rows * self._row_bytes
        try:
            there = sum(path.stat().st_size for path in self.folder.iterdir()) if self.folder.is_dir() else 0
            free = shutil.disk_usage(self.folder if self.folder.is_dir() else self.folder.parent).free
        except OSError:
            self._can_write = False
        else:
            self._can_write = there + most <= MOST_BYTES and free - most >= MOST_BYTES
        return self._can_write

    def finish(self) -> None:
        """The start is over: write the rest, and delete what was mostly not asked for any more."""
        if self._kept >= min(LEAST_ROWS, self._part_rows):
            self._write()
        useless = [part.path for part in self._parts if part.used < part.rows / 2]
        self.close()
        for path in (*useless, *self.folder.glob("*.new")) if self.folder.is_dir() else ():
            self._delete(path)

    def close(self) -> None:
        """Let go of all files, and write nothing more."""
        for part in self._parts:
            part.close()
        self._parts, self._blocks, self._fresh, self._can_write = [], [], [], False
        self._of_episode.clear()

    # Writing

    def _write(self) -> None:
        whole = {name: np.concatenate([one[name] for one in self._fresh]) for name in ARRAYS}
        self._fresh, self._kept = [], 0
        _, lengths = _runs(whole["step_id"], whole["episode_id"], whole["t"])
        kept = np.repeat(lengths >= SHORTEST, lengths)
        content = b"".join(np.ascontiguousarray(whole[name][kept]).tobytes() for name in ARRAYS)
        episodes = np.unique(whole["episode_id"][kept]).tolist()
        header = json.dumps(
            {
                "rows": int(kept.sum()), "layout": _digest(self._layout), "checksum": zlib.crc32(content),
                "episodes": {id_: self._keys[id_] for id_ in episodes if id_ in self._keys},
            }
        ).encode()  # fmt: skip
        try:
            self.folder.mkdir(exist_ok=True)
            if not episodes:
                return
            path = self.folder / f"{int(whole['step_id'][kept][0]):012d}-{zlib.crc32(header):08x}.steps"
            held.write_whole(path, _START.pack(_MAGIC, len(header), zlib.crc32(header)) + header + content)
        except OSError:  # a full disk, a folder that may not be written: then everything is read, as without
            self._can_write = False

    def _delete(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            held.unlink(path)


def _digest(layout: Layout) -> str:
    return hashlib.sha256(json.dumps(layout).encode()).hexdigest()


def _kinds(layout: Layout) -> dict[str, np.ndarray]:
    """Return one row of each array, to know its type and size."""
    empty = NewSteps.empty(len(layout[0]), len(layout[1]), 1)
    return {name: getattr(empty, name) for name in ARRAYS}


def _runs(ids: np.ndarray, episodes: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs of consecutive steps of one episode begin, and how long they are."""
    cut = (np.diff(ids) != 1) | (np.diff(episodes) != 0) | (np.diff(t) != 1)
    starts = np.flatnonzero(np.concatenate((np.ones(min(1, len(ids)), bool), cut)))
    return starts, np.diff(np.append(starts, len(ids)))
