"""The track from above with the car in the middle of things: what the player of the embedded game drives by.

The camera turns with the car (its own left is always left) and looks further ahead the faster it goes. Neither the small
map in a corner nor the names of corners ever lie over the road.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pygame
from numpy.typing import NDArray

from data.statistics import stretches
from takeover_ui import signs, theme
from takeover_ui.overlay import track_map
from takeover_ui.overlay.arrangement import GaugePlace
from takeover_ui.theme import Mark
from takeover_ui.view import Scene, View
from takeover_ui.window.picture import contain, cover

_CAR_LENGTH, _CAR_WIDTH = 4.6, 2.1  # m, the Box2D car's hull
_KERB_FROM = 1 / 45  # 1/m: bends tighter than this have kerbs
_NOWHERE = np.empty((0, 2))  # where the road is, in a picture that does not say
_RED = 6  # points of the way ahead that are red where it ends off the road
_MAX_PREDICTION = 0.12  # s that a frame may move the car beyond the newest state


class Camera:
    """Turns world metres into pixels of one area; ``heading`` points up on the screen."""

    def __init__(self) -> None:
        self.x = self.y = 0.0
        self.heading = math.pi / 2
        self.scale = 8.0
        self._speed = 0.0
        self._at: float | None = None

    def follow(self, view: View, now: float, area: pygame.Rect) -> None:
        """Move towards the car: position at once, direction and zoom softly."""
        dt = 1.0 if self._at is None else max(0.0, now - self._at)
        first = self._at is None or math.hypot(view.x - self.x, view.y - self.y) > 15.0
        self._at = now
        turn = (view.heading - self.heading + math.pi) % (2 * math.pi) - math.pi
        self.heading += turn if first else turn * (1 - math.exp(-dt / 0.18))
        self._speed = view.speed if first else self._speed + (view.speed - self._speed) * (1 - math.exp(-dt / 0.8))
        self.x, self.y = view.x, view.y
        self.scale = area.h / min(90.0, 44.0 + 1.1 * self._speed)
        self._centre = (area.centerx, area.top + round(area.h * 0.70))
        up = math.cos(self.heading), math.sin(self.heading)
        self._matrix = np.array([[up[1], -up[0]], [-up[0], -up[1]]]) * self.scale

    def pixels(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the pixel positions (n, 2) of world points (n, 2)."""
        result: NDArray[np.float64] = (points - (self.x, self.y)) @ self._matrix.T + self._centre
        return result


