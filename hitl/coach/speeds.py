"""How fast those drove who got through a corner, metre by metre, and what that says to a player who did not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from data.records import Corner
from hitl.coach.rules import Said

BEFORE_M = 8.0  # m before the end of a drive at which its speed is compared: at its end the car slides already
APPROACH_M = 40.0  # m before a corner that belong to its passage
MORE = 1.5  # m/s above which a speed is another one


@dataclass
class Speeds:
    """By metre, the speed (m/s) of the newest passage that went well."""

    known: dict[int, float] = field(default_factory=dict)
    _here: dict[int, float] = field(default_factory=dict)

    def begin(self) -> None:
        """An episode begins."""
        self._here = {}

    def step(self, progress: float, speed: float) -> None:
        """The car is there (m), so fast (m/s)."""
        self._here[int(progress)] = speed

    def passed(self, corner: Corner) -> None:
        """The episode has left the corner's end on the road."""
        low, high = corner.from_m - APPROACH_M, corner.to_m
        self.known |= {metre: speed for metre, speed in self._here.items() if low <= metre < high}

    def add(self, driven: Iterable[tuple[float, float]]) -> None:
        """A recorded passage went well: (progress, speed) of its steps."""
        self.known |= {int(progress): speed for progress, speed in driven}

    def advice(self, end_m: float, end_speed: float) -> list[Said]:
        """Return what the speeds say of a drive that ended off the road there; nothing where no passage is known."""
        at, mine = self._nearest(self._here, end_m - BEFORE_M) or (int(end_m), end_speed)
        found = self._nearest(self.known, at)
        if found is None:
            return []
        good = found[1]
        values = {"at": at, "mine": 3.6 * mine, "good": 3.6 * good}
        return [Said("coach_brake" if mine > good + MORE else "coach_steer", "warning", values)]

    @staticmethod
    def _nearest(of: dict[int, float], metre: float) -> tuple[int, float] | None:
        near = min(of, key=lambda m: abs(m - metre), default=None)
        return None if near is None or abs(near - metre) > 4.0 else (near, of[near])
