"""What a floating overlay says in words, below its card: what is going on, warnings as they come, which buttons do what.

In its own window the game view carries these (`takeover_ui.overlay.banner`); over another game there is no such view.
"""

from __future__ import annotations

from collections.abc import Mapping

import pygame

from takeover_ui import signs, theme
from takeover_ui.overlay.overlay import CARD, DESIGN, FRAME, OverlaySize
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import View

HEIGHT: Mapping[OverlaySize, int] = {"full": 176, "compact": 176, "bar": 100}  # design pixels below the card

_PAD = 16
_GAP = 6
_LAMP = 4  # the radius of a message's sign, which stands between the frame and its text
_INDENT = 2 * _LAMP + 6


def floating_design(size: OverlaySize | None) -> tuple[int, int, int]:
    """Return the width of a floating overlay, and the heights of its gauges and of the words below, in pixels of the design.

    ``size`` None: it is off. Who drives and what is said stay: the player of another game would learn of neither else.
    """
    if size is None:
        return DESIGN["compact"][0], CARD["driver"] + FRAME, HEIGHT["compact"]
    return *DESIGN[size], HEIGHT[size]


def draw(surface: pygame.Surface, view: View, size: OverlaySize) -> list[Mark]:
    """Draw over the whole of ``surface`` and return what was drawn where. The newest message goes before the hint."""
    pen = Pen(surface, surface.get_width() / DESIGN[size][0])
    surface.fill(theme.PANEL)
    top, bottom = pen.px(_GAP), surface.get_height() - pen.px(FRAME + 3)
    most, most_hint = (1, 1) if size == "bar" else (2, 3)
    if view.message:
        top = _text(pen, "message", view.message, top, bottom, 22, theme.TEXT, most)
    newest = view.toasts[-1][1] if view.toasts else ""
    needed = _height(pen, newest, 20, 20, _INDENT) if newest else 0
    if view.hint:
        hint = _height(pen, view.hint, 17, most_hint)
        if bottom - top - hint >= needed:
            _text(pen, "hint", view.hint, bottom - hint + pen.px(_GAP), bottom, 17, theme.MUTED, most_hint)
            bottom -= hint
    for level, text in reversed(view.toasts):
        room = (bottom - top) // _line(pen, 20)
        if room < 1:
            break
        began = top
        top = _text(pen, "toast", text, top, bottom, 20, theme.TEXT, room, _INDENT)
        signs.lamp(surface, (pen.px(_PAD + _LAMP), began + _line(pen, 20) // 2), level, pen.px(_LAMP))
    return pen.marks


def _line(pen: Pen, size: float) -> int:
    return theme.measure("Ag", pen.px(size))[1]


def _width(pen: Pen, indent: float) -> int:
    return pen.surface.get_width() - 2 * pen.px(_PAD) - pen.px(indent)


def _lines(pen: Pen, text: str, size: float, most: int, indent: float) -> tuple[list[str], int]:
    """Return the lines of a text, and the pixels of its letters."""
    return theme.paragraph(text, pen.px(size), _width(pen, indent), max(1, most))


def _height(pen: Pen, text: str, size: float, most: int, indent: float = 0.0) -> int:
    return len(_lines(pen, text, size, most, indent)[0]) * _line(pen, size) + pen.px(_GAP)


def _text(
    pen: Pen, name: str, text: str, top: int, bottom: int, size: float, colour: theme.Colour, most: int, indent: float = 0.0
) -> int:
    """Write a text on up to ``most`` lines from ``top`` on; returns where the next one may begin."""
    lines, pixels = _lines(pen, text, size, most, indent)
    left, width, height = pen.px(_PAD) + pen.px(indent), _width(pen, indent), _line(pen, size)
    by_line = Pen(pen.surface, pen.scale)  # the marks are of whole texts, not of their lines
    for number, line in enumerate(lines):
        by_line.text(name, line, (left, top + number * height), pen.design(pixels), colour, width=width)
    if not by_line.marks:
        return top
    box = by_line.marks[0].rect.unionall([m.rect for m in by_line.marks])
    pen.marks.append(Mark(name, box, text, any(m.shortened for m in by_line.marks)))
    return min(bottom, top + len(lines) * height + pen.px(_GAP))
