"""Colours, fonts and the few drawing helpers that every screen shares.

Agent and human are blue and orange, a pair that the common colour blindnesses keep apart; words and shapes say the same.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import pygame

from takeover_ui.drawn_letters import draw as draw_missing
from takeover_ui.drawn_letters import plain

Colour = tuple[int, int, int]

GROUND: Colour = (13, 19, 33)
PANEL: Colour = (19, 27, 43)
CARD: Colour = (27, 37, 57)
TRACK: Colour = (45, 58, 82)
ROAD: Colour = (44, 54, 73)
ROAD_CORNER: Colour = (63, 77, 104)
EDGE: Colour = (133, 148, 173)
KERB_LIGHT: Colour = (214, 222, 233)
KERB_DARK: Colour = (176, 72, 82)
TEXT: Colour = (235, 240, 247)
MUTED: Colour = (150, 164, 187)
FAINT: Colour = (88, 103, 130)
AGENT: Colour = (77, 148, 255)
HUMAN: Colour = (250, 166, 26)
PAUSED: Colour = (158, 168, 186)
GOOD: Colour = (72, 199, 160)
WARNING: Colour = (240, 200, 80)
ERROR: Colour = (240, 92, 110)
HEAT: Colour = (232, 84, 110)
INK: Colour = (9, 14, 26)

DRIVER = {"agent": AGENT, "human": HUMAN, "paused": PAUSED, "waits": WARNING, "over": PAUSED}
CAPITAL = 0.5  # height of the built-in font's capitals, as a share of its size
SCREEN_MM, SCREEN_LINES, DISTANCE_MM = 299.0, 1080, 2000.0
"""The screen that sizes are made for, and how far the player sits from it: 24 inches in 16:9 are 299 mm high. With more lines,
everything is drawn with more pixels, so it is as large. A pixel of the design is one of its pixels, in the window as it opens
(720 of its 1080 lines) and over another game; only the strip is drawn larger."""
READABLE = math.ceil(DISTANCE_MM * math.tan(math.radians(10 / 60)) / SCREEN_MM * SCREEN_LINES / CAPITAL)
"""Least size of letters, in pixels of the design, whose capitals are 10 arc minutes high there."""
_SMALLEST = 12  # pixels that text may be shrunk to
_GLUE = "\u00a0"  # a space at which no line ends
LEVEL = {"info": AGENT, "good": GOOD, "warning": WARNING, "error": ERROR}


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing on the screen: what it is, where it is, and whether its text had to be shortened."""

    name: str
    rect: pygame.Rect
    text: str = ""
    shortened: bool = False


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return ``a`` with ``share`` (0 to 1) of ``b``."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def _fine(size: int) -> int:
    """How many times larger text is drawn before it is scaled down: the built-in font's own small sizes are cut and uneven."""
    return 4 if size < 28 else 2


@lru_cache(maxsize=64)
def font(size: int) -> pygame.font.Font:
    """Return the built-in font at ``size`` pixels (no font files are shipped or looked up)."""
    pygame.font.init()
    return pygame.font.Font(None, max(8, size))


@lru_cache(maxsize=8192)
def measure(text: str, size: int) -> tuple[int, int]:
    """Return the width and the line height of ``text`` in pixels; the height is the same for every text of a size."""
    fine = _fine(size)
    large = font(size * fine)
    return math.ceil(large.size(plain(text))[0] / fine), math.ceil(large.get_height() / fine)


@lru_cache(maxsize=1024)
def _drop(size: int, letter: str) -> int:
    """Return how many pixels lower SDL sets a line for the accent of a letter in it; below, it has as much less room."""
    letters = font(size)
    plain, beside = letters.render("H", True, TEXT), letters.render("H" + letter, True, TEXT)
    same = beside.subsurface((0, 0, min(plain.get_width(), beside.get_width()), beside.get_height()))
    return max(0, same.get_bounding_rect().bottom - plain.get_bounding_rect().bottom)


@lru_cache(maxsize=2048)
def rendered(text: str, size: int, colour: Colour) -> pygame.Surface:
    """Return ``text`` as a smooth surface; accents may make it higher than :func:`measure` says, upwards."""
    fine = _fine(size)
    letters = font(size * fine)
    large = letters.render(plain(text), True, colour)
    draw_missing(large, letters, text, colour)
    drop = max((_drop(size * fine, letter) for letter in set(plain(text)) if not letter.isascii()), default=0)
    if drop:
        height = letters.render("H", True, colour).get_height() + drop
        whole = pygame.Surface((large.get_width(), max(height, large.get_height())), pygame.SRCALPHA)
        whole.blit(large, (0, 0))
        large = whole
    return pygame.transform.smoothscale(
        large, (max(1, math.ceil(large.get_width() / fine)), max(1, math.ceil(large.get_height() / fine)))
    )


