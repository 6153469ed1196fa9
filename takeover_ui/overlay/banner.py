"""What lies over the game view itself: the next corner, the request for help, what is going on, and toasts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache

import pygame

from takeover_ui import signs, theme
from takeover_ui.language import Words
from takeover_ui.overlay import sections, texts
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import View

_SHOWN_TOASTS = 3


def draw(
    surface: pygame.Surface,
    view: View,
    *,
    language: str = "en",
    bottom_inset: int = 0,
    window_height: int = 0,
    without: Collection[str] = (),
    covers_road: Callable[[pygame.Rect], bool] = lambda box: False,
    room: int = 0,
    large: float = 1.0,
    below: bool = False,
) -> list[Mark]:
    """Draw over ``surface`` and return what was drawn where; ``bottom_inset`` pixels on the lower left are taken by the map.

    ``window_height`` in pixels says how large letters are; 0: the surface is the whole height of the window.
    ``without``: ``corner`` and ``delta`` where a gauge says the same. The names of corners are written where they do not cover
    the road, which ``covers_road`` tells of a box. ``room``: pixels from the left that a card leaves free, 0 for all;
    ``below``: it leaves the lower edge free. ``large``: how many times as large as usual all of it is.
    """
    tall = (window_height or surface.get_height()) / 720
    area = surface.get_rect()
    whole = area.copy()
    area.w = room or area.w

    def of_width(width: int) -> float:
        return min(tall, max(width / 860, (0.7 if large == 1 else 0.9) * tall)) * large

    pen = Pen(surface, of_width(area.w))
    top = area.top + pen.px(20)
    words = texts.LANGUAGES[language]
    headline, colour = _headline(view, words)
    message = "" if view.elsewhere and view.driver == "paused" else view.message  # of keys and clicks that do something else now
    told = (("headline", headline, theme.READABLE, colour), ("message", message, 26, theme.TEXT))
    for name, text, size, shade in told:
        if text:
            padding = pen.px(size * 0.45)
            width = area.w - pen.px(80) - 2 * padding
            box = _on_glass(pen, name, text, size, shade, width, (2 * padding, padding), 12, midtop=(area.centerx, top))
            top = box.bottom + pen.px(10)
    named = {"corner": ("", theme.TEXT) if headline else _corner(view, words), "delta": _delta(view, words)}
    for name, (text, shade) in named.items():
        if text and name not in without:
            box = pygame.Rect((0, 0), theme.measure(text, pen.px(theme.READABLE))).inflate(pen.px(38), pen.px(20))
            inside = area.inflate(-2 * pen.px(20), 0)
            places = {"midtop": (area.centerx, top), "topleft": (inside.left, top), "topright": (inside.right, top)}
            free = next((side for side, at in places.items() if not covers_road(box.move_to(**{side: at}))), "")
            if free:
                around, at = (pen.px(38), pen.px(20)), {free: places[free]}
                box = _on_glass(pen, f"said_{name}", text, theme.READABLE, shade, inside.w, around, 12, lines=1, **at)
                top = box.bottom + pen.px(10)
    for level, text in view.toasts[-_SHOWN_TOASTS:]:
        width, around = min(area.w - pen.px(100), pen.px(760)), (pen.px(64), pen.px(16))
        box = _on_glass(pen, "toast", text, 26, theme.TEXT, width, around, 10, lines=4, midtop=(area.centerx, top))
        signs.lamp(pen.surface, (box.left + pen.px(16), box.centery), level, pen.px(6))
        top = box.bottom + pen.px(8)
    hint, size, shade = (words["keys_elsewhere"], 26, theme.WARNING) if view.elsewhere else (view.hint, 20, theme.MUTED)
    if hint:
        area, pen.scale = (whole, of_width(whole.w)) if below else (area, pen.scale)
        lines = 3 if large == 1 else 5
        width, corner = area.w - 2 * pen.px(30) - bottom_inset, (area.right - pen.px(16), area.bottom - pen.px(18))
        _on_glass(pen, "hint", hint, size, shade, width, (pen.px(20), pen.px(10)), 8, lines=lines, bottomright=corner)
    return pen.marks


def _delta(view: View, words: Words) -> tuple[str, theme.Colour]:
    """Return how the corner that was just left compares with the best lap, and its colour; "" where there is nothing to say."""
    times = view.times
    if times is None or times.delta is None:
        return "", theme.TEXT
    return f"{times.corner} {words.say('delta', value=times.delta)}", sections.delta_colour(times.delta)


def _headline(view: View, words: Words) -> tuple[str, theme.Colour]:
    """Return the line at the top and its colour; "" where there is nothing to say."""
    if view.fast:
        return f"»  {view.fast}", theme.TEXT
    if view.driver == "agent" and view.held:
        return texts.let_go(view.held, words), theme.WARNING
    if view.driver == "agent" and view.help_wanted:
        return f"{words['agent']} {words['help']}", theme.WARNING
    if view.driver == "paused":
        way_on = f". {view.way_on}" if view.way_on and not view.elsewhere else ""
        return words["paused"] + way_on, theme.PAUSED
    return "", theme.TEXT


def _corner(view: View, words: Words) -> tuple[str, theme.Colour]:
    """Return the corner that comes next, and its colour; "" while none is near."""
    if view.countdown is None or view.countdown >= 5.0:
        return "", theme.TEXT
    if view.countdown <= 0 or not view.next_corner:
        return view.next_corner, theme.TEXT
    text = f"{words['corner_in'].format(name=view.next_corner)} {words.say('seconds', value=view.countdown)}"
    return text, theme.WARNING if view.countdown < 2 else theme.TEXT


def _on_glass(
    pen: Pen, name: str, text: str, size: float, colour: theme.Colour, width: int, padding: tuple[int, int],
    radius: float, lines: int = 1, **place: tuple[int, int],
) -> pygame.Rect:  # fmt: skip
    """Write a text, at most ``width`` pixels wide, on a dark box; ``padding``: how much wider and higher the box is.

    A text that is too long for one line is broken into as many as ``lines``.
    """
    parts, pixels = [text], pen.px(size)
    if lines > 1 and theme.measure(text, pixels)[0] > width:
        parts, pixels = theme.paragraph(text, pixels, width, lines)
    sizes = [theme.measure(*theme.fit(part, pixels, width)[:2]) for part in parts]
    step = max(h for _, h in sizes)
    step += step // 5 if len(parts) > 1 else 0  # what reaches below a line must not run into the next one
    box = pygame.Rect(0, 0, max(w for w, _ in sizes) + padding[0], step * len(parts) + padding[1])
    for side, at in place.items():
        setattr(box, side, at)
    pen.surface.blit(_glass(box.size, pen.px(radius)), box)
    for number, part in enumerate(parts):
        middle = box.centery + round((number - (len(parts) - 1) / 2) * step)
        pen.text(name, part, (box.centerx, middle), pen.design(pixels), colour, width=width, anchor="center")
    return box


@lru_cache(maxsize=64)
def _glass(size: tuple[int, int], radius: int) -> pygame.Surface:
    """Return a rounded box that darkens what lies below, so that text on it can be read over anything."""
    sheet = pygame.Surface(size, pygame.SRCALPHA)
    pygame.draw.rect(sheet, (*theme.INK, 205), sheet.get_rect(), border_radius=radius)
    return sheet
