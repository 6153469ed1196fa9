"""The window of a session as the player has set it and arranged it."""

from __future__ import annotations

from dataclasses import replace

from data.errors import HitlError
from hitl.home import Home
from hitl.settings import OverlaySettings
from hitl.settings_desk.changes import Changes
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window


def options_of(look: OverlaySettings) -> WindowOptions:
    """Return how a window looks by these settings."""
    return WindowOptions(
        overlay=look.show,
        language=look.language,
        corner=look.corner,
        opacity=look.opacity,
        keep_clear=look.keep_clear,
        keys_anywhere=look.keys == "anywhere",
        arrangement=Arrangement(look.scale, look.hidden, look.places or {}),
    )


def open_window(home: Home, look: OverlaySettings, *, title: str = "hitl", game_view: bool = True) -> Window:
    """Open a window that remembers in the home how the gauges are arranged. Raises DeviceError where no window opens.

    ``game_view`` False: the overlay alone, over another game.
    """
    window = Window(replace(options_of(look), title=title, game_view=game_view))

    def remember(arrangement: Arrangement) -> None:
        try:
            Changes(home).arrange(arrangement.table())
        except HitlError as error:
            window.toast(f"Your gauges stay so only until you leave. {error}", "warning")

    window.remember = remember
    return window
