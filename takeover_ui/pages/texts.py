"""The pages' words in every language, beside those of the report and of the review, of which they show parts."""

from __future__ import annotations

from takeover_ui.language import with_words_of
from takeover_ui.pages import words as own_words
from takeover_ui.report import words as report_words
from takeover_ui.review import words as review_words

LANGUAGES = with_words_of(review_words, report_words, own_words)
ENGLISH = LANGUAGES["en"]
