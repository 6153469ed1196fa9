"""What the demo's window shows beside the drive: the part that runs, the evaluations, the trainer's pulse."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from data.records import Corner
from hitl import arbiter
from hitl.demo.demo import EPISODES, Progress
from hitl.screens.live_view import LiveView
from hitl.screens.trainer_state import HeartbeatReader
from hitl.session.session import EpisodeResult, Tick
from takeover_ui.view import StorePulse, TrainerPulse
from takeover_ui.window.window import Window

if TYPE_CHECKING:
    from hitl.session.setup import SessionSetup
    from hitl.trainer_process import TrainerProcess

HINT = "arrow keys or pad: take the wheel    let go: the agent drives    p: pause    esc: leave"
FAST = 15.0  # evaluations are shown at most this many times as fast as real time
_FRAME_S = 1 / 30


class DemoWindow(Progress):
    """Feeds the window from the live session and from the fast-forwarded evaluations."""

    gating = arbiter.GatingSettings(mode="touch")

    def __init__(self, window: Window, corner: Corner) -> None:
        self._window, self._corner = window, corner
        self._message = ""
        self._last_frame = 0.0
        self._evaluations: list[tuple[float, float]] = []

    def begin(self, rig: SessionSetup, trainer: TrainerProcess, pulses: HeartbeatReader) -> None:
        """The session is ready."""
        self._rig, self._trainer, self._pulses = rig, trainer, pulses
        corners = rig.corners if self._corner in rig.corners else (*rig.corners, self._corner)
        self._view = LiveView(self._window, rig.track, corners, rig.action_names, hz=rig.task.settings.hz)

    def tick(self, tick: Tick) -> None:
        """Show a tick of the live session."""
        view, status = self._view, self._rig.recorder.status
        view.message, view.hint = self._message, HINT
        view.store = StorePulse(status.committed_steps, status.queue, status.last_commit_age_s, status.problem)
        view.trainer = self._pulse()
        view.evaluations = tuple(self._evaluations)
        view(tick)

    def fast_tick(self, tick: Tick) -> None:
        """Show an evaluation, fast-forwarded: a frame now and then, and the pace held down so that it can be followed."""
        time.sleep(1 / (20.0 * FAST))
        now = time.monotonic()
        if now - self._last_frame >= _FRAME_S:
            self._last_frame = now
            self.tick(tick)

    def phase(self, text: str) -> None:
        """A new part begins."""
        self._message = text
        self._window.toast(text)

    def measured(self, return_mean: float) -> None:
        """Its return is the ceiling to break, and the trend begins at zero."""
        self._view.ceiling = return_mean
        self._evaluations = [(0.0, 0.0)]

    def episode_over(self, result: EpisodeResult) -> None:
        """Keep what the next episodes show of it."""
        self._view.episode_over(result)

    def evaluated(self, agent_steps: int, passes: int) -> None:
        """Add a point to the trend."""
        self._evaluations.append((float(agent_steps), passes / EPISODES))
        self._window.toast(f"{passes} of {EPISODES} passes without help", "good" if passes >= 18 else "info")

    def _pulse(self) -> TrainerPulse:
        pulse, alive = self._pulses.newest, self._trainer.alive
        return pulse if pulse is not None and pulse.alive and alive else TrainerPulse(alive=alive)
