"""The live door: numbers from an environment, the agent and a pad are checked before they are acted on or recorded.

The rule is that of the importers and of other machines (``data.numbers``). A number that cannot be learned from is replaced by
the last good one for one tick (a sensor that drops out). If it stays, the episode ends; if it is there from the start, no episode
begins: the critic must see neither such a number nor one that was made up for long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.numbers import MOST, all_numbers, said, which
from data.words import number_of
from hitl.games.hang_guard import EnvironmentLost

REPLACED_TICKS = 1
"""Ticks in a row in which numbers may be replaced."""


class Unusable(EnvironmentLost):
    """An environment or an agent keeps giving numbers that cannot be learned from."""


Note = Callable[[str, dict[str, float]], None]


class Door:
    """Checks each tick of an episode. ``note`` takes a sentence and the numbers by name, once for each name in an episode."""

    def __init__(self, observation_names: Sequence[str], action_names: Sequence[str], note: Note) -> None:
        self._names, self._actions, self._note = observation_names, action_names, note
        self._reset()

    def begin(self, observation: NDArray[np.float32], info: dict[str, Any]) -> None:
        """Check what an episode begins with. Raises Unusable when a number cannot be learned from."""
        self._reset()
        if found := self._bad(observation) | _bad_info(info):
            raise Unusable(f"The episode begins with numbers that cannot be learned from: {said(found)}.")
        self._seen, self._info = observation, info

    def step(
        self, observation: NDArray[np.float32], reward: float, info: dict[str, Any], terminated: bool
    ) -> tuple[NDArray[np.float32], float, dict[str, Any]]:
        """Return observation, reward and info with the last good numbers in place of what cannot be learned from.

        Raises Unusable when that would be the second tick in a row, unless nothing follows.
        """
        found = self._bad(observation)
        if found:
            observation = np.where(np.abs(observation) <= MOST, observation, self._seen).astype(np.float32)
        if bad := _bad_info(info):
            found |= bad
            info = {**info, **{name: self._info[name] for name in ("state", "place", "progress")}}
        if not -MOST <= reward <= MOST:
            found["the reward"], reward = float(reward), 0.0  # not the last one: a bonus is not paid twice
        self._seen, self._info = observation, info
        if found:
            self._count("environment", found, terminated)
        else:
            self._rows["environment"] = 0
        return observation, reward, info

    def action(self, action: NDArray[np.float32], whose: str) -> NDArray[np.float32]:
        """Return an action with 0 in place of what cannot be learned from. Raises Unusable when that goes on."""
        if all(-MOST <= value <= MOST for value in action.tolist()):
            self._rows[whose] = 0
            return action
        self._count(whose, {f"{whose} {name}": value for name, value in which(self._actions, action).items()}, False)
        return np.where(np.abs(action) <= MOST, action, 0.0).astype(np.float32)

    def end_episode(self) -> None:
        """The episode is over: say how often numbers were replaced, when that was more than once."""
        if self._replaced > 1:
            where = number_of(self._replaced, "step")
            self._note(f"In {where} of this episode numbers were replaced: {said(self._told, 10)}.", {})

    # -- inside

    def _reset(self) -> None:
        self._rows: dict[str, int] = {}  # ticks in a row, by where the numbers come from
        self._replaced = 0  # ticks in all
        self._told: dict[str, float] = {}

    def _bad(self, observation: NDArray[np.float32]) -> dict[str, float]:
        return {} if all_numbers(observation) else which(self._names, observation)

    def _count(self, where: str, found: dict[str, float], terminated: bool) -> None:
        row = self._rows[where] = self._rows.get(where, 0) + 1
        if row > REPLACED_TICKS and not terminated:
            raise Unusable(f"Numbers that cannot be learned from do not go away ({said(found)}); the episode is closed.")
        self._replaced += 1
        if new := {name: value for name, value in found.items() if name not in self._told}:
            self._told |= new
            instead = "the last good one" if where == "environment" and "the reward" not in new else "0"
            self._note(f"A number that cannot be learned from was replaced by {instead}: {said(new)}.", new)


def _bad_info(info: dict[str, Any]) -> dict[str, float]:
    """Return what is stored of the car and its place and cannot be learned from, by name."""
    s = info["state"]
    x, y, z, heading, speed, progress = s.x, s.y, s.z, s.heading, s.speed, info["progress"]
    if all(-MOST <= value <= MOST for value in (x, y, z, heading, speed, progress)):
        return {}
    numbers = {"x": x, "y": y, "z": z, "heading": heading, "speed": speed, "progress": progress}
    return {f"the car's {name}": float(value) for name, value in numbers.items() if not -MOST <= value <= MOST}
