"""How a window looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from takeover_ui.language import LANGUAGES, Words
from takeover_ui.overlay.arrangement import Arrangement


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """How the window looks. ``game_view``: the track from above with the overlay beside it; otherwise the overlay alone."""

    title: str = "hitl"
    size: tuple[int, int] = (1280, 720)
    overlay: Literal["full", "compact", "bar", "off"] = "full"
    game_view: bool = True
    language: str = "en"
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = "top_right"
    """Where an overlay of its own sits."""
    opacity: float = 0.92
    keep_clear: tuple[int, int, int, int] | None = None
    """x, y, width, height of a part of the screen that an image observation captures: an overlay never covers it."""
    keys_anywhere: bool = False
    """An overlay over another game: keys count whichever window has the focus."""
    arrangement: Arrangement = field(default_factory=Arrangement)
    """Where the gauges are, how large, and which are off."""
    video: str | None = None
    """SDL's video driver; None takes the system's (a ``dummy`` one that the session uses for its pads is not inherited)."""

    @property
    def words(self) -> Words:
        """The texts in the window's language."""
        return LANGUAGES[self.language]
