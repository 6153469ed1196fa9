"""What is printed on the buttons of a pad, by its maker. Controls have SDL's names (``a``, ``leftshoulder``, ``axis0``...)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

PadKind = Literal["xbox", "playstation", "switch", "wheel", "keyboard"]
Sign = Literal["cross", "circle", "square", "triangle"]

_STICKS = {"leftx": "LS ↔", "lefty": "LS ↕", "rightx": "RS ↔", "righty": "RS ↕"}
_CROSS = {"dpup": "↑", "dpdown": "↓", "dpleft": "←", "dpright": "→"}
LABELS: Mapping[PadKind, Mapping[str, str]] = {
    "xbox": {
        "a": "A", "b": "B", "x": "X", "y": "Y", "back": "View", "start": "Menu", "guide": "Xbox", "leftshoulder": "LB",
        "rightshoulder": "RB", "triggerleft": "LT", "triggerright": "RT", "leftstick": "LS", "rightstick": "RS",
    },
    "playstation": {
        "a": "×", "b": "○", "x": "□", "y": "△", "back": "Create", "start": "Options", "guide": "PS", "leftshoulder": "L1",
        "rightshoulder": "R1", "triggerleft": "L2", "triggerright": "R2", "leftstick": "L3", "rightstick": "R3",
    },
    "switch": {
        "a": "A", "b": "B", "x": "X", "y": "Y", "back": "−", "start": "+", "guide": "Home", "leftshoulder": "L",
        "rightshoulder": "R", "triggerleft": "ZL", "triggerright": "ZR", "leftstick": "LS", "rightstick": "RS",
    },
}  # fmt: skip
SIGNS: Mapping[str, Sign] = {"a": "cross", "b": "circle", "x": "square", "y": "triangle"}
"""On a PlayStation's pad these are drawn: fonts lack them."""
FACES: Mapping[PadKind, Mapping[str, tuple[int, int]]] = {
    "xbox": {"a": (0, 1), "b": (1, 0), "x": (-1, 0), "y": (0, -1)},
    "playstation": {"a": (0, 1), "b": (1, 0), "x": (-1, 0), "y": (0, -1)},
    "switch": {"a": (1, 0), "b": (0, 1), "x": (0, -1), "y": (-1, 0)},
}
"""Where the four lie: right and down. SDL names Nintendo's by what is printed on them, and there they lie the other way round."""


def label(kind: PadKind, control: str) -> str:
    """Return what a control is called on that pad; a wheel's buttons have the names that `hitl pads` shows."""
    found = LABELS.get(kind, {}).get(control) or _CROSS.get(control) or _STICKS.get(control)
    if found:
        return found
    hat, _, way = control.partition(".")
    return _CROSS.get(f"dp{way}", control) if hat.startswith("hat") else control


def sign(kind: PadKind, control: str) -> Sign | None:
    """Return the sign that is drawn in place of a label."""
    return SIGNS.get(control) if kind == "playstation" else None
