"""The picture of the whole window: game view, overlay beside or over it, banner, frame."""

from __future__ import annotations

from dataclasses import replace

import pygame

from takeover_ui import theme
from takeover_ui.language import LANGUAGES
from takeover_ui.overlay import banner, notices, overlay
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.overlay.overlay import OverlaySize
from takeover_ui.theme import Mark
from takeover_ui.view import View
from takeover_ui.window.game_view import GameView
from takeover_ui.window.picture import Picture

_WIDEST = 0.42  # share of the window that a column or a card that grew takes
_HIGHEST = 0.5  # of its height, for a card that grew
_SENTENCES = 1.5  # times as large sentences and hints become: they lie over the road
_BELOW = 0.7  # of the height: a card that ends above leaves the whole width to what the keys do


class Composer:
    """Lays out and draws one frame on any surface, as the player has arranged it.

    ``game``, ``places`` and ``dock`` say afterwards where the game, the gauges and the column are, in pixels; ``pointed`` is the
    gauge below the mouse.
    """

    def __init__(
        self,
        *,
        game_view: bool = True,
        size: OverlaySize | None = "full",
        language: str = "en",
        arrangement: Arrangement | None = None,
    ) -> None:
        self.game_view, self.size, self.language = game_view, size, language
        self.arrangement = arrangement or Arrangement()
        self.places: dict[str, pygame.Rect] = {}
        self.dock: pygame.Rect | None = None
        self.game = pygame.Rect(0, 0, 1, 1)
        self.pointed = ""
        self.picture: Picture | None = None
        """The game's own; None, or one that has nothing to show: the road from above."""
        self._view: GameView | None = None
        self._crowded: frozenset[str] = frozenset()  # gauges for which there is no room at the size that was asked for
        self._had: set[str] = set()  # gauges that have shown something: a card that shrank again would jump while one drives

    def names(self) -> list[str]:
        """Return the gauges of the present size that can be switched off, of those that show something in this game."""
        names = [*(overlay.shown_in(self.size) if self.size is not None else ()), *(["map"] if self.size != "full" else [])]
        return [name for name in names if self._view is None or overlay.could_have(self._view.scene, name)]

    def layout(self, area: pygame.Rect, view: View) -> tuple[pygame.Rect, pygame.Rect | None]:
        """Return the game's rectangle and the overlay's (None when it is off). A floating one leaves room below it for words."""
        self._crowded = frozenset()
        if not self.game_view:
            _, drawn, told = notices.floating_design(self.size)
            return pygame.Rect(0, 0, 0, 0), pygame.Rect(0, 0, area.w, round(area.h * drawn / (drawn + told)))
        if self.size is None:
            return area, None
        width, height = overlay.DESIGN[self.size]
        if self.size == "full":
            names = overlay.shown_in("full", self._apart())
            if not names:
                return area, None
            edge = round(overlay.FRAME * min(area.h / 720, area.w / 1280))  # the frame must not eat the column's margin
            # As large as was asked for, as far as a column may be wide; what does not fit any more below one another is left out.
            scale = min(self.arrangement.scale * area.h / 720, area.w * _WIDEST / width)
            kept = overlay.fitting([n for n in names if overlay.could_have(view.scene, n)], "full", area.h / scale + 0.5)
            self._crowded = frozenset(names) - frozenset(kept)
            scale = min(scale, area.h / max(1, sum(overlay.height_of(name, "full") for name in kept)))
            panel = min(round(width * scale), round(area.w * _WIDEST))
            left = area.w - panel - edge
            return pygame.Rect(0, 0, left, area.h), pygame.Rect(left, 0, panel, area.h)
        piece = "card" if self.size == "compact" else "bar"
        place = self.arrangement.places.get(piece)
        scale = self.arrangement.scale if place is None else place[2]
        if self.size == "bar" and place is None:
            strip = min(round(height * area.w / width * scale), round(area.h * 0.15))
            return pygame.Rect(0, strip, area.w, area.h - strip), pygame.Rect(0, 0, area.w, strip)
        if self.size == "compact":
            names = overlay.shown_in("compact", self.arrangement.hidden)
            self._had = {name for name in overlay.CARD if name in self._had or overlay.has(view, name)}
            self._had = {name for name in self._had if overlay.could_have(view.scene, name)}
            shown = [name for name in names if name in self._had]
            if place is None and scale > 1.0:  # a card that grows must not grow over the road
                scale = min(scale, max(1.0, area.w * _WIDEST / width / min(area.h / 720, area.w / 900)))
                shown = overlay.fitting(shown, "compact", max(_HIGHEST * 720 / scale, overlay.CARD["driver"]))
            self._crowded = frozenset(names) - frozenset(shown)
            drawn = sum(overlay.height_of(name, "compact") for name in shown)
            if not drawn:
                return area, None
            height = min(height, drawn + overlay.FRAME)
        unit = min(area.h / 720, area.w / 900)
        rect = self._sized((width, height), min(scale * unit, area.w / width, area.h / height))
        if place is None:
            rect.topright = area.right - round(18 * unit), area.top + round(18 * unit)
        else:
            rect.center = round(place[0] * area.w), round(place[1] * area.h)
        return area, rect.clamp(area)

    def draw(self, surface: pygame.Surface, view: View, now: float | None = None) -> list[Mark]:
        """Draw a frame for ``now`` (``time.perf_counter``; None: the view's time); return what was drawn where, in pixels."""
        area = surface.get_rect()
        game, panel = self.layout(area, view)
        self.game = game
        marks: list[Mark] = []

        def add(drawn: list[Mark], area: pygame.Rect) -> None:
            marks.extend(replace(mark, rect=mark.rect.move(area.topleft)) for mark in drawn)

        if game.w > 0 and game.h > 0:
            if self._view is None or self._view.scene is not view.scene:
                self._view = GameView(view.scene)
            part = surface.subsurface(game)
            with_map = self.size != "full" and view.scene.has_road and "map" not in self.arrangement.hidden
            place = self.arrangement.places.get("map")
            picture = self.picture.newest() if self.picture is not None else None
            if picture is not None:
                drawn = self._view.draw_over(part, picture, view, with_map=with_map, map_place=place)
            elif not view.scene.has_road:
                drawn = self._view.draw_nothing(part, LANGUAGES[self.language]["no_picture"])
            else:
                drawn = self._view.draw(part, view, view.at if now is None else now, with_map=with_map, map_place=place)
            taken = max((m.rect.right for m in drawn if m.name == "map"), default=0) if place is None else 0
            beside = panel is not None and game.colliderect(panel) and panel.top < game.h // 2 and panel.centerx > game.w // 2
            said = banner.draw(
                part,
                view,
                language=self.language,
                bottom_inset=taken,
                window_height=area.h,
                without=self._said_elsewhere(),
                covers_road=self._view.covers_road,
                room=panel.left if beside and panel is not None else 0,
                large=min(_SENTENCES, max(1.0, self.arrangement.scale)),
                below=beside and panel is not None and panel.bottom < _BELOW * game.h,
            )
            add(drawn + said, game)
        if panel is not None and panel.w > 0 and panel.h > 0:
            # Off, over another game: who drives, and nothing else.
            without = self._apart() | self._crowded if self.size is not None else frozenset(overlay.CARD) - {"driver"}
            on, size = surface.subsurface(panel), self.size or "compact"
            add(overlay.draw(on, view, size, language=self.language, without=without), panel)
        if not self.game_view and panel is not None:
            below = pygame.Rect(0, panel.bottom, surface.get_width(), surface.get_height() - panel.bottom)
            add(notices.draw(surface.subsurface(below), view, self.size or "compact"), below)
        self._find(marks, panel)
        for name, rect in self._moved(area, view):
            add(overlay.draw_one(surface.subsurface(rect), view, name, language=self.language), rect)
            self.places[name] = rect
        scale = min(surface.get_height() / 720, surface.get_width() / 1280) if self.game_view else 0.5
        overlay.frame(surface, view, scale)
        if self.pointed in self.places:
            pygame.draw.rect(surface, theme.TEXT, self.places[self.pointed], width=2, border_radius=6)
        return marks

    def _said_elsewhere(self) -> list[str]:
        """Return what a gauge says, so that the banner need not."""
        shown = overlay.shown_in(self.size, self.arrangement.hidden) if self.size is not None else []
        corner = self.size == "bar" or "corner" in shown
        return [*(["corner"] if corner else []), *(["delta"] if "laps" in shown else [])]

    def _apart(self) -> frozenset[str]:
        """Return the gauges that do not stand in the column or card."""
        moved = self.arrangement.places if self.game_view and self.size == "full" else ()
        return frozenset((*self.arrangement.hidden, *moved))

    def _moved(self, area: pygame.Rect, view: View) -> list[tuple[str, pygame.Rect]]:
        """Return the gauges that have a place of their own, and where that is."""
        if not self.game_view or self.size != "full":
            return []
        found, unit = [], min(area.h / 720, area.w / 900)
        for name, (x, y, scale) in self.arrangement.places.items():
            if name in overlay.COLUMN and name not in self.arrangement.hidden and overlay.has(view, name):
                width, height = overlay.size_of(name)
                rect = self._sized((width, height), min(scale * unit, area.w / width, area.h / height))
                rect.center = round(x * area.w), round(y * area.h)
                found.append((name, rect.clamp(area)))
        return found

    def _find(self, marks: list[Mark], panel: pygame.Rect | None) -> None:
        """Note where everything is that the mouse can take hold of."""
        self.places, self.dock = {}, panel if self.size == "full" else None
        for mark in marks:
            if self.size == "full" and mark.name.startswith("place_"):
                self.places[mark.name.removeprefix("place_")] = mark.rect
            elif self.size != "full" and mark.name == "map":
                self.places["map"] = mark.rect
        if panel is not None and self.size in ("compact", "bar"):
            self.places["card" if self.size == "compact" else "bar"] = panel

    @staticmethod
    def _sized(design: tuple[int, int], scale: float) -> pygame.Rect:
        return pygame.Rect(0, 0, max(1, int(design[0] * scale)), max(1, int(design[1] * scale)))
