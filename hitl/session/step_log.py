"""What is written down of a drive, whoever's loop makes its steps: `hitl play`'s, or one of a script."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.reading.attempts import corner_at
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN, StepRow
from data.tables.lap_times import noted
from hitl.arbiter import Decision
from hitl.drivers.human import HumanSide, button_names, persons_pad
from hitl.games.base import VehicleState
from hitl.protocols import Clock, EpisodeResult
from hitl.session.driver_choice import DriverChoice
from hitl.session.offers import CornerOffers
from hitl.session.segments import Segments

EVENTS = {
    "takeover": "The player takes the wheel.",
    "hand_back": "The agent drives again.",
    "paused": "Paused.",
    "resumed": "The session goes on.",
    "panic": "Panic: everything is let go and the episode ends.",
}


class StepLog:
    """Writes down who has the wheel, what the player's buttons say of what was driven, each step, and how an episode ends.

    ``offers`` know for which corner a takeover is meant; ``keep_s``: how much (s) one press keeps.
    """

    def __init__(
        self, recorder: Recorder, segments: Segments, choice: DriverChoice, clock: Clock, offers: CornerOffers, keep_s: float
    ) -> None:
        self._recorder, self._segments, self._choice = recorder, segments, choice
        self._clock, self._offers, self._keep_s = clock, offers, keep_s
        self._number = 0  # of the episode in its session
        self._reached: float | None = None  # m, after its last step
        self.result, self.driver = EpisodeResult("drive"), AGENT
        """How the newest episode goes, and who drove its newest step."""
        self.is_open = False
        """Whether an episode is being recorded."""

    def begin(self, purpose: str) -> EpisodeResult:
        """An episode begins: nothing of it is driven yet, and nothing recorded."""
        self.result, self.driver, self.is_open = EpisodeResult(purpose), AGENT, False
        self._reached = None
        self._segments.begin_episode()
        return self.result

    def record(self, seed: int | None, checkpoint_id: int | None = None) -> None:
        """Record what is driven of it from now on."""
        self._number = self._recorder.begin_episode(self.result.purpose, seed, checkpoint_id)
        self.is_open = True

    def decided(self, decision: Decision, human: HumanSide, state: VehicleState, progress: float) -> None:
        """Who drives the step that begins there (m) is decided: note what changes with it, and what the player's buttons say."""
        if decision.event is not None:
            self._changes(decision, human, state, progress)
        self.judged(decision.pressed, human, paused=decision.paused)

    def judged(self, pressed: frozenset[str], human: HumanSide, *, paused: bool) -> None:
        """Take in what the buttons that have just gone down say of what was driven last."""
        if "star" in pressed:
            star, go = (button_names(persons_pad(human), meaning) for meaning in ("star", "pause"))
            self._segments.star(star, go if paused else "")
        if "discard" in pressed:
            self._segments.discard(button_names(persons_pad(human), "discard"))
        if "keep" in pressed:
            self._segments.keep(self._keep_s, button_names(persons_pad(human), "star"))

    def step(
        self,
        observation: NDArray[np.float32],
        proposed: NDArray[np.float32],
        decision: Decision,
        before: tuple[VehicleState, float],
        answer: tuple[float, bool, bool],
        after_m: float,
        *,
        off_road: bool,
        risk: float | None = None,
        checkpoint_id: int | None = None,
    ) -> None:
        """The step was made. ``before``: the car and its progress (m) as it began; ``answer``: (reward, terminated, truncated).

        ``after_m``, ``off_road``: where that has led.
        """
        (state, progress), (reward, terminated, truncated), result = before, answer, self.result
        row = StepRow(
            observation=observation, executed=decision.executed, proposed=proposed, driver=decision.driver,
            reward=reward, terminated=terminated, truncated=truncated and not terminated, progress=progress,
            x=state.x, y=state.y, z=state.z, heading=state.heading, speed=state.speed,
            risk=risk, checkpoint_id=checkpoint_id,
        )  # fmt: skip
        self._recorder.step(row)
        self._segments.step(row)
        result.total += reward
        result.steps += 1
        result.human_steps += decision.driver == HUMAN
        result.progress = max(result.progress, after_m)
        self._reached = after_m
        self.driver = decision.driver
        if not (terminated or truncated or off_road):
            self._segments.judge(self._clock.now(), after_m)

    def end(self, end: str, last: NDArray[np.float32] | None, *, lost: bool = False) -> None:
        """The episode is over, for the reason in ``result``. ``last``: what its last step has led to, where that was seen.

        ``lost``: the environment failed in the middle of a step.
        """
        result, self.is_open = self.result, False
        self._segments.end_episode(self._clock.now(), result, interrupted=lost, unused=self._choice.unused)
        self._recorder.end_episode(end, result.reason, last, self._reached)
        if result.reason == "finish" and result.lap_s is not None and result.purpose != "practice":
            self._recorder.event(*noted(self._number, result.lap_s))

    def _changes(self, decision: Decision, human: HumanSide, state: VehicleState, progress: float) -> None:
        """The wheel changes hands, or the session pauses or goes on."""
        event, corner = str(decision.event), corner_at(self._offers.corners, progress)
        if event == "takeover":
            corner = self._offers.meant(progress, state.speed)
        if self.is_open and event == "takeover":
            self._segments.begin_takeover(decision.trigger, corner, self.result.steps)
            self.result.takeovers += 1
        elif self.is_open:
            self._segments.end_takeover(self._clock.now(), event == "interrupted", self._choice.unused)
        kind, level, text = event, "info", EVENTS.get(event, "")
        if event == "interrupted":
            kind, level, text = "pad_lost", "warning", self._choice.lost(human, lap=self.result.purpose == "lap")
        where = {"progress": round(float(progress), 1), "corner": corner.name if corner else None}
        self._recorder.event(kind, text, level=level, data={"trigger": decision.trigger, **where})
