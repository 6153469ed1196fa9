"""A store as the review sees it: segments, the drives around them, and their reviews."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.connect import data_version
from data.demos import DemoRule, Reason
from data.errors import StoreError
from data.numbers import FARTHEST
from data.reading.drives import Drive
from data.reading.news import review_mark
from data.records import Segment
from data.schema import STEP_MEASURES
from data.store import Store

BEFORE_S, AFTER_S = 2.5, 1.5
"""How much of the episode is shown before and after a segment."""

SHOWN = ("t", "driver", *STEP_MEASURES, "executed", "proposed")
TRIED = 25
_AT = "SELECT p.progress FROM steps p WHERE p.episode_id = e.id AND p.t = {}"


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """One segment with what was driven: the human's stretch with some of the episode around it, and the agent's."""

    segment: Segment
    drive: Drive
    same: Drive | None
    """The agent alone in the same stretch, with the checkpoint that the player took over from (or the last one before it that
    has been there alone)."""
    latest: Drive | None
    """The same with the newest checkpoint that drove; None when that is the same drive."""

    @property
    def agent(self) -> Drive | None:
        """What the segment is compared with wherever it is shown; None where the agent has not driven there alone."""
        return self.latest if self.same is None else self.same


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    """Say in a sentence that the store cannot be used now (locked, full disk); used as a decorator."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
            raise StoreError("This store can only be read here: nothing was changed.") from error
        text = f"The store cannot be used now ({error}): check the disk, and that no other program holds it."
        raise StoreError(text) from error


