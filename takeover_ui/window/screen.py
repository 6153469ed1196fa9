"""The picture of the whole window: game view, overlay beside or over it, banner, frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pygame

from takeover_ui import theme
from takeover_ui.overlay import banner, card, notices, overlay
from takeover_ui.overlay.overlay import Size
from takeover_ui.overlay.texts import LANGUAGES
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import Card, View
from takeover_ui.window.game_view import GameView

if TYPE_CHECKING:
    from takeover_ui.window.options import WindowOptions

_SMALLEST = (320, 200)
_RAISE_S = 2.0


class Composer:
    """Lays out and draws one frame on any surface."""

    def __init__(self, *, game_view: bool = True, size: Size | None = "full", language: str = "en") -> None:
        self.game_view, self.size, self.language = game_view, size, language
        self._view: GameView | None = None

    def layout(self, area: pygame.Rect) -> tuple[pygame.Rect, pygame.Rect | None]:
        """Return the game's rectangle and the overlay's (None when it is off). A floating one leaves room below it for words."""
        if not self.game_view:
            drawn, told = overlay.DESIGN[self.size or "full"][1], notices.HEIGHT[self.size or "full"]
            return pygame.Rect(0, 0, 0, 0), pygame.Rect(0, 0, area.w, round(area.h * drawn / (drawn + told)))
        if self.size is None:
            return area, None
        width, height = overlay.DESIGN[self.size]
        if self.size == "full":
            edge = round(overlay.FRAME * min(area.h / 720, area.w / 1280))  # the frame must not eat the column's margin
            panel = min(round(width * area.h / height), round(area.w * 0.42))
            left = area.w - panel - edge
            return pygame.Rect(0, 0, left, area.h), pygame.Rect(left, 0, panel, area.h)
        if self.size == "bar":
            strip = min(round(height * area.w / width), round(area.h * 0.12))
            return pygame.Rect(0, strip, area.w, area.h - strip), pygame.Rect(0, 0, area.w, strip)
        scale = min(area.h / 720, area.w / 900)
        card = pygame.Rect(0, 0, round(width * scale), round(height * scale))
        card.topright = area.right - round(18 * scale), area.top + round(18 * scale)
        return area, card

    def draw(self, surface: pygame.Surface, view: View, now: float | None = None) -> list[Mark]:
        """Draw a frame for ``now`` (``time.perf_counter``; None: the view's time); return what was drawn where, in pixels."""
        game, panel = self.layout(surface.get_rect())
        marks: list[Mark] = []

        def add(drawn: list[Mark], area: pygame.Rect) -> None:
            marks.extend(replace(mark, rect=mark.rect.move(area.topleft)) for mark in drawn)

        if game.w > 0 and game.h > 0:
            if self._view is None or self._view.scene is not view.scene:
                self._view = GameView(view.scene)
            part = surface.subsurface(game)
            drawn = self._view.draw(part, view, view.at if now is None else now)
            taken = max((m.rect.right for m in drawn if m.name == "map"), default=0)
            if panel is not None and game.colliderect(panel):
                part = surface.subsurface(pygame.Rect(0, 0, panel.left, game.h))
            add(drawn + banner.draw(part, view, language=self.language, bottom_inset=taken), game)
        if panel is not None and panel.w > 0 and panel.h > 0:
            add(overlay.draw(surface.subsurface(panel), view, self.size or "full", language=self.language), panel)
        if not self.game_view and panel is not None:
            below = pygame.Rect(0, panel.bottom, surface.get_width(), surface.get_height() - panel.bottom)
            add(notices.draw(surface.subsurface(below), view, self.size or "full"), below)
        scale = min(surface.get_height() / 720, surface.get_width() / 1280) if self.game_view else 0.5
        overlay.frame(surface, view, scale)
        return marks


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
        size = None if options.overlay == "off" else options.overlay
        self.composer = Composer(game_view=options.game_view, size=size, language=options.language)
        self._fullscreen = False
        self._windowed: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))  # size and place before full screen
        self._raised = 0.0
        if options.game_view:
            self.surface = pygame.display.set_mode(fitting(options.size), pygame.RESIZABLE)
        else:
            from takeover_ui.window.floating import open_floating

            self.surface = open_floating(options)
        self.tell([])

    def draw(self, view: View, now: float, words: Card | None = None) -> None:
        """Draw a frame, with a card over it if there is one, and show it."""
        surface = self._drawable()
        if surface is None:
            return
        self.composer.draw(surface, view, now)
        if words is not None:
            card.draw(surface, words)
        pygame.display.flip()
        if not self.options.game_view and now - self._raised > _RAISE_S:
            from takeover_ui.window.floating import stay_on_top

            self._raised = now
            stay_on_top()

    def tell(self, texts: Sequence[str], words: Card | None = None) -> None:
        """Show what is going on while nothing drives yet: a card, else texts, else that the session is being loaded."""
        surface = self._drawable()
        if surface is not None:
            tell(surface, [] if words is not None else texts or [LANGUAGES[self.options.language]["loading"]])
            if words is not None:
                card.draw(surface, words)
            pygame.display.flip()

    @staticmethod
    def _drawable() -> pygame.Surface | None:
        """Return the window's surface; None while it is too small to draw on."""
        surface = pygame.display.get_surface()
        if surface is None or surface.get_width() < _SMALLEST[0] // 2 or surface.get_height() < 16:
            return None
        return surface

    def next_size(self) -> None:
        """Go on to the overlay's next size; after the bar it is off, then full again."""
        if self.options.game_view:
            order: tuple[Size | None, ...] = (*get_args(Size), None)
            self.composer.size = order[(order.index(self.composer.size) + 1) % len(order)]

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or go back to a window."""
        if not self.options.game_view:
            return
        window = pygame.Window.from_display_module()
        self._fullscreen = not self._fullscreen
        if self._fullscreen:
            self._windowed = window.size, window.position
            self.surface = pygame.display.set_mode((0, 0), pygame.FULLSCREEN)
            return
        size, position = self._windowed
        self.surface = pygame.display.set_mode(size, pygame.RESIZABLE)
        # Some systems keep the screen's size for the window, and its corner then lies outside the screen.
        window.size, window.position = size, position

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()


def fitting(size: tuple[int, int], desktop: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return ``size`` as it suits the desktop: smaller where it would not fit, larger where its pixels are fine."""
    if desktop is None:
        desktops = pygame.display.get_desktop_sizes()
        if not desktops:
            return size
        desktop = desktops[0]
    share = min(max(1.0, desktop[1] / 1.5 / size[1]), desktop[0] * 0.95 / size[0], desktop[1] * 0.88 / size[1])
    return max(_SMALLEST[0], round(size[0] * share)), max(_SMALLEST[1], round(size[1] * share))
