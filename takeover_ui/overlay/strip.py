"""The overlay as a thin strip: one line, everything at a glance."""

from __future__ import annotations

from collections.abc import Mapping

import pygame

from takeover_ui import theme
from takeover_ui.overlay import gauges, texts
from takeover_ui.theme import Pen
from takeover_ui.view import View


def draw(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    """Everything that matters on one line: driver, speed, corner, progress, actions, return, help, trainer."""
    block = pygame.Rect(0, 0, min(pen.px(150), rect.w // 5), rect.h)
    pygame.draw.rect(pen.surface, theme.DRIVER[view.driver], block)
    pen.mark("driver_block", block)
    pen.text("driver", words[view.who], block.center, 34, theme.INK, width=block.w - pen.px(16), anchor="center")
    if view.risk is not None:  # along the block's lower edge: there is no room for a word
        level = pygame.Rect(block.left, block.bottom - pen.px(5), block.w, pen.px(5))
        pygame.draw.rect(pen.surface, theme.INK, level)
        gauges.risk(pen, level, view)
    gap, middle = pen.px(12), rect.centery
    right = rect.right - gap
    gauges.dot(pen, (right - pen.px(6), middle), gauges.health(view))

    def put(
        name: str, text: str, x: int, colour: theme.Colour, width: float, anchor: str = "midleft", size: int = 24
    ) -> pygame.Rect:
        return pen.text(name, text, (x, middle), size, colour, width=pen.px(width), anchor=anchor)

    right -= pen.px(12) + gap
    if not view.lap:
        right = put("help_given", texts.duration(view.human_seconds, 0), right, theme.HUMAN, 70, "midright").left - gap
    best = "" if view.best_return is None else f" / {texts.short(view.best_return)}"
    text = f"{texts.short(view.episode_return)}{best}"
    total = put("return", text, right, theme.TEXT, 110, "midright")
    right = total.left - gap
    for number in reversed(range(min(3, len(view.scene.action_names)))):
        gauge = pygame.Rect(right - pen.px(70), middle - pen.px(9), pen.px(70), pen.px(18))
        gauges.action(pen, gauge, view, number)
        right = gauge.left - gap
    text = f"{view.speed * 3.6:.0f} {words['kmh']}"
    speed = put("speed", text, block.right + pen.px(96), theme.TEXT, 90, "midright")
    left = max(block.right + pen.px(100), speed.right) + gap
    asks = view.driver == "agent" and bool(view.held or view.help_wanted)
    plea = words["let_go"] if view.held else words["help"]
    if asks or (view.countdown is not None and view.next_corner):
        seconds = view.countdown or 0.0
        colour = theme.WARNING if asks or seconds < 2 else theme.TEXT
        text = plea if asks else words["seconds"].format(value=seconds) if seconds > 0 else words["now"]
        when = put("countdown", text, left, colour, 170)
        if not asks:
            beside = when.right + pen.px(8)
            rest = (left + pen.px(170) - beside) / pen.scale
            put("next_corner", view.next_corner, beside, theme.MUTED, rest)
    elif view.times is not None and not view.finding:
        put("lap", words["lap"].format(value=view.times.running), left, theme.TEXT, 170)
    elif view.finding:  # only while no corner is near: what comes next on the road matters more
        put("finding_0", f"! {view.finding}", left, theme.WARNING, 170, size=20)
    left += pen.px(170) + gap
    if right - left > pen.px(60):
        gauges.progress(pen, pygame.Rect(left, middle - pen.px(7), right - left, pen.px(14)), view)
