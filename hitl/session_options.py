"""The options of a session, as the command line and the benchmarks choose them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hitl import arbiter
from hitl.games.registry import spelt_out
from hitl.home import Begun, Home
from hitl.settings import CoachSettings, HelpSettings, Settings
from hitl.task.driving_task import TaskSettings


@dataclass(frozen=True)
class SessionOptions:
    """The options of a session."""

    env: str = "box2d"
    track: str = "default"
    kind: str = "play"  # as stored: ``play``, ``demo``, ``evaluation``, ``stall``
    real_time: bool = False
    seed: int = 0
    gating: arbiter.GatingSettings = arbiter.GatingSettings()  # noqa: RUF009 (frozen, so one for all is safe)
    task: TaskSettings | None = None
    help: HelpSettings = HelpSettings(offer="off", requests_per_minute=0.0)  # noqa: RUF009
    coach: CoachSettings = CoachSettings(say="off", sound=False)  # noqa: RUF009
    only_corner: str = ""  # the one corner at which the wheel may be taken
    greedy_every: int = 2  # every second, third, … drive is without noise; 0: none
    hurries: bool = False  # where the environment waits for us, its clock can be told that no one looks
    may_be_detailed: bool = False  # a home in which nothing is yet gets the layout `detailed` where the game can fill it
    show: bool = False  # there is a window, and someone before it
    own_window: bool = False  # the game is to show itself in one of its own, where it can; ours lies over it

    def __post_init__(self) -> None:
        env, track = spelt_out(self.env, self.track)
        object.__setattr__(self, "env", env)
        object.__setattr__(self, "track", track)


@dataclass(frozen=True)
class PlayPlan:
    """What `hitl play` is to do, by its words and the settings, before anything is opened."""

    args: argparse.Namespace
    home: Home
    named: Begun
    """What the commands that are told must name again."""
    settings: Settings
    over: Mapping[str, Mapping[str, Any]]
    """What the command line says of the settings, by section; None: nothing."""
    options: SessionOptions
    by_pad: bool
    """Whether another program drives, by its pad."""
    inside: bool | None
    """Whether our window shows the game; None: only the open game says it."""
    trains_elsewhere: bool
