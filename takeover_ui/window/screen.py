"""The real window: what it shows, its sizes, full screen."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pygame

from takeover_ui import theme
from takeover_ui.icon import icon
from takeover_ui.overlay import card
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.overlay.overlay import OverlaySize
from takeover_ui.overlay.texts import LANGUAGES
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import Card, View
from takeover_ui.window.arranging import Arranging
from takeover_ui.window.composer import Composer
from takeover_ui.window.picture import Picture
from takeover_ui.window.system.scaling import content_scale

if TYPE_CHECKING:
    from takeover_ui.window.floating import Floating
    from takeover_ui.window.options import WindowOptions

SHORTCUT = pygame.KMOD_CTRL | pygame.KMOD_ALT | pygame.KMOD_META
"""With one of these a letter is a shortcut, and not the command of the letter alone."""
_SMALLEST = (320, 200)


def tell(surface: pygame.Surface, texts: Sequence[str]) -> list[Mark]:
    """Write what is going on in the middle of a window in which nothing drives yet; returns what was drawn where."""
    pen = Pen(surface, max(0.6, min(surface.get_height() / 720, surface.get_width() / 1280)))
    surface.fill(theme.GROUND)
    width, step = round(surface.get_width() * 0.8), theme.measure("Ag", pen.px(26))[1] + pen.px(6)
    lines = [line for text in texts for line in theme.wrap(text, pen.px(26), width, 6)]
    for number, line in enumerate(lines):
        at = surface.get_width() // 2, surface.get_height() // 2 + round((number - (len(lines) - 1) / 2) * step)
        pen.text("told", line, at, 26, anchor="center")
    return pen.marks


class Screen:
    """The real window. It lives in the process that owns it."""

    def __init__(self, options: WindowOptions) -> None:
        self.options = options
        pygame.display.init()
        pygame.font.init()
        pygame.display.set_caption(options.title)
        pygame.display.set_icon(icon())
        size = None if options.overlay == "off" else options.overlay
        self.composer = Composer(
            game_view=options.game_view, size=size, language=options.language, arrangement=options.arrangement
        )
        self.arranging = Arranging(self.composer)
        self._fullscreen = False
        self._windowed: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))  # size and place before full screen
        self._settings: pygame.Rect | None = None  # where a paused session says how its settings are opened
        self._floating: Floating | None = None  # over another game
        if options.game_view:
            pygame.display.set_mode(fitting(options.size), pygame.RESIZABLE)
        else:
            from takeover_ui.window.floating import Floating

            self._floating = Floating(options)
        self.tell([])

    @property
    def gets_focus(self) -> bool:
        """Whether the player can give the window the keyboard."""
        if self.options.game_view:
            return True
        from takeover_ui.window.floating import is_out_of_the_way

        return not is_out_of_the_way()

    def draw(self, view: View, now: float, words: Card | None = None) -> None:
        """Draw a frame, with a card over it if there is one, and show it."""
        if self._floating is not None:
            self._floating.look_around(now)
        surface = self.drawable
        if surface is None:
            return
        marks = self.composer.draw(surface, view, now)
        paused = [mark.rect for mark in marks if mark.name == "message" and view.driver == "paused"]
        self._settings = paused[0].inflate(20, 20) if paused else None
        if words is not None:
            card.draw(surface, words)
        self.arranging.draw(surface, LANGUAGES[self.options.language])
        pygame.display.flip()

    def tell(self, texts: Sequence[str], words: Card | None = None) -> None:
        """Show what is going on while nothing drives yet: a card, else texts, else that the session is being loaded."""
        if self._floating is not None:
            self._floating.look_around(time.perf_counter())
        surface = self.drawable
        if surface is not None:
            tell(surface, [] if words is not None else texts or [LANGUAGES[self.options.language]["loading"]])
            if words is not None:
                card.draw(surface, words)
            pygame.display.flip()

    @property
    def drawable(self) -> pygame.Surface | None:
        """Return the window's surface; None while it is too small to draw on. The overlay over a game may be set to any size."""
        surface = pygame.display.get_surface()
        if self._floating is not None:
            return surface if self._floating.seen else None
        if surface is None or surface.get_width() < _SMALLEST[0] // 2 or surface.get_height() < 16:
            return None
        return surface

    def mouse(self, event: pygame.event.Event) -> Arrangement | None:
        """Take in what the mouse does over the gauges; returns the arrangement where it has changed."""
        surface = pygame.display.get_surface()
        if not self.options.game_view or surface is None or not self.arranging.event(event, surface.get_rect()):
            return None
        return self.composer.arrangement

    def close_list(self) -> bool:
        """Close the list of gauges; False where none is open."""
        was_open, self.arranging.list_at = self.arranging.list_at is not None, None
        return was_open

    def opens_settings(self, at: tuple[int, int]) -> bool:
        """Tell whether a click there means the settings."""
        return self.options.game_view and self._settings is not None and self._settings.collidepoint(at)

    def restyle(self, options: WindowOptions) -> None:
        """Go on with another look. The size changes only where that was changed: Tab may have chosen another since."""
        was, self.options = self.options, options
        self.composer.language, self.composer.arrangement = options.language, options.arrangement
        if options.overlay != was.overlay:
            self.composer.size = None if options.overlay == "off" else options.overlay
        if self._floating is not None and replace(options, language=was.language) != was:
            self._floating.place_anew(options, self.composer.size)

    def step_aside(self, aside: bool) -> None:
        """Leave the screen to another window of ours that an overlay above all others would cover, or come back."""
        if self._floating is not None:
            self._floating.step_aside(aside)

    def said(self) -> list[str]:
        """Return what is to be said of the window in the terminal, once."""
        said: list[str] = []
        if self._floating is not None:
            said, self._floating.said = self._floating.said, []
        return said

    def show_picture(self, path: Path | None) -> None:
        """Show what a game draws into that file, in place of the road from above."""
        if self.composer.picture is not None:
            self.composer.picture.close()
        self.composer.picture = None if path is None else Picture(path)

    @property
    def has_new_picture(self) -> bool:
        """Whether the game has drawn something that is not shown yet."""
        return self.composer.picture is not None and self.composer.picture.has_new

    def next_size(self) -> None:
        """Go on to the overlay's next size; after the bar it is off, then full again."""
        order: tuple[OverlaySize | None, ...] = (*get_args(OverlaySize), None)
        self.composer.size = order[(order.index(self.composer.size) + 1) % len(order)]
        if self._floating is not None:
            self._floating.place_anew(self.options, self.composer.size)

    def to_front(self) -> None:
        """Bring the window before all others, with the keyboard."""
        if self.options.game_view:
            from takeover_ui.window.floating import stay_on_top

            window = pygame.Window.from_display_module()
            window.restore()
            window.focus()
            self.take_keys()
            stay_on_top()

    def take_keys(self) -> None:
        """Have the keyboard, where the player can give it to the window."""
        if self.options.game_view:
            take_keys()

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or go back to a window."""
        if not self.options.game_view:
            return
        window = pygame.Window.from_display_module()
        self._fullscreen = not self._fullscreen
        if self._fullscreen:
            self._windowed = window.size, window.position
            pygame.display.set_mode((0, 0), pygame.FULLSCREEN)
            return
        size, position = self._windowed
        with warnings.catch_warnings():  # some systems keep the screen's size for the window, and pygame warns of that
            warnings.simplefilter("ignore", RuntimeWarning)
            pygame.display.set_mode(size, pygame.RESIZABLE)
        window.size, window.position = size, position

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()


def fitting(
    size: tuple[int, int], desktop: tuple[int, int] | None = None, scale: float | None = None
) -> tuple[int, int]:
    """Return ``size`` as it suits the desktop: smaller where it would not fit, larger where its pixels are fine.

    ``scale``: how large the player has set what is shown; None: as the system says.
    """
    if scale is None:
        scale = content_scale() if desktop is None else 1.0
    if desktop is None:
        desktops = pygame.display.get_desktop_sizes()
        if not desktops:
            return size
        desktop = desktops[0]
    share = min(max(1.0, scale, desktop[1] / 1.5 / size[1]), desktop[0] * 0.95 / size[0], desktop[1] * 0.88 / size[1])
    return max(_SMALLEST[0], round(size[0] * share)), max(_SMALLEST[1], round(size[1] * share))


def take_keys() -> None:
    """Have the keyboard in this process's window, as after a click into it.

    Without a window manager no click gives it, and when the window that had it closes, no other gets it.
    """
    with contextlib.suppress(pygame.error):  # not every system has that: there the window manager does it
        if not pygame.key.get_focused():
            pygame.Window.from_display_module().focus(input_only=True)


def open_plain(title: str, size: tuple[int, int] | None) -> pygame.Surface:
    """Open a window of this process's own; ``size`` None: as large as suits the desktop. Raises pygame.error."""
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
    pygame.display.init()
    pygame.font.init()
    pygame.display.set_caption(title)
    pygame.display.set_icon(icon())
    return pygame.display.set_mode(size or fitting((1280, 720)), pygame.RESIZABLE)


def large_enough() -> pygame.Surface | None:
    """Return the surface of such a window; None while it is too small to draw on."""
    surface = pygame.display.get_surface()
    return surface if surface is not None and surface.get_width() >= 320 and surface.get_height() >= 180 else None
