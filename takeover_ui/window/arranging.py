"""The player's mouse over the gauges: drag one to move it, turn the wheel to scale it, press the right button for the list."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import pygame

from takeover_ui import theme
from takeover_ui.overlay import overlay
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.overlay.sections import gauge_name
from takeover_ui.theme import Mark, Pen

if TYPE_CHECKING:
    from takeover_ui.window.composer import Composer

_STEP = 1.08  # larger or smaller by one notch of the wheel
_DRAG_FROM = 5  # pixels; less is a click
RESET = "reset"


class Arranging:
    """Turns the mouse's events into arrangements of a composer."""

    def __init__(self, composer: Composer) -> None:
        self.composer = composer
        self.list_at: tuple[int, int] | None = None  # where the list of gauges is open
        self._options: list[tuple[pygame.Rect, str]] = []
        self._dragged = ""
        self._grip = self._from = (0, 0)
        self._moving = False

    @property
    def is_dragging(self) -> bool:
        """Whether a gauge is on its way."""
        return self._moving

    def event(self, event: pygame.event.Event, area: pygame.Rect) -> bool:
        """Take in an event in a window of that size; True where the arrangement has changed and should be remembered."""
        before = self.composer.arrangement
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            return self._press(event.pos) and self.composer.arrangement != before
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 3:
            self.list_at = event.pos if self.list_at is None else None
        elif event.type == pygame.MOUSEMOTION:
            self.composer.pointed = self._dragged or self._below(event.pos)
            self._drag(event.pos, area)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            changed, name, dock = self._moving, self._dragged, self.composer.dock
            self._dragged, self._moving = "", False
            if changed and dock is not None and name in overlay.COLUMN and dock.collidepoint(event.pos):
                self.composer.arrangement = self.composer.arrangement.docked(name)
            return changed
        elif event.type == pygame.MOUSEWHEEL and self.list_at is None:
            self._scale(getattr(event, "pos", None) or pygame.mouse.get_pos(), event.y, area)
        return event.type == pygame.MOUSEWHEEL and self.composer.arrangement != before

    def _below(self, at: tuple[int, int]) -> str:
        """Return the gauge at a place; those with a place of their own lie above the others."""
        found = [name for name, rect in self.composer.places.items() if rect.collidepoint(at)]
        return found[-1] if found else ""

    def _press(self, at: tuple[int, int]) -> bool:
        if self.list_at is None:
            self._dragged = self._below(at)
            if self._dragged:
                rect = self.composer.places[self._dragged]
                self._grip, self._from = (at[0] - rect.centerx, at[1] - rect.centery), at
            return False
        chosen = next((name for rect, name in self._options if rect.collidepoint(at)), "")
        if not chosen:
            self.list_at = None
        elif chosen == RESET:
            self.composer.arrangement, self.list_at = Arrangement(), None
        else:
            self.composer.arrangement = self.composer.arrangement.toggled(chosen)
        return True

    def _drag(self, at: tuple[int, int], area: pygame.Rect) -> None:
        far = max(abs(at[0] - self._from[0]), abs(at[1] - self._from[1])) >= _DRAG_FROM
        if not self._dragged or not (self._moving or far):
            return
        self._moving = True
        x, y = self._share(self._dragged, (at[0] - self._grip[0], at[1] - self._grip[1]), area)
        arrangement = self.composer.arrangement
        scale = arrangement.places[self._dragged][2] if self._dragged in arrangement.places else arrangement.scale
        self.composer.arrangement = arrangement.moved(self._dragged, x, y, scale)

    def _scale(self, at: tuple[int, int], notches: int, area: pygame.Rect) -> None:
        name, by, arrangement = self._below(at), _STEP**notches, self.composer.arrangement
        if name in arrangement.places:
            x, y, scale = arrangement.places[name]
            self.composer.arrangement = arrangement.moved(name, x, y, scale * by)
        elif name == "map":
            x, y = self._share(name, self.composer.places[name].center, area)
            self.composer.arrangement = arrangement.moved(name, x, y, by)
        elif name:
            self.composer.arrangement = arrangement.scaled(by)

    def _share(self, name: str, at: tuple[int, int], area: pygame.Rect) -> tuple[float, float]:
        """Return a place in pixels as shares of the window; of the game's part of it for the map."""
        whole = self.composer.game if name == "map" else area
        return (at[0] - whole.left) / max(1, whole.w), (at[1] - whole.top) / max(1, whole.h)

    def draw(self, surface: pygame.Surface, words: Mapping[str, str]) -> list[Mark]:
        """Draw the list of gauges, if it is open."""
        self._options = []
        if self.list_at is None:
            return []
        names = [*self.composer.names(), RESET]
        pen = Pen(surface, max(0.8, min(surface.get_height() / 720, surface.get_width() / 1280)))
        row, pad = pen.px(34), pen.px(14)
        heads = [words["arrange_move"], words["arrange_scale"]]
        texts = [gauge_name(name, words) for name in names]
        width = max(theme.measure(text, pen.px(22))[0] for text in [*heads, *texts]) + 2 * pad + pen.px(34)
        box = pygame.Rect(self.list_at, (width, row * len(names) + len(heads) * pen.px(24) + 2 * pad))
        box.clamp_ip(surface.get_rect())
        pen.box(box, theme.INK, 10)
        pygame.draw.rect(surface, theme.MUTED, box, width=max(1, pen.px(1)), border_radius=pen.px(10))
        pen.mark("gauge_list", box)
        top = box.top + pad
        for text in heads:
            pen.text("gauge_list_head", text, (box.left + pad, top), 20, theme.MUTED, width=box.w - 2 * pad)
            top += pen.px(24)
        for name, text in zip(names, texts, strict=True):
            line = pygame.Rect(box.left + pad // 2, top, box.w - pad, row)
            tick = pygame.Rect(0, 0, pen.px(20), pen.px(20)).move_to(midleft=(line.left + pad // 2, line.centery))
            if name != RESET:
                pygame.draw.rect(surface, theme.TEXT, tick, width=max(1, pen.px(2)), border_radius=pen.px(4))
                if name not in self.composer.arrangement.hidden:
                    points = [tick.move(-1, 0).midleft, (tick.centerx - pen.px(2), tick.bottom - pen.px(4)), tick.topright]
                    for a, b in pairwise(points):
                        pygame.draw.aaline(surface, theme.GOOD, a, b, pen.px(3))
            colour = theme.TEXT if name != RESET else theme.WARNING
            pen.text("gauge_option", text, (tick.right + pen.px(12), line.centery), 22, colour, anchor="midleft")
            self._options.append((line, name))
            top += row
        return pen.marks