class StoreReview:
    """Reads and judges the segments of one track in an open store. Raises StoreError while that cannot be used."""

    def __init__(
        self, store: Store, track: str, since: str | None = None, until: str | None = None, rule: DemoRule | None = None
    ) -> None:
        """``rule``: that of the home's run, which knows of one layout alone; left out: that of the store."""
        self.store, self.track, self.since, self.until = store, track, since, until
        self.rule = rule or store.rule()
        self._steps: list[int] = []  # what was judged through this, to be undone
        self._version = data_version(store.conn)
        self._mark = review_mark(store.conn)

    @property
    def read_only(self) -> bool:
        """Whether nothing can be judged: the store can only be read here."""
        return self.store.read_only

    @_usable()
    def segments(self) -> list[Segment]:
        """Return the closed segments of the track in the span of time, oldest first."""
        return [s for s in self.store.segments(track=self.track, since=self.since, until=self.until) if s.closed]

    @_usable()
    def again(self, ids: Iterable[int]) -> list[Segment]:
        """Return segments as they are now."""
        return self.store.segments(ids=list(ids))

    @_usable()
    def detail(self, segment: Segment) -> Detail:
        """Return what is shown of a segment."""
        before, after = round(BEFORE_S * segment.hz), round(AFTER_S * segment.hz)
        if segment.kind == "lap":
            before = after = 0
        drive = self.store.steps(segment.episode_id, max(0, segment.start - before), segment.stop + after, SHOWN)
        same = latest = None
        known = np.isfinite(drive.progress)
        if known.any() and segment.kind != "lap":
            low, high = float(drive.progress[known].min()), float(drive.progress[known].max())
            same, latest = self.before_and_now(low, high, drive.episode.checkpoint_id)
        return Detail(segment, drive, same, latest)

    @_usable()
    def before_and_now(self, from_m: float, to_m: float, checkpoint: int | None) -> tuple[Drive | None, Drive | None]:
        """Return what the agent drove alone between two places, with a checkpoint (or the last one before it that has been
        there alone), and with the newest that drove; the second is None when that is the same drive.
        """
        newest = self.store.conn.execute(
            "SELECT e.checkpoint_id FROM episodes e JOIN sessions s ON s.id = e.session_id "
            "WHERE s.track = ? AND e.checkpoint_id IS NOT NULL AND e.checkpoint_id NOT IN (SELECT value FROM json_each(?)) "
            "ORDER BY e.started DESC, e.id DESC LIMIT 1",
            (self.track, json.dumps(sorted(self.store.strange_checkpoints()))),
        ).fetchone()
        before = self._agent(from_m, to_m, checkpoint) if checkpoint is not None else None
        now = self._agent(from_m, to_m, newest[0] if newest else None)
        if before is not None and now is not None and before.episode.id == now.episode.id:
            now = None
        return before, now

    @_usable()
    def episode(self, number: int, from_m: float | None = None, to_m: float | None = None) -> Drive:
        """Return what is shown of a whole episode, or of the part between two places. Raises UsageError for an unknown one."""
        return self.store.steps(number, columns=SHOWN, from_m=from_m, to_m=to_m)

    def _agent(self, from_m: float, to_m: float, checkpoint: int | None) -> Drive | None:
        """Return what the agent drove alone between two places, with the newest checkpoint that has (not a newer one than this).

        Before an imported one, only imported ones: those of this home are another agent's, and the other way round. The drive
        must reach at least a third of the way. Of a checkpoint's episodes, evaluations (greedy, alone) come first. At most
        ``TRIED`` drives that are stored there are looked into, so that the cost does not grow with the steps in the store.
        """
        imported = self.store.imported_checkpoints()
        theirs = checkpoint in imported
        began, first, last = (_AT.format(t) for t in ("0", "g.start", "g.stop - 1"))
        first, last = f"coalesce(({first}), ?3)", f"coalesce(({last}), ?4)"  # help at a place that is not known may be here
        episodes = self.store.conn.execute(
            f"SELECT e.id FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE s.track = ?1 AND {FARTHEST} > ?2 "
            "AND (?5 IS NULL OR e.checkpoint_id <= ?5) AND e.purpose != 'lap' "
            f"AND (coalesce(e.checkpoint_id, 0) IN (SELECT value FROM json_each(?6))) = ?7 AND coalesce(({began}), ?3) <= ?4 "
            "AND NOT EXISTS (SELECT 1 FROM segments g WHERE g.episode_id = e.id AND g.kind <> 'kept' AND "
            f"coalesce(g.stop, g.start + 1) > g.start AND min({first}, {last}) <= ?4 AND max({first}, {last}) >= ?3) "
            "ORDER BY e.checkpoint_id DESC, e.purpose = 'evaluation' DESC, e.started DESC, e.id DESC",
            (
                self.track, from_m + (to_m - from_m) / 3, from_m, to_m, checkpoint,
                json.dumps(sorted(imported if theirs else self.store.strange_checkpoints())), theirs,
            ),
        ).fetchall()  # fmt: skip
        looked = 0
        for (episode,) in episodes:
            drive = self.store.steps(episode, columns=SHOWN, from_m=from_m, to_m=to_m)
            if len(drive) < 3 or not self.store.has_all(drive):
                continue  # it began behind, or its steps were pruned: there are few to read
            if not drive.human.any():
                return drive
            looked += 1
            if looked == TRIED:
                break
        return None

    @_usable()
    def difference(self, segment: Segment) -> float:
        """Return how far the human's actions were from the agent's: the mean over steps of the largest gap."""
        start, stop = segment.start + segment.trim_start, segment.stop - segment.trim_stop
        drive = self.store.steps(segment.episode_id, start, stop, ("executed", "proposed"))
        return float(np.abs(drive.executed - drive.proposed).max(axis=1).mean()) if len(drive) else 0.0

    @_usable()
    def driven(self, segment: Segment) -> Drive:
        """Return what was driven in a segment, trimmed."""
        return self.store.steps(segment, columns=SHOWN)

    def why_not(self, segment: Segment) -> Reason | None:
        """Return why a segment is not learned from, None when it is."""
        return self.rule.judge(segment).reason

    @_usable()
    def label(self, ids: Iterable[int], changes: Mapping[str, Any]) -> None:
        """Judge segments in one step for `undo`: ``verdict``, ``priority``, ``tags_add``, ``tags_remove``, ``note``, ``trim``."""
        self.store.label(list(ids), **changes, steps=self._steps)
        self._know_own()

    @_usable()
    def undo(self) -> list[int]:
        """Undo the last review that was given through this, not one of another window or machine; returns its segments."""
        undone = [review.segment for review in self.store.undo_step(of=self._steps)]
        self._know_own()
        return undone

    @_usable()
    def news(self) -> list[Segment] | None:
        """Return the segments of the track as they are now, where something else has changed them; None where not.

        It costs next to nothing while no one else writes, and little while what they write is of no segment.
        """
        version = data_version(self.store.conn)
        if version == self._version:
            return None
        mark = review_mark(self.store.conn)
        segments = self.segments() if mark != self._mark else None
        self._version, self._mark = version, mark
        return segments

    def _know_own(self) -> None:
        """What was just written through this is no news, unless others have written, too."""
        mark = review_mark(self.store.conn)
        if data_version(self.store.conn) == self._version:
            self._mark = mark
