"""The frames of a clip: the road from above as in the review, and below it the overlay's gauges, for one drive or two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pygame

from takeover_ui import theme
from takeover_ui.language import Words
from takeover_ui.overlay.sections import GAUGES
from takeover_ui.review.corner_plan import CornerPlan
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import Scene, View

if TYPE_CHECKING:
    from data.reading.segment_review import Detail

Outcome = Literal["", "cleared", "failed"]
_WIDE, _HIGH = 480, 540  # of a pane, in pixels of the design
_TITLE, _PLAN = 40, 320  # heights
_BELOW = (("driver", 52), ("corner", 58), ("controls", 70))  # gauges of the overlay, and their heights here
_PAD = 14
_STANDS_S = 1.2  # s for which the last moment stands


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """One drive of a clip. ``outcome``: what its end shows; ``scripted``: the scripted driver is the human of it."""

    title: str
    detail: Detail
    outcome: Outcome = ""
    scripted: bool = False

    @property
    def seconds(self) -> float:
        """How long it is driven."""
        t = self.detail.drive.t
        return float(t[-1] - t[0]) / self.detail.drive.episode.hz if len(t) else 0.0


class Clip:
    """One or two drives that begin together. ``width`` is that of the whole picture, in pixels, rounded to what films need."""

    def __init__(self, panes: Sequence[Pane], scene: Scene, words: Words, width: int) -> None:
        self.panes, self._scene, self._words = tuple(panes), scene, words
        self._scale = width / len(self.panes) / _WIDE
        self.size = width // 2 * 2, round(_HIGH * self._scale / 2) * 2
        self._plans = [CornerPlan(scene) for _ in self.panes]
        self._times = [(p.detail.drive.t - p.detail.drive.t[0]) / p.detail.drive.episode.hz for p in self.panes]
        self.marks: list[Mark] = []
        """What the newest frame shows, and where."""

    @property
    def seconds(self) -> float:
        """How long the clip is."""
        return max(pane.seconds for pane in self.panes) + _STANDS_S

    def frames(self, fps: float) -> int:
        """Return how many frames it has."""
        return max(1, math.ceil(self.seconds * fps))

    def draw(self, seconds: float) -> pygame.Surface:
        """Return the picture at a moment, in seconds from the beginning."""
        surface = pygame.Surface(self.size)
        surface.fill(theme.PANEL)
        pen, each = Pen(surface, self._scale), self.size[0] // len(self.panes)
        for number in range(len(self.panes)):
            self._pane(pen, pygame.Rect(number * each, 0, each, self.size[1]), number, seconds)
        for number in range(1, len(self.panes)):
            pygame.draw.rect(surface, theme.INK, (number * each - pen.px(1), 0, pen.px(2), self.size[1]))
        self.marks = pen.marks
        return surface

    def _pane(self, pen: Pen, area: pygame.Rect, number: int, seconds: float) -> None:
        pane, times = self.panes[number], self._times[number]
        detail, over = pane.detail, seconds >= times[-1]
        position = float(np.interp(seconds, times, np.arange(len(times))))
        title = pygame.Rect(area.left + pen.px(_PAD), area.top, area.w - 2 * pen.px(_PAD), pen.px(_TITLE))
        room = title.w
        if over and pane.outcome:
            colour = theme.GOOD if pane.outcome == "cleared" else theme.HEAT
            text = self._words[f"clip_{pane.outcome}"]
            room = pen.put("outcome", text, title, 26, colour, "midright", room // 2).left - title.left
        pen.put("title", pane.title, title, 24, theme.TEXT, "midleft", room - pen.px(10))
        plan = pygame.Rect(area.left, title.bottom, area.w, pen.px(_PLAN))
        inner = Pen(pen.surface.subsurface(plan), pen.scale)
        others = [other.detail.drive for other in self.panes if other is not pane]
        self._plans[number].draw(inner, inner.surface.get_rect(), detail, (0, 0), position, self._words, beside=others)
        pen.marks += [replace(mark, rect=mark.rect.move(plan.topleft)) for mark in inner.marks]
        view = self._view(pane, int(position))
        top = plan.bottom + pen.px(6)
        for name, height in _BELOW:
            box = pygame.Rect(title.left, top, title.w, pen.px(height - 6))
            GAUGES[name][1](pen, box, view, self._words)
            top += pen.px(height)

    def _view(self, pane: Pane, step: int) -> View:
        drive = pane.detail.drive
        speed = float(drive.speed[step])
        return View(
            self._scene,
            driver="human" if drive.human[step] else "agent",
            stand_in=pane.scripted,
            lap=drive.episode.purpose == "lap",
            proposed=tuple(drive.proposed[step].tolist()),
            executed=tuple(drive.executed[step].tolist()),
            speed=speed if math.isfinite(speed) else 0.0,
        )
