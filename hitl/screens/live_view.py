"""What the player is shown: turns ticks into views and hands them to the window, which takes the newest and drops the rest."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.records import DRIVING_FAULTS, HUMAN, Corner
from hitl.games.base import VehicleState
from hitl.road.track import Track
from hitl.session.offers import next_corner
from hitl.session.session import EpisodeResult, Tick
from takeover_ui.view import RecorderState, Scene, TrainerState, View

FULL_LOCK = 0.4  # rad of the drawn front wheels
SHOWN_LINES = 6  # of each kind


class ViewSink(Protocol):
    """Takes views, as :class:`takeover_ui.window.window.Window` does."""

    def send(self, view: View) -> None:
        """Show it when there is time."""


@dataclass
class LiveView:
    """Keeps what outlives a tick (lines driven, the best return, failures) and makes a view of each tick."""

    screen: ViewSink
    track: Track
    corners: tuple[Corner, ...]
    action_names: tuple[str, ...]
    message: str = ""
    hint: str = ""
    trainer: TrainerState | None = None
    store: RecorderState | None = None
    ceiling: float | None = None
    evaluations: tuple[tuple[float, float], ...] = ()
    late_ticks: int = 0
    best_return: float | None = None
    episodes: int = 0
    takeovers: int = 0
    human_steps: int = 0
    agent_steps: int = 0
    hz: float = 20.0
    _failures: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    _driving: int = -1
    _line: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        line = self.track.line
        self._scene = Scene(
            track=self.track.name,
            points=line.points,
            half_width=self.track.half_width,
            length=line.length,
            corners=self.corners,
            action_names=self.action_names,
        )
        self._lines: tuple[deque[NDArray[np.float32]], deque[NDArray[np.float32]]] = (
            deque(maxlen=SHOWN_LINES),
            deque(maxlen=SHOWN_LINES),
        )

    def __call__(self, tick: Tick) -> None:
        """Show one tick."""
        state: VehicleState = tick.info["state"]
        decision = tick.decision
        human = decision.driver == HUMAN
        if decision.event == "takeover":
            self.takeovers += 1
        self.late_ticks = max(self.late_ticks, tick.late)
        if tick.purpose != "evaluation":
            self.human_steps += human
            self.agent_steps += not human
        self._follow_line(state, decision.driver)
        name, seconds = next_corner(self.corners, tick.info["progress"], state.speed)
        self.screen.send(
            View(
                scene=self._scene,
                driver="paused" if decision.paused else "human" if human else "agent",
                stand_in=decision.trigger == "scripted",
                proposed=tuple(float(v) for v in tick.proposed),
                executed=tuple(float(v) for v in decision.executed),
                speed=state.speed,
                progress=tick.info["progress"],
                x=state.x,
                y=state.y,
                heading=state.heading,
                velocity=(state.vx, state.vy),
                yaw_rate=state.yaw_rate,
                wheel_angle=-state.steer * FULL_LOCK,
                on_road=abs(tick.info["place"].offset) <= self.track.half_width,
                next_corner=name,
                countdown=seconds,
                help_wanted=tick.offer == "asked-for",
                held=tuple(sorted(decision.held)),
                risk=tick.risk,
                episode=self.episodes + 1,
                episode_return=tick.episode_return,
                best_return=self.best_return,
                ceiling=self.ceiling,
                takeovers=self.takeovers,
                human_seconds=self.human_steps / self.hz,
                agent_steps=self.agent_steps,
                trainer=self.trainer,
                store=self.store,
                evaluations=self.evaluations,
                failures=tuple(self._failures),
                late_ticks=self.late_ticks,
                message=self.message,
                hint=self.hint,
                agent_trails=tuple(self._lines[0]),
                human_trails=tuple(self._lines[1]),
            )
        )

    def episode_over(self, result: EpisodeResult) -> None:
        """An episode has ended: keep what the next ones show of it."""
        self.episodes += 1
        if result.reason in DRIVING_FAULTS:
            self._failures.append(result.progress)
        whole = result.purpose != "practice"  # a try at one corner is no episode to compare with
        if whole and result.human_steps == 0 and (self.best_return is None or result.total > self.best_return):
            self.best_return = result.total
        self._end_line()

    def _follow_line(self, state: VehicleState, driver: int) -> None:
        jumped = bool(self._line) and math.dist(self._line[-1], (state.x, state.y)) > 10.0
        if driver != self._driving or jumped:
            self._end_line()
            self._driving = driver
        self._line.append((state.x, state.y))

    def _end_line(self) -> None:
        if len(self._line) > 1:
            self._lines[1 if self._driving == HUMAN else 0].append(np.array(self._line, np.float32))
        self._line = []
