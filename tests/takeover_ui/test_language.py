"""The texts in every language: none is missing, all say the same, and a count has the form that goes with it."""

import ast
from pathlib import Path
from string import Formatter

import pytest

from data.demos import Reason, Why
from data.errors import InputFileError
from hitl.coach.rules import not_counted
from takeover_ui import language
from takeover_ui.language import CODES, LANGUAGES, Words, read_texts, with_words_of
from takeover_ui.pages import texts as pages
from takeover_ui.reasons import why_not, why_text
from takeover_ui.report import texts as report
from takeover_ui.review import texts as review
from takeover_ui.settings import model as settings
from tests.support.places import ROOT

ALL = {
    "overlay": LANGUAGES, "settings": settings.LANGUAGES, "review": review.LANGUAGES, "report": report.LANGUAGES,
    "pages": pages.LANGUAGES,
}  # fmt: skip
FOLDERS = sorted({path.parent for path in (ROOT / "takeover_ui").rglob("*.toml")})


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


@pytest.mark.parametrize("code", CODES)
def test_every_reason_why_something_does_not_count_has_one_text(code: str) -> None:
    assert {name for name in LANGUAGES[code] if name.startswith("why_")} == {why_text(why) for why in Why}
    words = review.LANGUAGES[code]
    assert not [name for name in words if name.startswith("why ")]
    decimal = language.RULES[code].decimal
    for why in Why:
        said = not_counted(Reason(why, "0.25 s"), {"key": "X"}).text(words)
        assert why_not(words, Reason(why, "0.25 s")) == f"{words[why_text(why)]} (0{decimal}25 s)"
        assert why_not(words, Reason(why, "0.25 s")) in said
        assert why_not(words, Reason(why)) == words[why_text(why)]


def said_in_english(source: str) -> list[str]:
    """Return what a module says to a player in plain English and not by a text's name; what is wrong ("warning") may be."""
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args):
        how = ast.unparse(call.func).rpartition(".")[2].lstrip("_")
        if how not in ("say", "toast") and not (how == "tell" and len(call.args) == 2):  # by one alone the terminal is told
            continue
        sentence = call.args[-1] if how == "tell" else call.args[0]
        parts = [str(node.value) for node in ast.walk(sentence) if isinstance(node, ast.Constant)]
        wrong = any(isinstance(word, ast.Constant) and word.value == "warning" for word in call.args)
        if not wrong and isinstance(sentence, ast.Constant | ast.JoinedStr) and any(" " in part for part in parts):
            found.append(ast.unparse(sentence))
    return found


def test_what_is_seen_in_a_window_while_driving_is_in_the_players_language() -> None:
    assert len(said_in_english('tell("info", "One way."); self._say(f"at {corner}"); w.toast("Two ways", "good")')) == 3
    assert said_in_english('tell("warning", "It is lost."); say(Said("one two")); words.say("text", n=1)') == []
    files = [path for room in ("session", "screens", "demo", "coach", "drivers") for path in (ROOT / "hitl" / room).rglob("*.py")]
    files += [ROOT / "hitl" / name for name in ("trainer_process.py", "commands/play.py", "commands/demo.py")]
    assert {f"{path.name}: {text}" for path in files for text in said_in_english(path.read_text(encoding="utf-8"))} == set()


def test_numbers_are_written_as_the_language_does_and_names_are_left_alone() -> None:
    assert LANGUAGES["de"].say("helped_you", seconds=6.54) == "du 6,5 s"
    assert LANGUAGES["pl"].say("alone_at", corner="T1.5, left", good=3, of=10) == "sam, T1.5, left: 3 z 10"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_every_language_has_a_file_and_every_file_a_language(folder: Path) -> None:
    assert {path.name for path in folder.glob("*.*")} == {f"{code}.toml" for code in CODES}


def test_the_files_are_those_of_the_screens() -> None:
    assert [folder.relative_to(ROOT / "takeover_ui").as_posix() for folder in FOLDERS] == [
        "languages", *(f"{room}/words" for room in ("pages", "report", "review", "settings"))
    ]  # fmt: skip


def test_only_the_language_asked_for_is_read_and_each_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def text_of(path: Path, **given: str) -> str:
        opened.append(path.relative_to(ROOT / "takeover_ui").as_posix())
        return path.open(**given).read()  # type: ignore[call-overload, no-any-return]

    read_texts.cache_clear()
    monkeypatch.setattr(language.Path, "read_text", text_of)
    screens, more = with_words_of("report"), with_words_of("report", "review")
    assert opened == []
    assert screens["pl"]["corners"] == "Zakręty"
    assert more["pl"].say("seconds", n=2) == "2 sekundy"
    assert opened == [f"{folder}/pl.toml" for folder in ("languages", "report/words", "review/words")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b'agent = "AGENT"\nhuman = YOU\n', "line 2"),
        ('agent = "Fu\xdfg\xe4nger"\n'.encode("cp1252"), "utf-8"),
        (b"agent = 1\n", "'agent' is neither a text nor a list of texts"),
        (b"agent = []\n", "'agent' is neither"),
        (b'agent = ["a", 1]\n', "'agent' is neither"),
        (b'[agent]\nhuman = "YOU"\n', "'agent' is neither"),
    ],
)
def test_a_missing_or_broken_file_is_said_with_its_name(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "fr.toml"
    if content is not None:
        path.write_bytes(content)
    words = Words(lambda: read_texts(path))
    with pytest.raises(InputFileError) as caught:
        words.say("agent")
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_an_editor_on_windows_adds_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "fr.toml"
    path.write_bytes(b'\xef\xbb\xbfagent = "A"\r\nlaps = ["{n} a", "{n} b"]\r\n')
    words = Words(lambda: read_texts(path))
    assert (words["agent"], words.say("laps", n=1), words.say("laps", n=2)) == ("A", "1 a", "2 b")


@pytest.mark.parametrize(
    ("name", "said"), [("hairpin", "at the hairpin"), ("corner 15", "at corner 15"), ("corner", "at the corner")]
)
def test_a_corner_with_a_number_takes_no_article(name: str, said: str) -> None:
    assert f" {said} in 2 of 6 tries" in LANGUAGES["en"].say("coach_help", corner=name, failed=2, n=6)
