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
        """Take up the rows of a takeover that counts; tells whether it is new. ``takeover``: its segment's number."""
        if takeover in self._of_takeover:
            return False
        table, around = self._table, episode.rows
        t, hz = table.t[around], episode.hz
        first = np.searchsorted(t, table.t[rows[0]] - self._before * hz)
        last = np.searchsorted(t, table.t[rows[-1]] + self._after * hz, side="right")
        metres = table.progress[around[first:last]]
        metres = metres[np.isfinite(metres)]
        zone = (float(metres.min()), float(metres.max())) if len(metres) else (-math.inf, math.inf)
        self._of_takeover[takeover] = track, zone
        return True

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
