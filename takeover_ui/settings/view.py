"""The picture of the settings window: pages along the top, lines at the left, what they do at the right, keys at the bottom."""

from __future__ import annotations

import pygame

from takeover_ui import signs, theme
from takeover_ui.overlay.sections import gauge_name
from takeover_ui.settings import pad_picture
from takeover_ui.settings.model import SettingsModel
from takeover_ui.settings.pad_names import PadKind
from takeover_ui.settings.page_pictures import PagePictures, Spot
from takeover_ui.settings.rows import Row
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import Driver

_ROW = 37
_KEYS = (
    (("up", "down"), "key_move", "down"), (("left", "right"), "key_change", "right"), (("tab",), "key_pages", "next_page"),
    (("return",), "key_choose", "choose"), (("z",), "key_undo", "undo"), (("delete",), "key_default", "default"),
    (("r",), "key_restore", "restore"), (("escape",), "key_back", "back"),
)  # fmt: skip
_IN_A_MODE = {"": _KEYS, "move": (*_KEYS[4:6], (("escape",), "key_leave_mode", "back"))}
"""In the other modes the keys drive, are named or do nothing: only Esc is there, and with a pad its button."""
_BUTTONS = {
    "up": "dpup", "down": "dpdown", "left": "dpleft", "right": "dpright", "tab": "rightshoulder", "return": "a", "z": "x",
    "delete": "y", "r": "back", "escape": "b",
}  # fmt: skip


_OF_A_WHEEL = {
    "up": "hat0.up", "down": "hat0.down", "left": "hat0.left", "right": "hat0.right", "tab": "button5", "return": "button0",
    "z": "button2", "delete": "button3", "r": "button6", "escape": "button1",
}  # fmt: skip