class GameView:
    """Draws one scene; keeps what does not change between frames."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.road = track_map.road_of(scene)
        self.camera = Camera()
        self._in_corner = np.zeros(len(self.road.s), dtype=bool)
        for _, from_m, to_m in scene.corners:
            self._in_corner[self.road.between(from_m, to_m)] = True
        self._kerb = _grow(np.abs(self.road.curvature) > _KERB_FROM, 3)
        self._map_shown = True

    def draw(
        self, surface: pygame.Surface, view: View, now: float, *, with_map: bool = True, map_place: GaugePlace | None = None
    ) -> list[Mark]:
        """Draw the view over the whole of ``surface`` and return what was drawn where.

        ``with_map``: the small map, too; ``map_place``: where the player wants it, else in the lower left corner.
        ``now`` is the frame's time (``time.perf_counter``): the car is moved on to it from the newest state, so that 20 states
        a second look smooth.
        """
        area = surface.get_rect()
        pose = predicted(view, now)
        self.camera.follow(pose, now, area)
        surface.fill(theme.GROUND)
        visible = self._visible(area)
        self._draw_ground(surface, area)
        self._draw_road(surface, visible)
        pen = theme.Pen(surface, area.h / 720)
        self._draw_trails(surface, area, view)
        self._draw_ahead(surface, view)
        self._draw_car(surface, pose)
        self._draw_corner_names(pen, area)
        at = self.camera.pixels(np.array([[pose.x, pose.y]]))[0]
        pen.mark("car", pygame.Rect(float(at[0]) - 12, float(at[1]) - 12, 24, 24))
        if with_map:
            self._draw_map(pen, view, area, map_place)
        return pen.marks

    def draw_over(
        self,
        surface: pygame.Surface,
        picture: pygame.Surface,
        view: View,
        *,
        with_map: bool = True,
        map_place: GaugePlace | None = None,
    ) -> list[Mark]:
        """Fill ``surface`` with the game's own picture instead, with the small map over it; return what was drawn where.

        A game with a road is seen through the whole of it; of any other, every part of its picture may count.
        """
        (cover if view.scene.has_road else contain)(surface, picture)
        area = surface.get_rect()
        pen = theme.Pen(surface, area.h / 720)
        self._middle = _NOWHERE
        if with_map:
            self._draw_map(pen, view, area, map_place)
        return pen.marks

    def draw_nothing(self, surface: pygame.Surface, text: str) -> list[Mark]:
        """Say over the whole of ``surface`` that there is nothing to be seen; return what was drawn where."""
        area = surface.get_rect()
        pen = theme.Pen(surface, area.h / 720)
        self._middle = _NOWHERE
        surface.fill(theme.GROUND)
        pen.text("no_picture", text, area.center, 26, theme.MUTED, anchor="center")
        return pen.marks

    def _visible(self, area: pygame.Rect) -> NDArray[np.intp]:
        """Return the indices of the stretches of road that touch the area."""
        reach = math.hypot(area.w, area.h) / self.camera.scale * 0.75 + self.scene.half_width + 5
        near = np.hypot(self.road.middle[:, 0] - self.camera.x, self.road.middle[:, 1] - self.camera.y) < reach
        return np.flatnonzero(near[:-1] & near[1:])

    def _draw_ground(self, surface: pygame.Surface, area: pygame.Rect) -> None:
        """Draw a sparse grid of dots, so that speed can be seen off the road as well."""
        reach = math.hypot(area.w, area.h) / self.camera.scale * 0.75
        middle = self.camera.x, self.camera.y
        lines = [np.arange(math.floor((at - reach) / 10), math.ceil((at + reach) / 10) + 1) * 10.0 for at in middle]
        grid = np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, 2)
        size = max(2, round(area.h / 300))
        colour = theme.mix(theme.GROUND, theme.FAINT, 0.35)
        for x, y in self.camera.pixels(grid):
            if area.left <= x < area.right and area.top <= y < area.bottom:
                surface.fill(colour, (int(x), int(y), size, size))

    def _draw_road(self, surface: pygame.Surface, visible: NDArray[np.intp]) -> None:
        left, right = self.camera.pixels(self.road.left), self.camera.pixels(self.road.right)
        self._middle = middle = self.camera.pixels(self.road.middle)
        width = max(2, round(self.camera.scale * 0.45))
        for i in visible:
            colour = theme.ROAD_CORNER if self._in_corner[i] else theme.ROAD
            pygame.draw.polygon(surface, colour, (left[i], left[i + 1], right[i + 1], right[i]))
        for i in visible:
            if i % 4 == 0 and not self._kerb[i]:
                pygame.draw.aaline(surface, theme.mix(theme.ROAD, theme.EDGE, 0.45), middle[i], middle[i + 1])
            for edge in (left, right):
                if self._kerb[i]:
                    colour = theme.KERB_LIGHT if i // 2 % 2 else theme.KERB_DARK
                    pygame.draw.aaline(surface, colour, edge[i], edge[i + 1], width + 1)
                else:
                    pygame.draw.aaline(surface, theme.EDGE, edge[i], edge[i + 1], max(1, width - 1))
        for index, colour in ((0, theme.EDGE), (len(self.road.s) - 2, theme.TEXT)):
            if index in visible:
                points = left[index] + (right[index] - left[index]) * np.linspace(0, 1, 9)[:, None]  # a chequered line
                for i in range(8):
                    shade = colour if i % 2 else theme.INK
                    pygame.draw.aaline(surface, shade, points[i], points[i + 1], width + 1)
        for _, from_m, to_m in self.scene.corners:
            for distance in (from_m, to_m):
                i = min(int(np.searchsorted(self.road.s, distance)), len(self.road.s) - 1)
                pygame.draw.aaline(surface, theme.mix(theme.ROAD_CORNER, theme.TEXT, 0.55), left[i], right[i], 2)

    def _draw_trails(self, surface: pygame.Surface, area: pygame.Rect, view: View) -> None:
        """Draw past lines, the agent's dashed; the older, the fainter."""
        wide = max(2.0, self.camera.scale * 0.28)
        low, high = np.array(area.topleft) - 40, np.array(area.bottomright) + 40
        both = (view.agent_trails, theme.AGENT, True), (view.human_trails, theme.HUMAN, False)
        for trails, colour, dashed in both:
            for age, trail in enumerate(reversed(trails)):
                if len(trail) < 2:
                    continue
                pixels = self.camera.pixels(trail)
                within = (pixels > low) & (pixels < high)
                inside = within[:, 0] & within[:, 1]
                shade = theme.mix(theme.ROAD, colour, max(0.25, 0.8 - 0.15 * age))
                if dashed:
                    inside &= np.arange(len(trail)) % 6 < 4
                for first, stop in stretches(inside):
                    signs.line(surface, shade, pixels[first:stop], wide + 1)

    def _draw_ahead(self, surface: pygame.Surface, view: View) -> None:
        """Draw where the agent would go as dots, and red with a cross at its end where that is off the road."""
        if view.ahead is None or len(view.ahead) < 2:
            return
        pixels, size = self.camera.pixels(view.ahead), max(2.0, self.camera.scale * 0.3)
        # A drive ends where the car is off the road: the way there is red, too, to be seen in time.
        red = min(view.ahead_off, max(1, len(pixels) - _RED)) if view.ahead_off < len(pixels) else len(pixels)
        for number, (x, y) in enumerate(pixels.tolist()):
            colour = theme.AGENT if number < red else theme.HEAT
            pygame.draw.aacircle(surface, theme.INK, (x, y), size + 1.5)
            pygame.draw.aacircle(surface, theme.mix(colour, theme.TEXT, 0.25), (x, y), size)
        if view.ahead_off < len(pixels):
            signs.cross(surface, theme.HEAT, pixels[-1].tolist(), 3.5 * size, max(3, round(size)))

    def _draw_car(self, surface: pygame.Surface, view: View) -> None:
        grow = max(1.0, 30 / (self.camera.scale * _CAR_LENGTH))  # never smaller than can be seen
        length, width = _CAR_LENGTH * grow, _CAR_WIDTH * grow
        colour = theme.DRIVER[view.driver]
        centre = np.array([view.x, view.y])
        for forward in (0.34, -0.32):
            for side in (0.5, -0.5):
                angle = view.heading + (view.wheel_angle if forward > 0 else 0.0)
                wheel = _turned(_RECTANGLE * (0.20 * length, 0.20 * width), angle)
                at = _turned(np.array([[forward * length, side * width]]), view.heading)
                self._shape(surface, wheel + at + centre, theme.INK, theme.MUTED)
        dark = theme.mix(colour, theme.INK, 0.65)
        for shape, fill, outline in ((_BODY, colour, theme.mix(colour, theme.TEXT, 0.6)), (_CABIN, dark, dark)):
            points = _turned(shape * (length, width), view.heading) + centre
            self._shape(surface, points, fill, outline)

    def _shape(
        self, surface: pygame.Surface, points: NDArray[np.float64], colour: theme.Colour, outline: theme.Colour
    ) -> None:
        pixels = self.camera.pixels(points)
        pygame.draw.polygon(surface, colour, pixels)
        pygame.draw.aalines(surface, outline, True, pixels)

    def _draw_corner_names(self, pen: theme.Pen, area: pygame.Rect) -> None:
        """Name each corner on a small tag outside its apex, clear of the road."""
        gap, clear = pen.px(10), area.inflate(-pen.px(8), -2 * pen.px(56))  # above and below stands what is said
        for name, from_m, to_m in self.scene.corners:
            at = np.stack([self.road.beside_apex(from_m, to_m, metres) for metres in (0.0, self.scene.half_width + 1.0)])
            apex, edge = self.camera.pixels(at)
            box = pygame.Rect((0, 0), theme.measure(name, pen.px(28))).inflate(pen.px(20), pen.px(12))
            outwards = (edge - apex) / max(float(np.hypot(*(edge - apex))), 1e-9)
            reach = abs(outwards[0]) * box.w / 2 + abs(outwards[1]) * box.h / 2 + gap
            x, y = edge + outwards * reach
            box.center = round(x), round(y)
            if not clear.contains(box) or self.covers_road(box):
                continue
            pen.box(box, theme.CARD, 8)
            pygame.draw.rect(pen.surface, theme.FAINT, box, width=1, border_radius=pen.px(8))
            pen.text("corner", name, box.center, 28, theme.TEXT, anchor="center")

    def _draw_map(self, pen: theme.Pen, view: View, area: pygame.Rect, place: GaugePlace | None) -> None:
        """Draw the whole track, north up, while the road does not pass there."""
        side = round(min(area.h * 0.30, area.w * 0.26) * (1.0 if place is None else place[2]))
        if side < 40:
            return
        rect = track_map.fitting(self.scene, pygame.Rect(0, 0, side, side))
        if place is None:
            rect.bottomleft = area.left + pen.px(18), area.bottom - pen.px(18)
        else:
            rect.center = round(place[0] * area.w), round(place[1] * area.h)
            rect.clamp_ip(area)
        near = rect if self._map_shown else rect.inflate(2 * pen.px(60), 2 * pen.px(60))  # else it would come and go
        self._map_shown = not self.covers_road(near)
        if self._map_shown:
            track_map.draw(pen, rect, view)

    def covers_road(self, box: pygame.Rect) -> bool:
        """Tell whether a box (pixels) touches the road."""
        away = np.maximum(np.maximum(box.topleft - self._middle, self._middle - box.bottomright), 0.0)
        reach = (self.scene.half_width + self.road.s[1]) * self.camera.scale
        return bool((np.hypot(away[:, 0], away[:, 1]) < reach).any())


def predicted(view: View, now: float) -> View:
    """Return the view with the car moved on from the time of its state to ``now``, a little way at most."""
    dt = min(_MAX_PREDICTION, max(0.0, now - view.at))
    if view.driver in ("paused", "waits", "over") or dt == 0.0:
        return view
    return replace(
        view,
        x=view.x + view.velocity[0] * dt,
        y=view.y + view.velocity[1] * dt,
        heading=view.heading + view.yaw_rate * dt,
    )


def _grow(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Return the mask with each True stretch longer by ``by`` on both sides."""
    return np.convolve(mask, np.ones(2 * by + 1), mode="same") > 0


def _turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    c, s = math.cos(angle), math.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


_RECTANGLE = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.5, 0.5]])
_BODY = np.array([[0.52, 0.16], [0.52, -0.16], [0.42, -0.34], [-0.10, -0.44], [-0.44, -0.44], [-0.52, -0.32],
                  [-0.52, 0.32], [-0.44, 0.44], [-0.10, 0.44], [0.42, 0.34]])  # fmt: skip
_CABIN = np.array([[0.14, 0.22], [0.14, -0.22], [-0.26, -0.30], [-0.26, 0.30]])
