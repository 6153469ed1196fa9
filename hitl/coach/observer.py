"""The coach in a session: what happens there becomes what the coach's rules are asked, and what they answer is said.

It looks on, tick by tick, and decides nothing about the drive. It remembers the takeovers for the end of the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from data.records import DRIVING_FAULTS, HUMAN, Corner
from hitl.coach.rules import Coach, Ended, Said, Say
from hitl.coach.speeds import Speeds
from hitl.protocols import EpisodeResult, Tick
from hitl.road.attempts import Following

STANDS_S = 8.0  # s for which what was said of a takeover may still be read; whether it is, its speaker knows


@dataclass
class Looking:
    """How long a person had to look, and how much of it they drove, in seconds of real time and of driving."""

    looked_s: float = 0.0
    drove_s: float = 0.0
    called: bool = False
    """Whether they only had to look when the agent called."""
    failed: int = 0
    """Then: drives without noise that failed, for which it may call."""
    failed_noisy: int = 0
    """Those with noise, for which it does not where others are without."""
    practised: tuple[str, int, int] | None = None
    """The corner that was practised, tries that came through, and all; None where none was."""


@dataclass
class Coaching:
    """Follows a session. ``say`` is told each sentence and must return at once."""

    coach: Coach
    corners: Sequence[Corner]
    say: Say
    hz: float = 20.0
    speeds: Speeds = field(default_factory=Speeds)
    key: Callable[[str], str] = str
    """Returns what the player's button with a meaning is called."""
    takeovers: list[Ended] = field(default_factory=list)
    """Those whose outcome is known, in that order; without those that were judged bad before it was."""
    helped: bool = False
    """Whether the player has driven, for however short a time."""
    before: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By corner: passes alone, and attempts, as they were when the session began."""

    lost: bool = False
    """Whether there are checkpoints here of which none can be read."""
    drives: int = 0
    """Drives of the agent alone in this session that came to an end of their own."""
    failed: int = 0
    """Those of them that ended by a fault of the driving."""

    def __post_init__(self) -> None:
        for corner in self.corners:
            if (known := self.coach.learned(corner.name)) is not None:
                self.before[corner.name] = known.passes, known.of
        self._driven_s = 0.0
        self._judged_s = 0.0  # when a takeover was judged last
        self._offer = ""
        self._following = Following(self.corners)
        self._newest: tuple[float, float] | None = None  # progress and speed at the newest tick
        self._weights: int | None = None
        self._failed: Ended | None = None

    def forget(self, *, lost: bool) -> None:
        """What is known of the corners is another agent's than the one that drives. ``lost``: see there."""
        self.coach.forget()
        self.before.clear()
        self.lost = lost

    def begin_episode(self, progress: float, weights: int | None) -> None:
        """An episode begins at that metre; the agent drives it with those weights."""
        self._weights, self._offer = weights, ""
        self._newest, self._failed = None, None
        self._following.begin(progress)
        self.speeds.begin()

    def tick(self, tick: Tick, offered: str) -> bool:
        """A step was driven; returns whether anything was said of an offer.

        ``offered``: the corner for which the wheel is offered, whatever the reason.
        """
        if tick.decision.paused:
            return False
        self._driven_s += 1.0 / self.hz
        progress, speed = float(tick.info["progress"]), float(tick.info["state"].speed)
        self._newest = progress, speed
        self.speeds.step(progress, speed)
        human = tick.decision.driver == HUMAN
        self.helped |= human
        self._following.step(progress, human=human)
        new = tick.offer and tick.offer != self._offer and not human
        said = self.coach.offered(offered, tick.offer, tick.risk, self._driven_s) if new else []
        self._say_all(said)
        self._offer = tick.offer
        return bool(said)

    def ended(self, takeover: Ended) -> None:
        """A takeover's outcome is known."""
        verdict, *more = self.coach.ended(takeover)
        if self.takeovers and self._driven_s - self._judged_s < STANDS_S:  # else the two would be read as said of one
            later = takeover.number > self.takeovers[-1].number
            verdict = replace(verdict, first="coach_after" if later else "coach_before")
        self.takeovers.append(takeover)
        self.helped = True
        self._judged_s = self._driven_s
        self._say_all([verdict, *more])
        if takeover.outcome == "failed" and takeover.reason is None:
            self._failed = takeover

    def end_episode(self, result: EpisodeResult) -> None:
        """The episode is over: what it says of the corners that the agent drove alone, and of a takeover that failed in it."""
        if self._failed is not None and self._newest is not None and result.reason in DRIVING_FAULTS:
            self._say_all(self.speeds.advice(*self._newest))
        if not result.human_steps and result.purpose != "lap" and (result.reason == "finish" or result.reason in DRIVING_FAULTS):
            self.drives += 1
            self.failed += result.reason in DRIVING_FAULTS
        came = list(self._following.end(result.progress, result.reason))
        for corner, passed, alone in came:
            if passed:
                self.speeds.passed(corner)
            if alone and result.purpose != "lap":
                self._say_all(self.coach.alone(corner.name, passed, self._weights, self._driven_s))
        if came and all(alone for *_, alone in came) and result.purpose != "lap":
            self._say_all(self.coach.drove(result.reason in DRIVING_FAULTS))

    def measured(self, corner: str, passes: Iterable[bool]) -> None:
        """The agent was measured beside this session: whether it passed that corner, by attempt."""
        self.coach.measured(corner, passes, self._driven_s)

    def _say_all(self, sentences: Sequence[Said]) -> None:
        for said in sentences:
            self.say(replace(said, values={**said.values, **self._keys(said)}))

    def _keys(self, said: Said) -> Mapping[str, Any]:
        return {"key": self.key("star")} if said.name == "coach_not_counted" else {}
