"""An environment ready for a session, whatever game is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.ranges import ActionRange
from hitl.coach.rules import Said
from hitl.pads.base import Control
from hitl.protocols import Clock
from hitl.road.line import ReferenceLine
from hitl.road.track import Track
from hitl.task.driving_task import TaskSettings


@dataclass(frozen=True)
class NoTask:
    """Stands for a driving task where the environment has its own."""

    settings: TaskSettings


@dataclass
class World:
    """An environment ready for a session. ``release`` lets go of the controls."""

    env: Any
    clock: Clock
    track: Track
    task: Any  # a DrivingTask, or NoTask
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    controls: tuple[Control, ...] = ()  # of the pad, for each action; empty: the actions' names say it
    reward: Mapping[str, float] = field(default_factory=dict)
    has_line: bool = True  # False: there is no progress, no corner, and nothing for the scripted driver to follow
    told: tuple[Said, ...] = ()  # what a person who drives must be told of it
    warned: tuple[str, ...] = ()  # what must be known of it whoever drives
    map_uid: str = ""  # the game's own name for the map that is loaded; "" where it does not tell
    frame_shape: tuple[int, ...] = ()  # rows and columns of the picture in each observation; empty: there is none
    stepped: bool = False  # its time passes in our steps alone: between two of them the car stands
    own_window: bool = True  # it is seen in a window of its own, over which ours floats; False: ours shows the road from above
    picture: Path | None = None  # the file that the game's own picture is drawn into (`takeover_ui.window.picture`)
    scaled: ActionRange | None = None  # what our actions become there, where it states a range of its own
    bends: Callable[[float], float] | None = None  # what the game makes of a stick, where that is undone before sending
    plug: Callable[[Any], None] = lambda hub: None  # makes our own pad; ``hub``: the devices that the player's is read from
    heed: Callable[[Callable[[], bool]], None] = lambda leaving: None  # has it ask, while it waits, whether the player leaves
    release: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None

    @property
    def shown_by_us(self) -> bool:
        """Whether our window is the game's."""
        return self.picture is not None or (self.has_line and not self.own_window)


def no_road(name: str) -> Track:
    """Return what stands for a track where there is none: a name, and a line of one metre."""
    return Track(name, ReferenceLine(np.array([[0.0, 0.0], [1.0, 0.0]])), 1.0)
