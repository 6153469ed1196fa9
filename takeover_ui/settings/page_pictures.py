"""What stands beside the lines of each page: languages, the pad, who would drive, the overlay, the tracks."""

from __future__ import annotations

from typing import NamedTuple

import pygame

from takeover_ui import theme
from takeover_ui.settings import pad_picture, track_picture
from takeover_ui.settings.look_picture import LookPicture
from takeover_ui.settings.model import SettingsModel
from takeover_ui.settings.rows import DRIVING, MEANINGS, PadNow
from takeover_ui.theme import Pen
from takeover_ui.view import Driver
from takeover_ui.window.options import WindowOptions


class Spot(NamedTuple):
    """What a click at a place means."""

    rect: pygame.Rect
    command: str
    value: str | int = 0


class PagePictures:
    """Draws them. ``hits`` are what can be clicked on; ``look_at`` and ``track_at`` are where those two pictures are."""

    def __init__(self) -> None:
        self.hits: list[Spot] = []
        self.look = LookPicture()
        self.look_at = pygame.Rect(0, 0, 0, 0)
        self.track_at = pygame.Rect(0, 0, 0, 0)
        self.pad = PadNow("", "keyboard", False)
        self.pointed = (-1, -1)
        """Where the mouse is."""

    def picture(self, pen: Pen, rect: pygame.Rect, model: SettingsModel, driver: Driver) -> None:
        """Draw what the page shows of its settings into ``rect``."""
        page = model.names[model.page]
        if page == "track":
            self._tracks(pen, rect, model)
        elif page in ("overlay", "gauges"):
            self._look(pen, rect, model)
        elif page == "takeover":
            self._try(pen, rect, model, driver)
        elif page in ("pad", "buttons", "keys", "coach"):  # the coach's: what is pressed to go back and to keep
            self._pad(pen, rect, model, with_axes=page == "pad")
        else:
            self._languages(pen, rect, model)

    def _languages(self, pen: Pen, rect: pygame.Rect, model: SettingsModel) -> None:
        height = min(pen.px(110), rect.h // 4)
        for number, code in enumerate(model.desk.choices("overlay.language")):
            box = pygame.Rect(rect.left, rect.top + number * (height + pen.px(16)), rect.w, height)
            chosen = code == model.desk.value("overlay.language")
            pen.box(box, theme.CARD if chosen or box.collidepoint(self.pointed) else theme.PANEL, 12)
            if chosen:
                pygame.draw.rect(pen.surface, theme.HUMAN, box, max(2, pen.px(3)), border_radius=pen.px(12))
            pen.put("language", model.words[f"val_{code}"], box, 44, theme.TEXT if chosen else theme.MUTED, "center")
            self.hits.append(Spot(box, "give overlay.language", code))

    def _pad(self, pen: Pen, rect: pygame.Rect, model: SettingsModel, *, with_axes: bool) -> None:
        pad, words = self.shown_pad(model), model.words
        title = pad.name or words["val_keyboard"]
        head = pen.put("pad_name", title, rect, 26, theme.TEXT, width=rect.w)
        below = pen.px(170) if with_axes else pen.px(40)
        box = pygame.Rect(rect.left, head.bottom + pen.px(8), rect.w, rect.h - head.h - below - pen.px(8))
        row = model.row.name.partition(".")[2]
        chosen = (pad.buttons or {}).get(row, ()) if not with_axes else ()
        places = pad_picture.draw(pen, box, pad, words, chosen)
        if not with_axes:
            for index, meaning in enumerate(DRIVING if model.names[model.page] == "keys" else MEANINGS):
                self.hits += [Spot(places[c], "row", index) for c in (pad.buttons or {}).get(meaning, ()) if c in places]
        top = box.bottom + pen.px(10)
        if with_axes:
            for name, value in (("steer", pad.steer), ("gas", pad.gas), ("brake", pad.brake)):
                self._axis(pen, pygame.Rect(rect.left, top, rect.w, pen.px(26)), words[name], value, both=name == "steer")
                top += pen.px(34)
        self._pad_hint(pen, pygame.Rect(rect.left, top, rect.w, rect.bottom - top), model, with_axes=with_axes)

    def shown_pad(self, model: SettingsModel) -> PadNow:
        """Return the pad of which the page tells: the keyboard on its own page."""
        return model.desk.keyboard() if model.names[model.page] == "keys" else self.pad

    def _axis(self, pen: Pen, rect: pygame.Rect, text: str, value: float, *, both: bool) -> None:
        pen.put("axis", text, rect, 22, theme.MUTED, "midleft", round(rect.w * 0.2))
        bar = pygame.Rect(rect.left + round(rect.w * 0.22), rect.top, round(rect.w * 0.64), rect.h)
        pen.box(bar, theme.CARD, 4)
        middle = bar.centerx if both else bar.left
        end = middle + round(value * (bar.w / 2 if both else bar.w))
        pygame.draw.rect(pen.surface, theme.HUMAN, (min(middle, end), bar.top, abs(end - middle), bar.h))
        if both:
            pygame.draw.line(pen.surface, theme.TEXT, (middle, bar.top), (middle, bar.bottom - 1), max(1, pen.px(2)))
        pen.put("axis_value", f"{value * 100:.0f} %", rect, 22, theme.TEXT, "midright", round(rect.w * 0.13))

    def _pad_hint(self, pen: Pen, rect: pygame.Rect, model: SettingsModel, *, with_axes: bool) -> None:
        pad, words = self.shown_pad(model), model.words
        colour = theme.WARNING
        if model.names[model.page] == "keys":
            text, colour = words["keys_rest"], theme.MUTED
        elif pad.problem:
            text = pad.problem
        elif not pad.connected and (pad.name or pad.kind != "keyboard"):
            text = words["pad_missing"]
        elif pad.kind == "keyboard":
            text, colour = words["no_pad" if with_axes else "keys_without_pad"], theme.MUTED
        elif pad.off_rest:
            text = words.say("off_rest", what=", ".join(words["steer" if a == "stick" else a] for a in pad.off_rest))
        else:
            text, colour = (words["calibrate"], theme.MUTED) if with_axes else ("", theme.MUTED)
        lines, pixels = theme.paragraph(text, pen.px(20), rect.w, 3)
        for number, line in enumerate(lines):
            at = rect.left, rect.top + number * pen.px(22)
            pen.text("pad_hint", line, at, pen.design(pixels), colour, width=rect.w)

    def _try(self, pen: Pen, rect: pygame.Rect, model: SettingsModel, driver: Driver) -> None:
        words, tries = model.words, model.mode == "try"
        box = pygame.Rect(rect.left, rect.top, rect.w, pen.px(130))
        colour = theme.DRIVER[driver] if tries else theme.CARD
        pen.box(box, colour, 12)
        text = words[f"try_{'human' if driver == 'human' else 'agent'}"] if tries else words["row_try"]
        pen.put("try", text, box.inflate(-pen.px(30), 0), 52, theme.INK if tries else theme.MUTED, "center")
        self.hits.append(Spot(box, "try"))
        rest = pygame.Rect(rect.left, box.bottom + pen.px(12), rect.w, rect.bottom - box.bottom - pen.px(12))
        chosen = (self.pad.buttons or {}).get("takeover", ()) if model.desk.value("takeover.mode") != "touch" else ()
        below = pen.px(110)
        pad_picture.draw(pen, pygame.Rect(rest.left, rest.top, rest.w, rest.h - below), self.pad, words, chosen)
        top = rest.bottom - below + pen.px(8)
        for name, value in (("steer", self.pad.steer), ("gas", self.pad.gas), ("brake", self.pad.brake)):
            self._axis(pen, pygame.Rect(rest.left, top, rest.w, pen.px(22)), words[name], value, both=name == "steer")
            top += pen.px(32)

    def _look(self, pen: Pen, rect: pygame.Rect, model: SettingsModel) -> None:
        desk = model.desk
        scene = desk.scene(desk.value("play.track")) or desk.scene("default")
        if scene is None:
            return
        width = min(rect.w, round(rect.h * 16 / 9))
        box = pygame.Rect(rect.left, rect.top, width, round(width * 9 / 16))
        language, arranged = desk.value("overlay.language"), desk.arrangement()
        if model.names[model.page] == "overlay" and model.game == "other":
            options = WindowOptions(
                overlay=desk.value("overlay.show"), game_view=False, language=language, corner=desk.value("overlay.corner"),
                opacity=desk.value("overlay.opacity"), arrangement=arranged,
            )  # fmt: skip
            spots = self.look.other(pen, box, scene, options, model.words["another_game"])
            self.hits += [Spot(spot, "give overlay.corner", corner) for corner, spot in spots.items()]
            return
        self.look.own(pen, box, scene, desk.value("overlay.show"), language, arranged)
        self.look_at = box

    def _tracks(self, pen: Pen, rect: pygame.Rect, model: SettingsModel) -> None:
        desk = model.desk
        names = desk.choices("play.track")
        across = max(3, min(6, len(names)))
        gap, height = pen.px(10), pen.px(112)
        width = (rect.w - gap * (across - 1)) // across
        lines = -(-len(names) // across)
        shown = min(lines, 2)
        now = desk.value("play.track")
        first = max(0, min(names.index(now) // across, lines - shown)) if now in names else 0
        large = pygame.Rect(rect.left, rect.top, rect.w, rect.h - shown * (height + gap))
        for number, name in enumerate(names[first * across : (first + shown) * across]):
            left, top = rect.left + number % across * (width + gap), large.bottom + gap + number // across * (height + gap)
            box = pygame.Rect(left, top, width, height)
            text = model.value_text(model.rows[0], name)
            track_picture.thumbnail(pen, box, desk.scene(name), text, chosen=name == now)
            self.hits.append(Spot(box, "give play.track", name))
        scene = desk.scene(now)
        if scene is None:
            pen.put("no_track", model.words["no_track"], large, 24, theme.WARNING, "center")
            return
        pointed = track_picture.corner_at(pen, large, scene, self.pointed) if large.collidepoint(self.pointed) else ""
        track_picture.draw(pen, large, scene, desk.value("play.only_corner"), pointed)
        self.track_at = large
