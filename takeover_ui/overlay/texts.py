"""How the overlay writes numbers and names controls; the words themselves are in `takeover_ui/languages`."""

from __future__ import annotations

from collections.abc import Mapping

from takeover_ui.language import LANGUAGES
from takeover_ui.window.key_names import printed

__all__ = ["LANGUAGES", "duration", "let_go", "short"]

_HELD = ("gas", "brake", "more", "takeover", "space")  # that have words; another key or button goes by its name


def short(value: float, decimals: int = 0) -> str:
    """Return a number in at most six characters or so: 1234 is written out, 123k and 12.3M are not."""
    if abs(value) < 10_000:
        return f"{value:.{decimals}f}"  # without a sign for thousands, which would be the comma of another language
    return f"{value / 1e3:.0f}k" if abs(value) < 1e6 else f"{value / 1e6:.1f}M"


def duration(seconds: float, decimals: int = 1) -> str:
    """Return a length of time: seconds up to ten minutes, then minutes, then hours."""
    if seconds < 600:
        return f"{seconds:.{decimals}f} s"
    return f"{seconds / 60:.0f} min" if seconds < 36_000 else f"{seconds / 3600:.0f} h"


def let_go(held: tuple[str, ...], words: Mapping[str, str]) -> str:
    """Return what tells the player to let go of controls (``left``, ``right``, ``gas``, ``brake``, buttons and keys by name)."""
    named = [
        words["steer"] if name in ("left", "right") else words[name] if name in _HELD else _named(name, words) for name in held
    ]
    return words["let_go_of"].format(what=", ".join(dict.fromkeys(named)))


def _named(name: str, words: Mapping[str, str]) -> str:
    """Return what a key is called where it has a word; a button goes by its name."""
    return printed(name, words) if name.startswith("[") or f"key_{name.replace(' ', '_')}" in words else name
