"""The embedded game on a rough day: a little noise on every control, and now and then the wheel is pulled aside for a moment.

Nothing of it is in the observation or in the recorded action, as with a gust, a bump or a hitch of the machine. The same start
brings the same disturbances.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hitl.games.base import Start
from hitl.games.box2d import Box2DGame
from hitl.games.open_game import driven
from hitl.games.registry import COPIES, GAMES, Copies
from hitl.games.world import World
from hitl.home import Home
from hitl.road.known_tracks import drivable
from hitl.road.track import Track
from hitl.session_options import SessionOptions

NAME = "rough"
NOISE = 0.03  # standard deviation, of full pedal and full lock
PULL = 0.35  # of full lock
LASTS_S = 0.3
EVERY_S = 8.0  # s between two incidents, on average
AT_ONCE_S = 0.2  # s after its start at which a run begins with an incident, where that is wanted


class RoughGame(Box2DGame):
    """The car, disturbed."""

    pulled_at_once = False
    """The next run begins with an incident; the ones after it do not."""

    def restart(self, start: Start) -> None:
        """See `Box2DGame`."""
        super().restart(start)
        whole = np.array([start.s, start.offset, start.turn, start.speed])
        self._rng = np.random.default_rng(np.frombuffer(whole.tobytes(), np.uint32))
        self._pull, self._until = 0.0, 0.0
        self._next = AT_ONCE_S if self.pulled_at_once else self._rng.exponential(EVERY_S)
        self.pulled_at_once = False

    def send(self, action: NDArray[np.float32]) -> None:
        """See `Box2DGame`."""
        if self._time >= self._next:
            self._pull = PULL if self._rng.random() < 0.5 else -PULL
            self._until = self._time + LASTS_S
            self._next = self._until + self._rng.exponential(EVERY_S)
        felt = action + NOISE * self._rng.standard_normal(len(action))
        if self._time < self._until:
            felt[1] += self._pull
        super().send(felt.astype(np.float32))


def copy_of(track: Track, home: Home | None = None) -> RoughGame:
    """Return another car on a track."""
    return RoughGame(track)


def rough_world(options: SessionOptions, home: Home) -> World:
    """Open it for a session."""
    track = drivable(home, options.track)
    return driven(RoughGame(track), track, options, home)


def register() -> str:
    """Make it known as a game that can be copied; return its name."""
    GAMES[NAME] = f"{__name__}:rough_world"
    COPIES[NAME] = Copies(f"{__name__}:copy_of", most=20)
    return NAME
