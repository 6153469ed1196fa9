"""The terminal as every command writes to it: what a user or a file has named is shown as it is.

rich takes text in square brackets for styles and words between colons for emoji; a corner called ``[apex]`` would be gone, and
one called ``[/]`` an error. Here nothing is taken so unless it comes through ``marked``.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text


def console(**options: Any) -> Console:
    """Return a console that prints text, cells and titles as they are."""
    return Console(**{"markup": False, "emoji": False, "highlight": False, **options})


def marked(text: str) -> Text:
    """Return text with styles in rich's markup; whatever is filled in must have gone through ``rich.markup.escape``."""
    return Text.from_markup(text, emoji=False)
