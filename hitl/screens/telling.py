"""Sentences to the player: in the window, in the terminal, or in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast, get_args

from hitl.coach.rules import Tell
from hitl.home import Named, in_home
from takeover_ui.view import Level

if TYPE_CHECKING:
    from hitl.screens.session_screen import SessionScreen
    from takeover_ui.window.window import Window


def teller(window: Window | None, also_printed: bool = False, named: Named = None) -> Tell:
    """Return a function that tells the player a sentence: as a toast, as a printed line where there is no window, or as both.

    ``named``: the home as it was typed (`in_home`), for the commands in what is printed; a window knows it.
    """

    def tell(level: str, text: str) -> None:
        if window is None or also_printed:
            print(in_home(text, named), flush=True)
        if window is not None and level in get_args(Level):
            window.toast(text, cast("Level", level))

    return tell


def line_keeper(watch: SessionScreen | None, also_printed: bool) -> Callable[[str], None]:
    """Return a function that keeps a line in sight until the next one: on the screen, over another game in the terminal, too."""

    def keep(text: str) -> None:
        if watch is not None:
            watch.message = text
            if also_printed:
                print(text, flush=True)

    return keep
