"""The review's menus: what to do, which tag, which note."""

from __future__ import annotations

from dataclasses import dataclass

TAGS = ("clean", "late", "lucky", "too slow", "mistake")
NOTES = ("line", "brakes_late", "brakes_early", "off_line", "luck", "best")
"""Those that are offered, by the names of their texts: `note_line` and so on; beside them none at all."""
ACTIONS = (
    "star", "tag", "note", "together", "clip", "more", "less", "unreviewed", "wrecked_bad", "listed_bad", "corner",
    "verdict", "sort", "undo", "quit",
)  # fmt: skip


@dataclass(slots=True)
class Menu:
    """A short list to choose from; ``text`` is what is being typed instead (notes and tags)."""

    kind: str  # "menu" (all that can be done, for a pad without a button for each), "tag" or "note"
    options: tuple[str, ...]
    index: int = 0
    text: str = ""

    @property
    def chosen(self) -> str:
        """The option chosen, or what was typed."""
        return self.options[self.index] if self.index >= 0 else self.text

    def move(self, by: int) -> None:
        """Go to the next option (1) or the previous one (-1), around the ends."""
        start = -1 if self.index < 0 and by > 0 else self.index
        self.index = (start + by) % len(self.options)

    def type(self, text: str) -> None:
        """Add typed letters; a backspace takes the last one away."""
        if self.kind == "menu":
            return
        if text == "\b":
            self.text = self.text[:-1]
        else:
            self.text = (self.text + "".join(c for c in text if c.isprintable()))[:200]
        self.index = -1
