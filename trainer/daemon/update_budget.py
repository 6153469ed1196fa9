"""How many updates are owed for the steps that came in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class UpdateBudget:
    """Keeps ``utd`` updates for each online step, whatever the machine's speed.

    Steps below ``warmup`` owe nothing. At most ``limit`` updates are owed at once: a trainer that was started late does not
    train for days on what is long past. Each step of a lap owes ``lap_utd`` updates, before anything is driven, too.
    """

    utd: float
    warmup: int = 0
    limit: float = math.inf
    online: int = 0
    """Online steps counted so far."""
    owed: float = 0.0
    lap_utd: float = 0.0
    last_lap: int = 0
    """Number of the newest lap that was counted."""

    def steps(self, online: int) -> None:
        """Count up to ``online`` steps in all."""
        new = max(0, online - max(self.online, self.warmup))
        self.online = max(self.online, online)
        self.owed = min(self.owed + self.utd * new, self.limit)

    def laps(self, rows: Mapping[int, int]) -> int:
        """Count new laps, by their numbers and steps; return how many more updates may be done for them."""
        before = self.due
        self.owed = min(self.owed + self.lap_utd * sum(rows.values()), self.limit)
        self.last_lap = max(self.last_lap, *rows) if rows else self.last_lap
        return self.due - before

    @property
    def due(self) -> int:
        """Whole updates that may be done now."""
        return int(self.owed + 1e-9)

    def paid(self, updates: int) -> None:
        """Note that updates were done."""
        self.owed -= updates
