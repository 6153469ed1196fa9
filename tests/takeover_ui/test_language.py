"""The texts in every language: none is missing, all say the same, and a count has the form that goes with it."""

from string import Formatter

import pytest

from takeover_ui.language import CODES, LANGUAGES, Words
from takeover_ui.pages import texts as pages
from takeover_ui.report import texts as report
from takeover_ui.review import texts as review

ALL = {"overlay": LANGUAGES, "review": review.LANGUAGES, "report": report.LANGUAGES, "pages": pages.LANGUAGES}


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field}


def forms_of(words: Words, name: str) -> tuple[str, ...]:
    return words.forms.get(name, (words[name],))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", ALL)
def test_every_language_says_the_same_things(where: str, code: str) -> None:
    words, english = ALL[where][code], ALL[where]["en"]
    assert words.code == code
    assert words.keys() == english.keys()
    assert words.forms.keys() == english.forms.keys()
    for name in words:
        wanted = placeholders(english[name])
        for number, text in enumerate(forms_of(words, name)):
            alone = name in words.forms and number == words.plural(1)
            assert wanted - ({"n"} if alone else set()) <= placeholders(text) <= wanted, (name, text)
            assert bool(text) == bool(english[name]), name
            assert text.count("`") == english[name].count("`"), name


@pytest.mark.parametrize("code", CODES)
def test_every_count_has_a_form_and_every_form_a_count(code: str) -> None:
    words = LANGUAGES[code]
    used = {words.plural(count) for count in range(1000)}
    assert {len(forms) for forms in words.forms.values()} == {len(used)}
    assert used == set(range(len(used)))


@pytest.mark.parametrize("code", sorted(set(CODES) - {"en"}))
@pytest.mark.parametrize("where", ALL)
def test_a_language_is_not_english(where: str, code: str) -> None:
    words, english = ALL[where][code], ALL[where]["en"]
    said = {name for name in english if len(english[name].split()) > 2 and words[name] == english[name]}
    assert said <= {"helped"}  # names alone


@pytest.mark.parametrize(
    ("code", "count", "said"),
    [
        ("en", 1, "1 takeover"), ("en", 0, "0 takeovers"), ("en", 2410, "2,410 takeovers"),
        ("de", 1, "1 Übernahme"), ("de", 0, "0 Übernahmen"), ("de", 2410, "2.410 Übernahmen"),
        ("pl", 1, "1 przejęcie"), ("pl", 3, "3 przejęcia"), ("pl", 5, "5 przejęć"), ("pl", 0, "0 przejęć"),
        ("pl", 12, "12 przejęć"), ("pl", 21, "21 przejęć"), ("pl", 22, "22 przejęcia"), ("pl", 112, "112 przejęć"),
        ("pl", 2410, "2\xa0410 przejęć"),
    ],
)  # fmt: skip
def test_counted_things(code: str, count: int, said: str) -> None:
    assert LANGUAGES[code].say("count_takeovers", n=count) == said


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", ALL)
def test_every_text_can_be_filled_in(where: str, code: str) -> None:
    words, english = ALL[where][code], ALL[where]["en"]
    for name in words:
        for count in (0, 1, 3, 5, 12):
            values = dict.fromkeys(placeholders(english[name]) | {"n"}, count)
            assert "{" not in words.say(name, **values)


def test_numbers_are_written_as_the_language_does_and_names_are_left_alone() -> None:
    assert LANGUAGES["de"].say("helped_you", seconds=6.54) == "du 6,5 s"
    assert LANGUAGES["pl"].say("alone_at", corner="T1.5, left", good=3, of=10) == "sam, T1.5, left: 3 z 10"
