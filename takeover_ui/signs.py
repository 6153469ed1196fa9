"""Signs that say by their shape what their colour says, and lines with smooth edges."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pygame
from numpy.typing import NDArray

from takeover_ui import theme

Lamp = Literal["off", "info", "good", "warning", "error"]
"""A ring, a disc with an i, a disc, a triangle, a cross."""
LAMP_COLOUR: dict[Lamp, theme.Colour] = {"off": theme.FAINT, **theme.LEVEL}  # type: ignore[dict-item]


def lamp(surface: pygame.Surface, at: tuple[int, int], kind: Lamp, radius: int) -> None:
    """Draw a lamp around ``at``; warnings and errors are no discs, whatever their colour."""
    colour, (x, y), r = LAMP_COLOUR[kind], at, max(3, radius)
    if kind == "off":
        pygame.draw.aacircle(surface, colour, at, r, max(1, r // 3))
    elif kind == "warning":
        points = [(x, y - 1.25 * r), (x + 1.25 * r, y + r), (x - 1.25 * r, y + r)]
        _filled(surface, colour, points)
        mark = max(1, round(r * 0.35))
        pygame.draw.rect(surface, theme.INK, (x - mark // 2, y - round(r * 0.4), mark, max(2, round(r * 0.7))))
        pygame.draw.rect(surface, theme.INK, (x - mark // 2, y + round(r * 0.5), mark, mark))
    elif kind == "error":
        cross(surface, colour, at, r, max(2, round(r * 0.6)))
    else:
        pygame.draw.aacircle(surface, colour, at, r)
        if kind == "info":
            mark = max(1, round(r * 0.35))
            pygame.draw.rect(surface, theme.INK, (x - mark // 2, y - round(r * 0.6), mark, mark))
            pygame.draw.rect(surface, theme.INK, (x - mark // 2, y - round(r * 0.1), mark, max(2, round(r * 0.7))))


def cross(surface: pygame.Surface, colour: theme.Colour, at: tuple[float, float], reach: float, width: int) -> None:
    """Draw an upright x around ``at``: something failed here."""
    x, y = at
    for side in (1, -1):
        pygame.draw.aaline(surface, colour, (x - reach, y - side * reach), (x + reach, y + side * reach), width)


def triangle(surface: pygame.Surface, colour: theme.Colour, at: tuple[int, int], reach: int, *, up: bool) -> None:
    """Draw a triangle around ``at`` that points up or down."""
    (x, y), tip = at, -reach if up else reach
    _filled(surface, colour, [(x, y + tip), (x + reach, y - tip), (x - reach, y - tip)])


def tick(surface: pygame.Surface, rect: pygame.Rect, kind: Literal["best", "ceiling"], x: int, width: int) -> None:
    """Mark a level on a bar: the best is a full stroke with a flag, the ceiling a broken stroke."""
    if kind == "best":
        pygame.draw.rect(surface, theme.GOOD, (x, rect.top - width, width, rect.h + 2 * width))
        side = 2 * width
        _filled(surface, theme.GOOD, [(x - side, rect.top - 2 * width), (x + side + width, rect.top - 2 * width),
                                      (x + width / 2, rect.top + width)])  # fmt: skip
        return
    part = max(2, (rect.h + 2 * width) // 3)
    for top in (rect.top - width, rect.bottom + width - part):
        pygame.draw.rect(surface, theme.WARNING, (x, top, width, part))


def line(surface: pygame.Surface, colour: theme.Colour, points: NDArray[np.floating], width: float) -> None:
    """Draw a line (n, 2) in pixels, ``width`` pixels wide, with smooth edges and without notches at its bends."""
    if len(points) < 2:
        return
    along = np.gradient(np.asarray(points, dtype=np.float64), axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.maximum(np.hypot(*across.T), 1e-9)[:, None]
    fill = max(0.0, width / 2 - 1.0)  # what is filled has hard edges: the smooth ones must lie outside
    pygame.draw.polygon(surface, colour, np.round(np.vstack([points + across * fill, (points - across * fill)[::-1]])))
    for edge in {width / 2 - 0.5, fill}:
        for side in (edge, -edge):
            pygame.draw.aalines(surface, colour, False, points + across * side)


def _filled(surface: pygame.Surface, colour: theme.Colour, points: list[tuple[float, float]]) -> None:
    pygame.draw.polygon(surface, colour, points)
    pygame.draw.aalines(surface, colour, True, points)
