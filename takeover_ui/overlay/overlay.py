"""The overlay: who drives, what the agent would do, where the trouble is, and how the learning goes.

Three sizes, each drawn over the whole of the surface that it is given: ``full`` is a column (340 x 720 in the design, it
grows with the surface), ``compact`` a card (340 x 256), ``bar`` a strip (960 x 40). All of it is a function of the view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import pygame

from takeover_ui import theme
from takeover_ui.overlay import gauges, strip, texts
from takeover_ui.theme import Mark, Pen
from takeover_ui.view import TrainerState, View

Size = Literal["full", "compact", "bar"]
DESIGN: Mapping[Size, tuple[int, int]] = {"full": (340, 720), "compact": (340, 256), "bar": (960, 40)}
FRAME = 7  # design pixels of the frame in the driver's colour

_PAD = 16
_Section = Callable[[Pen, pygame.Rect, View, Mapping[str, str]], None]


def draw(surface: pygame.Surface, view: View, size: Size = "full", *, language: str = "en") -> list[Mark]:
    """Draw the overlay over the whole of ``surface`` and return what was drawn where."""
    width, height = DESIGN[size]
    pen = Pen(surface, min(surface.get_width() / width, surface.get_height() / height))
    words = texts.LANGUAGES[language]
    surface.fill(theme.PANEL)
    if size == "bar":
        strip.draw(pen, surface.get_rect(), view, words)
        return pen.marks
    sections = _FULL if size == "full" else _COMPACT_FOUND if view.finding else _COMPACT
    without = {*((_risk, _help) if view.lap else ()), *((_laps,) if view.times is None else ())}
    sections = tuple(part for part in sections if part[1] not in without)
    spare = surface.get_height() - sum(pen.px(h) for h, _ in sections)
    gap = max(0, min(spare // len(sections), pen.px(18)))
    top = 0
    for number, (section_height, section) in enumerate(sections):
        inset = 0 if number == 0 else pen.px(_PAD)
        section(pen, pygame.Rect(inset, top, surface.get_width() - 2 * inset, pen.px(section_height)), view, words)
        top += pen.px(section_height) + gap
    return pen.marks


def frame(surface: pygame.Surface, view: View, scale: float = 1.0) -> None:
    """Draw the thick frame in the driver's colour just inside the surface's edges."""
    pygame.draw.rect(surface, theme.DRIVER[view.driver], surface.get_rect(), width=max(2, round(FRAME * scale)))


def _driver(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    """Who drives, as a block of colour with a word that can be read from two metres."""
    pygame.draw.rect(pen.surface, theme.DRIVER[view.driver], rect)
    pen.mark("driver_block", rect)
    pad = pen.px(_PAD)
    if view.driver == "agent" and (view.held or view.help_wanted):
        lower = round(rect.h * 0.40)
        plea = pygame.Rect(rect.left, rect.bottom - lower, rect.w, lower)
        rect = pygame.Rect(rect.left, rect.top, rect.w, rect.h - lower)
        pygame.draw.rect(pen.surface, theme.INK, plea)
        pygame.draw.rect(pen.surface, theme.WARNING, plea, width=max(2, pen.px(2)))
        name, text = ("let_go", texts.let_go(view.held, words)) if view.held else ("help", words["help"])
        pen.put(name, text, plea.inflate(-2 * pad, 0), plea.h / pen.scale * 0.78, theme.WARNING, "center")
    inner, size = rect.inflate(-2 * pad, 0), rect.h / pen.scale
    large = size * min(0.95, 0.55 + 17 / size)
    word = pen.put("driver", words[view.who], inner, large, theme.INK, "midleft", round(inner.w * 0.62))
    left, bottom = word.right + pen.px(10), word.bottom - round(word.h * 0.12)
    does = pygame.Rect(left, inner.top, inner.right - left, bottom - inner.top)
    pen.put("does", words[f"{view.who}_does"], does, min(28, size * 0.5), theme.INK, "bottomleft")


def _speed_and_corner(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    half = rect.w // 2
    speed = pen.put("speed", f"{view.speed * 3.6:.0f}", rect, 56, theme.TEXT, "bottomleft", half)
    unit, colour = (words["kmh"], theme.MUTED) if view.on_road else (words["off_road"], theme.WARNING)
    beside = speed.right + pen.px(6)
    box = pygame.Rect(beside, rect.top, rect.left + half - beside, rect.h - pen.px(7))
    pen.put("unit", unit, box, 20, colour, "bottomleft")
    if view.countdown is None or not view.next_corner:
        return
    inside = view.countdown <= 0
    text = words["now"] if inside else words["seconds"].format(value=view.countdown)
    name = view.next_corner if inside else words["corner_in"].format(name=view.next_corner)
    pen.put("next_corner", name, rect, anchor="topright", width=half - pen.px(6))
    colour = theme.WARNING if view.countdown < 2.0 else theme.TEXT
    pen.put("countdown", text, rect, 44, colour, "bottomright", half - pen.px(6))


def _progress(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    metres = words["of_metres"].format(at=view.progress, length=view.scene.length)
    times = view.times
    text = words["progress"] if times is None else words["lap"].format(value=times.running)
    label = pen.put("label_progress", text, rect, 20, theme.MUTED if times is None else theme.TEXT, width=rect.w // 2)
    pen.put("progress", metres, rect, 20, theme.TEXT, "topright", rect.right - label.right - pen.px(8))
    gauges.progress(pen, pygame.Rect(rect.left, rect.bottom - pen.px(22), rect.w, pen.px(16)), view)


def _actions(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    """One row an action: above what is done, in the driver's colour; below what the agent would do."""
    names = view.scene.action_names[:3]
    height = rect.h // max(1, len(names))
    for number, name in enumerate(names):
        row = pygame.Rect(rect.left, rect.top + number * height, rect.w, height)
        label = f"action_{name}", words.get(name, name), row
        if height < pen.px(40):  # too low for a label above the bar: they share the line
            pen.put(*label, anchor="midleft", width=round(row.w * 0.27))
            bar = _bar(row, height - 2 * pen.px(4), row.top + pen.px(4))
        else:
            pen.put(*label, width=row.w // 2)
            if number == 0:
                _legend(pen, row, view, words)
            bar = pygame.Rect(row.left, row.top + pen.px(20), row.w, min(pen.px(28), height - pen.px(22)))
        gauges.action(pen, bar, view, number)


def _risk(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    """How likely the agent thinks it is to fail soon: a word, a bar, a number, on one line."""
    right = pen.px(52)
    known = view.risk is not None
    text = f"{min(1.0, max(0.0, view.risk or 0.0)) * 100:.0f} %" if known else "–"
    pen.put("label_risk", words["risk"], rect, anchor="midleft", width=round(rect.w * 0.27))
    pen.put("risk", text, rect, 20, theme.TEXT if known else theme.FAINT, "midright", right)
    bar = _bar(rect, pen.px(12), 0)
    bar.w -= right + pen.px(6)
    bar.centery = rect.centery
    gauges.risk(pen, bar, view)


def _legend(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    right, dot = rect.right, pen.px(9)
    shown = (("would", theme.AGENT), ("done", theme.DRIVER[view.driver]))
    for key, colour in shown[view.lap :]:
        at, most = (right, rect.top + pen.px(1)), round(rect.w * 0.28)
        text = pen.text(f"legend_{key}", words[key], at, 18, theme.MUTED, width=most, anchor="topright")
        box = pygame.Rect(text.left - dot - pen.px(4), text.centery - dot // 2, dot, dot)
        thin = key == "would"
        pygame.draw.rect(pen.surface, colour, box.inflate(0, -dot // 2 if thin else 0), border_radius=0 if thin else 2)
        right = box.left - pen.px(12)


def _return(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    third = rect.w // 3
    values = {"return": view.episode_return, "best": view.best_return, "ceiling": view.ceiling}
    colours = theme.TEXT, theme.GOOD, theme.MUTED
    for number, ((key, value), colour) in enumerate(zip(values.items(), colours, strict=True)):
        box = pygame.Rect(rect.left + number * third, rect.top, third - pen.px(6), rect.h)
        pen.put(f"label_{key}", words[key], box)
        pen.put(key, "–" if value is None else texts.short(value, 1), box.move(0, pen.px(19)), 32, colour)
    gauges.returns(pen, pygame.Rect(rect.left, rect.bottom - pen.px(14), rect.w, pen.px(8)), view)


def _laps(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    """The last lap and each driver's best; for a moment after a corner, how it compares with the best lap."""
    times = view.times
    if times is None:
        return
    third = rect.w // 3
    bests = ("best_you", times.best_you, theme.HUMAN), ("best_agent", times.best_agent, theme.AGENT)
    values = ("last_lap", times.last, theme.TEXT), *bests
    for number, (key, value, colour) in enumerate(values):
        box = pygame.Rect(rect.left + number * third, rect.top, third - pen.px(6), rect.h)
        label, text, shade = words[key], "–" if value is None else f"{value:.1f} s", colour
        if key == "last_lap" and times.delta is not None:
            label, shade = words["to_best"], delta_colour(times.delta)
            text = words["delta"].format(value=times.delta)
        pen.put(f"label_{key}", label, box, 18)
        pen.put(key, text, box.move(0, pen.px(18)), 26, shade)


def delta_colour(delta: float) -> theme.Colour:
    """Return the colour of a difference to the best lap: its sign says the same."""
    return theme.GOOD if delta <= 0 else theme.WARNING


def _help(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    half = rect.w // 2
    values = texts.short(view.takeovers), texts.duration(view.human_seconds)
    for number, (key, value) in enumerate(zip(("takeovers", "your_help"), values, strict=True)):
        box = pygame.Rect(rect.left + number * half, rect.top, half - pen.px(6), rect.h)
        pen.put(key, value, box, 32, theme.HUMAN)
        pen.put(f"label_{key}", words[key], box.move(0, pen.px(25)))


def _trainer(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    pen.box(rect, theme.CARD, 8)
    inner = rect.inflate(-2 * pen.px(12), -2 * pen.px(10))
    trainer = view.trainer if view.trainer is not None and view.trainer.alive else None
    gauges.dot(pen, (inner.left + pen.px(6), inner.top + pen.px(7)), gauges.health(view))
    key = "trainer_idle" if trainer is None else "updates"
    state = words[key].format(value=trainer.updates if trainer is not None else 0)
    title = inner.move(pen.px(20), 0)
    name = pen.put("trainer", words["trainer"], title, 22, theme.TEXT, width=inner.w // 2 - pen.px(20))
    pen.put(key, state, inner, anchor="topright", width=inner.right - name.right - pen.px(8))
    line, rows = pen.px(21), [] if trainer is None else _trainer_rows(pen, trainer, inner.w, words)
    for number, (key, text) in enumerate(rows, 1):
        colour = theme.WARNING if key.startswith("finding") else theme.MUTED
        pen.put(key, text, inner.move(0, number * line), 19, colour)
    top = inner.top + max(3, len(rows) + 1) * line + pen.px(4)
    spark = pygame.Rect(inner.left, top, inner.w, inner.bottom - top)
    gauges.sparkline(pen, spark, view.evaluations, view.without_help or words["evaluations"])


def _trainer_rows(pen: Pen, trainer: TrainerState, width: int, words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (name, text) of at most three lines: how far behind, and the checkpoint or what was found."""
    rows = [("behind", words["behind"].format(value=trainer.steps_behind))]
    if trainer.finding_title:
        told = theme.wrap(f"! {trainer.finding_title}", pen.px(19), width, 2)
        rows += [(f"finding_{i}", text) for i, text in enumerate(told)]
        return rows + ([("diagnose", words["diagnose"])] if len(told) == 1 else [])
    if trainer.last_checkpoint:
        name = trainer.last_checkpoint.removesuffix(".safetensors")
        age = trainer.checkpoint_age_s
        rows.append(("checkpoint", name if age is None else f"{name} · {words['ago'].format(seconds=age)}"))
    return rows


def _footer(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    store = view.store
    if store is not None:
        bad = store.problem is not None
        gauges.dot(pen, (rect.left + pen.px(6), rect.top + pen.px(6)), theme.ERROR if bad else theme.GOOD)
        text = store.problem or words["steps_saved"].format(value=store.steps)
        if store.queue > 200 and not bad:
            text += " · " + words["waiting"].format(value=store.queue)
        width = (rect.w if bad else round(rect.w * 0.58)) - pen.px(20)
        pen.put("store", text, rect.move(pen.px(20), 0), 19, theme.ERROR if bad else theme.MUTED, width=width)
        if bad:
            return
    text = f"{texts.short(view.late_ticks)} {words['late']}"
    pen.put("late", text, rect, 19, theme.WARNING if view.late_ticks else theme.FAINT, "topright", round(rect.w * 0.40))


def _compact_line(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    half = rect.w // 2
    best = "" if view.best_return is None else f" / {texts.short(view.best_return, 1)}"
    total = f"{words['return']} {texts.short(view.episode_return, 1)}{best}"
    pen.put("return", total, rect, 20, theme.TEXT, width=half - pen.px(6))
    if not view.lap:
        helped = f"{texts.short(view.takeovers)} {words['takeovers']} · {texts.duration(view.human_seconds, 0)}"
        pen.put("help_given", helped, rect, 20, theme.HUMAN, "topright", half)
    if view.finding:
        pen.text("finding_0", f"! {view.finding}", (rect.left, rect.top + pen.px(20)), 19, theme.WARNING, width=rect.w)


def _bar(row: pygame.Rect, height: int, top: int) -> pygame.Rect:
    """Return the place of a bar that shares its line with a label at the left."""
    return pygame.Rect(row.left + round(row.w * 0.30), top, round(row.w * 0.70), height)


_FULL: tuple[tuple[int, _Section], ...] = (
    (92, _driver),
    (66, _speed_and_corner),
    (48, _progress),
    (112, _actions),
    (26, _risk),
    (72, _return),
    (46, _laps),
    (48, _help),
    (150, _trainer),
    (26, _footer),
)
_COMPACT = ((58, _driver), (44, _progress), (84, _actions), (26, _risk), (24, _compact_line))
_COMPACT_FOUND = ((48, _driver), (44, _progress), (84, _actions), (26, _risk), (42, _compact_line))
"""The same with room for one more line: what the trainer has found."""
