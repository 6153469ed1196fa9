"""Sentences to the player: in the window, in the terminal, or in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from hitl.coach.rules import Tell
from hitl.home import Named, in_home
from takeover_ui.language import ENGLISH
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


class KeepLine(Protocol):
    """Keeps a line in sight until the next one: a text by its name in `takeover_ui/languages`, "" for none."""

    def __call__(self, name: str, /, **values: Any) -> None:
        """Keep this line."""


def line_keeper(watch: SessionScreen | None, also_printed: bool) -> KeepLine:
    """Return what keeps a line: on the screen in the player's language, over another game in the terminal, too, in English."""

    def keep(name: str, /, **values: Any) -> None:
        if watch is not None:
            watch.message = watch.words.say(name, **values) if name else ""
            if also_printed and name:
                print(ENGLISH.say(name, **values), flush=True)

    return keep
