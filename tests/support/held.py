"""A person who holds keys and buttons, and an agent that only rolls on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hitl.drivers.human import HumanDriver
from hitl.pads.base import Pad, PadState

LET_GO = 6  # ticks after the restart, as a person does: 0.3 s


class Cruise:
    checkpoint_id = None

    def act(self, observation: Any, deterministic: bool) -> Any:
        return np.array([0.3, 0.0], np.float32)

    def begin_episode(self) -> None:
        pass


class Person(HumanDriver):
    """Does something at each tick of each episode: ``acts(episode, tick)``, both from 0."""

    def __init__(self, pad: Pad, acts: Callable[[int, int], None]) -> None:
        super().__init__(pad)
        self.acts, self.episode, self.tick = acts, -1, 0

    def begin(self) -> None:
        self.episode, self.tick = self.episode + 1, 0

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        self.acts(self.episode, self.tick)
        self.tick += 1
        return super().read(info)
