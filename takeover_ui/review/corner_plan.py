"""A stretch of road from above with the lines driven through it: the middle of the review."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pygame
from numpy.typing import NDArray

from data.records import driver_kind
from takeover_ui import signs, theme
from takeover_ui.geometry import Plan, Ribbon, ribbon
from takeover_ui.theme import Pen

if TYPE_CHECKING:
    from data.reading.drives import Drive
    from data.reading.segment_review import Detail
    from takeover_ui.language import Words
    from takeover_ui.view import Scene

_FINE = 2  # drawn so many times larger and scaled down: smooth edges
Pattern = Literal["solid", "dashed", "dotted"]
"""Of a line: it says the same as its colour."""
LegendLine = tuple[str, theme.Colour, Pattern]
"""Of the legend: what is drawn so, and how."""
_LETTERS, _ROW = 20, 22  # sizes of the legend, in pixels of the design
_EDGE, _SAMPLE, _BETWEEN = 14, 32, 22
_OTHER = theme.mix(theme.HUMAN, theme.ROAD, 0.55)
_LAST_S = 1.5  # s before an episode's end that still belong to it: the wheel may have gone back before the car left the road
_LATEST = theme.mix(theme.AGENT, theme.TEXT, 0.55)


class CornerPlan:
    """Draws one detail; road and lines are kept until the detail, the trim or the size changes."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.road: Ribbon = ribbon(scene.points, scene.half_width, max(1.0, scene.length / 5000))
        self._key: tuple[object, ...] = ()
        self._sheet = pygame.Surface((1, 1))

    def draw(
        self,
        pen: Pen,
        rect: pygame.Rect,
        detail: Detail,
        trim: tuple[int, int],
        position: float,
        words: Words,
        *,
        beside: Sequence[Drive] = (),
        others: Sequence[Drive] = (),
    ) -> None:
        """Draw into ``rect``, the car where it is at step ``position``.

        ``beside``: drives that must fit in, too. ``others``: what the human drove in other takeovers at this corner.
        """
        legend = _rows(pen, rect, _entries(detail, words, len(others)))
        below = max(30, pen.px(_ROW) * len(legend) + pen.px(6))
        key = (id(detail), trim, rect.size, len(others), below)
        if key != self._key:
            self._key = key
            self._plan = self._frame(rect, detail, beside, below)
            self._sheet = self._lines(rect, detail, trim, others)
        pen.surface.blit(self._sheet, rect)
        pen.mark("plan", rect)
        drive = detail.drive
        if len(drive):
            low = min(int(position), len(drive) - 1)
            high, share = min(low + 1, len(drive) - 1), position - int(position)
            x = drive.x[low] + (drive.x[high] - drive.x[low]) * share
            y = drive.y[low] + (drive.y[high] - drive.y[low]) * share
            if math.isfinite(x) and math.isfinite(y):
                self._car(pen, rect, np.array([x, y]), float(np.nan_to_num(drive.heading[low])), bool(drive.human[low]))
        _legend(pen, rect, legend)

    def _frame(self, rect: pygame.Rect, detail: Detail, beside: Sequence[Drive], below: int) -> Plan:
        """Choose what is shown: everything driven, the corner, and a little more. ``below``: pixels that the legend takes."""
        drives = [d for d in (detail.drive, detail.same, detail.latest, *beside) if d is not None and len(d)]
        shown = [d.points[np.isfinite(d.points).all(axis=1)] for d in drives]
        corner = self.scene.corner(detail.segment.corner)
        if corner is not None:
            part = self.road.between(corner.from_m, corner.to_m)
            shown += [self.road.left[part], self.road.right[part]]
        points = np.vstack([*shown, self.road.middle[:2]] if not any(len(s) for s in shown) else shown)
        margin = self.scene.half_width * 0.8 + 3
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        size = rect.w, rect.h - below
        return Plan((low + high) / 2, size, float(min(size / (high - low))))

    def _lines(self, rect: pygame.Rect, detail: Detail, trim: tuple[int, int], others: Sequence[Drive]) -> pygame.Surface:
        big = pygame.Surface((rect.w * _FINE, rect.h * _FINE))
        big.fill(theme.GROUND)
        left, right = self._plan.at(self.road.left, _FINE), self._plan.at(self.road.right, _FINE)
        corner = self.scene.corner(detail.segment.corner)
        bend = self.road.between(corner.from_m, corner.to_m) if corner else slice(0, 0)
        limits = big.get_rect().inflate(400, 400)
        seen = [k for k in range(len(left) - 1) if limits.collidepoint(left[k]) or limits.collidepoint(right[k])]
        for k in seen:
            colour = theme.ROAD_CORNER if bend.start <= k < bend.stop - 1 else theme.ROAD
            pygame.draw.polygon(big, colour, (left[k], left[k + 1], right[k + 1], right[k]))
        for k in seen:
            for edge in (left, right):
                pygame.draw.line(big, theme.EDGE, edge[k], edge[k + 1], 2 * _FINE)
        for other in others:
            self._line(big, other, [_OTHER] * len(other), _FINE, "solid")
            self._end(big, other)
        agents: tuple[tuple[Drive | None, theme.Colour, Pattern], ...]
        agents = (detail.same, theme.AGENT, "dashed"), (detail.latest, _LATEST, "dotted")
        for drive, colour, pattern in agents:
            if drive is not None:
                off = np.abs(self.road.offset(drive.points, drive.progress)) > self.scene.half_width
                self._line(big, drive, [theme.HEAT if beside else colour for beside in off.tolist()], 2 * _FINE, pattern)
                self._end(big, drive)
        drive, segment = detail.drive, detail.segment
        kept = (drive.t >= segment.start + trim[0]) & (drive.t < segment.stop - trim[1])
        trimmed, agent = theme.mix(theme.HUMAN, theme.ROAD, 0.6), theme.AGENT
        if drive.human.any():  # what the agent drove around a takeover is not what this is about
            agent = theme.mix(theme.AGENT, theme.ROAD, 0.35)
        steps = zip(drive.human.tolist(), kept.tolist(), strict=True)
        colours = [(theme.HUMAN if inside else trimmed) if human else agent for human, inside in steps]
        self._line(big, drive, colours, 3 * _FINE, "solid")
        return pygame.transform.smoothscale(big, rect.size)

    def _end(self, surface: pygame.Surface, drive: Drive) -> None:
        """Put a cross where a drive ended off the road, if it is shown up to there."""
        if not (drive.episode.failed and len(drive) and drive.t[-1] >= drive.episode.length - 1 - _LAST_S * drive.episode.hz):
            return
        x, y = self._plan.at(drive.points[-1:], _FINE)[0]
        if math.isfinite(x) and math.isfinite(y):
            signs.cross(surface, theme.HEAT, (x, y), 5 * _FINE, 2 * _FINE)

    def _line(
        self, surface: pygame.Surface, drive: Drive, colours: list[theme.Colour], width: int, pattern: Pattern
    ) -> None:
        pixels = self._plan.at(drive.points, _FINE)
        good = np.isfinite(pixels[:, 0]) & np.isfinite(pixels[:, 1])
        for k in np.flatnonzero(good[:-1] & good[1:]):
            if (pattern == "dashed" and k % 4 > 1) or drive.t[k + 1] != drive.t[k] + 1:
                continue
            if pattern == "dotted":
                if k % 2:
                    pygame.draw.circle(surface, colours[k], pixels[k], width)
                continue
            pygame.draw.line(surface, colours[k], pixels[k], pixels[k + 1], width)
            pygame.draw.circle(surface, colours[k], pixels[k + 1], width / 2)

    def _car(self, pen: Pen, rect: pygame.Rect, at: NDArray[np.float64], heading: float, human: bool) -> None:
        c, s = math.cos(heading), math.sin(heading)
        size = max(4.6, 16 * pen.scale / self._plan.scale)
        shape = np.array([[0.6, 0.0], [-0.4, 0.32], [-0.22, 0.0], [-0.4, -0.32]]) * size
        pixels = self._plan.at(shape @ np.array([[c, s], [-s, c]]) + at) + rect.topleft
        pygame.draw.polygon(pen.surface, theme.HUMAN if human else theme.AGENT, pixels)
        pygame.draw.aalines(pen.surface, theme.TEXT, True, pixels)


