"""Where this agent drives beside a frozen one of another make: around the human's takeovers, and nowhere else.

Where the frozen one teaches (``frozen_teaches``): nowhere, and everywhere once it has learned what that does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from data.records import AGENT, HUMAN
from trainer.config import TrainConfig
from trainer.replay.episodes import Episode
from trainer.replay.rows import RowTable

Zone = tuple[float, float]
"""From and to, in metres along a track."""
Teacher = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Answers an episode's observations (T, O), and what was done (T, A), with what the frozen agent would have done (T, A)."""
HELD_OUT_EVERY = 5
"""Of so many drives of the agent that teaches, one is not learned from: it shows what was learned from the others."""


class Gates:
    """The zones of each track, and the rows that lie in them.

    A zone reaches from ``frozen_before_s`` before a takeover that counts to ``frozen_after_s`` after it. Where there is no
    progress, all is one zone from the first takeover on; with an agent that teaches, there is none, and the human helped in the
    steps of the takeovers alone: elsewhere in that game there is still much to learn from it.
    """

    def __init__(self, config: TrainConfig, table: RowTable) -> None:
        self._before, self._after, self._table = config.frozen_before_s, config.frozen_after_s, table
        self._of_takeover: dict[int, tuple[str, Zone | None]] = {}
        self._rows_of: dict[int, np.ndarray] = {}
        self._taught, self._config = config.taught, config
        self.teacher: Teacher | None = None
        """What is asked; None: nothing can be learned from the frozen agent but what it did."""
        self.everywhere = False
        """Whether this agent has learned what the one that teaches it does, and drives."""
        self._asked: set[int] = set()  # episodes
        self._own, self._held_out = 0, set[int]()

    def note(self, takeover: int, track: str, rows: np.ndarray, episode: Episode, roadless: bool = False) -> bool:
        """Take up the rows of a takeover that counts; tells whether its zone is news. ``takeover``: its segment's number.

        ``roadless``: whether its game may tell no metres. What followed it may come later. Of an old episode what was around it
        may be gone: a zone never becomes smaller.
        """
        table, around = self._table, episode.rows
        t, hz = table.t[around], episode.hz
        early, late = table.t[rows[0]] - self._before * hz, table.t[rows[-1]] + self._after * hz
        first, last = np.searchsorted(t, early), np.searchsorted(t, late, side="right")
        metres = table.progress[around[first:last]]
        known = np.isfinite(metres)
        if roadless and not metres[known].any():  # a game without a road says 0 everywhere
            known[:] = False
        zone: Zone | None = None
        if known.any():
            low, high = float(metres[known].min()), float(metres[known].max())
            if early < t[0]:  # it began with its episode, as after going back: as far before as at its first speed
                low -= (t[0] - early) * self._pace(rows)
            zone = (low, high)
        elif not self._taught:
            zone = (-math.inf, math.inf)
        before = self._of_takeover.get(takeover)
        if before is not None and before[1] is not None:
            zone = before[1] if zone is None else (min(zone[0], before[1][0]), max(zone[1], before[1][1]))
        moved = self._taught and not np.array_equal(self._rows_of.get(takeover, rows[:0]), rows)
        self._of_takeover[takeover], self._rows_of[takeover] = (track, zone), rows
        return moved or before != (track, zone)

    def _pace(self, rows: np.ndarray) -> float:
        """Return the metres a step at the beginning of these rows."""
        begin = self._table.progress[rows[:10]]
        begin = begin[np.isfinite(begin)]
        return max(0.0, float(begin[-1] - begin[0]) / max(1, len(begin) - 1)) if len(begin) else 0.0

    def drop(self, takeover: int) -> bool:
        """A takeover counts no more; tells whether it did."""
        self._rows_of.pop(takeover, None)
        return self._of_takeover.pop(takeover, None) is not None

    @property
    def zones(self) -> dict[str, list[Zone]]:
        """The zones of each track, where the human helped; those that touch as one, in the order of the road."""
        found: dict[str, list[Zone]] = {}
        for track, (low, high) in sorted((track, zone) for track, zone in self._of_takeover.values() if zone is not None):
            zones = found.setdefault(track, [])
            if zones and low <= zones[-1][1]:
                zones[-1] = zones[-1][0], max(zones[-1][1], high)
            else:
                zones.append((low, high))
        return found

    def driven(self, track: str) -> list[Zone]:
        """Return where this agent drives on a track."""
        if self._taught:
            return [(-math.inf, math.inf)] if self.everywhere else []
        return self.zones.get(track, [])

    def inside(self, rows: np.ndarray, zones: list[Zone]) -> np.ndarray:
        """Return which of these rows (bool) lie in one of the zones; those of an unknown place do."""
        metres = self._table.progress[rows]
        found = np.isnan(metres) & bool(zones)
        for low, high in zones:
            found |= (metres >= low) & (metres <= high)
        return found

    def mark(self, episodes: Mapping[int, Episode], tracks: Mapping[int, str]) -> None:
        """Write into the rows of these episodes where the human helped. ``tracks``: by session."""
        zones, helped = self.zones, np.zeros(len(self._table), bool)
        for rows in self._rows_of.values():
            helped[rows] = True
        for episode in episodes.values():
            track = tracks.get(episode.record.session_id, "") if episode.record is not None else ""
            rows = episode.all_rows
            self._table.array[rows, self._table.columns.helped] = self.inside(rows, zones.get(track, [])) | helped[rows]
            self._table.changed(rows)

    def ask(self, episodes: Mapping[int, Episode]) -> None:
        """Ask the agent that teaches what it would have done in those of these episodes that are over."""
        if self.teacher is None or not self._taught:
            return
        table = self._table
        for id_, episode in sorted(episodes.items()):
            rows = episode.rows
            if id_ in self._asked or not episode.settled or not len(rows):
                continue
            self._asked.add(id_)
            table.lesson[rows] = self.teacher(table.seen(torch.from_numpy(rows)).numpy(), table.array[rows, table.columns.action])
            table.array[rows, table.columns.return_bound] = episode.earned(table, self._config)
            if not self.everywhere and not (table.driver[rows] == HUMAN).any():
                self._own += 1
                if self._own % HELD_OUT_EVERY == 0:
                    self._held_out.add(id_)

    def teach(self, id_: int, rows: np.ndarray) -> np.ndarray:
        """Return which of these rows (bool) of an episode are cloned from the frozen agent, and write down its answers.

        They are what it drove itself, or where it was asked; and not where the human helped.
        """
        table = self._table
        known = (table.next[rows] >= 0) & (table.array[rows, table.columns.helped] < 0.5)
        if not self._taught:
            return known & (table.driver[rows] == AGENT)
        known &= np.isfinite(table.lesson[rows]).all(1) & (not self.holds_out(id_))
        table.array[rows[known], table.columns.answer] = table.lesson[rows[known]]
        return known

    def holds_out(self, id_: int) -> bool:
        """Tell whether nothing of an episode is cloned, not even where it was a finish."""
        return id_ in self._held_out

    def held_out(self, episodes: Mapping[int, Episode], most: int = 2000) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return what was seen (B, O) and done (B, A) in drives of the agent that teaches, from which nothing was learned.

        The newest ``most`` steps, without those where the human helped. Where it gets nowhere else without help, as one that
        stands still at the start, what it drove in all other drives has to do. None while there is nothing.
        """
        table = self._table
        for drives in (self._held_out, self._asked) if self._held_out else ():
            rows = np.concatenate([np.empty(0, np.int64), *(episodes[id_].rows for id_ in sorted(drives & episodes.keys()))])
            rows = rows[(table.array[rows, table.columns.helped] < 0.5) & (table.driver[rows] == AGENT)][-most:]
            if len(rows):
                return table.seen(torch.from_numpy(rows)), torch.from_numpy(table.lesson[rows])
        return None
