"""Where this agent drives beside a frozen one of another make: around the human's takeovers, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from data.records import AGENT
from trainer.config import TrainConfig
from trainer.replay.episodes import Episode
from trainer.replay.rows import RowTable

Zone = tuple[float, float]
"""From and to, in metres along a track."""


class Gates:
    """The zones of each track, and the rows that lie in them.

    A zone reaches from ``frozen_before_s`` before a takeover that counts to ``frozen_after_s`` after it. Where there is no
    progress, all is one zone from the first takeover on.
    """

    def __init__(self, config: TrainConfig, table: RowTable) -> None:
        self._before, self._after, self._table = config.frozen_before_s, config.frozen_after_s, table
        self._of_takeover: dict[int, tuple[str, Zone]] = {}

    def note(self, takeover: int, track: str, rows: np.ndarray, episode: Episode) -> bool:
        """Take up the rows of a takeover that counts; tells whether its zone is news. ``takeover``: its segment's number.

        What followed it may come later. Of an old episode what was around it may be gone: a zone never becomes smaller.
        """
        table, around = self._table, episode.rows
        t, hz = table.t[around], episode.hz
        early, late = table.t[rows[0]] - self._before * hz, table.t[rows[-1]] + self._after * hz
        first, last = np.searchsorted(t, early), np.searchsorted(t, late, side="right")
        metres = table.progress[around[first:last]]
        known = np.isfinite(metres)
        if not known.any():
            zone = (-math.inf, math.inf)
        else:
            low, high = float(metres[known].min()), float(metres[known].max())
            if early < t[0]:  # it began with its episode, as after going back: as far before as at its first speed
                low -= (t[0] - early) * self._pace(rows)
            zone = (low, high)
        before = self._of_takeover.get(takeover)
        if before is not None:
            zone = (min(zone[0], before[1][0]), max(zone[1], before[1][1]))
        self._of_takeover[takeover] = track, zone
        return before != (track, zone)

    def _pace(self, rows: np.ndarray) -> float:
        """Return the metres a step at the beginning of these rows."""
        begin = self._table.progress[rows[:10]]
        begin = begin[np.isfinite(begin)]
        return max(0.0, float(begin[-1] - begin[0]) / max(1, len(begin) - 1)) if len(begin) else 0.0

    def drop(self, takeover: int) -> bool:
        """A takeover counts no more; tells whether it did."""
        return self._of_takeover.pop(takeover, None) is not None

    @property
    def zones(self) -> dict[str, list[Zone]]:
        """The zones of each track, those that touch as one, in the order of the road."""
        found: dict[str, list[Zone]] = {}
        for track, (low, high) in sorted(self._of_takeover.values()):
            zones = found.setdefault(track, [])
            if zones and low <= zones[-1][1]:
                zones[-1] = zones[-1][0], max(zones[-1][1], high)
            else:
                zones.append((low, high))
        return found

    def inside(self, rows: np.ndarray, zones: list[Zone]) -> np.ndarray:
        """Return which of these rows (bool) lie in one of the zones; those of an unknown place do."""
        metres = self._table.progress[rows]
        found = np.isnan(metres) & bool(zones)
        for low, high in zones:
            found |= (metres >= low) & (metres <= high)
        return found

    def mark(self, episodes: Mapping[int, Episode], tracks: Mapping[int, str]) -> None:
        """Write into the rows of these episodes where this agent drives. ``tracks``: by session."""
        zones = self.zones
        for episode in episodes.values():
            track = tracks.get(episode.record.session_id, "") if episode.record is not None else ""
            rows = episode.all_rows
            self._table.array[rows, self._table.gate] = self.inside(rows, zones.get(track, []))
            self._table.changed(rows)

    def taught(self, rows: np.ndarray) -> np.ndarray:
        """Return which of these rows (bool) the frozen agent drove: its actions are cloned."""
        table = self._table
        return (table.driver[rows] == AGENT) & (table.next[rows] >= 0) & (table.array[rows, table.gate] < 0.5)
