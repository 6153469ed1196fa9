"""The overlay of an environment that a script drives: who drives, what the agent would do, and how the recording goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError
from data.records import HUMAN
from hitl.arbiter import Decision
from hitl.games.base import VehicleState
from hitl.scripting.setting import Setting
from takeover_ui.view import RecorderState, Scene, View
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window, display_available


@dataclass
class Counted:
    """What a script's session has come to so far."""

    steps: int = 0
    human_steps: int = 0
    takeovers: int = 0
    total: float = 0.0
    """The running episode's return."""


class Overlay:
    """A window of its own: the road from above where there is one, else the overlay alone. Raises DeviceError."""

    def __init__(self, setting: Setting, *, keys_anywhere: bool) -> None:
        if not display_available():
            raise DeviceError("There is no display here for the overlay: leave `overlay` out, and let a function drive.")
        self._setting = setting
        options = WindowOptions(game_view=setting.has_line, keys_anywhere=keys_anywhere and not setting.has_line)
        self.window = Window(options)
        track, line = setting.track, setting.track.line
        names = setting.info.action_names
        self._scene = Scene(track.name, line.points, track.half_width, line.length, setting.corners, names)

    def show(
        self,
        decision: Decision,
        proposed: NDArray[np.float32],
        place: tuple[VehicleState, float],
        counted: Counted,
        recorded: RecorderState | None,
        hint: str,
    ) -> None:
        """Show one step. ``place``: the car, and its progress (m); ``hint``: what is to be pressed."""
        state, progress = place
        self.window.send(
            View(
                scene=self._scene,
                driver="paused" if decision.paused else "human" if decision.driver == HUMAN else "agent",
                stand_in=decision.trigger in ("scripted", "function"),
                proposed=tuple(proposed.tolist()),
                executed=tuple(decision.executed.tolist()),
                speed=state.speed,
                progress=progress,
                x=state.x,
                y=state.y,
                heading=state.heading,
                velocity=(state.vx, state.vy),
                yaw_rate=state.yaw_rate,
                episode_return=counted.total,
                takeovers=counted.takeovers,
                human_seconds=counted.human_steps / self._setting.info.hz,
                store=recorded,
                hint=hint,
            )
        )
