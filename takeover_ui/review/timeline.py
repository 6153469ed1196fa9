"""The time line of a segment: actions, speed and risk over steps, executed against proposed, with ends that can be trimmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pygame
from numpy.typing import NDArray

from takeover_ui import theme
from takeover_ui.theme import Pen

if TYPE_CHECKING:
    from data.reading.segment_review import Detail
    from takeover_ui.language import Words
    from takeover_ui.view import Scene

class Timeline:
    """Draws one detail; the curves are kept until the detail, the trim or the size changes."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._sheet = pygame.Surface((1, 1))
        self.area = pygame.Rect(0, 0, 1, 1)
        self.count = 1

    def draw(
        self,
        pen: Pen,
        rect: pygame.Rect,
        detail: Detail,
        scene: Scene,
        trim: tuple[int, int],
        position: float,
        words: Words,
    ) -> None:
        """Draw into ``rect``; :meth:`step_at` and :meth:`handles` then refer to this place."""
        label = pen.px(104)
        self.area = pygame.Rect(rect.left + label, rect.top, rect.w - label - pen.px(10), rect.h)
        self.count = max(2, len(detail.drive))
        key = (detail.segment.id, detail.segment.trim_start, trim, rect.size, id(detail))
        if key != self._key:
            self._key = key
            self._sheet = self._curves(pen, rect, detail, scene, trim, words)
        pen.surface.blit(self._sheet, rect)
        pen.mark("timeline", rect)
        x = self._x(position)
        pygame.draw.line(pen.surface, theme.TEXT, (x, rect.top), (x, rect.bottom - 1), max(2, pen.px(2)))
        arrow = [(x - pen.px(6), rect.top), (x + pen.px(6), rect.top), (x, rect.top + pen.px(8))]
        pygame.draw.polygon(pen.surface, theme.TEXT, arrow)
        for handle in self.handles(pen, detail, trim):
            pygame.draw.rect(pen.surface, theme.HUMAN, handle, border_radius=pen.px(4))
            grip = handle.inflate(-max(2, handle.w * 2 // 3), -handle.h * 3 // 4)
            pygame.draw.rect(pen.surface, theme.INK, grip)

    def _x(self, step: float) -> int:
        return self.area.left + round(self.area.w * step / (self.count - 1))

    def step_at(self, x: int) -> float:
        """Return the step (of what is shown) under a horizontal pixel position."""
        return min(max(0.0, (x - self.area.left) / max(1, self.area.w)), 1.0) * (self.count - 1)

    def handles(self, pen: Pen, detail: Detail, trim: tuple[int, int]) -> tuple[pygame.Rect, pygame.Rect]:
        """Return where the two ends of the segment can be taken hold of."""
        start, stop = _inside(detail, trim)
        first, last = pygame.Rect(0, 0, pen.px(6), self.area.h), pygame.Rect(0, 0, pen.px(6), self.area.h)
        first.midtop, last.midtop = (self._x(start), self.area.top), (self._x(stop - 1), self.area.top)
        return first, last

    def _curves(
        self, pen: Pen, rect: pygame.Rect, detail: Detail, scene: Scene, trim: tuple[int, int], words: Words
    ) -> pygame.Surface:
        sheet = pygame.Surface(rect.size)
        sheet.fill(theme.PANEL)
        inner = Pen(sheet, pen.scale)
        drive = detail.drive
        rows: list[tuple[str, NDArray[np.float64], NDArray[np.float64], bool]] = []  # values and proposed ones, 0..1
        for number, name in enumerate(scene.action_names[: drive.executed.shape[1]]):
            both_ways = name not in ("gas", "brake")
            executed, proposed = (part[:, number].astype(float) for part in (drive.executed, drive.proposed))
            if both_ways:
                sign = -0.5 if name == "steer" else 0.5  # left is up
                executed, proposed = 0.5 + sign * executed, 0.5 + sign * proposed
            rows.append((words.get(name, name), executed, proposed, both_ways))
        fastest, unknown = float(np.nanmax(drive.speed, initial=0.0)), np.full(len(drive), np.nan)
        rows.append((words["row_speed"], drive.speed / max(20.0, fastest * 1.08), unknown, False))
        if np.isfinite(drive.risk).any():
            rows.append((words["row_risk"], drive.risk, unknown, False))
        gap = pen.px(6)
        height = (rect.h - gap * (len(rows) - 1)) // len(rows)
        start, stop = _inside(detail, trim)
        for number, (label, executed, proposed, both_ways) in enumerate(rows):
            area = pygame.Rect(self.area.left - rect.left, number * (height + gap), self.area.w, height)
            pygame.draw.rect(sheet, theme.CARD, area, border_radius=pen.px(4))
            kept = pygame.Rect(self._x(start) - rect.left, area.top, self._x(stop - 1) - self._x(start) + 1, area.h)
            pygame.draw.rect(sheet, theme.TRACK, kept)
            if both_ways:
                pygame.draw.line(sheet, theme.FAINT, (area.left, area.centery), (area.right - 1, area.centery))
            beside = pygame.Rect(0, area.top, area.left - pen.px(6), area.h)
            inner.put(f"row_{number}", label, beside, anchor="midleft")
            _curve(inner, area, proposed, [theme.AGENT] * len(drive), 1, dashed=True)
            colours = [theme.HUMAN if h else theme.AGENT for h in drive.human.tolist()]
            if label in (words["row_speed"], words["row_risk"]):
                colours = [theme.mix(c, theme.TEXT, 0.35) for c in colours]
            colours = [c if start <= k < stop else theme.mix(c, theme.CARD, 0.45) for k, c in enumerate(colours)]
            _curve(inner, area, executed, colours, max(2, pen.px(2)))
            if label == words["row_speed"]:
                text = f"{fastest * 3.6:.0f} km/h"
                at = (area.right - pen.px(6), area.top + pen.px(2))
                inner.text("top_speed", text, at, 18, theme.MUTED, anchor="topright")
        return sheet


def _curve(
    pen: Pen, area: pygame.Rect, values: NDArray[np.float64], colours: list[theme.Colour], width: int, *, dashed: bool = False
) -> None:
    ys = area.bottom - pen.px(3) - np.clip(values, 0.0, 1.0) * (area.h - 2 * pen.px(3))
    xs = area.left + np.arange(len(values)) * area.w / max(1, len(values) - 1)
    for k in np.flatnonzero(np.isfinite(ys[:-1]) & np.isfinite(ys[1:])):
        if dashed and k % 4 > 1:
            continue
        pygame.draw.aaline(pen.surface, colours[k], (xs[k], ys[k]), (xs[k + 1], ys[k + 1]), width)


def _inside(detail: Detail, trim: tuple[int, int]) -> tuple[int, int]:
    """Return the trimmed segment ``[start, stop)`` in steps of what is shown."""
    origin = int(detail.drive.t[0]) if len(detail.drive) else 0
    return detail.segment.start + trim[0] - origin, detail.segment.stop - trim[1] - origin
