"""The window of a session as the player has set it and arranged it, and the questions that are asked in it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from data.errors import HitlError
from hitl.drivers.human import persons_pad
from hitl.home import Home, Named, in_window
from hitl.settings import OverlaySettings
from hitl.settings_desk.changes import Changes
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.view import Card, Driver, Level, toast_s
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window

if TYPE_CHECKING:
    from hitl.session.session import Session

WINDOW_GONE = "The window is gone: its process has ended, and the session with it. What was driven is kept."
READ_S = 10.0  # a card with a question waits at least so long, and then goes on
STILL_DRIVES_S = 1.5  # in which what a hand does still belongs to the drive before the card


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

    def toast(self, text: str, level: Level = "info", of_drive: bool = False, only: Driver | None = None) -> None:
        """Show a sentence for some seconds."""
        super().toast(in_window(text, self._named), level, of_drive, only)

    def withdraw(self, text: str) -> None:
        """Take a sentence away that was shown so."""
        super().withdraw(in_window(text, self._named))

    def card(self, card: Card | None) -> None:
        """Show a card in the middle until the next one comes; None takes it away."""
        super().card(card and replace(card, lines=tuple(in_window(line, self._named) for line in card.lines)))


def open_window(
    home: Home, look: OverlaySettings, *, named: Named = None, title: str = "hitl", game_view: bool = True
) -> Window:
    """Open a window that remembers in the home how the gauges are arranged. Raises DeviceError where no window opens.

    ``named``: the home as the player typed it (`in_window`). ``game_view`` False: the overlay alone, over another game.
    """
    window = SessionWindow(replace(options_of(look), title=title, game_view=game_view), named)

    def remember(arrangement: Arrangement) -> None:
        try:
            Changes(home).arrange(arrangement.table())
        except HitlError as error:
            window.toast(f"Your gauges stay so only until you leave. {error}", "warning")

    window.remember = remember
    return window


def exit_status(window: Window | None, stopped: Callable[[], bool]) -> int:
    """Return the status with which a command ends: 1 and a sentence where its window ended it, although no one closed that.

    ``stopped``: the program was asked to end, and its window with it.
    """
    if window is None or not (window.died and window.closed) or stopped():
        return 0
    print(WINDOW_GONE, file=sys.stderr)
    return 1


def answered(window: Window, session: Session, card: Card) -> bool:
    """Show a card until the player answers; True for Enter, or the pad's button that stars or takes over.

    Any other control of theirs and Escape mean no, and so does the time that it takes to read it all: it is counted down, and
    the button that pauses stops that and lets it go on.
    """
    from hitl.settings_desk.pause import names_of  # it brings pads and a window of settings with it

    words, pad = window.options.words, persons_pad(session.human)
    if pad is None:
        return False
    began = then = time.monotonic()
    left, waits, yes, shown = max(READ_S, toast_s("".join((card.title, *card.lines)))), False, False, ""
    key = names_of(session.human, "pause", keys=window.hears_keys)
    was = pad.read()
    while left > 0.0 and not (window.closed or window.died or session.stop() or yes):  # no one sees it then
        clock = words.say("card_waits" if waits else "card_goes_on", seconds=math.ceil(left), key=key)
        if clock != shown:
            shown = clock
            window.card(replace(card, keys=f"{card.keys}    {clock}"))
        time.sleep(0.02)
        now, passed, then = pad.read(), time.monotonic() - then, time.monotonic()
        left -= 0.0 if waits else passed
        pressed = now.buttons - was.buttons
        if "quit" in pressed:
            session.leaving = True
            break
        waits ^= "pause" in pressed
        yes = bool(pressed & {"star", "takeover"})
        if now.deflection > 0.5 >= was.deflection and time.monotonic() > began + STILL_DRIVES_S:
            break
        was = now
    window.card(None)
    return yes
