"""What the session asks of its parts, and what it tells: small protocols and records, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from data.records import Corner, StepRow
from hitl.arbiter import Decision


class Policy(Protocol):
    """What drives when the human does not."""

    checkpoint_id: int | None

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return the action for an observation (O,), in [-1, 1]."""

    def begin_episode(self) -> None:
        """Take newer weights, if there are any: the only moment at which they change. What was remembered is forgotten."""


@runtime_checkable
class Remembering(Protocol):
    """A policy that remembers its episode: it is told of every step that was made, by whomever, and of no pause."""

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """The step after the last ``act`` was made, with this action (A,)."""


class Recorder(Protocol):
    """What the session needs of :class:`data.recording.recorder.Recorder`."""

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
    """The session's time. ``late`` counts the ticks whose action was sent late."""

    @property
    def late(self) -> int:
        """Ticks whose action was sent late."""

    def now(self) -> float:
        """Seconds; never backwards."""

    def wait_for_send(self) -> None:
        """Return when the running time-step ends."""

    def sending(self) -> None:
        """An action is sent now: its lateness is noted."""

    def hold(self) -> None:
        """The session is paused for one more tick: some real time passes, and none of the game's."""

    def rest(self) -> None:
        """An episode has ended: time may pass until the next one begins."""

    def lost(self) -> None:
        """The environment was lost in mid-episode: the next one begins with a new rhythm. Nothing is waited for."""


class Foresight(Protocol):
    """Judges how likely the agent is to fail soon, and when it should ask for help."""

    def begin(self) -> None:
        """An episode begins."""

    def step(
        self, observation: NDArray[np.float32], proposed: NDArray[np.float32], agent: bool
    ) -> tuple[float | None, bool]:
        """Return (risk from 0 to 1 or None, whether help is asked for) in this step; ``agent``: the agent drove the last one."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick was, for whoever watches."""

    info: dict[str, Any]
    decision: Decision
    proposed: NDArray[np.float32]
    episode_return: float
    purpose: str
    risk: float | None = None
    offer: str = ""  # why the wheel is offered: ``zone``, ``asked-for``
    late: int = 0  # ticks so far whose action was sent late


@dataclass(slots=True)
class EpisodeResult:
    """What an episode came to."""

    purpose: str
    reason: str = ""  # ``finish``, ``off_road``, ``stalled``, ``over`` (not known), ``time_limit``, ``panic``, ``stopped``
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
