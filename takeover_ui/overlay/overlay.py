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
from takeover_ui.view import View

Size = Literal["full", "compact", "bar"]
DESIGN: Mapping[Size, tuple[int, int]] = {"full": (340, 720), "compact": (340, 256), "bar": (960, 40)}
FRAME = 7  # design pixels of the frame in the driver's colour

_PAD = 16
_Section = Callable[[Pen, pygame.Rect, View, Mapping[str, str]], None]


def draw(surface: pygame.Surface, view: View, size: Size = "full", *, language: str = "en") -> list[Mark]:
    """Draw the overlay over the whole of ``surface`` and return what was drawn where."""
    width, height = DESIGN[size]
    scale = min(surface.get_width() / width, surface.get_height() / height)
    pen = Pen(surface, scale)
    words = texts.LANGUAGES.get(language, texts.ENGLISH)
    surface.fill(theme.PANEL)
    if size == "bar":
        strip.draw(pen, surface.get_rect(), view, words)
        return pen.marks
    found = view.trainer is not None and view.trainer.alive and bool(view.trainer.finding_title)
    sections = _FULL if size == "full" else _COMPACT_FOUND if found else _COMPACT
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
    inner = rect.inflate(-2 * pen.px(_PAD), 0)
    if view.driver == "agent" and (view.held or view.help_wanted):
        strip = pygame.Rect(rect.left, rect.bottom - round(rect.h * 0.40), rect.w, round(rect.h * 0.40))
        pygame.draw.rect(pen.surface, theme.INK, strip)
        pygame.draw.rect(pen.surface, theme.WARNING, strip, width=max(2, pen.px(2)))
        pen.text(
            "let_go" if view.held else "help",
            texts.let_go(view.held, words) if view.held else words["help"],
            strip.center,
            strip.h / pen.scale * 0.78,
            theme.WARNING,
            width=strip.w - 2 * pen.px(_PAD),
            anchor="center",
        )
        rect = pygame.Rect(rect.left, rect.top, rect.w, rect.h - strip.h)
    size = rect.h / pen.scale
    word = pen.text(
        "driver",
        words[view.who],
        (inner.left, rect.centery),
        size * min(0.95, 0.55 + 17 / size),
        theme.INK,
        width=round(inner.w * 0.62),
        anchor="midleft",
    )
    left = word.right + pen.px(10)
    pen.text(
        "does",
        words[f"{view.who}_does"],
        (left, word.bottom - round(word.h * 0.12)),
        min(28, size * 0.5),
        theme.INK,
        width=inner.right - left,
        anchor="bottomleft",
    )


