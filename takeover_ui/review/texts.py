"""The review's words in every language, and what is said by them."""

from __future__ import annotations

from takeover_ui.language import Words, with_words_of

LANGUAGES = with_words_of("review")
ENGLISH = LANGUAGES["en"]


def why_not(words: Words, why: str) -> str:
    """Return in the player's language why a segment is not learned from, as :class:`data.demos.DemoRule` says it."""
    head, bracket, rest = why.partition(" (")
    return words.get(f"why {head}", head) + words.written(bracket + rest)
