"""Texts as editors, spreadsheets and PowerShell save them: the same content is read of each, and what cannot be says where."""

import codecs
import locale

import pytest

from data.errors import InputFileError
from data.files.text_files import (
    parse_json,
    parse_toml,
    read_json,
    read_rows,
    read_text,
    read_toml,
    text_lines,
    without_mark,
)

POLISH = "Żółć gęślą jaźń\nłuk = 1\n"
FORMS = {
    "utf-8": lambda s: s.encode(),
    "utf-8 with a mark": lambda s: s.encode("utf-8-sig"),
    "utf-8 with two marks": lambda s: codecs.BOM_UTF8 + s.encode("utf-8-sig"),
    "utf-16 of Windows": lambda s: codecs.BOM_UTF16_LE + s.encode("utf-16-le"),
    "utf-16 the other way": lambda s: codecs.BOM_UTF16_BE + s.encode("utf-16-be"),
    "utf-16 without a mark": lambda s: s.encode("utf-16-le"),
    "utf-16 the other way without a mark": lambda s: s.encode("utf-16-be"),
    "utf-32": lambda s: s.encode("utf-32"),
    "the code page": lambda s: s.encode("cp1250"),
    "lines of Windows": lambda s: s.replace("\n", "\r\n").encode(),
    "lines of an old Mac": lambda s: s.replace("\n", "\r").encode(),
    "an end of DOS": lambda s: s.encode() + b"\x1a",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_text_is_read_of_every_form(tmp_path, form):
    path = tmp_path / "a.txt"
    path.write_bytes(FORMS[form](POLISH))
    assert read_text(path) == POLISH
    assert "".join(text_lines(path)).rstrip("\x1a") == POLISH


@pytest.mark.parametrize("form", FORMS)
def test_the_same_tables_are_read_of_every_form(tmp_path, form):
    make = FORMS[form]
    (tmp_path / "a.json").write_bytes(make('{\n "run": "łuk", // mine\n "n": [1, 2,],\n}\n'))
    (tmp_path / "a.toml").write_bytes(make('name = "łuk"\nfolder = "C:\\Users\\Żak\\new"\n'))
    (tmp_path / "a.csv").write_bytes(make("x;ł\n1,5;2\n"))
    assert read_json(tmp_path / "a.json") == {"run": "łuk", "n": [1, 2]}
    assert read_toml(tmp_path / "a.toml") == {"name": "łuk", "folder": "C:\\Users\\Żak\\new"}
    rows = [cells for _, cells in read_rows(tmp_path / "a.csv")]
    assert rows[:2] == [["x", "ł"], ["1.5", "2"]]


def test_the_code_page_of_this_windows_is_the_one_that_is_meant(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes("forêt".encode("cp1252"))
    assert read_text(path) == "forêt"
    path.write_bytes("лес".encode("cp1251"))
    monkeypatch.setattr(locale, "getencoding", lambda: "cp1251")
    assert read_text(path) == "лес"


def test_what_cannot_be_told_is_not_guessed_where_a_guess_is_not_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(locale, "getencoding", lambda: "UTF-8")
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\nla\xb3ka\n")
    with pytest.raises(InputFileError, match=r"a\.txt.* line 3.*UTF-8.*Notepad"):
        read_text(path, guess=False)


@pytest.mark.parametrize("raw", ["łąka\nżuk\nżó".encode() + b"\xb3w", "łąka\nżuk\nż".encode() + b"\xc5"])
def test_a_text_saved_in_two_ways_names_the_line(tmp_path, raw):
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    for read in (read_text, lambda p: list(text_lines(p))):
        with pytest.raises(InputFileError, match=r"a\.txt.* line 3"):
            read(path)


def test_a_long_table_whose_first_letter_of_another_kind_comes_late_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"12345678\n" * 300_000 + "łuk\n".encode("cp1250"))
    assert list(text_lines(path))[-1] == "łuk\n"


@pytest.mark.parametrize("raw", [b"\0" * 5000, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 300, b"SQLite format 3\0" + bytes(range(256))])
def test_a_file_of_another_kind_is_no_text(tmp_path, raw):
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    with pytest.raises(InputFileError, match=r"a\.json"):
        read_json(path)
    with pytest.raises(InputFileError, match=r"a\.json"):
        list(text_lines(path))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"C:\Users\me\rl", r"C:\Users\me\rl"), (r"D:\tmrl", r"D:\tmrl"), (r"D:\new\bot", r"D:\new\bot"),
        ("D:\\games\\", "D:\\games\\"), (r"\\nas\tmrl\new", r"\\nas\tmrl\new"), (r"runs\data\new", r"runs\data\new"),
        (r"C:\\Users\\me", r"C:\Users\me"), (r"\\\\nas\\tmrl", r"\\nas\tmrl"), (r"C:\\Users\me", r"C:\Users\me"),
        (r"C:/Users/me", "C:/Users/me"), (r"a \"c\" \u0041", 'a "c" A'), (r"it's C:\\", "it's C:\\"),
    ],
)  # fmt: skip
def test_a_path_of_windows_between_double_quotes_is_what_was_meant(written, meant):
    assert parse_toml(f'a = ["{written}", "x"] # "C:\\', "a.toml") == {"a": [meant, "x"]}
    assert parse_json(f'{{"a": ["{written}", "x"]}} // "C:\\', "a.json") == {"a": [meant, "x"]}


