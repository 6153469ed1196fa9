"""The plain values that go into the store and come out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

import numpy as np

from data.fields import Whole, checked

AGENT, HUMAN = 0, 1
"""Who drove a step."""

ACTION_PENDING = "pending_"
"""What the names of an observation's numbers begin with that are the action about to act: it was decided one tick earlier."""

VERDICTS = ("unreviewed", "good", "bad", "star")
OUTCOMES = ("unclear", "cleared", "failed")
DRIVING_FAULTS = ("off_road", "stalled")
"""Reasons for which an episode ends that are the driving's fault."""
CUT_OFF = ("stopped", "panic", "restart", "rewound", "killed", "env_lost")
"""Reasons from outside: such an episode says nothing of how well it was driven."""
ITS_END = ("over", "time_limit", "finish")
"""Why an episode without a road ends by itself."""

ROADLESS = "gym:"
"""What the environment's word begins with where there is no road, so no line, no corner and no finish."""

PURPOSES = ("drive", "lap", "evaluation", "practice")
SESSION_KINDS = ("play", "demo", "evaluation", "import", "stall")
SEGMENT_KINDS = ("takeover", "lap", "kept")
ENDS = ("terminated", "truncated", "interrupted")


class Corner(NamedTuple):
    """A named stretch of a track's line, from ``from_m`` to ``to_m`` (metres of arc length)."""

    name: str
    from_m: float
    to_m: float

    def contains(self, progress: float) -> bool:
        """Return whether a car at that progress (m) is in the corner."""
        return self.from_m <= progress < self.to_m


def same_game(env: str) -> tuple[str, ...]:
    """Return the words of all environments that drive the same game as this one: a lap in one is a lap in the other."""
    return ("trackmania", "tmrl") if env in ("trackmania", "tmrl") else (env,)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What holds for every step of a session."""

    kind: str
    """One of ``SESSION_KINDS``."""
    env: str
    track: str
    hz: float
    """Control steps per second."""
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    reward: Mapping[str, Any] = field(default_factory=dict)
    """The reward settings in force."""
    seed: Whole | None = None
    driver: str = ""
    """What the human side is: ``pad``, ``keyboard``, ``scripted``."""
    frame_shape: tuple[int, ...] | None = None
    """Shape of one image, for observations that are images."""
    track_digest: str = ""
    """What the track's line is known by (``data.tables.tracks``); "" where there is none, or only the name is known."""

    @classmethod
    def from_json(cls, values: Any) -> SessionInfo:
        """Return the session that a JSON object describes, or a row of the store, in which lists and tables are JSON text.

        Raises ValueError when a field is missing or of another type. What a session of another person's must also keep to is
        in ``data.exchange.checks``: whatever was recorded here stays readable.
        """
        if not isinstance(values, Mapping):
            raise ValueError("a session is not a table")
        found = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        for name in ("reward", "driver"):  # NULL in the store where there is none
            if found.get(name, "") is None:
                del found[name]
        for name in ("observation_names", "action_names", "reward", "frame_shape"):
            if isinstance(text := found.get(name), str):
                found[name] = json.loads(text)
        return checked(found, cls, "session")


@dataclass(slots=True)
class StepRow:
    """One control step as the session saw it; arrays may be reused by the caller afterwards."""

    observation: np.ndarray
    """(O,) what the action was decided from."""
    executed: np.ndarray
    """(A,) what the game received."""
    proposed: np.ndarray
    """(A,) what the agent would have done."""
    driver: int
    """``AGENT`` or ``HUMAN``."""
    reward: float
    terminated: bool = False
    truncated: bool = False
    progress: float = 0.0
    """Metres along the line."""
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    """Position, metres."""
    heading: float = 0.0
    """Radians."""
    speed: float = 0.0
    """Metres per second."""
    risk: float | None = None
    checkpoint_id: int | None = None
    """The checkpoint that proposed the action."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A stored session, as far as a reader of steps needs it."""

    id: int
    kind: str
    env: str
    track: str
    hz: float
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    driver: str
    status: str
    """``open``, ``ended`` or ``interrupted``."""
    reward: Mapping[str, float] = field(default_factory=dict)
    """The reward settings in force."""
    started: str = ""
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """A stored episode; ``end`` is None while it is open."""

    id: int
    session_id: int
    purpose: str
    end: str | None
    """``terminated``, ``truncated`` or ``interrupted``."""
    reason: str | None
    length: int
    """Steps stored; 0 while the episode is open."""
    last_observation: np.ndarray | None
    """(O,) what followed the last step; None when not known, and then the last step has no successor."""
    driven: int | None = None
    """Steps driven, stored or not (a pruned episode holds fewer); None: as many as are stored."""
    stood: int | None = None
    """Steps at its end in which the car stood, where it is a lap without a finish or ended as ``stalled``; None: not known."""

    @property
    def moved(self) -> int | None:
        """Steps until the car stood for good; None where ``stood`` is not known."""
        return None if self.stood is None else (self.driven or self.length) - self.stood


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A stretch of steps ``[start, stop)`` of an episode, counted in ``t``; trims move its ends inward."""

    id: int
    episode_id: int
    kind: str
    start: int
    stop: int
    trim_start: int
    trim_stop: int
    verdict: str
    priority: float
    outcome: str
    closed: bool
    hz: float = 20.0
    """Steps a second."""
    moved: float | None = None
    """How far a takeover led, m; None where that is not known (see ``data.demos``)."""
    trigger: str = ""
    """What began it."""
    roadless: bool = False
    """Whether its game has no road."""


REPLAY = "replay"  # the driver of a session whose laps are of replays: of anyone, so not the player's best

By = Literal["agent", "you", "scripted", "imported", "stranger"]
"""Who drove a corner: the agent alone, or with a human's part: the player's, the scripted driver's, or one from elsewhere. Or
another home's agent alone, where this home has one of its own."""


def driver_kind(driver: str, trigger: str | None = None) -> By:
    """Return who drove a human's part, by the driver of its session and by what began it."""
    if "scripted" in (driver, trigger):
        return "scripted"
    return "imported" if driver in ("imported", REPLAY) else "you"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment with everything a player may ask about it."""

    id: int
    session_id: int
    episode_id: int
    kind: str
    trigger: str
    corner: str | None
    start: int
    stop: int
    trim_start: int
    trim_stop: int
    seconds: float
    """Length after trimming."""
    priority: float
    verdict: str
    outcome: str
    interrupted: bool
    closed: bool
    note: str
    tags: tuple[str, ...]
    judged_by: str | None
    judged_at: str | None
    started: str
    """UTC, ISO 8601."""
    env: str
    track: str
    hz: float
    driver: str
    purpose: str
    """Of its episode."""
    from_m: float | None
    to_m: float | None
    """Progress at its ends, metres; 0 without a road, None where not known."""
    moved: float | None = None
    """How far a takeover led before it was trimmed, m; None where that is not known (see ``data.demos``)."""

    @property
    def roadless(self) -> bool:
        """Whether its game has no road."""
        return self.env.startswith(ROADLESS)


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """How recording is going."""

    queue: int
    """Operations not yet committed or spilled."""
    committed_steps: int
    spilled: int
    """Operations that wait in the spill file."""
    problem: str | None
    """A sentence to the player; None when all is well."""
