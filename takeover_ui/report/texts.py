"""The report's words in every language, and names as they stand in its sentences."""

from __future__ import annotations

from takeover_ui.language import Words, with_words_of

LANGUAGES = with_words_of("report")
ENGLISH = LANGUAGES["en"]


def track_named(words: Words, track: str) -> str:
    """Return a track's name as it stands in a sentence or a headline; "default" alone would be no name there."""
    return words["track_default"] if track == "default" else words.say("track_named", track=track)


def share(words: Words, passed: int, of: int) -> str:
    """Return "3 of 5"."""
    return words.say("of", passed=passed, of=of)