def test_a_path_without_a_drive_holds_no_line_end_in_toml():
    assert parse_toml(r'line = "lines\new\reward.pkl"', "a.toml") == {"line": r"lines\new\reward.pkl"}
    assert parse_json(r'{"note": "a\nb\tc"}', "a.json") == {"note": "a\nb\tc"}


def test_what_looks_like_a_comment_or_an_escape_elsewhere_is_left_alone():
    assert parse_toml("a = 'C:\\new' # it's \"C:\\\nb = '''\n#\\n'''\nc = \"\"\"\nC:\\\\ \"x\" \\\n  y\"\"\"", "a.toml") == {
        "a": "C:\\new", "b": "#\\n", "c": 'C:\\ "x" y',
    }  # fmt: skip
    text = '{"url": "http://a/*b*/", "b": "x,]#", /* "c": 1, */ "d": "a\tb"}'
    assert parse_json(text, "a.json") == {"url": "http://a/*b*/", "b": "x,]#", "d": "a\tb"}


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (parse_json, '{\n "a": 1\n "b": 2\n}', "a.x cannot be read (line 3, column 2: expecting ',' delimiter"),
        (parse_json, '{ /* long\n\n */\n "a": oops}', "a.x cannot be read (line 4, column 7"),
        (parse_json, " \n", "it is empty"),
        (parse_json, "[" * 100_000, "not valid JSON"),
        (parse_json, "7" * 5000, "not valid JSON"),
        (parse_toml, "[a]\nb = 0,5\n", "a.x cannot be read (line 2, column 6"),
        (parse_toml, "[a]\nb = toggle\n", "a.x cannot be read (line 2, column 5: invalid value"),
        (parse_toml, 'a = "x', "a.x cannot be read (at its end: unterminated"),
        (parse_toml, "a = " + "[" * 100_000, "not valid TOML"),
        (parse_toml, "a = " + "7" * 5000, "not valid TOML"),
    ],
)
def test_what_cannot_be_understood_says_where_and_what_to_do(parse, text, said):
    with pytest.raises(InputFileError) as caught:
        parse(text, "a.x")
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_text_made_to_be_slow_is_not(tmp_path):
    import time

    begun = time.thread_time()  # the test's own share of the processor, whatever else runs
    for text in ('"' + '\\"' * 60_000, '"C:\\' * 40_000, '"\\\\a\\' * 20_000, "/*" * 60_000, ", " * 60_000, '"""' * 40_001):
        for parse in (parse_json, parse_toml):
            with pytest.raises(InputFileError):
                parse(text, "a")
    assert time.thread_time() - begun < 3.0


def test_tables_are_read_whatever_stands_between_their_cells(tmp_path):
    path = tmp_path / "a.csv"
    written = ("x, y\n1.5, 2\n", "x;y\n1,5;2\n", "x\ty\n1,5\t2\n", "sep=;\nx;y\n1,5;2\n", "# a;b\nx,y\n1.5,2\n", 'x,"y"\n1.5,"2"')
    for text in written:
        path.write_text(text)
        rows = [(number, cells) for number, cells in read_rows(path) if cells and not cells[0].startswith("#")]
        assert [cells for _, cells in rows] == [["x", "y"], ["1.5", "2"]], text
        assert rows[-1][0] == text.count("\n") + (not text.endswith("\n"))
    path.write_text("1.0e+00 2.5  3\n")
    assert list(read_rows(path, blanks=True)) == [(1, ["1.0e+00", "2.5", "3"])]


@pytest.mark.parametrize("page", ["utf-8", "cp1252", "cp1250", "cp852"])
def test_a_mark_is_no_part_of_a_text(page):
    assert without_mark(codecs.BOM_UTF8.decode(page) + "secret") == "secret"


def test_a_missing_file_and_a_folder_are_told_in_a_sentence(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputFileError, match=path.name):
            read_toml(path)
