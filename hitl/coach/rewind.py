"""The way back: what was driven in the last minute, so that the player can take the car back three seconds and drive from there.

What was rewound stays in the store as what it is, the agent's own experience: its episode ends there, cut off, and an episode of
its own begins at the earlier moment. No transition leads from the one into the other.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitl.games.base import Start

KEPT_S = 60.0  # s of driving that can be gone back, in steps of a few seconds
CALM_S, CALM = 0.5, 0.25  # s in which the car hardly turns (rad/s), where hands that come to the wheel are given it
BEYOND_M = 1e-3  # m from which on a start is a place on the line, and not its beginning
AGAIN_S = 1.5  # s after a rewind in which the next one goes back from where it landed, and not from here


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment to go back to. ``saved``: the environment's own, None where the game can only put a car down nearby."""

    saved: Any
    observation: NDArray[np.float32]
    info: dict[str, Any]
    back_s: float = 0.0  # how far back it lies, s of driving
    trigger: str = "rewind"

    @property
    def start(self) -> Start:
        """The nearest thing to it, for a game that cannot restore a moment: the car's place and motion on the line."""
        state = self.info["state"]
        start = Start.of(self.info["place"], state.heading, (state.vx, state.vy), state.yaw_rate, state.steer)
        # The line's very beginning (0 m) would mean a new run to TrackMania; taken back, the car stays in the run that it drives.
        return replace(start, s=max(start.s, BEYOND_M))


class Rewind:
    """Keeps the moments of a session, one for each step, over the borders of episodes."""

    def __init__(self, env: Any, hz: float, seconds: float = 3.0) -> None:
        self._save = getattr(env, "save", None)
        self._hz, self._seconds = hz, seconds
        self._past: deque[Moment] = deque(maxlen=round(KEPT_S * hz))
        self._since: int | None = None  # steps since the last rewind landed
        self._waiting: Moment | None = None

    @property
    def possible(self) -> bool:
        """Whether this environment can go back, exactly or nearly."""
        return self._save is not None

    @property
    def exact(self) -> bool:
        """Whether it goes back to the very moment. Such a game stands still between two steps; another one runs on."""
        return self._save is not None and self._save() is not None

    def note(self, observation: NDArray[np.float32], info: dict[str, Any]) -> None:
        """A step begins here. It costs a few microseconds."""
        if self._save is None:
            return
        self._past.append(Moment(self._save(), observation, info))
        if self._since is not None:
            self._since += 1

    def back(self, trigger: str = "rewind") -> Moment | None:
        """Choose the moment some seconds ago and forget what came after it; the next episode begins there. None: no way back.

        A player who is called (``call``) gets a calm moment, at most twice as far back.
        Soon after the last time, that is from where the car was put down then: pressed twice, it goes back twice as far.
        """
        landed = self._since is not None and self._since <= AGAIN_S * self._hz
        base = len(self._past) - (self._since or 0 if landed else 0)
        index = max(0, base - round(self._seconds * self._hz))
        if trigger == "call":
            index = self._calm(index, max(0, base - round(2 * self._seconds * self._hz)))
        if index >= len(self._past):
            return None
        moment = self._past[index]
        seconds = (len(self._past) - index) / self._hz
        while len(self._past) > index:
            self._past.pop()
        info = {name: value for name, value in moment.info.items() if name != "notices"}
        self._waiting = Moment(moment.saved, moment.observation, info, seconds, trigger)
        self._since = 0
        return self._waiting

    def _calm(self, latest: int, first: int) -> int:
        """Return the latest moment of these that is followed by half a second in which the car hardly turns, else the calmest.

        Whoever is called to the wheel has it straight: in mid-bend the car would leave the road before they could steer.
        """
        states: list[Any] = [moment.info.get("state") for moment in self._past]
        ahead, calmest, later = round(CALM_S * self._hz), (math.inf, -latest), math.inf
        for index in range(min(latest, len(states) - 1), first - 1, -1):
            if states[index] is None or states[index].time > later:  # an episode before this one
                break
            later = states[index].time
            turning = max(abs(state.yaw_rate) for state in states[index : index + ahead])
            if turning < CALM:
                return index
            calmest = min(calmest, (turning, -index))
        return -calmest[1]

    def forget(self) -> None:
        """What comes next does not go on from what was driven: there is no way back into it."""
        self._past.clear()
        self._since = None

    def take(self) -> Moment | None:
        """Return the moment at which the next episode begins, once; None where it begins as usual."""
        waiting, self._waiting = self._waiting, None
        return waiting
