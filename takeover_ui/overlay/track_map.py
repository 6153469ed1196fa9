"""The whole track, north up: corners, where past episodes failed, and the car."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pygame
from numpy.typing import NDArray

from takeover_ui import signs, theme
from takeover_ui.geometry import Plan, Ribbon, ribbon
from takeover_ui.theme import Pen
from takeover_ui.view import Scene, View

_FINE = 4  # drawn so many times larger and scaled down: smooth edges
_SHOWN = 64  # failures


@lru_cache(maxsize=4)
def road_of(scene: Scene) -> Ribbon:
    """Return the road of a scene."""
    return ribbon(scene.points, scene.half_width)


def fitting(scene: Scene, box: pygame.Rect) -> pygame.Rect:
    """Return the part of a box that the map of a scene fills, in its lower left corner."""
    span = np.maximum(np.ptp(road_of(scene).middle, axis=0), 1.0)
    pad = 0.16 * min(box.size)
    scale = float(min((box.w - pad) / span[0], (box.h - pad) / span[1]))
    size = np.maximum(np.ceil(span * scale + pad), 0.4 * min(box.size)).astype(int)
    return pygame.Rect((0, 0), size.tolist()).move_to(bottomleft=box.bottomleft)


def draw(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """Draw over ``rect``."""
    sheet, plan = _sheet(view.scene, view.failures[-_SHOWN:], rect.size)
    pen.surface.blit(sheet, rect)
    pen.mark("map", rect)
    at = rect.topleft + plan.at(np.array([view.x, view.y]))
    pygame.draw.aacircle(pen.surface, theme.INK, at, pen.px(8))
    pygame.draw.aacircle(pen.surface, theme.DRIVER[view.driver], at, pen.px(6))


@lru_cache(maxsize=4)
def _sheet(scene: Scene, failures: tuple[float, ...], size: tuple[int, int]) -> tuple[pygame.Surface, Plan]:
    """Return the map without the car, and where things lie on it."""
    road = road_of(scene)
    low, high = road.middle.min(axis=0), road.middle.max(axis=0)
    side = min(size)
    scale = float(((np.array(size) - 0.16 * side) / np.maximum(high - low, 1.0)).min())
    plan = Plan((low + high) / 2, size, scale)
    big = pygame.Surface((size[0] * _FINE, size[1] * _FINE), pygame.SRCALPHA)
    pygame.draw.rect(big, (*theme.CARD, 255), big.get_rect(), border_radius=side * _FINE // 12)
    middle = plan.at(road.middle, _FINE)
    width = max(3 * _FINE, round(2 * scene.half_width * scale * _FINE * 0.8))
    _round_line(big, theme.mix(theme.TRACK, theme.TEXT, 0.12), middle, width)
    for _, from_m, to_m in scene.corners:
        _round_line(big, theme.mix(theme.TRACK, theme.TEXT, 0.45), middle[road.between(from_m, to_m)], width)
    reach = _FINE * max(3.5, side / 26)
    for progress in failures:
        at = plan.at(road.at(progress), _FINE)
        for colour, wide in ((theme.INK, 0.95), (theme.HEAT, 0.5)):
            signs.cross(big, colour, tuple(at), reach, max(2, round(reach * wide)))
    _round_line(big, theme.TEXT, middle[[0, 0]], width)
    return pygame.transform.smoothscale(big, size), plan


def _round_line(surface: pygame.Surface, colour: theme.Colour, points: NDArray[np.float64], width: int) -> None:
    pygame.draw.lines(surface, colour, False, points, width)
    for point in points:
        pygame.draw.circle(surface, colour, point, width / 2)
