"""The small instruments of the overlay: bars, marks and the sparkline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pygame

from takeover_ui import theme
from takeover_ui.geometry import heat
from takeover_ui.theme import Pen
from takeover_ui.view import View


def dot(pen: Pen, at: tuple[int, int], colour: theme.Colour) -> None:
    """A lamp."""
    pygame.draw.aacircle(pen.surface, colour, at, pen.px(5))


def health(view: View) -> theme.Colour:
    """Return the colour of the trainer's lamp: at work, at work with a fault in it, not there."""
    if view.trainer is None or not view.trainer.alive:
        return theme.FAINT
    return theme.WARNING if view.finding else theme.GOOD


def progress(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """The whole track as a band: corners as brighter stretches, past failures as heat, the car as a marker."""
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
            column = (left, rect.bottom - tall, right - left, tall)
            pygame.draw.rect(pen.surface, theme.mix(theme.TRACK, theme.HEAT, share), column)
    mark = pygame.Rect(0, 0, pen.px(6), rect.h + pen.px(8))
    mark.center = rect.left + round(rect.w * _share(view.progress / length)), rect.centery
    mark.left = min(max(mark.left, rect.left), rect.right - mark.w)
    pygame.draw.rect(pen.surface, theme.INK, mark.inflate(pen.px(4), pen.px(2)), border_radius=3)
    pygame.draw.rect(pen.surface, theme.DRIVER[view.driver], mark, border_radius=3)


def action(pen: Pen, rect: pygame.Rect, view: View, number: int) -> None:
    """One action: the thick bar is what is done, in the driver's colour; the thin bar below what the agent would do.

    In a lap no agent is asked, so there is only the first one.
    """
    name = view.scene.action_names[number]
    pen.mark(f"gauge_{name}", rect)
    thick = pygame.Rect(rect.left, rect.top, rect.w, rect.h if view.lap else round(rect.h * 0.62))
    gap = thick.h + pen.px(2)
    thin = pygame.Rect(rect.left, rect.top + gap, rect.w, rect.h - gap)
    both_ways = name not in ("gas", "brake")
    bars = ((thick, view.executed, theme.DRIVER[view.driver]), (thin, view.proposed, theme.AGENT))
    for bar, values, colour in bars[: 1 if view.lap else 2]:
        pen.box(bar, theme.TRACK, 4)
        if values is None or number >= len(values):
            continue
        value = float(values[number])
        if both_ways:
            reach = round(bar.w / 2 * _share(abs(value)))
            _fill(pen, pygame.Rect(bar.centerx - reach * (value < 0), bar.top, reach, bar.h), colour)
        else:
            _fill(pen, pygame.Rect(bar.left, bar.top, round(bar.w * _share(value)), bar.h), colour)
    if both_ways:
        top, bottom = (rect.centerx, rect.top), (rect.centerx, rect.bottom - 1)
        pygame.draw.line(pen.surface, theme.MUTED, top, bottom, pen.px(1.5))


def _share(value: float) -> float:
    """Return a value within 0..1."""
    return min(1.0, max(0.0, value))


def _fill(pen: Pen, rect: pygame.Rect, colour: theme.Colour, radius: float = 3) -> None:
    if rect.w > 0:
        pygame.draw.rect(pen.surface, colour, rect, border_radius=min(pen.px(radius), rect.w // 2))


def risk_colour(risk: float) -> theme.Colour:
    """Calm, then a warning, then the colour of past failures: one scale wherever the risk is drawn."""
    if risk < 0.5:
        return theme.mix(theme.MUTED, theme.WARNING, max(0.0, risk) * 2)
    return theme.mix(theme.WARNING, theme.HEAT, min(1.0, risk) * 2 - 1)


def risk(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """How likely the agent is to fail soon, from empty to full; an empty frame where it does not know."""
    pen.mark("risk_band", rect)
    pen.box(rect, theme.TRACK, 4)
    if view.risk is not None:
        part = pygame.Rect(rect.left, rect.top, round(rect.w * _share(view.risk)), rect.h)
        _fill(pen, part, risk_colour(view.risk))


def returns(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """This episode's return on a scale up to the best, with marks at the best and at the ceiling."""
    pen.mark("return_band", rect)
    pen.box(rect, theme.TRACK, 4)
    top = max([v for v in (view.best_return, view.ceiling, view.episode_return) if v is not None] + [1e-6])
    part = pygame.Rect(rect.left, rect.top, round(rect.w * _share(view.episode_return / top)), rect.h)
    _fill(pen, part, theme.mix(theme.TRACK, theme.TEXT, 0.75), 4)
    for value, colour in ((view.ceiling, theme.WARNING), (view.best_return, theme.GOOD)):
        if value is not None and value > 0:
            x = rect.left + round((rect.w - pen.px(3)) * min(1.0, value / top))
            pygame.draw.rect(pen.surface, colour, (x, rect.top - pen.px(3), pen.px(3), rect.h + pen.px(6)))


def sparkline(pen: Pen, rect: pygame.Rect, points: Sequence[tuple[float, float]], label: str) -> None:
    """Shares of corner passes over agent steps, the newest as a number."""
    pen.mark("sparkline", rect)
    value = f"{points[-1][1] * 100:.0f} %" if points else "–"
    colour = theme.GOOD if points and points[-1][1] >= 0.75 else theme.TEXT
    number = pen.put("evaluation", value, rect, 28, colour, "midright")
    width = rect.w - max(number.w, pen.px(64))
    top = pen.put("label_evaluation", label, rect, 18, width=width - pen.px(8)).bottom + pen.px(3)
    area = pygame.Rect(rect.left, top, width - pen.px(10), rect.bottom - top)
    if area.h < pen.px(8):
        return
    pygame.draw.line(pen.surface, theme.TRACK, area.bottomleft, area.bottomright)
    pygame.draw.line(pen.surface, theme.TRACK, area.topleft, area.topright)
    shown = points[-40:]
    if not shown:
        return
    first, last = shown[0][0], shown[-1][0]
    scale = (area.w - 4) / max(last - first, 1e-9)
    path = [(area.left + scale * (x - first), area.bottom - area.h * _share(y)) for x, y in shown]
    for a, b in pairwise(path):
        pygame.draw.aaline(pen.surface, theme.AGENT, a, b, max(2, pen.px(2)))
    pygame.draw.aacircle(pen.surface, theme.AGENT, path[-1], pen.px(4))
