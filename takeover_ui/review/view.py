"""The review's screen: list, corner from above, time line, and what is known and can be pressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pygame

from data.demos import wrecked_start
from data.records import driver_kind
from takeover_ui import theme
from takeover_ui.language import Words
from takeover_ui.reasons import why_not
from takeover_ui.review import widgets
from takeover_ui.review.compare import figures, in_words
from takeover_ui.review.corner_plan import CornerPlan
from takeover_ui.review.timeline import Timeline
from takeover_ui.theme import Mark, Pen

if TYPE_CHECKING:
    from data.reading.segment_review import Detail
    from data.records import Segment
    from takeover_ui.review.model import ReviewModel
    from takeover_ui.view import Scene


@dataclass
class Hit:
    """Something the mouse can press: a command, or a row of the list."""

    rect: pygame.Rect
    command: str = ""
    row: int = -1


@dataclass
class ReviewView:
    """Draws a review; knows afterwards what lies under the mouse."""

    scene: Scene
    hand: widgets.ShownFor = "keys"
    """Whose keys or buttons are shown."""
    hits: list[Hit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan, self.timeline = CornerPlan(self.scene), Timeline()
        self._words: tuple[object, list[str], list[tuple[str, str, str]]] = (None, [], [])

    def draw(self, surface: pygame.Surface, model: ReviewModel) -> list[Mark]:
        """Draw everything; returns what was drawn where."""
        area = surface.get_rect()
        pen = Pen(surface, min(area.w / 1280, area.h / 720))
        self.hits = []
        surface.fill(theme.PANEL)
        side = pen.px(290)
        self._list(pen, pygame.Rect(0, 0, side, area.h), model)
        middle = pygame.Rect(side, 0, area.w - 2 * side, area.h)
        right = pygame.Rect(middle.right, 0, side, area.h)
        detail, segment = model.detail, model.segment
        if detail is None or segment is None:
            text = model.words["review_empty"]
            pen.text("empty", text, middle.center, 26, theme.MUTED, width=middle.w - pen.px(40), anchor="center")
            below = pygame.Rect(right.left, pen.px(300), right.w, area.h - pen.px(312))
            self._keys(pen, below.inflate(-2 * pen.px(16), 0), model.words)
        else:
            split = round(middle.h * 0.62)
            above = pygame.Rect(middle.left, 0, middle.w, split)
            self.plan.draw(pen, above, detail, model.trim, model.position, model.words, others=model.others)
            left, top = middle.left + pen.px(12), split + pen.px(40)
            line = pygame.Rect(left, top, middle.right - left, middle.h - pen.px(12) - top)
            self._transport(pen, pygame.Rect(left, split, line.w, pen.px(40)), model, detail)
            self.timeline.draw(pen, line, detail, self.scene, model.trim, model.position, model.words)
            self._facts(pen, right, model, detail, segment)
        if model.message:
            inside = middle.w - pen.px(64)
            lines, pixels = theme.paragraph(model.message, pen.px(24), inside, 4)  # an error is a whole sentence, or two
            step = theme.measure("Ag", pixels)[1]
            box = pygame.Rect(middle.left + pen.px(20), pen.px(14), middle.w - pen.px(40), step * len(lines) + pen.px(16))
            pen.box(box, theme.INK, 8)
            for number, part in enumerate(lines):
                at = box.centerx, box.top + pen.px(8) + number * step + step // 2
                pen.text("message", part, at, pen.design(pixels), theme.WARNING, width=inside, anchor="center")
        if model.menu is not None:
            options = widgets.menu(pen, middle, model.menu, model.words)
            self.hits += [Hit(place, command="choose", row=number) for place, number in options]
        return pen.marks

    def _list(self, pen: Pen, rect: pygame.Rect, model: ReviewModel) -> None:
        pad, listed, words = pen.px(14), model.list, model.words
        head, opened = words.say("review_segments", n=len(listed.shown)), words.say("review_open", n=listed.open)
        pen.text("list_head", head, (pad, pen.px(12)), 28, theme.TEXT, width=rect.w // 2)
        at = (rect.right - pad, pen.px(14))
        pen.text("list_left", opened, at, 24, theme.HUMAN, width=rect.w // 3, anchor="topright")
        chips = {
            "corner": listed.corner or words["review_all_corners"],
            "verdict": words[f"verdict_{listed.verdict}" if listed.verdict else "review_all_verdicts"],
            "sort": words[f"sort_{listed.sort}"],
            "menu": "…",
        }
        last, gap, left = pen.px(26), pen.px(6), pad
        needs = {command: theme.measure(text, pen.px(19))[0] + 2 * gap for command, text in chips.items() if command != "menu"}
        room = (rect.w - 2 * pad - 3 * gap - last) / sum(needs.values())  # a long text gets of what a short one leaves
        for command, text in chips.items():
            chip = pygame.Rect(left, pen.px(44), int(needs.get(command, 0) * room), pen.px(26))
            left = chip.right + gap
            if command == "menu":
                chip = pygame.Rect(rect.right - pad - last, chip.top, last, chip.h)
            pen.box(chip, theme.CARD, 8)
            pen.text(f"chip_{command}", text, chip.center, 19, theme.MUTED, width=chip.w - gap, anchor="center")
            self.hits.append(Hit(chip, command=command))
        top, height = pen.px(82), pen.px(46)
        rows = max(1, (rect.h - top) // height)
        first = min(max(0, listed.index - rows // 2), max(0, len(listed.shown) - rows))
        for number, segment in enumerate(listed.shown[first : first + rows]):
            row = pygame.Rect(0, top + number * height, rect.w, height)
            chosen = first + number == listed.index
            if chosen:
                pygame.draw.rect(pen.surface, theme.TRACK, row)
                pygame.draw.rect(pen.surface, theme.HUMAN, (0, row.top, pen.px(5), row.h))
            self._row(pen, row, segment, model.data.why_not(segment) is None, listed.hints(segment), words)
            self.hits.append(Hit(row, row=first + number))

    def _row(
        self, pen: Pen, row: pygame.Rect, segment: Segment, counts: bool, hints: Sequence[str], words: Words
    ) -> None:
        widgets.verdict_sign(pen, (row.left + pen.px(26), row.centery), segment.verdict)
        left, width = row.left + pen.px(46), row.w - pen.px(60)
        name = segment.corner or words.get("wrecked_start" if wrecked_start(segment) else f"kind_{segment.kind}", segment.kind)
        at = (row.right - pen.px(14), row.top + pen.px(5))
        time = pen.text("row_time", words.written(f"{segment.seconds:.1f} s"), at, 21, theme.TEXT, anchor="topright")
        pen.text("row_name", name, (left, row.top + pen.px(5)), 22, theme.TEXT, width=time.left - left - pen.px(8))
        outcome = "interrupted" if segment.interrupted else f"outcome_{segment.outcome}"
        more = [widgets.when(segment.started, words), words.get(outcome, segment.outcome)]
        if not counts and segment.verdict == "unreviewed" and segment.outcome != "failed":  # these two are seen already
            more[1] = words["not_learned"]
        more += [words.say("priority", value=segment.priority)] if segment.priority != 1 else []
        more += [words[f"quality_{hint}"] for hint in hints]
        pen.text("row_more", " · ".join(more), (left, row.top + pen.px(25)), 18, theme.MUTED, width=width)

    def _transport(self, pen: Pen, rect: pygame.Rect, model: ReviewModel, detail: Detail) -> None:
        button = pygame.Rect(rect.left, rect.top + pen.px(6), pen.px(40), pen.px(28))
        pen.box(button, theme.CARD, 8)
        x, y, r = button.centerx, button.centery, pen.px(7)
        if model.playing:
            for dx in (-r + 1, 2):
                pygame.draw.rect(pen.surface, theme.TEXT, (x + dx, y - r, r - 2, 2 * r))
        else:
            pygame.draw.polygon(pen.surface, theme.TEXT, [(x - r + 2, y - r), (x + r, y), (x - r + 2, y + r)])
        self.hits.append(Hit(button, command="play"))
        at = (button.right + pen.px(12), rect.centery)
        speed = pen.text("speed", f"{model.speed:g}×", at, 24, theme.TEXT, anchor="midleft")
        self.hits.append(Hit(speed, command="faster"))
        segment, steps = detail.segment, detail.drive.t
        now = (steps[min(int(model.position), len(steps) - 1)] - segment.start) / segment.hz if len(steps) else 0.0
        at = (speed.right + pen.px(20), rect.centery)
        pen.text("position", model.words.written(f"{now:+.2f} s"), at, 24, theme.MUTED, anchor="midleft")
        first, last = (n / segment.hz for n in model.trim)
        kept = (segment.stop - segment.start) / segment.hz - first - last
        text = model.words.say("kept_trimmed" if any(model.trim) else "kept_s", kept=kept, first=first, last=last)
        at = (rect.right - pen.px(12), rect.centery)
        pen.text("length", text, at, 22, theme.MUTED, width=rect.w // 2, anchor="midright")

    def _facts(self, pen: Pen, rect: pygame.Rect, model: ReviewModel, detail: Detail, segment: Segment) -> None:
        left, width, top = rect.left + pen.px(16), rect.w - pen.px(32), pen.px(14)
        each = (width - 2 * pen.px(8)) // 3
        for number, verdict in enumerate(("good", "bad", "star")):
            box = pygame.Rect(left + number * (each + pen.px(8)), top, each, pen.px(40))
            chosen = segment.verdict == verdict
            pen.box(box, widgets.VERDICT_COLOUR[verdict] if chosen else theme.CARD, 10)
            colour = theme.INK if chosen else widgets.VERDICT_COLOUR[verdict]
            text = model.words[f"verdict_{verdict}"]
            pen.text(f"button_{verdict}", text, box.center, 26, colour, width=box.w - pen.px(10), anchor="center")
            self.hits.append(Hit(box, command=verdict))
        top += pen.px(52)
        tags = (f"#{widgets.tag_text(tag, model.words)}" for tag in segment.tags)
        said = [model.words.say("priority", value=segment.priority), *tags]
        top = pen.text("said", "  ".join(said), (left, top), 22, theme.TEXT, width=width).bottom + pen.px(4)
        if reason := model.data.why_not(segment):
            text = model.words.say("not_learned_why", why=why_not(model.words, reason))
            top = widgets.paragraph(pen, "why_not", text, left, top, width, theme.WARNING)
        if hints := model.list.hints(segment):
            said_of_it = ", ".join(model.words[f"quality_{hint}"] for hint in hints)
            text = model.words.say("look_at_it", hints=said_of_it)
            top = widgets.paragraph(pen, "hints", text, left, top, width, theme.WARNING)
        if segment.note:
            top = widgets.paragraph(pen, "note", f"“{segment.note}”", left, top, width, theme.MUTED)
        top += pen.px(10)
        words, table = self._compared(detail, model.words)
        if words:
            head = model.words[f"compare_head_{driver_kind(segment.driver, segment.trigger)}"]
            pen.text("compare_head", head, (left, top), 20, theme.MUTED, width=width)
            top += pen.px(22)
            for sentence in words[:5]:
                top = widgets.paragraph(pen, "word", sentence, left, top, width, theme.TEXT)
            top += pen.px(8)
            kind = driver_kind(segment.driver, segment.trigger)
            heads = [("", model.words[f"line_{kind}"], model.words["line_agent"])] if table else []
            table = [*heads, *table]  # the columns are not told apart by their colours alone
            for number, (name, mine, its) in enumerate(table):
                row = pygame.Rect(left, top + number * pen.px(22), width, pen.px(22))
                most = round(width * 0.28)
                pen.put("figure", name, row, 19, width=round(width * 0.42))
                pen.put("figure_agent", its, row, 19, theme.AGENT, "topright", most)
                row.w = round(width * 0.70)
                pen.put("figure_human", mine, row, 19, theme.HUMAN, "topright", most)
            top += pen.px(22) * len(table)
        self._keys(pen, pygame.Rect(left, top + pen.px(12), width, rect.bottom - top - pen.px(24)), model.words)

    def _keys(self, pen: Pen, rect: pygame.Rect, words: Words) -> None:
        self.hits += [Hit(place, command=command) for place, command in widgets.keys(pen, self.hand, rect, words)]

    def _compared(self, detail: Detail, words: Words) -> tuple[list[str], list[tuple[str, str, str]]]:
        """Return sentences and a table, kept while the same segment is looked at."""
        if detail is self._words[0]:
            return self._words[1], self._words[2]
        said: list[str] = []
        table: list[tuple[str, str, str]] = []
        segment, agent = detail.segment, detail.agent
        corner = self.scene.corner(segment.corner)
        if agent is not None and corner is not None:
            mine, its = (figures(d, self.scene, corner, segment.hz) for d in (detail.drive, agent))
            said = in_words(mine, its, corner.to_m, words, who=driver_kind(segment.driver, segment.trigger))
            for name, key, factor, unit in (
                ("braking", "braking_m", 1.0, "m"), ("entry", "entry", 3.6, "km/h"), ("slowest", "apex", 3.6, "km/h"),
                ("exit", "exit", 3.6, "km/h"), ("off_line", "off_line", 1.0, "m"), ("corner", "seconds", 1.0, "s"),
            ):  # fmt: skip
                digits = 1 if key in ("seconds", "off_line") else 0
                pair = [getattr(f, key) * factor for f in (mine, its)]
                mine_text, its_text = (words.written(f"{v:.{digits}f} {unit}") if v == v else "–" for v in pair)
                table.append((words[f"figure_{name}"], mine_text, its_text))
        elif corner is not None and segment.kind == "takeover":
            said = [words["than_none"]]
        self._words = (detail, said, table)
        return said, table
