"""The overlay as a thin strip: what matters while driving, on one line."""

from __future__ import annotations

import pygame

from takeover_ui import signs, theme
from takeover_ui.language import Words
from takeover_ui.overlay import gauges, live_delta
from takeover_ui.theme import Pen
from takeover_ui.view import View

_ACTIONS = 3  # that have room
_LARGE = 38  # design pixels: the strip is drawn at least 1.2 times as large as the other sizes


def draw(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """Draw the driver, the speed, the next corner, the way, the controls, and what is wrong with the learning."""
    block = pygame.Rect(0, 0, min(pen.px(150), rect.w // 5), rect.h)
    pygame.draw.rect(pen.surface, theme.DRIVER[view.driver], block)
    pen.mark("driver_block", block)
    pen.text("driver", words[view.who], block.center, 44, theme.INK, width=block.w - pen.px(16), anchor="center")
    gap, middle = pen.px(12), rect.centery
    right = rect.right - gap
    if (more := len(view.scene.action_names) - _ACTIONS) > 0:
        right = pen.text("more_actions", f"+{more}", (right, middle), 20, theme.MUTED, anchor="midright").left - gap
    for number in reversed(range(min(_ACTIONS, len(view.scene.action_names)))):
        name = view.scene.action_names[number]
        right = _labelled(pen, rect, words.get(name, name), right - pen.px(88), pen.px(88)).left - gap
        gauges.action(pen, pygame.Rect(right + gap, middle - pen.px(2), pen.px(88), pen.px(20)), view, number)
    left = block.right + gap
    asks = view.driver == "agent" and bool(view.held or view.help_wanted)
    if view.scene.has_road:
        speed = f"{view.speed * 3.6:.0f}"
        at = pen.text("speed", speed, (left + pen.px(62), middle), _LARGE, theme.TEXT, width=pen.px(62), anchor="midright")
        unit, colour = (words["kmh"], theme.MUTED) if view.on_road else (words["off_road"], theme.WARNING)
        pen.text("unit", unit, (at.right + pen.px(5), middle), 20, colour, width=pen.px(62), anchor="midleft")
        left = at.right + pen.px(67) + gap
    width = pen.px(230)
    if asks:
        plea = words["let_go"] if view.held else words["help"]
        pen.text("countdown", plea, (left, middle), _LARGE, theme.WARNING, width=width, anchor="midleft")
    elif view.countdown is not None and view.next_corner:
        seconds = view.countdown
        colour = theme.WARNING if seconds < 2 else theme.TEXT
        text = words.say("seconds", value=seconds) if seconds > 0 else words["now"]
        when = pen.text("countdown", text, (left + width, middle), _LARGE, colour, width=width // 2, anchor="midright")
        rest = when.left - pen.px(8) - left
        pen.text("next_corner", view.next_corner, (left, middle), _LARGE, theme.TEXT, width=rest, anchor="midleft")
    elif view.finding:  # only while no corner is near: what comes next on the road matters more
        signs.lamp(pen.surface, (left + pen.px(6), middle), "warning", pen.px(6))
        beside, rest = (left + pen.px(20), middle), width - pen.px(20)
        pen.text("finding_0", view.finding, beside, 20, theme.WARNING, width=rest, anchor="midleft")
    elif view.times is not None:
        compared = live_delta.shown(view.times)
        text = words.say("seconds" if compared else "lap", value=view.times.running)
        most = width // 2 if compared else width
        lap = pen.text("lap", text, (left, middle), _LARGE, theme.TEXT, width=most, anchor="midleft")
        if compared:
            after = pygame.Rect(lap.right + gap, rect.top, left + width - lap.right - gap, rect.h)
            live_delta.one(pen, after, *compared[0], words)
    left += width + gap
    if view.scene.has_road and right - left > pen.px(80):
        metres = words.say("of_metres", at=view.progress, length=view.scene.length)
        band = _labelled(pen, rect, metres, left, right - left)
        gauges.progress(pen, pygame.Rect(band.left, middle, band.w, pen.px(16)), view)


def _labelled(pen: Pen, rect: pygame.Rect, label: str, left: int, width: int) -> pygame.Rect:
    """Write what a gauge shows above it; returns the gauge's column."""
    column = pygame.Rect(left, rect.top, width, rect.h)
    pen.text("label", label, (left, rect.top + pen.px(8)), 17, theme.MUTED, width=width)
    return column
