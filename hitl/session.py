"""A session: the agent drives, the player takes the wheel, and everything is written down.

One tick, twenty times a second:

1. The agent says what it would do (``proposed``).
2. As late as the clock allows, the player's pad is read.
3. The arbiter decides who drives; that action is sent (``executed``).
4. The game answers: what the car sees now, the reward, and whether the episode is over.
5. The step is handed to the recorder, which writes it down on its own thread.
6. Whoever watches is shown the newest state.

Nothing in a tick waits for the disk, the screen or the trainer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.records import AGENT, HUMAN, StepRow
from hitl import arbiter
from hitl.corners import Corner
from hitl.outcome import OutcomeJudge
from hitl.pads.base import braking_action, neutral_action, to_action
from hitl.wheel import Nobody, Wheel

APPROACH_M = 30.0  # m before a corner within which a takeover is meant for it


class Policy(Protocol):
    """What drives when the human does not."""

    checkpoint_id: int | None

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return the action for an observation (O,), in [-1, 1]."""

    def begin_episode(self) -> None:
        """Take newer weights, if there are any: the only moment at which they change."""


class Recorder(Protocol):
    """What the session needs of :class:`data.recorder.Recorder`."""

    def begin_episode(self, purpose: str = ..., seed: int | None = ..., checkpoint_id: int | None = ...) -> int:
        """Open an episode."""

    def step(self, row: StepRow) -> None:
        """Take one step; must cost microseconds."""

    def begin_segment(
        self, kind: str, trigger: str = ..., corner: str | None = ..., priority: float | None = ...
    ) -> int:
        """Open a segment at the next step; returns its token."""

    def end_segment(self, token: int, outcome: str = ..., interrupted: bool = ...) -> None:
        """Close a segment behind the last step."""

    def set_outcome(self, token: int, outcome: str) -> None:
        """Say what became of it."""

    def end_episode(self, end: str, reason: str, last_observation: NDArray[np.float32] | None = ...) -> None:
        """Close the episode."""

    def event(self, kind: str, message: str, level: str = ..., data: Any = ...) -> None:
        """Note something that happened."""


class Clock(Protocol):
    """The session's time."""

    def now(self) -> float:
        """Seconds; never backwards."""

    def wait_for_send(self) -> None:
        """Return shortly before the running time-step ends."""


