"""What lies over the game view itself: the next corner, the request for help, what is going on, and toasts."""

from __future__ import annotations

from collections.abc import Mapping

import pygame

from takeover_ui import theme
from takeover_ui.overlay import texts
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import Level, View

_SHOWN_TOASTS = 3


def draw(surface: pygame.Surface, view: View, *, language: str = "en", bottom_inset: int = 0) -> list[Mark]:
    """Draw over ``surface`` and return what was drawn where; ``bottom_inset`` pixels on the lower left are taken by the map."""
    tall = surface.get_height() / 720
    pen = Pen(surface, min(tall, max(surface.get_width() / 940, 0.7 * tall)))
    words = texts.LANGUAGES.get(language, texts.ENGLISH)
    area = surface.get_rect()
    top = area.top + pen.px(20)
    headline = _headline(view, words)
    if headline is not None:
        text, colour = headline
        top = _pill(pen, "headline", text, area.centerx, top, 44, colour, area.w - pen.px(80)).bottom + pen.px(10)
    if view.message:
        top = _pill(
            pen, "message", view.message, area.centerx, top, 26, theme.TEXT, area.w - pen.px(80)
        ).bottom + pen.px(10)
    for level, text in view.toasts[-_SHOWN_TOASTS:]:
        top = _toast(pen, level, text, area, top)
    if view.hint:
        room = area.w - 2 * pen.px(30) - bottom_inset
        text, pixels, _ = theme.fit(view.hint, pen.px(20), room)
        box = pygame.Rect((0, 0), theme.measure(text, pixels)).inflate(pen.px(20), pen.px(10))
        box.bottomright = area.right - pen.px(16), area.bottom - pen.px(18)
        glass(pen, box, 8)
        pen.text("hint", text, box.center, pixels / pen.scale, theme.MUTED, anchor="center")
    return pen.marks


def _headline(view: View, words: Mapping[str, str]) -> tuple[str, theme.Colour] | None:
    if view.driver == "agent" and view.held:
        return texts.let_go(view.held, words), theme.WARNING
    if view.driver == "agent" and view.help_wanted:
        return f"{words['agent']} {words['help']}", theme.WARNING
    if view.driver == "paused":
        return words["paused"], theme.PAUSED
    if view.countdown is not None and view.next_corner and view.countdown < 5.0:
        if view.countdown <= 0:
            return view.next_corner, theme.TEXT
        seconds = words["seconds"].format(value=view.countdown)
        return (
            f"{words['corner_in'].format(name=view.next_corner)} {seconds}",
            theme.WARNING if view.countdown < 2 else theme.TEXT,
        )
    return None


def _pill(
    pen: Pen, name: str, text: str, centre: int, top: int, size: float, colour: theme.Colour, width: int
) -> pygame.Rect:
    padding = pen.px(size * 0.45)
    text, pixels, _ = theme.fit(text, pen.px(size), width - 2 * padding)
    w, h = theme.measure(text, pixels)
    box = pygame.Rect(0, top, w + 2 * padding, h + padding)
    box.centerx = centre
    glass(pen, box, 12)
    pen.text(name, text, box.center, pixels / pen.scale, colour, anchor="center")
    return box


def _toast(pen: Pen, level: Level, text: str, area: pygame.Rect, top: int) -> int:
    colour = theme.LEVEL[level]
    text, pixels, _ = theme.fit(text, pen.px(26), min(area.w - pen.px(100), pen.px(760)))
    w, h = theme.measure(text, pixels)
    box = pygame.Rect(0, top, w + pen.px(48), h + pen.px(16))
    box.centerx = area.centerx
    glass(pen, box, 10)
    pygame.draw.rect(
        pen.surface, colour, (box.left, box.top + pen.px(5), pen.px(5), box.h - 2 * pen.px(5)), border_radius=2
    )
    pen.text("toast", text, (box.left + pen.px(26), box.centery), pixels / pen.scale, theme.TEXT, anchor="midleft")
    return box.bottom + pen.px(8)


_GLASS: dict[tuple[int, int, int], pygame.Surface] = {}


def glass(pen: Pen, rect: pygame.Rect, radius: float) -> None:
    """Darken a rounded box so that text on it can be read over anything."""
    key = (rect.w, rect.h, pen.px(radius))
    sheet = _GLASS.get(key)
    if sheet is None:
        if len(_GLASS) > 64:
            _GLASS.clear()
        sheet = _GLASS[key] = pygame.Surface(rect.size, pygame.SRCALPHA)
        pygame.draw.rect(sheet, (*theme.INK, 205), sheet.get_rect(), border_radius=key[2])
    pen.surface.blit(sheet, rect)
