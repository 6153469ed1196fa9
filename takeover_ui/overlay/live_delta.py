"""How the running lap compares, at this very place, with the best lap and with yours.

Its sign, its triangle and its colour say the same: slower is a plus, points up and is yellow; faster is a minus, points down
and is green.
"""

from __future__ import annotations

import pygame

from takeover_ui import signs, theme
from takeover_ui.language import Words
from takeover_ui.theme import Pen
from takeover_ui.view import LapView, View

SIZE = 30
"""Design pixels of the numbers."""


def is_known(view: View) -> bool:
    """Tell whether there is a lap to compare with."""
    return view.times is not None and bool(shown(view.times))


def shown(times: LapView) -> list[tuple[str, float]]:
    """Return what is compared with (the key of a word), and the seconds."""
    values = {"to_best": times.to_best, "to_you": times.to_you}
    return [(key, value) for key, value in values.items() if value is not None]


def draw(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """Draw one or two comparisons on one line."""
    known = shown(view.times) if view.times is not None else []
    column = rect.w // 2
    for number, (key, value) in enumerate(known):
        box = pygame.Rect(rect.left + number * column, rect.top, column - pen.px(6), rect.h)
        right = one(pen, box, key, value, words)
        label = pygame.Rect(right + pen.px(6), rect.top, box.right - right - pen.px(6), rect.h)
        pen.put(f"label_{key}", words[key], label, 18, anchor="midleft")


def one(pen: Pen, box: pygame.Rect, key: str, value: float, words: Words) -> int:
    """Draw one comparison at the left of ``box``; return where it ends (px)."""
    value = round(value, 2) + 0.0  # never -0.00
    slower, reach = value > 0.0, pen.px(8)
    colour = theme.WARNING if slower else theme.GOOD
    signs.triangle(pen.surface, colour, (box.left + reach, box.centery), reach, up=slower)
    text = box.move(2 * reach + pen.px(6), 0)
    return pen.put(key, words.written(f"{value:+.2f}"), text, SIZE, colour, "midleft", box.right - text.left).right
