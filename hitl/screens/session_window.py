"""The window of a session as the player has set it and arranged it."""

from __future__ import annotations

from dataclasses import replace

from data.errors import HitlError
from hitl.home import Home, Named, in_home
from hitl.settings import OverlaySettings
from hitl.settings_desk.changes import Changes
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.view import Card, Level
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


class SessionWindow(Window):
    """A window whose commands name the home where the player has named it, for without they would look into the usual one."""

    def __init__(self, options: WindowOptions, named: Named) -> None:
        self._named = named
        super().__init__(options)

    def toast(self, text: str, level: Level = "info", of_drive: bool = False) -> None:
        """Show a sentence for some seconds."""
        super().toast(in_home(text, self._named), level, of_drive)

    def card(self, card: Card | None) -> None:
        """Show a card in the middle until the next one comes; None takes it away."""
        super().card(card and replace(card, lines=tuple(in_home(line, self._named) for line in card.lines)))


def open_window(
    home: Home, look: OverlaySettings, *, named: Named = None, title: str = "hitl", game_view: bool = True
) -> Window:
    """Open a window that remembers in the home how the gauges are arranged. Raises DeviceError where no window opens.

    ``named``: the home as the player typed it (`in_home`). ``game_view`` False: the overlay alone, over another game.
    """
    window = SessionWindow(replace(options_of(look), title=title, game_view=game_view), named)

    def remember(arrangement: Arrangement) -> None:
        try:
            Changes(home).arrange(arrangement.table())
        except HitlError as error:
            window.toast(f"Your gauges stay so only until you leave. {error}", "warning")

    window.remember = remember
    return window
