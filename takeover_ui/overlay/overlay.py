"""The overlay: who drives, what comes next, where the trouble is, and how the learning goes.

Three sizes, each drawn over the whole of the surface that it is given: ``full`` is a column of gauges (340 x 720 in the design,
it grows with the surface), ``compact`` a card (340 x 374 at most), ``bar`` a strip (960 x 60). All of it is a function of the
view. What is not known is not drawn: no dash, no empty frame stands for it.

What matters while driving can be read from two metres: its capitals are 10 arc minutes high or more (`theme.READABLE`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import pygame

from takeover_ui import theme
from takeover_ui.overlay import live_delta, strip, texts
from takeover_ui.overlay.sections import GAUGES, IN_CARDS_ALONE, any_lap, says_recording
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import Scene, View

OverlaySize = Literal["full", "compact", "bar"]
DESIGN: Mapping[OverlaySize, tuple[int, int]] = {"full": (340, 720), "compact": (340, 374), "bar": (960, 60)}
FRAME = 7  # design pixels of the frame in the driver's colour
COLUMN = tuple(name for name in GAUGES if name not in IN_CARDS_ALONE)
CARD: Mapping[str, int] = {"driver": 70, "corner": 82, "progress": 44, "delta": 30, "controls": 82, "risk": 24, "summary": 42}
"""What a card holds, and how high that is there."""
ON_ROADS = frozenset({"corner", "track", "progress", "laps", "delta", "learned", "map"})
"""What is only of roads, laps and corners."""

_LEAST_FIRST = (
    "points", "summary", "laps", "learned", "help", "track", "progress", "trainer", "delta", "controls", "risk", "recording",
    "corner",
)  # fmt: skip
"""What is left out first where gauges are so large that they do not all fit; who drives is never left out."""
_PAD = 16


def draw(
    surface: pygame.Surface, view: View, size: OverlaySize = "full", *, language: str = "en", without: Collection[str] = ()
) -> list[Mark]:
    """Draw the overlay over the whole of ``surface`` and return what was drawn where; ``without``: names of `GAUGES` to omit."""
    words = texts.LANGUAGES[language]
    surface.fill(theme.PANEL)
    if size == "bar":
        pen = Pen(surface, min(surface.get_width() / DESIGN[size][0], surface.get_height() / DESIGN[size][1]))
        strip.draw(pen, surface.get_rect(), view, words)
        return pen.marks
    names = [name for name in shown_in(size, without) if has(view, name)]
    heights = [height_of(name, size) for name in names]
    height = surface.get_height() - FRAME * surface.get_width() / DESIGN[size][0]  # the frame lies over the last line else
    pen = Pen(surface, min(surface.get_width() / DESIGN[size][0], height / max(1, sum(heights))))
    gap = min((height / pen.scale - sum(heights)) / max(1, len(names)), 18)
    top = 0.0
    for name, design in zip(names, heights, strict=True):
        inset, begin, end = 0 if name == "driver" else pen.px(_PAD), int(top * pen.scale), int((top + design) * pen.scale)
        rect = pygame.Rect(inset, begin, surface.get_width() - 2 * inset, end - begin)
        pen.mark(f"place_{name}", rect)
        GAUGES[name][1](pen, rect, view, words)
        top += design + gap
    return pen.marks


def draw_one(surface: pygame.Surface, view: View, name: str, *, language: str = "en") -> list[Mark]:
    """Draw one of `GAUGES` alone, on a card, over the whole of ``surface``."""
    pen = Pen(surface, surface.get_width() / DESIGN["full"][0])
    area = surface.get_rect()
    pen.box(area, theme.PANEL, 8)
    pen.mark(f"place_{name}", area)
    inset = 0 if name == "driver" else pen.px(_PAD)
    GAUGES[name][1](pen, area.inflate(-2 * inset, 0 if name == "driver" else -pen.px(_PAD)), view, texts.LANGUAGES[language])
    return pen.marks


def shown_in(size: OverlaySize, without: Collection[str] = ()) -> list[str]:
    """Return the names of the gauges in a column or card; a strip has no single ones."""
    names = {"full": COLUMN, "compact": CARD, "bar": ()}[size]
    return [name for name in names if name not in without]


def fitting(names: Collection[str], size: OverlaySize, height: float) -> list[str]:
    """Return those of the gauges that fit into ``height`` design pixels, in their order."""
    kept = list(names)
    for name in _LEAST_FIRST:
        if sum(height_of(one, size) for one in kept) <= height:
            break
        if name in kept:
            kept.remove(name)
    return kept


def size_of(name: str) -> tuple[int, int]:
    """Return the design pixels of a gauge that is drawn alone."""
    return DESIGN["full"][0], GAUGES[name][0] + (0 if name == "driver" else _PAD)


def height_of(name: str, size: OverlaySize) -> int:
    """Return the design pixels that a gauge takes in a column or card."""
    return CARD[name] if size == "compact" else GAUGES[name][0]


def has(view: View, name: str) -> bool:
    """Tell whether a gauge shows anything of this view. The places of those that do not go to the others."""
    if name in ("corner", "track", "progress"):
        return view.scene.has_road
    if name == "delta":
        return live_delta.is_known(view)
    if name == "laps":
        return view.times is not None and any_lap(view.times)
    if name == "learned":
        return view.learned is not None and not view.lap
    if name == "risk":
        return view.risk is not None and not view.lap
    if name == "recording":
        return says_recording(view)
    return not (view.lap and name == "help")


def could_have(scene: Scene, name: str) -> bool:
    """Tell whether a gauge can show anything in this game, sooner or later."""
    return scene.has_road or name not in ON_ROADS


def frame(surface: pygame.Surface, view: View, scale: float = 1.0) -> None:
    """Draw the thick frame in the driver's colour just inside the surface's edges."""
    pygame.draw.rect(surface, theme.DRIVER[view.driver], surface.get_rect(), width=max(2, round(FRAME * scale)))
