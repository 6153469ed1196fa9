"""The review's words in every language."""

from __future__ import annotations

from takeover_ui.language import with_words_of

LANGUAGES = with_words_of("review")
ENGLISH = LANGUAGES["en"]

