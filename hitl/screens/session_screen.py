"""A session in its window: each tick drawn, the pulses of store and trainer beside it, and what keys and buttons do."""

from __future__ import annotations

from collections.abc import Mapping

from hitl.drivers.human import HumanSide, persons_pad
from hitl.protocols import EpisodeResult, Tick
from hitl.screens.live_view import LiveView
from hitl.screens.trainer_state import HeartbeatReader
from hitl.session.setup import SessionSetup
from takeover_ui.view import StorePulse
from takeover_ui.window.window import Window

HINTS = {
    mode: f"{how}    p: pause    backspace: panic    return: star    r: restart    esc: leave"
    for mode, how in {
        "hold": "hold space or a shoulder button: drive",
        "toggle": "space or a shoulder button: take and hand back",
        "touch": "touch stick, pedal or arrows: drive",
    }.items()
}


def pad_hint(buttons: Mapping[str, tuple[str, ...]], mode: str) -> str:
    """Return what the buttons of a pad do, by its mapping."""
    takes = " or ".join(buttons.get("takeover", ())) or "no button"
    how = {"hold": f"hold {takes}: drive", "toggle": f"{takes}: take and hand back", "touch": "touch stick or pedal: drive"}
    words = {"pause": "pause", "panic": "panic", "star": "star", "restart": "restart", "quit": "leave"}
    rest = [f"{' or '.join(buttons[name])}: {word}" for name, word in words.items() if buttons.get(name)]
    return "    ".join([how[mode], *rest])


class SessionScreen:
    """Shows a session's ticks in its window; made before the session's setup, which needs it."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def begin(self, rig: SessionSetup, pulses: HeartbeatReader) -> None:
        """The setup is there: its track and names are known."""
        self._view = LiveView(self._window, rig.track, rig.corners, rig.action_names, hz=rig.task.settings.hz)
        self._view.hint = HINTS[rig.options.gating.mode]
        self._rig, self._pulses = rig, pulses

    @property
    def hint(self) -> str:
        """Which keys or buttons do what."""
        return str(self._view.hint)

    def hint_by(self, wheel: HumanSide) -> None:
        """Name the pad's own buttons instead of keys: over another game the keyboard is that game's."""
        pad = persons_pad(wheel)
        made = next((m for part in getattr(pad, "parts", (pad,)) if (m := getattr(part, "map", None)) is not None), None)
        if made is not None:
            self._view.hint = pad_hint(made.buttons, self._rig.options.gating.mode)

    def __call__(self, tick: Tick) -> None:
        """Show one tick."""
        status = self._rig.recorder.status
        self._view.store = StorePulse(status.committed_steps, status.queue, status.last_commit_age_s, status.problem)
        self._view.trainer = self._pulses.newest
        self._view(tick)

    def say(self, text: str) -> None:
        """Show one line until the next."""
        self._view.message = text

    def episode_over(self, result: EpisodeResult) -> None:
        """Keep what the next episodes show of it."""
        self._view.episode_over(result)
