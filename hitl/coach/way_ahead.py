"""Where the agent would go: about the next second of its way, and from where on it is off the road.

In a game that can be copied, a copy is put where the car is, and the agent drives on in it; elsewhere its newest drive through
the same place is shown. The copy gets a few milliseconds of each tick, after everything else was done in it, so that no tick is
late; a way is done every two or three ticks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.records import DRIVING_FAULTS, HUMAN
from hitl.coach.rewind import Moment
from hitl.games.driving_env import DrivingEnv
from hitl.games.registry import COPIES
from hitl.protocols import Tick

if TYPE_CHECKING:
    from hitl.session.setup import SessionSetup

STEPS = 20
BUDGET_S = 0.004  # s of a tick
KEPT = 12  # drives, in a game that cannot be copied
_NEAR_M, _AS_FAST = 2.0, 0.2  # m and share of the speed within which another drive was in the same place
_Points = NDArray[np.float32]
Would = Callable[[NDArray[np.float32]], NDArray[np.float32] | None]


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A way: points (n, 2) in metres, and the first of them that is off the road; n where none is."""

    points: _Points
    off: int

    def from_step(self, step: int) -> Way:
        """Return what of it lies ahead after so many steps."""
        step = min(step, len(self.points))
        return Way(self.points[step:], max(0, self.off - step))


class Ahead(Protocol):
    """What says where the agent would go."""

    def tick(self, tick: Tick) -> Way | None:
        """Take in a tick and return the way from there, None where it is not known. Costs at most ``BUDGET_S`` and one step."""
        ...


def way_ahead(rig: SessionSetup) -> Ahead | None:
    """Return what says where the agent of a session would go; None where that cannot be known, or is not wanted."""
    would: Would | None = getattr(rig.policy, "would", None)
    if not rig.options.coach.ahead or not rig.options.real_time or not rig.world.has_line:
        return None
    copies = COPIES.get(rig.options.env)
    if would is not None and copies is not None and not copies.own_process:
        game = resolve_name(copies.make)(rig.track, rig.home)
        return Foreseen(DrivingEnv(rig.track, rig.task.settings, game), would)
    return Recalled(rig.track.half_width_at)


class Foreseen:
    """Drives on in a copy of the game; where the agent cannot be asked, its newest drives are recalled."""

    def __init__(self, env: DrivingEnv, would: Would, budget_s: float = BUDGET_S) -> None:
        """``would``: what the agent does without noise where it sees that (O,); None where it cannot be asked."""
        self._env, self._would, self._budget = env, would, budget_s
        self._recalled, self._is_mute = Recalled(env.track.half_width_at), False
        self._seen: NDArray[np.float32] | None = None  # by the car in the copy; None: no way is being driven
        self._driven: list[tuple[float, float]] = []
        self._off: int | None = None
        self._age = self._way_age = 0  # ticks since the way that is driven, and the one that is known, began
        self._way: Way | None = None
        self._late = 0

    def tick(self, tick: Tick) -> Way | None:
        """Take in a tick and return the way from there."""
        end = time.perf_counter() + self._budget
        self._recalled.note(tick)
        if tick.decision.paused:
            return self._shown(tick)
        self._age, self._way_age = self._age + 1, self._way_age + 1
        if tick.steps <= 1:  # another episode
            self._way = self._seen = None
        late, self._late = tick.late > self._late, tick.late
        if late or tick.info.get("reason"):  # the machine has no time to spare, or the drive is over
            return self._shown(tick)
        if self._seen is None:
            self._begin(tick)
        while self._seen is not None and time.perf_counter() < end:
            self._step()
        return self._shown(tick)

    def _shown(self, tick: Tick) -> Way | None:
        if self._is_mute:
            return self._recalled.way(tick)
        way = self._way.from_step(self._way_age) if self._way is not None else None
        return way if way is not None and len(way.points) > 1 else None

    def _begin(self, tick: Tick) -> None:
        start = Moment(None, np.zeros(0, np.float32), tick.info).start
        self._seen, _ = self._env.reset(options={"start": start, "pressed": tick.decision.executed})
        self._driven, self._off, self._age = [], None, 0

    def _step(self) -> None:
        assert self._seen is not None
        action = self._would(self._seen)
        self._is_mute = action is None
        if action is None:
            self._seen = self._way = None
            return
        self._seen, _, terminated, truncated, info = self._env.step(action)
        state, place = info["state"], info["place"]
        self._driven.append((state.x, state.y))
        if self._off is None and abs(place.offset) > self._env.track.half_width_at(place.s):
            self._off = len(self._driven) - 1
        if terminated or truncated or len(self._driven) == STEPS:
            points = np.array(self._driven, np.float32)
            self._way, self._way_age = Way(points, len(points) if self._off is None else self._off), self._age
            self._seen = None


class Recalled:
    """Remembers the agent's newest drives of this session."""

    def __init__(self, half_width_at: Callable[[float], float]) -> None:
        self._half_width_at = half_width_at
        self._drives: deque[NDArray[np.float64]] = deque(maxlen=KEPT)  # (n, 5) each: x, y, progress, speed, whether off the road
        self._rows: list[tuple[float, ...]] = []

    def tick(self, tick: Tick) -> Way | None:
        """Take in a tick and return the way from there."""
        self.note(tick)
        return self.way(tick)

    def note(self, tick: Tick) -> None:
        """Remember what the agent drives."""
        info: dict[str, Any] = tick.info
        if tick.steps <= 1 or tick.decision.driver == HUMAN:
            self._keep()
        state, progress = info["state"], info["progress"]
        if tick.decision.driver != HUMAN and not tick.decision.paused:
            off = abs(info["place"].offset) > self._half_width_at(progress)
            self._rows.append((state.x, state.y, progress, state.speed, off))
            if info.get("reason") in DRIVING_FAULTS:
                self._keep()

    def way(self, tick: Tick) -> Way | None:
        """Return the way of the newest drive that was in the place of a tick as fast; None where there is none."""
        state = tick.info["state"]
        for drive in reversed(self._drives):
            near = np.hypot(drive[:, 0] - state.x, drive[:, 1] - state.y)
            nearest = int(near.argmin())
            as_fast = abs(drive[nearest, 3] - state.speed) <= _AS_FAST * max(state.speed, 5.0)
            if near[nearest] <= _NEAR_M and as_fast and len(drive) - nearest > 2:
                ahead = drive[nearest + 1 : nearest + 1 + STEPS]
                off = np.flatnonzero(ahead[:, 4])
                return Way(ahead[:, :2].astype(np.float32), int(off[0]) if len(off) else len(ahead))
        return None

    def _keep(self) -> None:
        if len(self._rows) > STEPS:
            self._drives.append(np.array(self._rows))
        self._rows = []