class SettingsView(PagePictures):
    """Draws a model. ``hits`` are what can be clicked on; ``look`` has the gauges that the mouse can drag."""

    def __init__(self) -> None:
        super().__init__()
        self.with_pad = False
        self._first = 0  # the line at the top, where a page has more than there is room for

    def draw(self, surface: pygame.Surface, model: SettingsModel, driver: Driver = "agent") -> list[Mark]:
        """Draw over ``surface`` and return what was drawn where; ``driver``: who would drive, while the gating is tried."""
        area = surface.get_rect()
        pen = self.pen = Pen(surface, min(area.w / 1280, area.h / 720))
        self.hits, self.look_at, self.track_at = [], pygame.Rect(0, 0, 0, 0), pygame.Rect(0, 0, 0, 0)
        self.pad = model.desk.pad()
        surface.fill(theme.GROUND)
        pad, left = pen.px(28), pen.px(28)
        top = self._pages(pen, area, model) + pen.px(14)
        bottom = area.bottom - self._keys(pen, area, model) - pen.px(10)
        if model.desk.problem:
            top = self._sentence(pen, pygame.Rect(left, top, area.w - 2 * left, bottom - top), model.desk.problem, "error")
        width = max(pen.px(500), round((area.w - 3 * pad) * 0.42))
        help_height = pen.px(96)
        rows = pygame.Rect(left, top, width, bottom - top - help_height)
        self._rows(pen, rows, model)
        self._help(pen, pygame.Rect(left, bottom - help_height, width, help_height), model)
        right = pygame.Rect(rows.right + pad, top, area.right - rows.right - 2 * pad, bottom - top)
        self.picture(pen, right, model, driver)
        return pen.marks

    def at(self, place: tuple[int, int]) -> Spot | None:
        """Return what lies at a place, the smallest thing of those that lie over one another."""
        return next((hit for hit in reversed(self.hits) if hit.rect.collidepoint(place)), None)

    def _pages(self, pen: Pen, area: pygame.Rect, model: SettingsModel) -> int:
        bar = pygame.Rect(0, 0, area.w, pen.px(56))
        pygame.draw.rect(pen.surface, theme.PANEL, bar)
        left = pen.px(28)
        if area.w > 1.2 * area.h:
            left = pen.text("title", model.words["settings_title"], (left, bar.centery), 30, anchor="midleft").right + pen.px(30)
        texts = [model.words[f"page_{name}"] for name in model.names]
        gap = pen.px(32)
        room = area.w - left - pen.px(16) - gap * len(texts)
        widths = [theme.measure(text, pen.px(26))[0] for text in texts]
        size = 26 * min(1.0, room / max(1, sum(widths)))
        for number, (name, text) in enumerate(zip(model.names, texts, strict=True)):
            width = theme.measure(text, pen.px(size))[0] + gap
            tab = pygame.Rect(left, bar.top, width, bar.h)
            chosen = number == model.page
            colour = theme.TEXT if chosen or tab.collidepoint(self.pointed) else theme.MUTED
            pen.text("page", text, tab.center, size, colour, anchor="center")
            if chosen:
                line = tab.left + gap // 4, bar.bottom - pen.px(4), tab.w - gap // 2, pen.px(4)
                pygame.draw.rect(pen.surface, theme.HUMAN, line)
            self.hits.append(Spot(tab, "page", name))
            left = tab.right
        return bar.bottom

    def _rows(self, pen: Pen, rect: pygame.Rect, model: SettingsModel) -> None:
        rows, height = model.rows, pen.px(_ROW)
        room = max(1, rect.h // height)
        index = min(model.index, len(rows) - 1)
        self._first = max(0, min(self._first, index, len(rows) - room), index - room + 1)
        for number in range(self._first, min(len(rows), self._first + room)):
            line = pygame.Rect(rect.left, rect.top + (number - self._first) * height, rect.w, height - pen.px(4))
            self._row(pen, line, model, rows[number], number, chosen=number == index)
        if len(rows) > room:
            bar = pygame.Rect(rect.right + pen.px(6), rect.top, pen.px(4), rect.h)
            pen.box(bar, theme.CARD)
            part = bar.h * room // len(rows)
            pen.box(pygame.Rect(bar.left, bar.top + bar.h * self._first // len(rows), bar.w, part), theme.FAINT)

    def _row(self, pen: Pen, line: pygame.Rect, model: SettingsModel, row: Row, number: int, *, chosen: bool) -> None:
        if chosen or line.collidepoint(self.pointed):
            pen.box(line, theme.CARD if chosen else theme.PANEL, 8)
        if chosen:
            pygame.draw.rect(pen.surface, theme.HUMAN, line, max(1, pen.px(2)), border_radius=pen.px(8))
        self.hits.append(Spot(line, "row", number))
        words, inner = model.words, line.inflate(-pen.px(24), 0)
        name = row.name.partition(".")[2]
        text = gauge_name(name, words) if row.kind == "gauge" else words[f"row_{row.name}"]
        colour = theme.TEXT if model.matters(row) else theme.FAINT
        if row.kind == "act":
            pen.put("row", text, inner, 24, theme.WARNING, "midleft")
            return
        pen.put("row", text, inner, 24, colour, "midleft", round(inner.w * 0.52))
        if row.kind in ("button", "key"):
            self._buttons(pen, inner, model, name, bind=chosen and model.mode in ("bind", "key"))
            return
        arrow = pen.px(26)
        value = model.desk.value(row.name) if row.kind != "local" else model.game
        text = model.value_text(row, value)
        field = pygame.Rect(inner.right - round(inner.w * 0.46), line.top, round(inner.w * 0.46), line.h)
        mine = row.kind == "local" or model.desk.origin(row.name) != "default"
        shade = theme.TEXT if mine or chosen else theme.mix(theme.MUTED, theme.TEXT, 0.4)
        shade = shade if model.matters(row) else theme.FAINT
        pen.put("value", text, field, 24, shade, "center", field.w - 2 * arrow)
        for step, box in ((-1, pygame.Rect(field.left, line.top, arrow, line.h)),
                          (1, pygame.Rect(field.right - arrow, line.top, arrow, line.h))):  # fmt: skip
            lit = box.collidepoint(self.pointed)
            pad_picture.arrow(pen, "right" if step > 0 else "left", box.center, theme.HUMAN if lit else theme.MUTED)
            self.hits.append(Spot(box, "step", step * (number + 1)))

    def _buttons(self, pen: Pen, inner: pygame.Rect, model: SettingsModel, meaning: str, *, bind: bool) -> None:
        right, size = inner.right, pen.px(28)
        if bind:
            pen.text("value", "...", (right, inner.centery), 28, theme.HUMAN, anchor="midright")
            return
        pad = self.shown_pad(model)
        given = (pad.buttons or {}).get(meaning, ())
        if not given:
            pen.text("value", model.words["no_button"], (right, inner.centery), 22, theme.FAINT, anchor="midright")
        for control in reversed(given):
            width = pad_picture.glyph_width(pad.kind, control, size, model.words)
            box = pad_picture.glyph(pen, (right - width // 2, inner.centery), pad.kind, control, size, model.words)
            right = box.left - pen.px(8)

    def _help(self, pen: Pen, rect: pygame.Rect, model: SettingsModel) -> None:
        row, words = model.row, model.words
        top = rect.top + pen.px(8)
        level, said = model.said
        if said and said != model.desk.problem:
            self._sentence(pen, pygame.Rect(rect.left, top, rect.w, rect.h), said, level)
            return
        text = words["help_gauge"] if row.kind == "gauge" else words[f"help_{row.name}"]
        if model.mode == "bind":
            text = words.say("press_button", what=words[f"row_{row.name}"])
        elif model.mode == "calibrate":
            text = f"{model.doing} {words['calibrate_leave']}"
        elif model.mode == "key":
            text = words.say("press_key", what=words[f"row_{row.name}"])
        elif model.mode == "move":
            text = words["moving"]
        elif model.mode == "try":
            text = words["try_leave"]
        colour = theme.HUMAN if model.mode else theme.TEXT
        lines, pixels = theme.paragraph(text, pen.px(22), rect.w, 3)
        for line in lines:
            top = pen.text("help", line, (rect.left, top), pen.design(pixels), colour, width=rect.w).bottom + pen.px(2)
        lines, pixels = theme.paragraph(model.origin_text(row), pen.px(20), rect.w, 2)
        for line in lines:
            at = rect.left, top + pen.px(4)
            top = pen.text("origin", line, at, pen.design(pixels), theme.MUTED, width=rect.w).bottom

    def _sentence(self, pen: Pen, rect: pygame.Rect, text: str, level: str) -> int:
        """Write a sentence on a box of its own; returns where the next thing begins."""
        inside = rect.w - pen.px(60)
        lines, pixels = theme.paragraph(text, pen.px(22), inside, 4)
        step = theme.measure("Ag", pixels)[1] + pen.px(2)
        box = pygame.Rect(rect.left, rect.top, rect.w, step * len(lines) + pen.px(20))
        pen.box(box, theme.CARD, 8)
        signs.lamp(pen.surface, (box.left + pen.px(22), box.centery), level, pen.px(8))  # type: ignore[arg-type]
        for number, line in enumerate(lines):
            at = box.left + pen.px(46), box.top + pen.px(10) + number * step
            pen.text("sentence", line, at, pen.design(pixels), theme.TEXT, width=inside)
        return box.bottom + pen.px(12)

    def _keys(self, pen: Pen, area: pygame.Rect, model: SettingsModel) -> int:
        height = pen.px(48)
        bar = pygame.Rect(0, area.bottom - height, area.w, height)
        pygame.draw.rect(pen.surface, theme.PANEL, bar)
        shown_keys = _IN_A_MODE.get(model.mode, _IN_A_MODE["move"][-1:])
        of_pad = self.with_pad and self.pad.kind != "keyboard" and model.mode != "bind"  # then it would be the one that is named
        kind: PadKind = self.pad.kind if of_pad else "keyboard"
        size, gap = pen.px(26), pen.px(18)

        def shown(name: str) -> str:
            return name if kind == "keyboard" else (_OF_A_WHEEL if kind == "wheel" else _BUTTONS)[name]

        def width_of(names: tuple[str, ...], text: str) -> int:
            caps = sum(pad_picture.glyph_width(kind, shown(n), size, model.words) + pen.px(4) for n in names)
            return caps + theme.measure(model.words[text], pen.px(20))[0] + pen.px(6) + gap

        excess = sum(width_of(names, text) for names, text, _ in shown_keys) - (area.w - pen.px(40))
        gap = max(pen.px(6), gap - max(0, excess) // len(shown_keys))
        left = pen.px(24)
        for names, text, command in shown_keys:
            begin = left
            for name in names:
                width = pad_picture.glyph_width(kind, shown(name), size, model.words)
                pad_picture.glyph(pen, (left + width // 2, bar.centery), kind, shown(name), size, model.words, theme.MUTED)
                left += width + pen.px(4)
            at = left + pen.px(4), bar.centery
            lit = pygame.Rect(begin, bar.top, at[0] - begin + pen.px(60), bar.h).collidepoint(self.pointed)
            colour = theme.TEXT if lit else theme.MUTED
            left = pen.text("key", model.words[text], at, 20, colour, width=max(1, area.w - at[0]), anchor="midleft").right
            self.hits.append(Spot(pygame.Rect(begin, bar.top, left - begin, bar.h), command))
            left += gap
        return height
