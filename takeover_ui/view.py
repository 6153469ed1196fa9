"""What one frame shows, as plain records: the session fills them in, the window draws them.

A :class:`Scene` changes only with the track and is sent to the window once; each tick makes a new :class:`View`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.records import Corner

Driver = Literal["agent", "human", "paused", "waits", "over"]
Doing = Literal["learns", "starts", "waits", "rests", "paused"]
Level = Literal["info", "good", "warning", "error"]


_TOAST_S = 5.0  # at least
_LETTER_S = 0.07  # what it takes to read one


def toast_s(text: str) -> float:
    """Return for how long (s) a toast stands."""
    return max(_TOAST_S, len(text) * _LETTER_S)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The track and the names that hold for a whole session.

    ``points`` is the reference line, (N, 2) in metres; ``length`` its length in metres; ``corners`` lie
    along it. ``action_names`` name the entries of ``View.proposed`` and ``View.executed``.
    """

    track: str
    points: NDArray[np.float64]
    half_width: float
    length: float
    corners: tuple[Corner, ...] = ()
    action_names: tuple[str, ...] = ("gas_brake", "steer")

    @property
    def has_road(self) -> bool:
        """Whether there is a line to drive along; what stands for one elsewhere is a metre long."""
        return self.length > 2.0

    def corner(self, name: str | None) -> Corner | None:
        """Return the corner of that name, if it has one."""
        return next((corner for corner in self.corners if corner.name == name), None)


@dataclass(slots=True)
class TrainerState:
    """How the trainer is doing; ``alive`` is False when nothing has been heard of it for a while."""

    alive: bool = False
    finding_title: str = ""
    """A few words while the trainer finds why it cannot learn well."""
    far: bool = False
    """It is on another machine."""
    doing: Doing = "learns"
    """What it does while it is alive: all but the first means that nothing is learned at this moment."""
    missing: int = 0
    """Driven steps that it waits for; 0: not known."""


@dataclass(slots=True)
class RecorderState:
    """How the recorder is doing; ``problem`` is a sentence when steps are not reaching the disk."""

    queue: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class LapView:
    """Lap times in seconds; None where there is none yet. ``corner`` was left just now, ``delta`` s after the best lap did.

    ``to_best``, ``to_you``: how far behind (below 0: ahead of) the best lap and yours the car is at this place.
    """

    running: float = 0.0
    last: float | None = None
    best_you: float | None = None
    best_agent: float | None = None
    corner: str = ""
    delta: float | None = None
    to_best: float | None = None
    to_you: float | None = None


@dataclass(frozen=True, slots=True)
class LearnedView:
    """How far a corner is learned: ``passes`` of ``of`` alone, their interval (0 to 1), the share of the way, seconds to go."""

    corner: str
    passes: int = 0
    of: int = 0
    low: float = 0.0
    high: float = 1.0
    share: float = 0.0
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """Words in the middle of the window, until the next card comes or it is taken away.

    ``rows`` are a table, its heads first. ``keys`` says which keys do what now. ``closes``: Escape closes the window at once.
    """

    title: str
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    keys: str = ""
    closes: bool = False


@dataclass(slots=True)
class View:
    """Everything one frame needs. Lengths in metres, speed in m/s, angles in radians (heading counter-clockwise from +x)."""

    scene: Scene
    driver: Driver = "agent"
    agent: str = ""
    """The name of the agent that the player brought along; "" for the home's own."""
    corrected: bool = False
    """The home's own drives beside that agent here, as it was shown by the player."""
    stand_in: bool = False
    """The human side is the scripted driver: the screen then does not say that you drive."""
    lap: bool = False
    """The human drives a whole lap: the screen then says nothing about an agent's driving and about takeovers."""
    proposed: tuple[float, ...] | None = None
    """What the agent would do; None when it was not asked."""
    executed: tuple[float, ...] | None = None
    speed: float = 0.0
    progress: float = 0.0
    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0
    velocity: tuple[float, float] = (0.0, 0.0)
    """World velocity in m/s: frames between two ticks move the car along it."""
    yaw_rate: float = 0.0
    wheel_angle: float = 0.0
    """Angle of the front wheels against the car, counter-clockwise."""
    on_road: bool = True
    next_corner: str = ""
    countdown: float | None = None
    """Seconds to ``next_corner``; 0 inside it; None when none is near."""
    help_wanted: bool = False
    held: tuple[str, ...] = ()
    """What is held and therefore ignored until it is let go: ``left``, ``gas``, a button's or key's own name."""
    risk: float | None = None
    """The agent's own estimate of trouble ahead, 0 to 1."""
    episode_return: float = 0.0
    best_return: float | None = None
    """The best return on this track, ever: of the agent alone, in the player's laps of theirs."""
    ceiling: float | None = None
    """What is usual for the agent alone."""
    takeovers: int = 0
    human_seconds: float = 0.0
    trainer: TrainerState | None = None
    store: RecorderState | None = None
    evaluations: tuple[tuple[float, float], ...] = ()
    """(agent steps or number of the try, share 0 to 1 that went well), oldest first."""
    without_help: str = ""
    """What the newest share is of; "" in the demo, whose evaluations are all of one corner."""
    learned: LearnedView | None = None
    """The corner that is learned least; None before the agent has tried one alone."""
    times: LapView | None = None
    """None without a road."""
    failures: tuple[float, ...] = ()
    """Progress at which past episodes failed: the heat band."""
    late_ticks: int = 0
    message: str = ""
    """One line that stays while it holds, e.g. what the session is doing now."""
    way_on: str = ""
    """What ends a pause."""
    hint: str = ""
    """Which keys or buttons do what."""
    elsewhere: bool = False
    """Filled in by the window: another window has the keyboard, and no key does anything here."""
    fast: str = ""
    """Where the time runs faster than the clock: how fast, and which lap of how many. Corners are not announced then."""
    toasts: tuple[tuple[Level, str], ...] = ()
    """Filled in by the window from :meth:`takeover_ui.window.window.Window.toast`."""
    agent_trails: tuple[NDArray[np.float32], ...] = ()
    """Recent lines that the agent drove, (n, 2) each, oldest first."""
    human_trails: tuple[NDArray[np.float32], ...] = ()
    ahead: NDArray[np.float32] | None = None
    """Where the agent would go next, (n, 2) metres; None where that is not known."""
    ahead_off: int = 0
    """The first point of ``ahead`` that is off the road; n where none is."""
    at: float = field(default_factory=time.perf_counter)
    """When the state was true, on this machine's finest clock, which all processes share (the monotonic one of Windows ticks 64
    times a second)."""

    @property
    def finding(self) -> str:
        """What a trainer at work has found, in a few words; "" while it finds nothing, or is gone."""
        return self.trainer.finding_title if self.trainer is not None and self.trainer.alive else ""

    @property
    def who(self) -> str:
        """Which words name the driver: ``agent``, ``human``, ``stand_in``, ``paused``, ``waits`` or ``over``."""
        return "stand_in" if self.driver == "human" and self.stand_in else self.driver
