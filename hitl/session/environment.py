"""The environment as the session uses it: tried again when it was lost, checked by the door, given up when it stays lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.recording.recorder import Recorder
from hitl.coach.rewind import Moment
from hitl.coach.rules import Said, Say, Tell, in_english
from hitl.games.hang_guard import EnvironmentLost, lost
from hitl.games.world import World
from hitl.protocols import EpisodeResult
from hitl.session.door import Door, Unusable
from hitl.timing.clocks import LockstepClock

RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # s between tries to begin in an environment that was lost; the last one repeats
GIVE_UP_S = 300.0  # s of tries after which the session ends
SOON_S = 10.0  # s of driving below which an episode that is lost counts as a failure of its environment
MOST_FAILURES = 5  # in a row, after which the session ends
FirstSeen = tuple[NDArray[np.float32], dict[str, Any]]


class Environment:
    """``tell`` takes (level, sentence) for the player. Raises EnvironmentLost for every error inside.

    ``soon``: steps below which an episode that is lost counts as a failure of the environment.
    """

    def __init__(self, world: World, recorder: Recorder, tell: Tell, say: Say | None = None) -> None:
        self.env, self._clock = world.env, world.clock
        self._recorder, self._tell, self._say = recorder, tell, say or in_english(tell)
        self.door = Door(world.observation_names, world.action_names, self._note_replaced)
        self.soon = round(SOON_S * world.task.settings.hz)
        self.losses: Counter[str] = Counter()
        """What the player was told of how it was lost, and how often."""
        self._failures = 0  # in a row
        self._result = EpisodeResult("")

    def begin(self, result: EpisodeResult, seed: int | None, start: Any, wait: Callable[[float], bool]) -> FirstSeen | None:
        """Begin an episode, and try again when that fails. None: ``wait`` (s) says that the player wants to leave."""
        self._result = result
        options = {"start": start} if start is not None else None
        tries, spent = 0, 0.0
        if self._failures and not wait(RETRY_S[min(self._failures, len(RETRY_S)) - 1]):
            return None
        while True:
            try:
                observation, info = self.env.reset(seed=seed, options=options)
                self.door.begin(observation, info)
            except Exception as error:
                problem = lost(error)
                # A player may start a game again meanwhile; an environment that waits for us does not recover by itself.
                alone = isinstance(self._clock, LockstepClock) or isinstance(error, Unusable)
                if spent >= GIVE_UP_S or (alone and tries + 1 >= MOST_FAILURES):
                    raise problem from error
                if tries == 0:
                    self._recorder.event("env_lost", str(problem), level="warning")
                    self.losses[str(problem)] += 1
                    self._tell("warning", f"{problem} The session tries again until you leave.")
                pause = RETRY_S[min(tries, len(RETRY_S) - 1)]
                tries, spent = tries + 1, spent + pause
                if not wait(pause):
                    return None
                continue
            if tries:
                self._recorder.event("env_back", "The environment answers again.", data={"tries": tries})
                self._say(Said("game_back", "good"))
            self.warn(info.get("notices", ()))
            return observation, info

    def resume(self, result: EpisodeResult, moment: Moment, wait: Callable[[float], bool]) -> FirstSeen | None:
        """Begin an episode at a moment of the past; where the game cannot go back exactly, as near as it can put the car down."""
        if moment.saved is None:
            return self.begin(result, None, moment.start, wait)
        self._result = result
        try:
            self.env.restore(moment.saved)
            self.door.begin(moment.observation, moment.info)
        except Exception as error:
            raise lost(error) from error
        return moment.observation, moment.info

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Send the action, and return what the one before has led to."""
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except Exception as error:
            raise lost(error) from error
        self.warn(info.get("notices", ()))
        observation, reward, info = self.door.step(observation, reward, info, terminated)
        return observation, reward, terminated, truncated, info

    def end_episode(self) -> None:
        """An episode has come to its end."""
        self._failures = 0
        self.door.end_episode()

    def note_lost(self, error: EnvironmentLost) -> None:
        """The environment was lost in mid-episode: tell the player. Raises EnvironmentLost when that happens again and again."""
        self.door.end_episode()
        steps = self._result.steps
        self._recorder.event("env_lost", str(error), level="warning", data={"steps": steps})
        self.losses[str(error)] += 1
        self._tell("warning", str(error))
        self._failures = self._failures + 1 if steps < self.soon else 1
        if self._failures >= MOST_FAILURES:
            raise EnvironmentLost(
                f"{MOST_FAILURES} episodes in a row were lost soon after they had begun, so the session ends; what was recorded "
                f"is kept. The last error: {error}"
            ) from error

    def warn(self, notices: Any) -> None:
        """Pass sentences on to the player."""
        for text in notices:
            self._recorder.event("notice", text, level="warning")
            self._tell("warning", text)

    def _note_replaced(self, text: str, numbers: dict[str, float]) -> None:
        data = {"step": self._result.steps, **{name: str(value) for name, value in numbers.items()}}
        self._recorder.event("numbers", text, level="warning", data=data)
        if numbers:
            self._tell("warning", text)