def _speed_and_corner(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    half = rect.w // 2
    value = pen.text("speed", f"{view.speed * 3.6:.0f}", (rect.left, rect.bottom), 56, anchor="bottomleft")
    unit = words["kmh"] if view.on_road else words["off_road"]
    colour = theme.MUTED if view.on_road else theme.WARNING
    pen.text(
        "unit",
        unit,
        (value.right + pen.px(6), rect.bottom - pen.px(7)),
        20,
        colour,
        width=rect.left + half - value.right - pen.px(6),
        anchor="bottomleft",
    )
    if view.countdown is None or not view.next_corner:
        return
    inside = view.countdown <= 0
    text = words["now"] if inside else words["seconds"].format(value=view.countdown)
    name = words["in_corner" if inside else "corner_in"].format(name=view.next_corner)
    near = inside or view.countdown < 2.0
    pen.text("next_corner", name, (rect.right, rect.top), 20, theme.MUTED, width=half - pen.px(6), anchor="topright")
    pen.text(
        "countdown",
        text,
        (rect.right, rect.bottom),
        44,
        theme.WARNING if near else theme.TEXT,
        width=half - pen.px(6),
        anchor="bottomright",
    )


def _progress(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    _label(
        pen, rect, "progress", words["progress"], words["of_metres"].format(at=view.progress, length=view.scene.length)
    )
    gauges.progress(pen, pygame.Rect(rect.left, rect.bottom - pen.px(22), rect.w, pen.px(16)), view)


def _actions(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    """One row an action: above what is done, in the driver's colour; below what the agent would do."""
    names = view.scene.action_names[:3]
    row = rect.h // max(1, len(names))
    beside = row < pen.px(40)  # too low for a label above the bar: label and bar share the line
    for number, name in enumerate(names):
        part = pygame.Rect(rect.left, rect.top + number * row, rect.w, row)
        if beside:
            pen.text(
                f"action_{name}",
                words.get(name, name),
                (part.left, part.centery),
                20,
                theme.MUTED,
                width=round(part.w * 0.27),
                anchor="midleft",
            )
            gauges.action(
                pen,
                pygame.Rect(
                    part.left + round(part.w * 0.30), part.top + pen.px(4), round(part.w * 0.70), row - 2 * pen.px(4)
                ),
                view,
                number,
            )
            continue
        pen.text(f"action_{name}", words.get(name, name), part.topleft, 20, theme.MUTED, width=part.w // 2)
        if number == 0:
            _legend(pen, part, view, words)
        gauges.action(
            pen, pygame.Rect(part.left, part.top + pen.px(20), part.w, min(pen.px(28), row - pen.px(22))), view, number
        )


def _risk(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    """How likely the agent thinks it is to fail soon: a word, a bar, a number, on one line."""
    middle, left, right = rect.centery, round(rect.w * 0.27), pen.px(52)
    pen.text("label_risk", words["risk"], (rect.left, middle), 20, theme.MUTED, width=left, anchor="midleft")
    known = view.risk is not None
    pen.text(
        "risk",
        f"{min(1.0, max(0.0, view.risk or 0.0)) * 100:.0f} %" if known else "–",
        (rect.right, middle),
        20,
        theme.TEXT if known else theme.FAINT,
        width=right,
        anchor="midright",
    )
    bar = pygame.Rect(0, 0, rect.w - round(rect.w * 0.30) - right - pen.px(6), pen.px(12))
    bar.midleft = rect.left + round(rect.w * 0.30), middle
    gauges.risk(pen, bar, view)


def _legend(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    right = rect.right
    dot = pen.px(9)
    for key, colour in (("would", theme.AGENT), ("done", theme.DRIVER[view.driver])):
        text = pen.text(
            f"legend_{key}",
            words[key],
            (right, rect.top + pen.px(1)),
            18,
            theme.MUTED,
            width=round(rect.w * 0.28),
            anchor="topright",
        )
        box = pygame.Rect(text.left - dot - pen.px(4), text.centery - dot // 2, dot, dot)
        if key == "would":
            pygame.draw.rect(pen.surface, colour, box.inflate(0, -dot // 2))
        else:
            pygame.draw.rect(pen.surface, colour, box, border_radius=2)
        right = box.left - pen.px(12)


def _return(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    third = rect.w // 3
    best = "–" if view.best_return is None else texts.short(view.best_return, 1)
    ceiling = "–" if view.ceiling is None else texts.short(view.ceiling, 1)
    for number, (key, value, colour) in enumerate(
        (
            ("return", texts.short(view.episode_return, 1), theme.TEXT),
            ("best", best, theme.GOOD),
            ("ceiling", ceiling, theme.MUTED),
        )
    ):
        left = rect.left + number * third
        pen.text(f"label_{key}", words[key], (left, rect.top), 20, theme.MUTED, width=third - pen.px(6))
        pen.text(key, value, (left, rect.top + pen.px(19)), 32, colour, width=third - pen.px(6))
    gauges.returns(pen, pygame.Rect(rect.left, rect.bottom - pen.px(14), rect.w, pen.px(8)), view)


def _help(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    half = rect.w // 2
    for left, value, key in (
        (rect.left, texts.short(view.takeovers), "takeovers"),
        (rect.left + half, texts.duration(view.human_seconds), "your_help"),
    ):
        pen.text(key, value, (left, rect.top), 32, theme.HUMAN, width=half - pen.px(6))
        pen.text(f"label_{key}", words[key], (left, rect.top + pen.px(25)), 20, theme.MUTED, width=half - pen.px(6))


def _trainer(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    pen.box(rect, theme.CARD, 8)
    inner = rect.inflate(-2 * pen.px(12), -2 * pen.px(10))
    pulse = view.trainer
    gauges.dot(pen, (inner.left + pen.px(6), inner.top + pen.px(7)), gauges.health(pulse))
    title = pen.text(
        "trainer",
        words["trainer"],
        (inner.left + pen.px(20), inner.top),
        22,
        theme.TEXT,
        width=inner.w // 2 - pen.px(20),
    )
    line, lines = pen.px(21), 3
    if pulse is None or not pulse.alive:
        pen.text(
            "trainer_idle",
            words["trainer_idle"],
            (inner.right, inner.top),
            20,
            theme.MUTED,
            width=inner.right - title.right - pen.px(8),
            anchor="topright",
        )
    else:
        pen.text(
            "updates",
            words["updates"].format(value=pulse.updates),
            (inner.right, inner.top),
            20,
            theme.MUTED,
            width=inner.right - title.right - pen.px(8),
            anchor="topright",
        )
        rows: list[tuple[str, str]] = [("behind", words["behind"].format(value=pulse.steps_behind))]
        if pulse.last_checkpoint:
            age = "" if pulse.checkpoint_age_s is None else words["ago"].format(seconds=pulse.checkpoint_age_s)
            name = pulse.last_checkpoint.removesuffix(".safetensors")
            rows.append(("checkpoint", f"{name} · {age}" if age else name))
        if pulse.finding_title:
            told = theme.wrap(f"! {pulse.finding_title}", pen.px(19), inner.w, 2)
            rows[1:] = [(f"finding_{i}", text) for i, text in enumerate(told)]
            if len(told) == 1:
                rows.append(("diagnose", words["diagnose"]))
        for number, (key, text) in enumerate(rows, 1):
            colour = theme.WARNING if key.startswith("finding") else theme.MUTED
            pen.text(key, text, (inner.left, inner.top + number * line), 19, colour, width=inner.w)
        lines += len(rows) > 2
    top = inner.top + lines * line + pen.px(4)
    spark = pygame.Rect(inner.left, top, inner.w, inner.bottom - top)
    gauges.sparkline(pen, spark, view.evaluations, words["evaluations"])


def _footer(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    store = view.store
    if store is not None:
        bad = store.problem is not None
        gauges.dot(pen, (rect.left + pen.px(6), rect.top + pen.px(6)), theme.ERROR if bad else theme.GOOD)
        text = store.problem or words["steps_saved"].format(value=store.steps)
        if store.queue > 200 and not bad:
            text += " · " + words["waiting"].format(value=store.queue)
        width = rect.w - pen.px(20) if bad else round(rect.w * 0.58) - pen.px(20)
        pen.text(
            "store", text, (rect.left + pen.px(20), rect.top), 19, theme.ERROR if bad else theme.MUTED, width=width
        )
        if bad:
            return
    colour = theme.WARNING if view.late_ticks else theme.FAINT
    pen.text(
        "late",
        f"{texts.short(view.late_ticks)} {words['late']}",
        (rect.right, rect.top),
        19,
        colour,
        width=round(rect.w * 0.40),
        anchor="topright",
    )


def _label(pen: Pen, rect: pygame.Rect, name: str, left: str, right: str) -> None:
    label = pen.text(f"label_{name}", left, rect.topleft, 20, theme.MUTED, width=rect.w // 2)
    pen.text(name, right, rect.topright, 20, theme.TEXT, width=rect.right - label.right - pen.px(8), anchor="topright")


def _compact_line(pen: Pen, rect: pygame.Rect, view: View, words: Mapping[str, str]) -> None:
    half = rect.w // 2
    best = "" if view.best_return is None else f" / {texts.short(view.best_return, 1)}"
    pen.text(
        "return",
        f"{words['return']} {texts.short(view.episode_return, 1)}{best}",
        rect.topleft,
        20,
        theme.TEXT,
        width=half - pen.px(6),
    )
    pen.text(
        "help_given",
        f"{texts.short(view.takeovers)} {words['takeovers']} · {texts.duration(view.human_seconds, 0)}",
        rect.topright,
        20,
        theme.HUMAN,
        width=half,
        anchor="topright",
    )
    if view.trainer is not None and view.trainer.alive and view.trainer.finding_title:
        text = f"! {view.trainer.finding_title}"
        pen.text("finding_0", text, (rect.left, rect.top + pen.px(20)), 19, theme.WARNING, width=rect.w)


_FULL: tuple[tuple[int, _Section], ...] = (
    (92, _driver),
    (66, _speed_and_corner),
    (48, _progress),
    (112, _actions),
    (26, _risk),
    (72, _return),
    (48, _help),
    (150, _trainer),
    (26, _footer),
)
_COMPACT: tuple[tuple[int, _Section], ...] = (
    (58, _driver),
    (44, _progress),
    (84, _actions),
    (26, _risk),
    (24, _compact_line),
)
_COMPACT_FOUND = ((48, _driver), (44, _progress), (84, _actions), (26, _risk), (42, _compact_line))
"""The same with room for one more line: what the trainer has found."""
