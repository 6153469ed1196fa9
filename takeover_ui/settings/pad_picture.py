"""Pictures of the pad at hand: its buttons where they lie, what is pressed now, and what belongs to the line that is chosen."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import numpy as np
import pygame

from takeover_ui import theme
from takeover_ui.language import Words
from takeover_ui.settings.pad_names import FACES, PadKind, Sign, label, sign
from takeover_ui.settings.rows import PadNow
from takeover_ui.theme import Colour, Pen
from takeover_ui.window.key_names import printed

SIZE = (600, 400)  # design pixels of a picture
_FINE = 3
_SHELL: Colour = theme.CARD
_KEY: Colour = theme.TRACK
_STICKS = {"xbox": ((150, 140), (385, 230)), "switch": ((150, 140), (385, 230)), "playstation": ((215, 230), (385, 230))}
_PLUS = {"xbox": (215, 230), "switch": (215, 230), "playstation": (150, 140)}
_FACE = (450, 140)
_OUTLINE = (
    (300, 70), (215, 70), (165, 62), (112, 74), (80, 122), (58, 205), (40, 300), (52, 366), (88, 380), (122, 350), (160, 305),
    (215, 286), (300, 284),
)  # fmt: skip
"""The left half of the shell, from the middle above to the middle below."""
_SMALL = {"back": (255, 135), "guide": (300, 100), "start": (345, 135)}
_KEYS = {
    "escape": (4, 30, 58, "Esc"), "tab": (4, 94, 52, "Tab"), "backspace": (488, 30, 108, "Backspace"),
    "return": (502, 150, 94, "Enter"),
    "left shift": (4, 206, 72, "Shift"), "left ctrl": (4, 262, 72, "Ctrl"), "left alt": (82, 262, 62, "Alt"),
    "space": (150, 262, 230, "Space"), "up": (490, 262, 50, "up"), "left": (434, 318, 50, "left"),
    "down": (490, 318, 50, "down"), "right": (546, 318, 50, "right"),
    **{key: (x + pitch * k, y, pitch - 4, key.upper()) for keys, x, y, pitch in (
        ("1234567890", 68, 30, 41), ("qwertyuiop", 62, 94, 46), ("asdfghjkl", 70, 150, 46), ("zxcvbnm,.", 82, 206, 46),
    ) for k, key in enumerate(keys)},
}  # fmt: skip
"""Left, top, width, label; the arrows are drawn."""
SIZE_KEY = "tab"
"""It changes the size of the overlay: the window's own, so it has no meaning among those of a pad."""


def glyph_width(kind: PadKind, control: str, size: int, words: Words) -> int:
    """Return how wide a button or key is drawn."""
    text = _text(kind, control, words)
    return max(size, theme.measure(text, round(size * 0.62))[0] + round(size * 0.6)) if not _drawn(kind, control) else size


