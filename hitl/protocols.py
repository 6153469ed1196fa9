"""What a session asks of its policy and its clock, and what it reports: small protocols and records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from data.records import Corner
from hitl.arbiter import Decision
from hitl.pads.base import PadState


class Policy(Protocol):
    """What drives when the human does not."""

    checkpoint_id: int | None

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return the action for an observation (O,), in [-1, 1]."""

    def begin_episode(self) -> None:
        """Take newer weights, if there are any (they change at no other moment), and forget the last episode."""


@runtime_checkable
class Remembering(Protocol):
    """A policy that remembers its episode. It is told of every step, whoever drove, but not of pauses."""

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """The step after the last ``act`` was made, with this action (A,)."""


@runtime_checkable
class Placed(Protocol):
    """A policy whose action depends on the place, which observations need not tell."""

    def at(self, progress: float) -> None:
        """The car is at this metre in the tick for which ``act`` is called next."""


@runtime_checkable
class ReadLate(Protocol):
    """A policy that is a device: what it says is read again as late as the player's pad, just before an action is sent."""

    notices: list[str]
    """Sentences for the player, also in mid-episode; whoever says them empties it."""

    def now(self) -> NDArray[np.float32]:
        """Return the action (A,) that it proposes now."""

    def ready(self) -> bool:
        """Tell whether it can drive, so that an episode may begin."""

    def asks_restart(self) -> bool:
        """Tell whether it wants to begin again."""


class FrozenAgent(Protocol):
    """An agent that stays as it is."""

    def act(self, observation: NDArray[np.float32], deterministic: bool) -> NDArray[np.float32]:
        """Return its action (A,) in [-1, 1] for an observation (O,)."""

    def begin_episode(self) -> None:
        """It forgets the last episode."""

    def stepped(self, executed: NDArray[np.float32]) -> None:
        """A step was made with this action (A,), whoever drove."""


@runtime_checkable
class Holding(Protocol):
    """A policy that chooses its weights by how far its drives come."""

    def drive_begins(self, deterministic: bool) -> None:
        """A drive begins, after ``begin_episode``: with noise or without."""

    def drive_ended(self, share: float) -> None:
        """The agent came so far in the drive, as a share of the lap (0 to 1), without help."""


class Clock(Protocol):
    """The session's time."""

    @property
    def late(self) -> int:
        """Ticks whose action was sent late."""

    def now(self) -> float:
        """Seconds; never backwards."""

    def wait_for_send(self) -> None:
        """Return when the running time-step ends."""

    def sending(self) -> None:
        """An action is sent now: note how late it is."""

    def hold(self) -> None:
        """The session is paused for one more tick: some real time passes, but no game time."""

    def rest(self) -> None:
        """An episode has ended: time may pass until the next one begins."""

    def lost(self) -> None:
        """The environment was lost in the middle of an episode: start a new rhythm with the next one, and wait for nothing."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick, for the screens."""

    info: dict[str, Any]
    decision: Decision
    proposed: NDArray[np.float32]
    episode_return: float
    purpose: str
    risk: float | None = None
    offer: str = ""  # why the wheel is offered: ``zone``, ``asked-for``
    late: int = 0  # ticks so far whose action was sent late
    steps: int = 0  # of this episode so far
    waits: bool = False  # the car stands until the player has come; nobody has paused it
    stands: bool = False  # the drive has not begun: what it would take back or end is not there yet


class Awaits(Protocol):
    """Decides how long a car stands before it drives on: one that was taken back, or one at the start of a lap."""

    def step(self, pad: PadState, seconds: float) -> Literal["stand", "drive", "give up"]:
        """Say what it does, ``seconds`` after the last look at the pad; after ``give up`` nothing is driven from there."""

    def pause(self) -> None:
        """The player has paused meanwhile: what it shows makes room, and the pad is looked at anew when they go on."""


@dataclass(slots=True)
class EpisodeResult:
    """How an episode went."""

    purpose: str
    reason: str = ""  # ``finish``, ``off_road``, ``stalled``, ``over`` (not known), ``time_limit``, ``panic``, ``stopped``
    steps: int = 0
    human_steps: int = 0
    takeovers: int = 0
    total: float = 0.0  # return, undiscounted
    progress: float = 0.0  # farthest metre reached
    lap_s: float | None = None  # the time of a finished lap
    passed: dict[str, bool] = field(default_factory=dict)  # by corner: its end was left on the road

    def judge(self, corners: tuple[Corner, ...]) -> EpisodeResult:
        """Fill in ``passed``. An episode ends when the car leaves the road, so a corner whose end was reached was passed."""
        self.passed = {c.name: self.progress >= c.to_m for c in corners}
        return self
