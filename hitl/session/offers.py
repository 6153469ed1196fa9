"""How far the next corner is, whether the wheel is offered, and whether it may be taken.

That follows from the corners, the car's place and speed, and how the agent did at the corners before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data.reading.attempts import corner_at
from data.records import Corner
from hitl.road.attempts import Following

ANNOUNCE_S = 4.0  # s before a corner from which it is counted down
ONLY_BEFORE_M = 40.0  # m before the only corner that may be driven, from which it may be taken
SLOW_S = 0.3  # s lost in a corner, from which help there is about time
SURE = 3  # passes in a row without help after which the wheel is no longer offered


def next_corner(corners: tuple[Corner, ...], progress: float, speed: float) -> tuple[str, float | None]:
    """Return the name of the corner ahead and the seconds to it at this speed; ("", None) when none is near."""
    for corner in corners:
        if corner.contains(progress):
            return corner.name, 0.0
        if progress < corner.from_m:
            seconds = (corner.from_m - progress) / max(speed, 1.0)
            return (corner.name, seconds) if seconds <= ANNOUNCE_S else ("", None)
    return "", None


@dataclass
class CornerOffers:
    """Offers the wheel before corners.

    ``mode``: ``failing`` offers where the agent has not passed the last three times by itself, ``slow`` there and where it
    loses time, ``all`` everywhere, ``off`` never. ``only``: the one corner at which the wheel may be taken, "" for anywhere.
    ``lead_s``: how long before. ``lost``: seconds lost in a lap, by corner, where they are known. ``known``: whether the agent
    passed in its attempts alone so far, by corner, oldest first.
    """

    corners: tuple[Corner, ...]
    mode: str = "failing"
    only: str = ""
    lead_s: float = 2.0
    lost: Mapping[str, float] = field(default_factory=dict)
    known: Mapping[str, Sequence[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._alone = {name: deque(tries, SURE) for name, tries in self.known.items()}
        self._following = Following(self.corners)

    def at(self, progress: float, speed: float) -> str:
        """Return the corner for which the wheel is offered at this place (m) and speed (m/s), "" for none."""
        if self.mode == "off":
            return ""
        name, seconds = next_corner(self.corners, progress, speed)
        if seconds is None or seconds > self.lead_s or (self.only and name != self.only):
            return ""
        slow = self.mode == "slow" and self.lost.get(name, 0.0) >= SLOW_S
        return name if self.mode == "all" or slow or not self.sure(name) else ""

    def lost_at(self, progress: float, speed: float) -> tuple[str, float] | None:
        """Return the corner ahead, and what it costs in a lap (s); None where that is little or not known."""
        name, _ = next_corner(self.corners, progress, speed)
        lost = self.lost.get(name, 0.0)
        return (name, lost) if lost >= SLOW_S else None

    def allowed(self, progress: float) -> bool:
        """Tell whether the wheel may be taken at this place (m)."""
        if not self.only:
            return True
        return any(c.from_m - ONLY_BEFORE_M <= progress < c.to_m for c in self.corners if c.name == self.only)

    def sure(self, name: str) -> bool:
        """Tell whether the agent has passed that corner by itself each of the last times."""
        tries = self._alone.get(name, ())
        return len(tries) == SURE and all(tries)

    def meant(self, progress: float, speed: float) -> Corner | None:
        """Return the corner for which a takeover at this place (m) and speed (m/s) is meant, as far as can be told there."""
        offered = self.at(progress, speed)  # by the speed, so perhaps farther ahead than what is near
        return next((c for c in self.corners if offered and c.name == offered), None) or corner_at(self.corners, progress)

    def begin_episode(self, progress: float) -> None:
        """An episode begins at this place (m)."""
        self._following.begin(progress)

    def helped(self, progress: float) -> None:
        """The human drove at this place (m)."""
        self._following.step(progress, human=True)

    def end_episode(self, farthest: float, reason: str) -> None:
        """The episode is over, that far along (m): note how the agent did at the corners that it drove without help."""
        for corner, passed, alone in self._following.end(farthest, reason):
            if alone:
                self.tried(corner.name, passed)

    def tried(self, name: str, passed: bool) -> None:
        """The agent drove that corner without help."""
        self._alone.setdefault(name, deque(maxlen=SURE)).append(passed)


RUMBLES: dict[str, tuple[float, float, float]] = {
    "takeover": (0.6, 0.2, 0.12),
    "hand_back": (0.1, 0.6, 0.2),
    "interrupted": (0.8, 0.8, 0.4),
    "zone": (0.0, 0.35, 0.25),
    "asked-for": (0.5, 0.8, 0.35),
}
"""What the pad does (strong, weak, seconds) when the wheel changes hands, and when it is offered."""