def glyph(
    pen: Pen, at: tuple[int, int], kind: PadKind, control: str, size: int, words: Words, colour: Colour = theme.TEXT
) -> pygame.Rect:
    """Draw a button as it is printed on that pad, or a key, around ``at``; returns where."""
    box = pygame.Rect(0, 0, glyph_width(kind, control, size, words), size)
    box.center = at
    radius = size // 2 if kind != "keyboard" else size // 5
    pygame.draw.rect(pen.surface, _KEY, box, border_radius=radius)
    pygame.draw.rect(pen.surface, colour, box, max(1, size // 16), border_radius=radius)
    if way := _way(control):
        arrow(pen, way, box.center, colour, size * 0.2)
    elif drawn := sign(kind, control):
        _sign(pen.surface, drawn, box.center, size * 0.22, colour, max(2, size // 14))
    else:
        pen.text("glyph", _text(kind, control, words), box.center, size * 0.62 / pen.scale, colour, anchor="center")
    return box


def arrow(pen: Pen, way: str, at: tuple[int, int], colour: Colour, reach: float = 0.0) -> None:
    """Draw a triangle that points ``up``, ``down``, ``left`` or ``right``."""
    _arrow(pen.surface, way, at, reach or pen.px(6), colour)


def _text(kind: PadKind, control: str, words: Words) -> str:
    """Return what a key or button is called; keys begin with a capital, as they are printed."""
    if kind != "keyboard":
        return label(kind, control)
    name = printed(control, words)
    return name[:1].upper() + name[1:] if name[:1] != "ß" else name


def _drawn(kind: PadKind, control: str) -> bool:
    return bool(_way(control) or sign(kind, control))


def draw(pen: Pen, rect: pygame.Rect, pad: PadNow, words: Words, chosen: Collection[str] = ()) -> dict[str, pygame.Rect]:
    """Draw the pad into ``rect``; ``chosen``: controls that are shown in the player's colour. Returns where the buttons are."""
    scale = min(rect.w / SIZE[0], rect.h / SIZE[1])
    origin = rect.centerx - SIZE[0] * scale / 2, rect.centery - SIZE[1] * scale / 2
    if pad.kind in _STICKS:
        body = _body((round(SIZE[0] * scale), round(SIZE[1] * scale)))
        pen.surface.blit(body, origin)
    meant = {control for controls in (pad.buttons or {}).values() for control in controls} | {SIZE_KEY}
    places = _places(pad, words)
    found = {}
    for control, (x, y, w, h, text) in places.items():
        box = pygame.Rect(round(origin[0] + x * scale), round(origin[1] + y * scale), round(w * scale), round(h * scale))
        found[control] = box
        if pad.kind == "keyboard" and control not in meant:
            pygame.draw.rect(pen.surface, theme.CARD, box, max(1, round(2 * scale)), border_radius=round(8 * scale))
            continue
        down, mine = control in pad.down, control in chosen
        colour = theme.HUMAN if down or mine else theme.MUTED
        round_ = pad.kind == "keyboard" or w != h
        radius = round(8 * scale) if round_ else box.w // 2
        pygame.draw.rect(pen.surface, theme.HUMAN if down else _KEY, box, border_radius=radius)
        line = max(1, round((4 if mine else 2) * scale))
        pygame.draw.rect(pen.surface, theme.TEXT if down and mine else colour, box, line, border_radius=radius)
        ink = theme.INK if down else theme.TEXT if mine else theme.mix(theme.MUTED, theme.TEXT, 0.5)
        if way := _way(control):
            _arrow(pen.surface, way, box.center, box.h * 0.2, ink)
        elif drawn := sign(pad.kind, control):
            _sign(pen.surface, drawn, box.center, box.h * 0.24, ink, max(2, round(3 * scale)))
        else:
            pen.text("pad_button", text, box.center, 20 * scale / pen.scale, ink, width=box.w - round(6 * scale), anchor="center")
    pen.mark("pad_picture", rect)
    return found


def _places(pad: PadNow, words: Words) -> dict[str, tuple[float, float, float, float, str]]:
    """Return left, top, width, height and label of every button, in design pixels."""
    found: dict[str, tuple[float, float, float, float, str]] = {}
    if pad.kind == "keyboard":
        for name, (x, y, w, text) in _KEYS.items():
            found[name] = (x, y, w, 50.0, _text("keyboard", name, words) if len(text) > 1 else text)
        more = [key for keys in (pad.buttons or {}).values() for key in keys if key not in _KEYS]
        pitch = min(140, 426 // max(1, len(more)))  # those that have no place: in a row of their own, left of the arrows
        for k, key in enumerate(more):
            found[key] = (4 + k * pitch, 324, pitch - 6, 44, _text("keyboard", key, words))
        return found
    if pad.kind == "wheel":
        buttons = [c for c in pad.controls if not c.startswith("axis")]
        across = 8
        return {
            c: (20 + k % across * 71, 40 + k // across * 62, 52, 52, label("wheel", c).removeprefix("button"))
            for k, c in enumerate(buttons[:40])
        }
    for control, (dx, dy) in FACES[pad.kind].items():
        found[control] = (_FACE[0] + dx * 38 - 21, _FACE[1] + dy * 38 - 21, 42, 42, label(pad.kind, control))
    x, y = _PLUS[pad.kind]
    for way, (dx, dy) in {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}.items():
        found[f"dp{way}"] = (x + dx * 29 - 15, y + dy * 29 - 15, 30, 30, "")
    for control, (x, y) in zip(("leftstick", "rightstick"), _STICKS[pad.kind], strict=True):
        found[control] = (x - 30, y - 30, 60, 60, label(pad.kind, control))
    for control, (x, y) in _SMALL.items():
        text = label(pad.kind, control)
        width = 36 if len(text) < 2 else 66 if control != "guide" else 54
        found[control] = (x - width / 2, y - 15, width, 30, text)
    for side, left in (("left", 105), ("right", 405)):
        found[f"{side}shoulder"] = (left, 48, 90, 28, label(pad.kind, f"{side}shoulder"))
        found[f"trigger{side}"] = (left + 12, 6, 66, 36, label(pad.kind, f"trigger{side}"))
    return {control: place for control, place in found.items() if not pad.controls or control in pad.controls}


@lru_cache(maxsize=8)
def _body(size: tuple[int, int]) -> pygame.Surface:
    """Return the shell of a pad, smooth."""
    scale = size[0] / SIZE[0] * _FINE
    big = pygame.Surface((size[0] * _FINE, size[1] * _FINE), pygame.SRCALPHA)
    around = np.array([*_OUTLINE, *((SIZE[0] - x, y) for x, y in reversed(_OUTLINE[1:-1]))], float)
    before, after, beyond = (np.roll(around, -k, axis=0) for k in (-1, 1, 2))
    curve = [
        0.5 * (2 * around + (after - before) * t + (2 * before - 5 * around + 4 * after - beyond) * t**2
               + (3 * around - before - 3 * after + beyond) * t**3)
        for t in np.linspace(0.0, 1.0, 12, endpoint=False)
    ]  # fmt: skip
    points = np.stack(curve, axis=1).reshape(-1, 2) * scale
    pygame.draw.polygon(big, _SHELL, points)
    pygame.draw.lines(big, theme.FAINT, True, points, round(4 * scale))
    for point in points:
        pygame.draw.circle(big, theme.FAINT, point, 2 * scale)
    return pygame.transform.smoothscale(big, size)


def _way(control: str) -> str:
    """Return which way a control points; "" for one without a way."""
    for way in ("up", "down", "left", "right"):
        if control in (way, f"dp{way}") or (control.startswith("hat") and control.endswith(f".{way}")):
            return way
    return ""


def _arrow(surface: pygame.Surface, way: str, at: tuple[int, int], reach: float, colour: Colour) -> None:
    dx, dy = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}[way]
    x, y = at
    points = [(x + dx * reach, y + dy * reach), (x - dx * reach + dy * reach, y - dy * reach + dx * reach),
              (x - dx * reach - dy * reach, y - dy * reach - dx * reach)]  # fmt: skip
    pygame.draw.polygon(surface, colour, points)
    pygame.draw.aalines(surface, colour, True, points)


def _sign(surface: pygame.Surface, kind: Sign, at: tuple[int, int], r: float, colour: Colour, width: int) -> None:
    x, y = at
    if kind == "circle":
        pygame.draw.aacircle(surface, colour, at, r * 1.1, width)
    elif kind == "square":
        pygame.draw.rect(surface, colour, pygame.Rect(round(x - r), round(y - r), round(2 * r), round(2 * r)), width)
    elif kind == "cross":
        for turn in (1, -1):
            pygame.draw.aaline(surface, colour, (x - r, y - turn * r), (x + r, y + turn * r), width)
    else:
        points = [(x, y - 1.15 * r), (x + 1.2 * r, y + 0.85 * r), (x - 1.2 * r, y + 0.85 * r)]
        for a, b in zip(points, [*points[1:], points[0]], strict=True):
            pygame.draw.aaline(surface, colour, a, b, width)
