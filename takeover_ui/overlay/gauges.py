"""The small instruments of the overlay: bars, marks and the sparkline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pygame

from takeover_ui import signs, theme
from takeover_ui.geometry import heat
from takeover_ui.theme import Pen
from takeover_ui.view import View


def health(view: View) -> signs.Lamp:
    """Return the trainer's lamp: it learns, it is at work with a fault in it, nothing is learned now."""
    if view.trainer is None or not view.trainer.alive:
        return "off"
    if view.finding:
        return "warning"
    return "good" if view.trainer.doing == "learns" else "off"


def progress(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """The whole track as a band: corners as brighter stretches, past failures as a comb of heat, the car as a marker."""
    length = max(view.scene.length, 1e-6)
    pen.mark("progress_band", rect)
    pen.box(rect, theme.TRACK, 4)
    for _, from_m, to_m in view.scene.corners:
        left, right = rect.left + rect.w * from_m / length, rect.left + rect.w * to_m / length
        part = (round(left), rect.top, max(2, round(right - left)), rect.h)
        pygame.draw.rect(pen.surface, theme.mix(theme.TRACK, theme.TEXT, 0.38), part)
    bins = max(1, rect.w // max(2, pen.px(3)))
    for number, value in enumerate(heat(view.failures, length, bins).tolist()):
        if value > 0.02:
            left, right = (rect.left + rect.w * n // bins for n in (number, number + 1))
            share = 0.35 + 0.65 * value
            tall = max(2, round(rect.h * share))
            column = (left, rect.bottom - tall, max(1, (right - left) * 2 // 3), tall)
            pygame.draw.rect(pen.surface, theme.mix(theme.TRACK, theme.HEAT, share), column)
    mark = pygame.Rect(0, 0, pen.px(6), rect.h + pen.px(8))
    mark.center = rect.left + round(rect.w * _share(view.progress / length)), rect.centery
    mark.left = min(max(mark.left, rect.left), rect.right - mark.w)
    pygame.draw.rect(pen.surface, theme.INK, mark.inflate(pen.px(4), pen.px(2)), border_radius=3)
    pygame.draw.rect(pen.surface, theme.DRIVER[view.driver], mark, border_radius=3)


def compares(view: View) -> bool:
    """Tell whether the agent's wish is shown beside what is done."""
    return view.driver == "human" and not view.lap


def action(pen: Pen, rect: pygame.Rect, view: View, number: int) -> None:
    """One action: the thick bar is what is done, in the driver's colour; the thin bar below, while you drive, the agent's wish.

    While the agent drives both would be the same, and in a lap no agent is asked.
    """
    name = view.scene.action_names[number]
    pen.mark(f"gauge_{name}", rect)
    both = compares(view)
    thick = pygame.Rect(rect.left, rect.top, rect.w, round(rect.h * 0.62) if both else rect.h)
    gap = thick.h + pen.px(2)
    thin = pygame.Rect(rect.left, rect.top + gap, rect.w, rect.h - gap)
    both_ways = name not in ("gas", "brake")
    bars = ((thick, view.executed, theme.DRIVER[view.driver]), (thin, view.proposed, theme.AGENT))
    for bar, values, colour in bars[: 1 + both]:
        pen.box(bar, theme.TRACK, 4)
        if values is None or number >= len(values):
            continue
        value = float(values[number])
        if both_ways:
            reach = round(bar.w / 2 * _share(abs(value)))
            fill(pen, pygame.Rect(bar.centerx - reach * (value < 0), bar.top, reach, bar.h), colour)
        else:
            fill(pen, pygame.Rect(bar.left, bar.top, round(bar.w * _share(value)), bar.h), colour)
    if both_ways:
        top, bottom = (rect.centerx, rect.top), (rect.centerx, rect.bottom - 1)
        pygame.draw.line(pen.surface, theme.MUTED, top, bottom, pen.px(1.5))


def _share(value: float) -> float:
    """Return a value within 0..1."""
    return min(1.0, max(0.0, value))


def fill(pen: Pen, rect: pygame.Rect, colour: theme.Colour, radius: float = 3) -> None:
    """Fill a part of a band, if there is any."""
    if rect.w > 0:
        pygame.draw.rect(pen.surface, colour, rect, border_radius=min(pen.px(radius), rect.w // 2))


def risk_colour(risk: float) -> theme.Colour:
    """Calm, then a warning, then the colour of past failures: one scale wherever the risk is drawn."""
    if risk < 0.5:
        return theme.mix(theme.MUTED, theme.WARNING, max(0.0, risk) * 2)
    return theme.mix(theme.WARNING, theme.HEAT, min(1.0, risk) * 2 - 1)


def risk(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """How likely the agent is to fail soon, from empty to full."""
    pen.mark("risk_band", rect)
    pen.box(rect, theme.TRACK, 4)
    if view.risk is not None:
        part = pygame.Rect(rect.left, rect.top, round(rect.w * _share(view.risk)), rect.h)
        fill(pen, part, risk_colour(view.risk))


def returns(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """This episode's return on a scale up to the best, with marks at the best and at the ceiling."""
    pen.mark("return_band", rect)
    pen.box(rect, theme.TRACK, 4)
    top = max([v for v in (view.best_return, view.ceiling, view.episode_return) if v is not None] + [1e-6])
    part = pygame.Rect(rect.left, rect.top, round(rect.w * _share(view.episode_return / top)), rect.h)
    fill(pen, part, theme.mix(theme.TRACK, theme.TEXT, 0.75), 4)
    levels: tuple[tuple[float | None, Literal["best", "ceiling"]], ...] = (view.ceiling, "ceiling"), (view.best_return, "best")
    for value, kind in levels:
        if value is not None and value > 0:
            x = rect.left + round((rect.w - pen.px(3)) * min(1.0, value / top))
            signs.tick(pen.surface, rect, kind, x, pen.px(3))


def sparkline(pen: Pen, rect: pygame.Rect, points: Sequence[tuple[float, float]], label: str) -> None:
    """Shares of corner passes over agent steps, the newest as a number; nothing before the first one."""
    pen.mark("sparkline", rect)
    if not points:
        return
    value, colour = f"{points[-1][1] * 100:.0f} %", theme.GOOD if points[-1][1] >= 0.75 else theme.TEXT
    number = pen.put("evaluation", value, rect, 28, colour, "midright")
    width = rect.w - max(number.w, pen.px(64))
    top = pen.put("label_evaluation", label, rect, 18, width=width - pen.px(8)).bottom + pen.px(3)
    area = pygame.Rect(rect.left, top, width - pen.px(10), rect.bottom - top)
    if area.h < pen.px(8):
        return
    pygame.draw.line(pen.surface, theme.TRACK, area.bottomleft, area.bottomright)
    pygame.draw.line(pen.surface, theme.TRACK, area.topleft, area.topright)
    shown = points[-40:]
    first, last = shown[0][0], shown[-1][0]
    scale = (area.w - 4) / max(last - first, 1e-9)
    path = [(area.left + scale * (x - first), area.bottom - area.h * _share(y)) for x, y in shown]
    signs.line(pen.surface, theme.AGENT, np.array(path), max(2, pen.px(2)))
    pygame.draw.aacircle(pen.surface, theme.AGENT, path[-1], pen.px(4))
