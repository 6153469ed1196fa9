"""An environment ready for a session, whatever game is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hitl.protocols import Clock
from hitl.road.line import ReferenceLine
from hitl.road.track import Track
from hitl.task.driving_task import TaskSettings


@dataclass(frozen=True)
class NoTask:
    """Stands for a driving task where the environment has its own."""

    settings: TaskSettings


def nothing() -> None:
    """Nothing to do."""


@dataclass
class World:
    """An environment ready for a session. ``release`` lets go of the controls."""

    env: Any
    clock: Clock
    track: Track
    task: Any  # a DrivingTask, or NoTask
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    controls: tuple[str, ...] = ()  # of the pad, for each action; empty: the actions' names say it
    reward: Mapping[str, float] = field(default_factory=dict)
    has_line: bool = True  # False: progress, corners and the scripted driver mean nothing here
    frame_shape: tuple[int, ...] = ()  # rows and columns of the picture in each observation; empty: there is none
    plug: Callable[[Any], None] = lambda hub: (
        None
    )  # makes our own pad; ``hub``: the devices that the player's is read from
    heed: Callable[[Callable[[], bool]], None] = lambda leaving: None  # has it ask, while it waits, whether to go on waiting
    release: Callable[[], None] = nothing
    close: Callable[[], None] = nothing


def no_road(name: str) -> Track:
    """Return what stands for a track where there is none: a name, and a metre of nothing."""
    return Track(name, ReferenceLine(np.array([[0.0, 0.0], [1.0, 0.0]])), 1.0)
