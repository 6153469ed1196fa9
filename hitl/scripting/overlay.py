"""The overlay of an environment that a script drives: who drives, what the agent would do, and how the recording goes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError
from data.records import HUMAN
from hitl.arbiter import Decision
from hitl.games.base import VehicleState
from hitl.games.gym.drawn import Drawn
from hitl.scripting.setting import Setting
from takeover_ui.view import RecorderState, Scene, View
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.picture import picture_path
from takeover_ui.window.window import Window, display_available

_OTHERWISE = "Leave `overlay` out, and let a function drive."


@dataclass
class Counted:
    """What a script's session has come to so far."""

    steps: int = 0
    human_steps: int = 0
    takeovers: int = 0
    total: float = 0.0
    """The running episode's return."""


class Overlay:
    """A window of its own: the environment's picture, or the road from above, else the overlay alone. Raises DeviceError.

    ``render``: returns the environment's picture, where it draws such.
    """

    def __init__(self, setting: Setting, *, keys_anywhere: bool, render: Callable[[], Any] | None = None) -> None:
        if not display_available():
            raise DeviceError(f"There is no display here for the overlay. {_OTHERWISE}")
        self._setting = setting
        game_view = setting.has_line or render is not None
        options = WindowOptions(game_view=game_view, keys_anywhere=keys_anywhere and not game_view)
        self.window = Window(options, otherwise=_OTHERWISE, outlives_interrupts=True)
        self._render, self._drawn = render, None
        if render is not None:
            self._folder = Path(tempfile.mkdtemp(prefix="hitl-picture-"))
            self._drawn = Drawn(picture_path(self._folder))
            self.window.show_picture(self._drawn.path)
        track, line = setting.track, setting.track.line
        names = setting.info.action_names
        self._scene = Scene(track.name, line.points, track.half_width, line.length, setting.corners, names)

    def draw(self) -> tuple[str, ...]:
        """Have the environment's picture drawn, where it draws one; return sentences for the player."""
        if self._drawn is None or self._render is None:
            return ()
        self._drawn(self._render)
        return self._drawn.told()

    def close(self) -> None:
        """Close the window."""
        self.window.close()
        if self._drawn is not None:
            self._drawn.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def show(
        self,
        decision: Decision,
        proposed: NDArray[np.float32],
        place: tuple[VehicleState, float],
        counted: Counted,
        recorded: RecorderState | None,
        hint: str,
        held: tuple[str, ...] = (),
        way_on: str = "",
    ) -> None:
        """Show one step. ``place``: the car, and its progress (m); ``hint``: what is to be pressed; ``held``: to be let go.

        ``way_on``: what ends a pause.
        """
        state, progress = place
        self.window.send(
            View(
                scene=self._scene,
                driver="paused" if decision.safe or decision.paused else "human" if decision.driver == HUMAN else "agent",
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
                way_on=way_on,
                held=held,
            )
        )
