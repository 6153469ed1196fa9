"""A card in the middle of the window: words, perhaps a small table, and which keys do what, until the next one comes."""

from __future__ import annotations

import pygame

from takeover_ui import theme
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import Card

_TITLE, _BODY, _KEYS = 40, 26, 22
_GAP, _PAD = 10, 34


def draw(surface: pygame.Surface, card: Card) -> list[Mark]:
    """Draw over the middle of ``surface`` and return what was drawn where."""
    area = surface.get_rect()
    pen = Pen(surface, max(0.5, min(area.h / 720, area.w / 1280)))
    width = min(area.w - 2 * pen.px(_PAD + 8), pen.px(900))
    parts = _parts(pen, card, width)
    rows = _columns(pen, card, width)
    step = _line(pen, _BODY) + pen.px(_GAP)
    height = sum(_line(pen, size) + pen.px(_GAP) for _, _, size, _ in parts) + len(card.rows) * step - pen.px(_GAP)
    box = pygame.Rect(0, 0, width + 2 * pen.px(_PAD), min(area.h, height + 2 * pen.px(_PAD)))
    box.center = area.center
    pen.box(box, theme.PANEL, 14)
    pygame.draw.rect(surface, theme.FAINT, box, width=pen.px(2), border_radius=pen.px(14))
    pen.mark("card", box)
    top, left = box.top + pen.px(_PAD), box.left + pen.px(_PAD)
    for number, (name, text, size, colour) in enumerate(parts):
        if name != "card_title" and parts[number - 1][0] == "card_title":
            top = _table(pen, card, rows, left, top, step)
        pen.text(name, text, (left, top), size, colour, width=width)
        top += _line(pen, size) + pen.px(_GAP)
    return pen.marks


def _parts(pen: Pen, card: Card, width: int) -> list[tuple[str, str, int, theme.Colour]]:
    """Return (name, text, size, colour) of each line of text; the table comes after the title's."""
    said = [("card_title", card.title, _TITLE, theme.TEXT), *(("card_line", text, _BODY, theme.TEXT) for text in card.lines)]
    said.append(("card_keys", card.keys, _KEYS, theme.WARNING))
    return [
        (name, line, size, colour)
        for name, text, size, colour in said
        for line in ([text] if theme.measure(text, pen.px(size))[0] <= width else theme.wrap(text, pen.px(size), width, 6))
    ]


def _columns(pen: Pen, card: Card, width: int) -> list[int]:
    """Return how far right each column of the table begins; the first one takes what its words need."""
    if not card.rows:
        return []
    first = max(theme.measure(row[0], pen.px(_BODY))[0] for row in card.rows) + pen.px(40)
    rest = len(card.rows[0]) - 1
    each = min((width - first) // max(1, rest), pen.px(190))
    return [0, *(first + k * each for k in range(rest))]


def _table(pen: Pen, card: Card, columns: list[int], left: int, top: int, step: int) -> int:
    """Draw the table; return where the next line begins."""
    for number, row in enumerate(card.rows):
        for place, (text, at) in enumerate(zip(row, columns, strict=True)):
            colour = theme.MUTED if not number or not place else theme.TEXT
            pen.text("card_cell", text, (left + at, top), _BODY, colour)
        top += step
    return top


def _line(pen: Pen, size: float) -> int:
    return theme.measure("Ag", pen.px(size))[1]
