"""Letters that the built-in font lacks, such as arrows, and shows as an empty box: they are drawn in the place of another one."""

from __future__ import annotations

import pygame

Lines = tuple[tuple[tuple[float, float], ...], ...]
_RIGHT: Lines = (((-0.42, 0), (0.42, 0)), ((0.08, -0.32), (0.42, 0), (0.08, 0.32)))
_SQUARE: Lines = (((-0.35, -0.35), (0.35, -0.35), (0.35, 0.35), (-0.35, 0.35), (-0.35, -0.35)),)
_ROUND: Lines = (tuple((v.x, v.y) for v in (pygame.Vector2(0.38, 0).rotate(15 * k) for k in range(25))),)


def _turned(lines: Lines, degrees: int) -> Lines:
    return tuple(tuple((v.x, v.y) for v in (pygame.Vector2(at).rotate(degrees) for at in line)) for line in lines)


LETTERS: dict[str, Lines] = {
    "→": _RIGHT, "↓": _turned(_RIGHT, 90), "←": _turned(_RIGHT, 180), "↑": _turned(_RIGHT, 270),
    "↔": _RIGHT + _turned(_RIGHT, 180), "↕": _turned(_RIGHT, 90) + _turned(_RIGHT, 270),
    "○": _ROUND, "□": _SQUARE, "△": (((-0.4, 0.35), (0, -0.4), (0.4, 0.35), (-0.4, 0.35)),),
}  # fmt: skip
"""The lines of each, in shares of its width from its middle; right and down."""
_STAND_IN = "O"
_PLAIN = str.maketrans(dict.fromkeys(LETTERS, _STAND_IN))


def plain(text: str) -> str:
    """Return a text that is as wide, of letters that the font has."""
    return text.translate(_PLAIN)


def draw(surface: pygame.Surface, font: pygame.font.Font, text: str, colour: tuple[int, int, int]) -> None:
    """Draw those letters of ``text`` over ``surface``, on which :func:`plain` was written with ``font``."""
    for index, letter in enumerate(text):
        if letter in LETTERS:
            left, right = (font.size(plain(text[:end]))[0] for end in (index, index + 1))
            place = pygame.Rect(left, 0, right - left, surface.get_height())
            surface.fill((0, 0, 0, 0), place)
            middle, width = (place.centerx, round(font.get_ascent() * 0.62)), max(2, place.w // 6)
            for line in LETTERS[letter]:
                points = [(middle[0] + x * place.w, middle[1] + y * place.w) for x, y in line]
                pygame.draw.lines(surface, colour, False, points, width)
