"""The demo's window: a session's screen, with the part of the demo that runs and the evaluations so far."""

from __future__ import annotations

import time

from hitl import arbiter
from hitl.demo.demo import EPISODES, Progress
from hitl.protocols import Tick
from hitl.screens.session_screen import SessionScreen
from hitl.screens.trainer_state import HeartbeatReader
from hitl.session.setup import SessionSetup
from hitl.trainer_process import TrainerProcess
from takeover_ui.view import TrainerState

HINT = "arrow keys or pad: take the wheel    let go: the agent drives    p: pause    esc: leave"
FAST = 15.0  # evaluations are shown at most this many times as fast as real time
_FRAME_S = 1 / 30


class DemoWindow(SessionScreen, Progress):
    """Shows the live session and, fast-forwarded, the evaluations."""

    gating = arbiter.GatingSettings(mode="touch")
    _last_frame = 0.0

    def begin_demo(self, rig: SessionSetup, trainer: TrainerProcess, heartbeats: HeartbeatReader) -> None:
        """The session is ready."""
        self.begin(rig, heartbeats)
        self.hint, self._process = HINT, trainer

    def fast_tick(self, tick: Tick) -> None:
        """Show an evaluation, fast-forwarded: a frame now and then, slowly enough that it can be followed."""
        time.sleep(1 / (20.0 * FAST))
        now = time.monotonic()
        if now - self._last_frame >= _FRAME_S:
            self._last_frame = now
            self(tick)

    def phase(self, text: str) -> None:
        """A new part begins."""
        self.message = text
        self._window.toast(text)

    def measured(self, return_mean: float) -> None:
        """Its return is the ceiling to break, and the trend begins at zero."""
        self._ceiling = return_mean
        self._evaluations = ((0.0, 0.0),)

    def evaluated(self, agent_steps: int, passes: int) -> None:
        """Add a point to the trend."""
        self._evaluations += ((float(agent_steps), passes / EPISODES),)
        self._window.toast(f"{passes} of {EPISODES} passes without help", "good" if passes >= 18 else "info")

    def _trainer_state(self) -> TrainerState:
        state, alive = self._trainer.newest, self._process.alive
        return state if state is not None and state.alive and alive else TrainerState(alive=alive)
