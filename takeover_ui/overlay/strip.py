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
    pulse = view.trainer
    gauges.dot(pen, (right - pen.px(6), middle), gauges.health(pulse))
    right -= pen.px(12) + gap
    helped = pen.text(
        "help_given",
        texts.duration(view.human_seconds, 0),
        (right, middle),
        24,
        theme.HUMAN,
        width=pen.px(70),
        anchor="midright",
    )
    right = helped.left - gap
    best = "" if view.best_return is None else f" / {texts.short(view.best_return)}"
    total = pen.text(
        "return",
        f"{texts.short(view.episode_return)}{best}",
        (right, middle),
        24,
        theme.TEXT,
        width=pen.px(110),
        anchor="midright",
    )
    right = total.left - gap
    for number in reversed(range(min(3, len(view.scene.action_names)))):
        gauge = pygame.Rect(right - pen.px(70), middle - pen.px(9), pen.px(70), pen.px(18))
        gauges.action(pen, gauge, view, number)
        right = gauge.left - gap
    speed = pen.text(
        "speed",
        f"{view.speed * 3.6:.0f} {words['kmh']}",
        (block.right + pen.px(96), middle),
        24,
        theme.TEXT,
        width=pen.px(90),
        anchor="midright",
    )
    left = max(block.right + pen.px(100), speed.right) + gap
    asks = view.driver == "agent" and bool(view.held or view.help_wanted)
    plea = words["let_go"] if view.held else words["help"]
    if asks or (view.countdown is not None and view.next_corner):
        seconds = view.countdown or 0.0
        colour = theme.WARNING if asks or seconds < 2 else theme.TEXT
        text = plea if asks else words["seconds"].format(value=seconds) if seconds > 0 else words["now"]
        when = pen.text("countdown", text, (left, middle), 24, colour, width=pen.px(170), anchor="midleft")
        if not asks:
            pen.text(
                "next_corner",
                view.next_corner,
                (when.right + pen.px(8), middle),
                24,
                theme.MUTED,
                width=left + pen.px(170) - when.right - pen.px(8),
                anchor="midleft",
            )
    elif pulse is not None and pulse.alive and pulse.finding_title:
        # Only while no corner is near: what comes next on the road matters more.
        text = f"! {pulse.finding_title}"
        pen.text("finding_0", text, (left, middle), 20, theme.WARNING, width=pen.px(170), anchor="midleft")
    left += pen.px(170) + gap
    if right - left > pen.px(60):
        gauges.progress(pen, pygame.Rect(left, middle - pen.px(7), right - left, pen.px(14)), view)
