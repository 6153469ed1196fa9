"""What the overlay looks like as it is set: hitl's own window with a drive in it, or a screen with another game."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pygame

from takeover_ui import theme
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.overlay.track_map import road_of
from takeover_ui.theme import Pen
from takeover_ui.view import LapView, Scene, TrainerState, View
from takeover_ui.window.composer import Composer
from takeover_ui.window.floating import place
from takeover_ui.window.options import WindowOptions

WINDOW = pygame.Rect(0, 0, 1280, 720)
SCREEN = (1920, 1080)
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")


@lru_cache(maxsize=4)
def sample(scene: Scene) -> View:
    """Return a drive that shows every gauge with something in it: the player takes a corner of the track."""
    road = road_of(scene)
    corner = scene.corners[0] if scene.corners else None
    progress = (corner.from_m + corner.to_m) / 2 - 4 if corner is not None else scene.length / 3
    x, y = road.at(progress)
    ahead = road.at(progress + 2.0) - road.at(progress)
    heading = float(np.arctan2(ahead[1], ahead[0]))
    return View(
        scene=scene, driver="human", proposed=(0.7, 0.1), executed=(-0.3, 0.55), speed=11.0, progress=progress, x=float(x),
        y=float(y), heading=heading, velocity=(0.0, 0.0), next_corner=corner.name if corner else "", countdown=0.8, risk=0.6,
        episode_return=42.0, best_return=96.0, ceiling=61.0, takeovers=7, human_seconds=31.0, trainer=TrainerState(alive=True),
        evaluations=((0.0, 0.0), (800.0, 0.3), (1600.0, 0.45), (2400.0, 0.9)), times=LapView(12.3, 31.8, 29.4, 30.6),
        failures=(progress + 6, progress + 8, progress + 9), at=0.0,
    )  # fmt: skip


class LookPicture:
    """Draws it, and keeps it until something changes. ``composer`` has hitl's own window, for the mouse over its gauges."""

    def __init__(self) -> None:
        self.composer = Composer()
        self._sheet = pygame.Surface(WINDOW.size)
        self._key: object = None
        self.preview: Arrangement | None = None
        """The arrangement while a gauge is dragged, before it is kept."""

    def own(self, pen: Pen, rect: pygame.Rect, scene: Scene, show: str, language: str, arranged: Arrangement) -> None:
        """Draw hitl's own window into ``rect``, which has its proportions."""
        composer = self.composer
        composer.size = None if show == "off" else show  # type: ignore[assignment]
        composer.language, composer.arrangement = language, self.preview or arranged
        key = (scene, show, language, repr(composer.arrangement), composer.pointed)
        if key != self._key:
            self._key = key
            composer.draw(self._sheet, sample(scene), 0.0)
        pen.surface.blit(_shrunk(self._sheet, rect.size), rect)
        pygame.draw.rect(pen.surface, theme.FAINT, rect, max(1, pen.px(1)))
        pen.mark("look", rect)

    def other(
        self, pen: Pen, rect: pygame.Rect, scene: Scene, options: WindowOptions, game: str
    ) -> dict[str, pygame.Rect]:
        """Draw a screen with another game and the overlay over it; returns its four corners, to click on."""
        surface = pen.surface
        _landscape(surface, rect)
        share = rect.w / SCREEN[0]
        if (found := place(options, SCREEN)) is not None:
            x, y, w, h = found
            box = pygame.Rect(rect.left + round(x * share), rect.top + round(y * share), round(w * share), round(h * share))
            sheet = pygame.Surface((w, h))
            Composer(
                game_view=False, size=None if options.overlay == "off" else options.overlay, language=options.language,
                arrangement=options.arrangement,
            ).draw(sheet, sample(scene))  # fmt: skip
            small = _shrunk(sheet, box.size)
            small.set_alpha(round(255 * options.opacity))
            surface.blit(small, box)
            pen.mark("floating", box)
        pygame.draw.rect(surface, theme.FAINT, rect, max(1, pen.px(1)))
        pen.text("other_game", game, (rect.centerx, rect.bottom - pen.px(26)), 22, theme.MUTED, anchor="center")
        spots = {}
        for corner in CORNERS:
            spot = pygame.Rect(0, 0, pen.px(44), pen.px(44))
            spot.left = rect.left + pen.px(6) if corner.endswith("left") else rect.right - spot.w - pen.px(6)
            spot.top = rect.top + pen.px(6) if corner.startswith("top") else rect.bottom - spot.h - pen.px(6)
            if corner != options.corner:
                pygame.draw.rect(surface, theme.TEXT, spot, max(1, pen.px(2)), border_radius=pen.px(6))
            spots[corner] = spot
        return spots


def _shrunk(sheet: pygame.Surface, size: tuple[int, int]) -> pygame.Surface:
    return pygame.transform.smoothscale(sheet, size) if sheet.get_size() != size else sheet.copy()


def _landscape(surface: pygame.Surface, rect: pygame.Rect) -> None:
    """Draw a road to the horizon: it stands for any game."""
    horizon = rect.top + round(rect.h * 0.42)
    pygame.draw.rect(surface, (58, 84, 120), (rect.left, rect.top, rect.w, horizon - rect.top))
    pygame.draw.rect(surface, (40, 66, 52), (rect.left, horizon, rect.w, rect.bottom - horizon))
    x = rect.centerx
    far, near = rect.w * 0.015, rect.w * 0.34
    sides = [(x - far, horizon), (x + far, horizon), (x + near, rect.bottom - 1), (x - near, rect.bottom - 1)]
    pygame.draw.polygon(surface, (66, 70, 80), sides)
    for a, b in ((0.0, 0.12), (0.25, 0.42), (0.6, 0.85)):
        y0, y1 = (horizon + (rect.bottom - horizon) * v for v in (a, b))
        pygame.draw.line(surface, (200, 205, 210), (x, y0), (x, y1), max(1, round(rect.w * 0.006)))