class LockstepClock:
    """Time that passes only by ticks, for environments that wait for us."""

    def __init__(self, hz: float) -> None:
        self._dt, self._ticks = 1.0 / hz, 0

    def now(self) -> float:
        """Seconds of driving so far."""
        return self._ticks * self._dt

    def wait_for_send(self) -> None:
        """Count the tick; there is nothing to wait for."""
        self._ticks += 1


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick was, for whoever watches."""

    info: dict[str, Any]
    decision: arbiter.Decision
    proposed: NDArray[np.float32]
    episode_return: float
    purpose: str


@dataclass(slots=True)
class EpisodeResult:
    """What an episode came to."""

    purpose: str
    reason: str = ""  # ``finish``, ``off_road``, ``stalled``, ``time_limit``, ``panic``, ``stopped``
    steps: int = 0
    human_steps: int = 0
    takeovers: int = 0
    total: float = 0.0  # return, undiscounted
    progress: float = 0.0  # farthest metre reached
    passed: dict[str, bool] = field(default_factory=dict)  # by corner: its end was left on the road

    def judge(self, corners: tuple[Corner, ...]) -> EpisodeResult:
        """Fill in which corners were passed: an episode ends when the car leaves the road, so reaching the end is passing."""
        self.passed = {c.name: self.progress >= c.to_m for c in corners}
        return self


class Session:
    """Runs episodes in one environment.

    ``env``: a Gymnasium environment whose ``info`` holds ``state``, ``place``, ``progress`` and ``reason``. ``watch`` is called
    with each :class:`Tick`; it must return at once. ``stop`` is asked between ticks.
    """

    def __init__(
        self,
        env: Any,
        policy: Policy,
        recorder: Recorder,
        *,
        action_names: tuple[str, ...],
        corners: tuple[Corner, ...] = (),
        wheel: Wheel | None = None,
        settings: arbiter.Settings | None = None,
        clock: Clock | None = None,
        hz: float = 20.0,
        watch: Callable[[Tick], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        freeze: Callable[[], None] = lambda: None,
    ) -> None:
        """``freeze`` is called in every tick of a pause: it lets the game's time stand still and some real time pass."""
        self.env, self.policy, self.recorder = env, policy, recorder
        self.names, self.corners = action_names, corners
        self.wheel: Wheel = wheel or Nobody()
        self.settings = settings or arbiter.Settings()
        self.clock: Clock = clock or LockstepClock(hz)
        self.watch, self.stop, self.freeze = watch, stop, freeze
        self._neutral, self._braking = neutral_action(action_names), braking_action(action_names)
        self._state = arbiter.State()

    def episode(
        self, purpose: str = "drive", *, seed: int | None = None, start: Any = None, deterministic: bool | None = None
    ) -> EpisodeResult:
        """Drive one episode and return what it came to.

        ``purpose``: ``drive`` and ``practice`` explore and let the player take over; ``evaluation`` is greedy and alone;
        ``lap`` is the human's from start to end.
        """
        self.policy.begin_episode()
        self._greedy = purpose == "evaluation" if deterministic is None else deterministic
        self._alone = purpose == "evaluation"
        self._result = EpisodeResult(purpose)
        self._judge = OutcomeJudge()
        self._segment: int | None = None
        self._state = arbiter.new_episode(self._state)
        self.wheel.begin()
        observation, info = self.env.reset(seed=seed, options={"start": start} if start is not None else None)
        self.recorder.begin_episode(purpose, seed, self.policy.checkpoint_id)
        if purpose == "lap":
            self._segment = self.recorder.begin_segment("lap", trigger=self.wheel.name)
        end = None
        while end is None:
            observation, info, end = self._tick(observation, info)
        self._finish(end, observation)
        return self._result.judge(self.corners)

    def _tick(
        self, observation: NDArray[np.float32], info: dict[str, Any]
    ) -> tuple[NDArray[np.float32], dict[str, Any], str | None]:
        proposed = self.policy.act(observation, self._greedy)
        self.clock.wait_for_send()
        decision = self._decide(proposed, info)
        if decision.event is not None:
            self._on_event(decision, info)
        if decision.event == "panic" or self.stop():
            return observation, {**info, "reason": decision.event or "stopped"}, "truncated"
        if decision.paused:  # nothing is sent and nothing recorded: for the game and the learner, no time passes
            if self.watch is not None:
                self.watch(Tick(info, decision, proposed, self._result.total, self._result.purpose))
            self.freeze()
            return observation, info, None
        after, reward, terminated, truncated, next_info = self.env.step(decision.executed)
        self._record(observation, proposed, decision, reward, terminated, truncated, info)
        result = self._result
        result.total += reward
        result.steps += 1
        result.human_steps += decision.driver == HUMAN
        result.progress = max(result.progress, next_info["progress"])
        result.reason = next_info.get("reason") or ""
        if not (terminated or truncated):
            for token, outcome in self._judge.step(self.clock.now(), next_info["progress"]):
                self.recorder.set_outcome(token, outcome)
        if self.watch is not None:
            self.watch(Tick(next_info, decision, proposed, result.total, result.purpose))
        return after, next_info, "terminated" if terminated else "truncated" if truncated else None

    def _decide(self, proposed: NDArray[np.float32], info: dict[str, Any]) -> arbiter.Decision:
        if self._alone:
            return arbiter.Decision(AGENT, proposed, 0.0, None, "")
        pad, hold = self.wheel.read(info)
        inputs = arbiter.Inputs(
            time=self.clock.now(),
            proposed=proposed,
            human=to_action(pad, self.names),
            neutral=self._neutral,
            braking=self._braking,
            pad=pad,
            hold=hold,
        )
        if self._result.purpose == "lap":
            return arbiter.Decision(HUMAN, inputs.human, 1.0, None, self.wheel.name)
        self._state, decision = arbiter.step(self._state, inputs, self.settings)
        return decision

    def _on_event(self, decision: arbiter.Decision, info: dict[str, Any]) -> None:
        if decision.event == "takeover":
            corner = self._corner_near(info["progress"])
            self._segment = self.recorder.begin_segment(
                "takeover", trigger=decision.trigger, corner=corner.name if corner else None
            )
            self._judge.taken(self._segment, corner)
            self._result.takeovers += 1
        elif self._segment is not None:  # every other event ends a takeover that runs
            self.recorder.end_segment(self._segment, interrupted=decision.event == "interrupted")
            self._judge.handed_back(self.clock.now())
            self._segment = None
        if decision.event == "interrupted":
            self.recorder.event(
                "pad_lost", "The pad went away in the middle of a takeover; the agent drives.", level="warning"
            )

    def _corner_near(self, progress: float) -> Corner | None:
        return next((c for c in self.corners if c.from_m - APPROACH_M <= progress < c.to_m), None)

    def _record(
        self,
        observation: NDArray[np.float32],
        proposed: NDArray[np.float32],
        decision: arbiter.Decision,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
    ) -> None:
        state = info["state"]
        self.recorder.step(
            StepRow(
                observation=observation,
                executed=decision.executed,
                proposed=proposed,
                driver=decision.driver,
                reward=reward,
                terminated=terminated,
                truncated=truncated,
                progress=info["progress"],
                x=state.x,
                y=state.y,
                z=state.z,
                heading=state.heading,
                speed=state.speed,
                checkpoint_id=self.policy.checkpoint_id,
            )
        )

    def _finish(self, end: str, observation: NDArray[np.float32]) -> None:
        result = self._result
        if not result.reason:
            result.reason = "stopped"
        outcomes = self._judge.over(self.clock.now(), result.reason)
        if self._segment is not None:
            lap = result.purpose == "lap"
            cleared = lap and result.reason == "finish"
            self.recorder.end_segment(self._segment, outcome="cleared" if cleared else "failed" if lap else "unclear")
            self._segment = None
        for token, outcome in outcomes:
            self.recorder.set_outcome(token, outcome)
        self.recorder.end_episode(end, result.reason, observation)


class RealTimeClock:
    """The wall's clock, in step with an rtgym environment.

    rtgym sends an action when the running time-step ends. Reading the pad only ``margin_s`` before that makes a press act on
    the very next send instead of the one after it.
    """

    def __init__(self, env: Any, margin_s: float = 0.003) -> None:
        self._env, self._margin = env.unwrapped, margin_s
        self._last_end: float | None = None

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.perf_counter()

    def wait_for_send(self) -> None:
        """Sleep until shortly before the end of the running time-step."""
        end = getattr(self._env, "_RealTimeEnv__t_end", None)
        if end is None:
            return
        if end == self._last_end:  # rtgym's thread has not come round to noting the new time-step yet
            end += self._env.time_step_duration
        self._last_end = end
        left = end - self._margin - time.perf_counter()
        if left > 0:
            time.sleep(left)
