"""The pages' words in every language, beside those of the report and of the review, of which they show parts."""

from __future__ import annotations

from takeover_ui.language import with_words_of

LANGUAGES = with_words_of("review", "report", "pages")
ENGLISH = LANGUAGES["en"]
