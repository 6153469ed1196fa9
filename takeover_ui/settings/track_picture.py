"""The tracks from above: one large, whose corners can be clicked on, and all of them small, to choose from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pygame
from numpy.typing import NDArray

from takeover_ui import signs, theme
from takeover_ui.geometry import Plan, Ribbon
from takeover_ui.overlay.track_map import road_of
from takeover_ui.theme import Colour, Pen
from takeover_ui.view import Scene

_FINE = 2
_NEAR = 26  # design pixels from a corner's road within which a click means it


def plan_of(scene: Scene, size: tuple[int, int], margin: float) -> Plan:
    """Return how a whole track lies in a picture with so many pixels around it."""
    road = road_of(scene)
    low, high = road.middle.min(axis=0), road.middle.max(axis=0)
    room = np.maximum(np.array(size) - 2 * margin, 8.0)
    return Plan((low + high) / 2, size, float((room / np.maximum(high - low, 1.0)).min()))


def draw(pen: Pen, rect: pygame.Rect, scene: Scene, chosen: str, pointed: str = "") -> None:
    """Draw the track with the names of its corners; ``chosen``: the corner that counts, "" for all of them."""
    margin = pen.px(60)
    pen.surface.blit(_sheet(scene, rect.size, margin, chosen, pointed), rect)
    pen.mark("track", rect)
    plan, road = plan_of(scene, rect.size, margin), road_of(scene)
    inside, taken = rect.inflate(-pen.px(16), -pen.px(16)), list[pygame.Rect]()
    around = plan.at(road.middle) + rect.topleft
    wide = 2 * (scene.half_width * plan.scale + pen.px(4))
    for corner in scene.corners:
        name, from_m, to_m = corner
        colour = theme.HUMAN if name == chosen else theme.TEXT if name == pointed or not chosen else theme.MUTED
        box = pygame.Rect((0, 0), theme.measure(name, pen.px(24)))
        apex = plan.at(road.beside_apex(from_m, to_m, 0.0)) + rect.topleft
        box.center = round(apex[0]), round(apex[1])
        for place in _near(box, wide):
            over = np.all(np.abs(around - place.center) < (np.array(place.size) + wide) / 2, axis=1)
            if inside.contains(place) and place.collidelist(taken) < 0 and not over.any():
                box = place
                break
        box.clamp_ip(inside)
        taken.append(box)
        pen.text("corner", name, box.center, 24, colour, anchor="center")


def _near(box: pygame.Rect, wide: float) -> Iterator[pygame.Rect]:
    """Yield the places around a box, the nearest first."""
    for reach in (1.0, 1.4, 2.0, 3.0):
        for turn in range(8):
            dx, dy = math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)
            yield box.move(round(dx * (box.w / 2 + wide * reach)), round(dy * (box.h / 2 + wide * reach)))


def corner_at(pen: Pen, rect: pygame.Rect, scene: Scene, at: tuple[int, int]) -> str:
    """Return the corner that lies at a place of the picture; "" for none."""
    plan, road = plan_of(scene, rect.size, pen.px(60)), road_of(scene)
    here = np.array(at, float) - rect.topleft
    best, nearest = "", float(pen.px(_NEAR)) + scene.half_width * plan.scale
    for name, from_m, to_m in scene.corners:
        pixels = plan.at(road.middle[road.between(from_m, to_m)])
        far = float(np.hypot(*(pixels - here).T).min())
        if far < nearest:
            best, nearest = name, far
    return best


def thumbnail(pen: Pen, rect: pygame.Rect, scene: Scene | None, name: str, *, chosen: bool) -> None:
    """Draw a track small, with its name."""
    pen.box(rect, theme.CARD if chosen else theme.PANEL, 10)
    if chosen:
        pygame.draw.rect(pen.surface, theme.HUMAN, rect, max(2, pen.px(3)), border_radius=pen.px(10))
    below = pen.px(26)
    if scene is not None:
        box = pygame.Rect(rect.left, rect.top, rect.w, rect.h - below)
        pen.surface.blit(_small(scene, box.size, chosen), box)
    at = rect.centerx, rect.bottom - below // 2 - pen.px(3)
    pen.text("track_name", name, at, 20, theme.TEXT if chosen else theme.MUTED, width=rect.w - pen.px(12), anchor="center")


@lru_cache(maxsize=8)
def _sheet(scene: Scene, size: tuple[int, int], margin: int, chosen: str, pointed: str) -> pygame.Surface:
    big = pygame.Surface((size[0] * _FINE, size[1] * _FINE))
    big.fill(theme.GROUND)
    plan, road = plan_of(scene, size, margin), road_of(scene)
    _road(big, plan, road, slice(0, len(road.middle)), theme.ROAD)
    for name, from_m, to_m in scene.corners:
        colour = theme.HUMAN if name == chosen else theme.FAINT if name == pointed else theme.ROAD_CORNER
        _road(big, plan, road, road.between(from_m, to_m), theme.mix(colour, theme.ROAD, 0.25) if name == chosen else colour)
    for edge in (road.left, road.right):
        signs.line(big, theme.EDGE, plan.at(edge, _FINE), 1.5 * _FINE)
    start = plan.at(np.stack([road.left[0], road.right[0]]), _FINE)
    pygame.draw.line(big, theme.TEXT, start[0], start[1], 4 * _FINE)
    return pygame.transform.smoothscale(big, size)


@lru_cache(maxsize=32)
def _small(scene: Scene, size: tuple[int, int], chosen: bool) -> pygame.Surface:
    big = pygame.Surface((size[0] * _FINE, size[1] * _FINE), pygame.SRCALPHA)
    points: NDArray[np.float64] = plan_of(scene, size, min(size) * 0.16).at(road_of(scene).middle, _FINE)
    colour: Colour = theme.TEXT if chosen else theme.MUTED
    signs.line(big, colour, points, max(3.0, min(size) / 22) * _FINE)
    return pygame.transform.smoothscale(big, size)


def _road(surface: pygame.Surface, plan: Plan, road: Ribbon, part: slice, colour: Colour) -> None:
    left, right = plan.at(road.left[part], _FINE), plan.at(road.right[part], _FINE)
    for k in range(len(left) - 1):
        pygame.draw.polygon(surface, colour, (left[k], left[k + 1], right[k + 1], right[k]))
