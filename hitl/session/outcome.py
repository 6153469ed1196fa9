"""What became of a takeover: decided by what followed, never by the driver's intention."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from data.demos import DemoRule, Reason
from data.records import DRIVING_FAULTS, Corner

SURVIVE_S = 2.0  # s on the road after a hand-back that clear a takeover which belongs to no corner
BLAME_S = 1.0  # s after a hand-back within which a crash still counts as the human's


@dataclass
class Course:
    """How far a takeover has led so far: what the store will say of it, known while it is driven."""

    start: int
    """Steps of the episode before it."""
    trigger: str = ""
    steps: int = 0
    metres: list[float] = field(default_factory=list)
    """Progress at each of these steps."""
    _ways: list[tuple[float, float]] = field(default_factory=list)  # least and largest progress, x and y
    _placed: bool = False

    def step(self, progress: float, x: float, y: float, speed: float) -> None:
        """A step of the takeover was driven from there (m, m, m, m/s)."""
        self.steps += 1
        self.metres.append(progress)
        here = (progress, x, y)
        ways = self._ways or [(place, place) for place in here]
        self._ways = [(min(low, place), max(high, place)) for (low, high), place in zip(ways, here, strict=True)]
        self._placed = self._placed or any((*here, speed))

    @property
    def moved(self) -> float | None:
        """Metres; None where the car's place is not known (an environment without a line says 0 everywhere)."""
        return max((high - low for low, high in self._ways), default=0.0) if self._placed else None

    def nothing_shown(self, hz: float, rule: DemoRule) -> Reason | None:
        """Return why it shows nothing if it ends now; None where it shows something."""
        return rule.too_little(self.start, self.steps / hz, self.moved, self.trigger)


@dataclass
class _Pending:
    number: int
    corner: Corner | None
    ended_at: float = math.inf  # s; the human still drives until then


class OutcomeJudge:
    """Follows the takeovers of one episode. ``step`` and ``end_episode`` return (number, outcome) where it is certain now.

    A takeover that shows nothing has cleared nothing and failed at nothing: ``dismissed`` leaves it ``unclear``.
    """

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def taken(self, number: int, corner: Corner | None) -> None:
        """A takeover has begun, in or before that corner."""
        self._pending.append(_Pending(number, corner))

    def filed(self, number: int, corner: Corner) -> None:
        """A takeover that began before no corner has driven into that one."""
        for pending in self._pending:
            if pending.number == number:
                pending.corner = corner

    def handed_back(self, time: float) -> None:
        """The agent drives again."""
        for pending in self._pending:
            pending.ended_at = min(pending.ended_at, time)

    def dismissed(self, number: int) -> None:
        """That takeover shows nothing, so nothing that follows is its outcome."""
        self._pending = [pending for pending in self._pending if pending.number != number]

    def step(self, time: float, progress: float) -> list[tuple[int, str]]:
        """The car is on the road at that time (s) and progress (m)."""
        cleared = [
            pending
            for pending in self._pending
            if time >= pending.ended_at
            and (progress >= pending.corner.to_m if pending.corner else time - pending.ended_at >= SURVIVE_S)
        ]
        for pending in cleared:
            self._pending.remove(pending)
        return [(pending.number, "cleared") for pending in cleared]

    def end_episode(
        self, time: float, reason: str, progress: float = 0.0, earned: Callable[[int], str] | None = None
    ) -> list[tuple[int, str]]:
        """The episode has ended for that reason (``finish``, ``off_road``, ``stalled``, ``through``, …), that far along (m).

        ``earned``: where there is no road, judges a takeover that lasted to this end by what it earned.
        """
        decided = []
        for pending in self._pending:
            # A practice try ends where the corner does: it was driven to its end, whoever drove.
            through = reason == "through" and pending.corner is not None and progress >= pending.corner.to_m
            if reason == "finish" or through:
                outcome = "cleared"
            elif earned is not None and time - pending.ended_at <= BLAME_S:
                outcome = earned(pending.number)
            elif reason in (*DRIVING_FAULTS, "rewound") and time - pending.ended_at <= BLAME_S:
                outcome = "failed"  # whoever takes the car back did not want what they drove last
            else:
                outcome = "unclear"
            decided.append((pending.number, outcome))
        self._pending.clear()
        return decided