def _entries(detail: Detail, words: Words, others: int) -> list[LegendLine]:
    """Return what the lines are, and how each is drawn."""
    entries: list[LegendLine] = []
    if detail.drive.human.any():
        whose = driver_kind(detail.segment.driver, detail.segment.trigger)
        entries.append((words[f"line_{whose}"], theme.HUMAN, "solid"))
    else:
        entries.append((words["line_agent"], theme.AGENT, "solid"))
    if detail.same is not None:
        entries.append((words["line_then"], theme.AGENT, "dashed"))
    if detail.latest is not None:
        entries.append((words["line_newest"], _LATEST, "dotted"))
    if others:
        entries.append((words.say("quality_others", n=others), _OTHER, "solid"))
    return entries


def _rows(pen: Pen, rect: pygame.Rect, entries: list[LegendLine]) -> list[list[LegendLine]]:
    """Return the entries of the legend on as many rows as they need."""
    rows: list[list[LegendLine]] = []
    x, right = 0, rect.right - pen.px(_EDGE)
    for entry in entries:
        end = x + pen.px(_SAMPLE) + theme.measure(entry[0], pen.px(_LETTERS))[0]
        if not rows or end > right:
            rows.append([])
            end += rect.left + pen.px(_EDGE) - x
        rows[-1].append(entry)
        x = end + pen.px(_BETWEEN)
    return rows


def _legend(pen: Pen, rect: pygame.Rect, rows: list[list[LegendLine]]) -> None:
    right = rect.right - pen.px(_EDGE)
    for number, row in enumerate(rows):
        x, y = rect.left + pen.px(_EDGE), rect.bottom - pen.px(16) - (len(rows) - 1 - number) * pen.px(_ROW)
        for text, colour, pattern in row:
            step, length = {"solid": (24, 24), "dashed": (15, 9), "dotted": (10, 0)}[pattern]
            for at in range(0, 25, step):
                left = x + pen.px(at) if at else x
                if length and at + length <= 24:
                    pygame.draw.line(pen.surface, colour, (left, y), (left + pen.px(length), y), max(3, pen.px(3)))
                elif not length:
                    pygame.draw.aacircle(pen.surface, colour, (left + pen.px(2), y), max(2, pen.px(2.5)))
            begin = x + pen.px(_SAMPLE)
            drawn = pen.text("legend", text, (begin, y), _LETTERS, theme.MUTED, width=right - begin, anchor="midleft")
            x = drawn.right + pen.px(_BETWEEN)
