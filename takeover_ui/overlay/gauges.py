"""The small instruments of the overlay: bars, marks and the sparkline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pygame

from takeover_ui import theme
from takeover_ui.geometry import heat
from takeover_ui.theme import Pen
from takeover_ui.view import TrainerState, View


def dot(pen: Pen, at: tuple[int, int], colour: theme.Colour) -> None:
    """A lamp."""
    pygame.draw.aacircle(pen.surface, colour, at, pen.px(5))


def health(trainer: TrainerState | None) -> theme.Colour:
    """Return the colour of the trainer's lamp: at work, at work with a fault in it, not there."""
    if trainer is None or not trainer.alive:
        return theme.FAINT
    return theme.WARNING if trainer.finding_title else theme.GOOD


def progress(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """The whole track as a band: corners as brighter stretches, past failures as heat, the car as a marker."""
    length = max(view.scene.length, 1e-6)
    pen.mark("progress_band", rect)
    pen.box(rect, theme.TRACK, 4)
    for _, from_m, to_m in view.scene.corners:
        left, right = rect.left + rect.w * from_m / length, rect.left + rect.w * to_m / length
        pygame.draw.rect(
            pen.surface,
            theme.mix(theme.TRACK, theme.TEXT, 0.38),
            (round(left), rect.top, max(2, round(right - left)), rect.h),
        )
    bins = max(1, rect.w // max(2, pen.px(3)))
    for number, value in enumerate(heat(view.failures, length, bins)):
        if value > 0.02:
            left = rect.left + rect.w * number // bins
            right = rect.left + rect.w * (number + 1) // bins
            tall = max(2, round(rect.h * (0.35 + 0.65 * value)))
            pygame.draw.rect(
                pen.surface,
                theme.mix(theme.TRACK, theme.HEAT, 0.35 + 0.65 * float(value)),
                (left, rect.bottom - tall, right - left, tall),
            )
    x = rect.left + round(rect.w * min(1.0, max(0.0, view.progress / length)))
    mark = pygame.Rect(0, 0, pen.px(6), rect.h + pen.px(8))
    mark.center = (min(max(x, rect.left + mark.w // 2), rect.right - mark.w // 2), rect.centery)
    pygame.draw.rect(pen.surface, theme.INK, mark.inflate(pen.px(4), pen.px(2)), border_radius=3)
    pygame.draw.rect(pen.surface, theme.DRIVER[view.driver], mark, border_radius=3)


def action(pen: Pen, rect: pygame.Rect, view: View, number: int) -> None:
    """One action: the thick bar is what is done, in the driver's colour; the thin bar below what the agent would do."""
    name = view.scene.action_names[number]
    pen.mark(f"gauge_{name}", rect)
    thick = pygame.Rect(rect.left, rect.top, rect.w, round(rect.h * 0.62))
    thin = pygame.Rect(
        rect.left, thick.bottom + max(1, pen.px(2)), rect.w, rect.bottom - thick.bottom - max(1, pen.px(2))
    )
    both_ways = name not in ("gas", "brake")
    for bar, values, colour in ((thick, view.executed, theme.DRIVER[view.driver]), (thin, view.proposed, theme.AGENT)):
        pen.box(bar, theme.TRACK, 4)
        if values is not None and number < len(values):
            _fill(pen, bar, float(values[number]), colour, both_ways)
    if both_ways:
        pygame.draw.line(
            pen.surface, theme.MUTED, (rect.centerx, rect.top), (rect.centerx, rect.bottom - 1), max(1, pen.px(1.5))
        )


def _fill(pen: Pen, rect: pygame.Rect, value: float, colour: theme.Colour, both_ways: bool) -> None:
    value = min(1.0, max(-1.0 if both_ways else 0.0, value))
    if both_ways:
        reach = round(rect.w / 2 * abs(value))
        part = pygame.Rect(rect.centerx if value >= 0 else rect.centerx - reach, rect.top, reach, rect.h)
    else:
        part = pygame.Rect(rect.left, rect.top, round(rect.w * value), rect.h)
    if part.w > 0:
        pygame.draw.rect(pen.surface, colour, part, border_radius=min(pen.px(3), part.w // 2))


def risk_colour(risk: float | None) -> theme.Colour:
    """Calm, then a warning, then the colour of past failures: one scale wherever the risk is drawn."""
    if risk is None:
        return theme.FAINT
    if risk < 0.5:
        return theme.mix(theme.MUTED, theme.WARNING, max(0.0, risk) * 2)
    return theme.mix(theme.WARNING, theme.HEAT, min(1.0, risk) * 2 - 1)


def risk(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """How likely the agent is to fail soon, from empty to full; an empty frame where it does not know."""
    pen.mark("risk_band", rect)
    pen.box(rect, theme.TRACK, 4)
    if view.risk is None:
        return
    share = min(1.0, max(0.0, view.risk))
    part = pygame.Rect(rect.left, rect.top, round(rect.w * share), rect.h)
    if part.w > 0:
        radius = min(pen.px(3), part.w // 2)
        pygame.draw.rect(pen.surface, risk_colour(view.risk), part, border_radius=radius)


def returns(pen: Pen, rect: pygame.Rect, view: View) -> None:
    """This episode's return on a scale up to the best, with marks at the best and at the ceiling."""
    pen.mark("return_band", rect)
    pen.box(rect, theme.TRACK, 4)
    top = max([v for v in (view.best_return, view.ceiling, view.episode_return) if v is not None] + [1e-6])
    share = min(1.0, max(0.0, view.episode_return / top))
    if share > 0:
        pygame.draw.rect(
            pen.surface,
            theme.mix(theme.TRACK, theme.TEXT, 0.75),
            (rect.left, rect.top, round(rect.w * share), rect.h),
            border_radius=pen.px(4),
        )
    for value, colour in ((view.ceiling, theme.WARNING), (view.best_return, theme.GOOD)):
        if value is not None and value > 0:
            x = rect.left + round((rect.w - pen.px(3)) * min(1.0, value / top))
            pygame.draw.rect(pen.surface, colour, (x, rect.top - pen.px(3), pen.px(3), rect.h + pen.px(6)))


def sparkline(pen: Pen, rect: pygame.Rect, points: Sequence[tuple[float, float]], label: str) -> None:
    """Shares of corner passes over agent steps, the newest as a number."""
    pen.mark("sparkline", rect)
    value = f"{points[-1][1] * 100:.0f} %" if points else "–"
    number = pen.text(
        "evaluation",
        value,
        (rect.right, rect.centery),
        28,
        theme.GOOD if points and points[-1][1] >= 0.75 else theme.TEXT,
        anchor="midright",
    )
    width = max(number.w, pen.px(64))
    label_rect = pen.text(
        "label_evaluation", label, (rect.left, rect.top), 18, theme.MUTED, width=rect.w - width - pen.px(8)
    )
    area = pygame.Rect(
        rect.left,
        label_rect.bottom + pen.px(3),
        rect.w - width - pen.px(10),
        rect.bottom - label_rect.bottom - pen.px(3),
    )
    if area.h < pen.px(8):
        return
    pygame.draw.line(pen.surface, theme.TRACK, area.bottomleft, area.bottomright)
    pygame.draw.line(pen.surface, theme.TRACK, area.topleft, area.topright)
    shown = points[-40:]
    if not shown:
        return
    first, last = shown[0][0], shown[-1][0]
    span = max(last - first, 1e-9)
    path = [
        (area.left + (area.w - 4) * (x - first) / span, area.bottom - area.h * min(1.0, max(0.0, y))) for x, y in shown
    ]
    if len(path) > 1:
        for a, b in pairwise(path):
            pygame.draw.aaline(pen.surface, theme.AGENT, a, b, max(2, pen.px(2)))
    pygame.draw.aacircle(pen.surface, theme.AGENT, path[-1], pen.px(4))
