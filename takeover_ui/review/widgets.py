"""The small parts of the review's screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import pygame

from data.words import in_local_time
from takeover_ui import theme
from takeover_ui.theme import Pen

if TYPE_CHECKING:
    from takeover_ui.language import Words
    from takeover_ui.review.menu import Menu

VERDICT_COLOUR = {"unreviewed": theme.FAINT, "good": theme.GOOD, "bad": theme.ERROR, "star": theme.HUMAN}
Hint = tuple[tuple[tuple[str, str], ...], str]
"""Keys or buttons with their commands, and the name of what they do. Without a command they cannot be clicked on.

The keys are those that every keyboard has: `[` and `]` need a third key on many, and still do the same.
"""
KEYBOARD_HINTS: tuple[Hint, ...] = (
    ((("G", "good"), ("B", "bad"), ("S", "star")), "verdicts"),
    ((("X", "unreviewed"), ("Z", "undo")), "unreviewed"),
    ((("↑", "previous"), ("↓", "next")), "choose_row"),
    ((("N", "next_open"),), "next_open"),
    ((("A", "wrecked_bad"),), "wrecked"),
    ((("space", "play"),), "play"),
    ((("←", "step_back"), ("→", "step_on")), "steps"),
    ((("-", "slower"), ("+", "faster")), "speed"),
    ((("shift", "start_out"), ("→", "start_in")), "trim_start"),
    ((("ctrl", "stop_in"), ("→", "stop_out")), "trim_end"),
    ((("pgup", "more"), ("pgdn", "less")), "priority"),
    ((("T", "tag"), ("M", "note"), ("E", "clip")), "tag"),
    ((("C", "corner"), ("V", "verdict"), ("O", "sort")), "filters"),
    ((("W", "together"),), "together"),
    ((("Tab", "menu"), ("Esc", "quit")), "all"),
)
PAD_HINTS: tuple[Hint, ...] = tuple(
    (((buttons, ""),), text)
    for buttons, text in (
        ("A  B  Y", "verdicts"),
        ("D-pad ↑ ↓", "choose_row"),
        ("X", "next_open"),
        ("Start", "play"),
        ("D-pad ← →", "steps"),
        ("LB RB", "speed"),
        ("LT + D-pad", "trim_start"),
        ("RT + D-pad", "trim_end"),
        ("Back", "undone"),
        ("LS", "menu"),
    )
)
WHEEL_HINTS: tuple[Hint, ...] = tuple(
    (((buttons, ""),), text)
    for buttons, text in (
        ("button0, 1, 3", "verdicts"),
        ("hat ↑ ↓", "choose_row"),
        ("button2", "next_open"),
        ("button7", "play"),
        ("hat ← →", "steps"),
        ("button4, 5", "speed"),
        ("button6", "undone"),
        ("button8", "menu"),
    )
)
"""By the names that `hitl pads` shows."""
ShownFor = Literal["keys", "pad", "wheel"]
HINTS: Mapping[ShownFor, tuple[Hint, ...]] = {"keys": KEYBOARD_HINTS, "pad": PAD_HINTS, "wheel": WHEEL_HINTS}


def paragraph(pen: Pen, name: str, text: str, left: int, top: int, width: int, colour: theme.Colour) -> int:
    """Write ``text`` over as many lines as it takes, four at most; returns where the next thing may begin."""
    parts, pixels = theme.paragraph(text, pen.px(21), width, 4)
    for part in parts:
        pen.text(name, part, (left, top), pen.design(pixels), colour, width=width)
        top += pen.px(20)
    return top + pen.px(3)


def keys(pen: Pen, hand: ShownFor, rect: pygame.Rect, words: Words) -> list[tuple[pygame.Rect, str]]:
    """Show which keys or buttons do what, from the bottom of ``rect`` up, and nothing where there is no room.

    Returns (place, command) of each key that can be clicked on.
    """
    hints, places = HINTS[hand], []
    step = min(pen.px(23), rect.h // len(hints))
    if step < pen.px(12):
        return []
    size = min(19.0, step / pen.scale - 3)
    top, split, gap = rect.bottom - step * len(hints), round(rect.w * 0.42), pen.px(4)
    for number, (labels, text) in enumerate(hints):
        left, middle = rect.left, top + number * step + step // 2
        each = (split - gap * len(labels)) // len(labels)
        for label, command in labels:
            key = words.get(f"cap_{label}", label)
            if command:
                cap = pygame.Rect(left, 0, min(each, theme.measure(key, pen.px(size))[0] + pen.px(12)), step - pen.px(3))
                cap.centery = middle
                pen.box(cap, theme.CARD, 5)
                pen.text("key", key, cap.center, size, theme.TEXT, width=cap.w - 2, anchor="center")
                places.append((cap, command))
                left = cap.right + gap
            else:
                pen.text("key", key, (left, middle), size, theme.TEXT, width=split - gap, anchor="midleft")
        does, at = words[f"key_{text}"], (rect.left + split, middle)
        pen.text("key_does", does, at, size, theme.MUTED, width=rect.w - split, anchor="midleft")
    return places


def menu(pen: Pen, area: pygame.Rect, menu: Menu, words: Words) -> list[tuple[pygame.Rect, int]]:
    """Draw a menu in the middle of ``area``; returns (place, index) of its options, -1 being the text that is typed."""
    lines = []
    typing = menu.kind != "menu"
    row = min(pen.px(34), (area.h - pen.px(70)) // (len(menu.options) + typing))
    box = pygame.Rect(0, 0, pen.px(360), row * len(menu.options) + pen.px(56) + (row if typing else 0))
    box.center = area.center
    pen.box(box, theme.INK, 12)
    pygame.draw.rect(pen.surface, theme.FAINT, box, width=1, border_radius=pen.px(12))
    at = (box.centerx, box.top + pen.px(14))
    pen.text("menu_title", words[f"menu_{menu.kind}"], at, 24, theme.MUTED, anchor="midtop", width=box.w - pen.px(24))
    top = box.top + pen.px(44)
    if typing:
        field_rect = pygame.Rect(box.left + pen.px(14), top, box.w - pen.px(28), row - pen.px(4))
        pen.box(field_rect, theme.CARD if menu.index >= 0 else theme.TRACK, 6)
        shown = menu.text + ("|" if menu.index < 0 else "") or words["menu_type"]
        lines.append((field_rect, -1))
        pen.put("menu_text", shown, field_rect.inflate(-2 * pen.px(8), 0), 22, theme.TEXT, "midleft")
        top += row
    for number, option in enumerate(menu.options):
        line = pygame.Rect(box.left + pen.px(14), top + number * row, box.w - pen.px(28), row - pen.px(2))
        if number == menu.index:
            pen.box(line, theme.HUMAN, 6)
        colour = theme.INK if number == menu.index else theme.TEXT
        text = tag_text(option, words) if menu.kind == "tag" else words.get(f"do_{option or 'none'}", option)
        pen.put("menu_option", text, line.inflate(-2 * pen.px(10), 0), 23, colour, "midleft")
        lines.append((line, number))
    return lines


def when(started: str, words: Words) -> str:
    """Return a stored moment in local time, short, as the language writes it."""
    try:
        return in_local_time(started).strftime(words["date"])
    except ValueError:
        return started[:16]


def tag_text(tag: str, words: Words) -> str:
    """Return a tag as it is read: those that are offered have a word in every language, and are stored under one name."""
    return words.get(f"tag_{tag.replace(' ', '_')}", tag)


def verdict_sign(pen: Pen, at: tuple[int, int], verdict: str) -> None:
    """Draw a verdict as a shape as well as a colour."""
    x, y, r = at[0], at[1], pen.px(8)
    colour, width = VERDICT_COLOUR.get(verdict, theme.FAINT), max(2, pen.px(3))
    if verdict == "good":
        corner = (x - r // 3, y + r * 2 // 3)
        pygame.draw.aaline(pen.surface, colour, (x - r, y), corner, width)
        pygame.draw.aaline(pen.surface, colour, corner, (x + r, y - r * 2 // 3), width)
    elif verdict == "bad":
        for dx in (-r * 0.75, r * 0.75):
            pygame.draw.aaline(pen.surface, colour, (x - dx, y - r * 0.75), (x + dx, y + r * 0.75), width)
    elif verdict == "star":
        points = [pygame.Vector2(0, -r * (1.2 if k % 2 == 0 else 0.5)).rotate(36 * k) + at for k in range(10)]
        pygame.draw.polygon(pen.surface, colour, points)
    else:
        pygame.draw.aacircle(pen.surface, colour, at, r * 3 // 4, max(1, width - 1))
