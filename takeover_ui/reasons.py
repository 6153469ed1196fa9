"""Why a segment is not learned from (``data.demos``), in the player's language."""

from __future__ import annotations

from data.demos import Reason, Why
from takeover_ui.language import Words


def why_text(why: Why) -> str:
    """Return the name of a reason's text, the same in every window."""
    return f"why_{why.name.lower()}"


def measured(words: Words, text: str) -> str:
    """Return what was measured ("0.22 s"), in brackets that follow a reason; empty where nothing was."""
    return f" ({words.written(text)})" if text else ""


def why_not(words: Words, reason: Reason) -> str:
    """Return why a segment is not learned from, and what was measured."""
    return words[why_text(reason.why)] + measured(words, reason.measured)
