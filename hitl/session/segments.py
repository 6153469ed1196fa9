"""The takeovers and laps of a session: opened, closed, judged by what follows them, and starred by the player."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data.demos import DemoRule
from data.recording.recorder import Recorder
from data.records import Corner
from hitl.protocols import EpisodeResult
from hitl.session.outcome import Course, OutcomeJudge


class Segments:
    """Keeps at most one segment open. ``starred``: the numbers of those that the player starred and that are not stored yet."""

    def __init__(self, recorder: Recorder, rule: DemoRule, hz: float, tell: Callable[[str, str], None]) -> None:
        self._recorder, self._rule, self._hz, self._tell = recorder, rule, hz, tell
        self.starred: list[int] = []
        self._latest: int | None = None  # the newest takeover or lap of this session, for the star
        self.begin_episode()

    def begin_episode(self) -> None:
        """Nothing is open, and nothing waits to be judged."""
        self._open: int | None = None
        self._lap = False
        self._course = Course(0)
        self._judge = OutcomeJudge()

    def begin_lap(self, trigger: str) -> None:
        """The episode is a lap of the player's, from start to end."""
        self._open = self._latest = self._recorder.begin_segment("lap", trigger=trigger)
        self._lap = True

    def begin_takeover(self, trigger: str, corner: Corner | None, steps: int) -> None:
        """The player takes the wheel after that many steps of the episode, in or before that corner."""
        self._open = self._latest = self._recorder.begin_segment("takeover", trigger, corner.name if corner else None)
        self._judge.taken(self._open, corner)
        self._course = Course(steps)

    def end_takeover(self, time: float, interrupted: bool) -> None:
        """The player drives no more: close a takeover that runs."""
        if self._open is None or self._lap:
            return
        self._recorder.end_segment(self._open, interrupted=interrupted)
        self._judge.handed_back(time)
        self._dismiss_if_nothing_shown(self._open)
        self._open = None

    def step(self, info: dict[str, Any]) -> None:
        """A step was driven from there."""
        if self._open is not None:
            state = info["state"]
            self._course.step(info["progress"], state.x, state.y, state.speed)

    def judge(self, time: float, progress: float) -> None:
        """The car is on the road at that time (s) and progress (m): some outcomes are certain now."""
        for number, outcome in self._judge.step(time, progress):
            self._recorder.set_outcome(number, outcome)

    def end_episode(self, time: float, result: EpisodeResult, interrupted: bool = False) -> None:
        """Close what is open, and give the rest its outcome. ``interrupted``: the environment was lost."""
        opened, self._open = self._open, None
        if opened is not None:
            self._dismiss_if_nothing_shown(opened)
        outcomes = self._judge.over(time, result.reason, result.progress)
        if opened is not None and interrupted:
            self._recorder.end_segment(opened, interrupted=True)
        elif opened is not None:
            of_a_lap = "cleared" if result.reason == "finish" else "failed"
            self._recorder.end_segment(opened, outcome=of_a_lap if self._lap else "unclear")
        for number, outcome in outcomes:
            self._recorder.set_outcome(number, outcome)

    def star(self) -> None:
        """Star the newest takeover or lap, also when its episode is over: a person presses when they see how it ended."""
        if self._latest is None:
            self._tell("info", "Nothing to star yet: take over first.")
        elif self._latest not in self.starred:
            self.starred.append(self._latest)
            self._recorder.event("star", "The player starred what was just driven.")
            self._tell("good", "Starred: what you drove last.")

    def _dismiss_if_nothing_shown(self, takeover: int) -> None:
        """See whether a takeover that is over shows anything; one that does not has no outcome, and the player is told."""
        if self._lap or not self._course.steps:
            return
        if why := self._course.nothing_shown(self._hz, self._rule):
            self._judge.dismissed(takeover)
            text = f"That takeover shows the agent nothing, so it is not learned from: {why}."
            self._recorder.event("nothing_shown", text, data={"segment": takeover})
            self._tell("info", text)