@lru_cache(maxsize=4096)
def fit(text: str, size: int, width: int) -> tuple[str, int, bool]:
    """Return ``(text, size, shortened)`` such that the text is at most ``width`` pixels wide.

    It is set smaller first, down to three quarters of ``size`` (never below 12 pixels), and then shortened with an ellipsis.
    """
    if width <= 0:
        return "", size, bool(text)
    least = max(min(size, _SMALLEST), size * 3 // 4)
    for smaller in range(size, least - 1, -1):
        if measure(text, smaller)[0] <= width:
            return text, smaller, False
    widths = range(1, len(text) + 1)
    fits = bisect_right(widths, width, key=lambda count: measure(text[:count].rstrip() + "…", least)[0])
    return (text[:fits].rstrip() + "…" if fits else ""), least, True


def wrap(text: str, size: int, width: int, most: int) -> list[str]:
    """Return the text as at most ``most`` lines of about ``width`` pixels, broken at spaces; the last one takes the rest."""
    lines: list[str] = []
    for word in filter(None, re.split(r"[ \t\n]+", text)):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and (measure(longer, size)[0] <= width or len(lines) == most):
            lines[-1] = longer
        else:
            lines.append(word)
    return [line.replace(_GLUE, " ") for line in lines]


def paragraph(text: str, size: int, width: int, most: int) -> tuple[list[str], int]:
    """Return a text as at most ``most`` lines of one size, and that size: ``size`` pixels, or less where that is too large.

    It is not set smaller than :func:`fit` sets a line; what is still too long then is for the last line to shorten. Wide gaps, as
    between the parts of a hint, become dots, and lines end where these would be, without them, where they can.
    """
    parts = [part.strip() for part in text.split("    ") if part.strip()]
    least = max(min(size, _SMALLEST), size * 3 // 4)

    def lines_of(pixels: int) -> list[str]:
        whole = [part.replace(" ", _GLUE) if measure(part + " ·", pixels)[0] <= width else part for part in parts]
        lines = wrap(f"{_GLUE}· ".join(whole if len(parts) > 1 else parts), pixels, width, most)
        return [line.removesuffix(" ·") for line in lines] if len(parts) > 1 else lines

    for smaller in range(size, least, -1):
        lines = lines_of(smaller)
        if all(measure(line, smaller)[0] <= width for line in lines):
            return lines, smaller
    return lines_of(least), least


class Pen:
    """Draws text and boxes on one surface and remembers where, so that a test can see that nothing is cut off."""

    def __init__(self, surface: pygame.Surface, scale: float = 1.0) -> None:
        self.surface = surface
        self.scale = scale
        self.marks: list[Mark] = []

    def px(self, length: float) -> int:
        """Return ``length`` of the 720-line design in pixels of this surface."""
        return max(1, round(length * self.scale))

    def mark(self, name: str, rect: pygame.Rect) -> None:
        """Remember a drawn thing."""
        self.marks.append(Mark(name, pygame.Rect(rect)))

    def box(self, rect: pygame.Rect, colour: Colour, radius: float = 6) -> None:
        """Fill a rounded box."""
        pygame.draw.rect(self.surface, colour, rect, border_radius=min(self.px(radius), rect.h // 2))

    def design(self, pixels: int) -> float:
        """Return pixels of this surface as a length of the design, so that :meth:`px` gives them back."""
        return pixels / self.scale

    def text(
        self,
        name: str,
        text: str,
        at: tuple[int, int],
        size: float,
        colour: Colour = TEXT,
        *,
        width: int | None = None,
        anchor: str = "topleft",
    ) -> pygame.Rect:
        """Draw ``text`` with the corner or side ``anchor`` of its box at ``at``, at most ``width`` pixels wide."""
        if not text:
            return pygame.Rect(at, (0, 0))
        pixels, shortened = self.px(size), False
        if width is not None:
            text, pixels, shortened = fit(text, pixels, width)
        rect = pygame.Rect((0, 0), measure(text, pixels))
        setattr(rect, anchor, at)
        if anchor in ("center", "midleft", "midright"):
            rect.top += round(pixels * 0.05)  # letters reach below the line less than above it: centre what is seen
        image = rendered(text, pixels, colour)
        self.surface.blit(image, (rect.left, rect.bottom - image.get_height()))
        self.marks.append(Mark(name, rect, text, shortened))
        return rect

    def put(
        self,
        name: str,
        text: str,
        rect: pygame.Rect,
        size: float = 20,
        colour: Colour = MUTED,
        anchor: str = "topleft",
        width: int | None = None,
    ) -> pygame.Rect:
        """Draw ``text`` at the corner or side ``anchor`` of ``rect``; ``width`` in pixels is that of ``rect`` by default."""
        at = getattr(rect, anchor)
        return self.text(name, text, at, size, colour, width=rect.w if width is None else width, anchor=anchor)
