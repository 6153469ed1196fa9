"""Every text that is read from a file: settings, tracks, tables, passwords, as editors and spreadsheets save them.

Understood are UTF-8 with and without a byte order mark, UTF-16 and UTF-32, and the code page of this Windows; line ends of
every kind; comments and a last comma in JSON; a Windows path between double quotes in TOML and JSON; tables with commas,
semicolons or tabs, and decimal commas. Anything else is an InputFileError that names the file, the line, the cause and the cure.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import json
import locale
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from data.errors import InputFileError, shown
from data.files import held
from data.files.toml_names import MOST_PARTS, has_long_name

MOST_SETTINGS = 2**20
"""Bytes of a file of settings or of a track's segments; real ones have a few thousand."""
MOST_LINE = 2**20
"""Characters of one line of a table; real ones have a few thousand."""

_BOMS = (  # the longer ones first: UTF-32's begins as UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_CHUNK = 2**20
_CURE = "Save it as UTF-8 (in Notepad: Save as, Encoding)"

# A Windows path whose backslashes were not doubled. No such path holds a quote, so its first one ends it: "D:\rl\" too.
_PATH = r'"(?:[A-Za-z]:\\(?!\\)|\\\\(?!\\)[^"\\\n]++\\(?!\\))[^"\n]*+"'
_STRING = r'"(?:[^"\\\n]|\\.)*+"?'
_TOML = re.compile(rf'"""[\s\S]*?(?:"""|\Z)|\'\'\'[\s\S]*?(?:\'\'\'|\Z)|#[^\n]*|\'[^\'\n]*\'?|{_PATH}|{_STRING}')
_JSON = re.compile(rf"//[^\n]*|#[^\n]*|/\*[\s\S]*?(?:\*/|\Z)|{_PATH}|{_STRING}")
_LAST_COMMA = re.compile(rf"{_STRING}|,(?=\s*[\]}}])")
_TOML_ESCAPES = re.compile(r'\\(?:[\\"]|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})')  # no setting is of several lines: "runs\new" is a path
_JSON_ESCAPES = re.compile(r'\\(?:[bfnrt"\\/]|u[0-9a-fA-F]{4})')


def read_text(path: Path, most: int = MOST_SETTINGS, *, guess: bool = True) -> str:
    """Return a text of at most ``most`` bytes, without a byte order mark, its lines ended by "\\n".

    ``guess``: take bytes that are not UTF-8 for text in a code page, even where the machine has none of its own.

    Raises InputFileError when it is missing, cannot be read, is too large, or is not text.
    """
    with _readable(path):
        raw = _read_bytes(path, most)
    return text_of(raw, path.name, guess=guess)


def text_of(raw: bytes, name: str, *, guess: bool = True) -> str:
    """Return bytes as the text of a file, or of a pipe, called ``name``. Raises InputFileError when they are not text."""
    with _readable(Path(name)):
        return _plain(raw.decode(_encoding(io.BytesIO(raw), name, guess)))


def text_lines(path: Path, most: int = MOST_LINE) -> Iterator[str]:
    """Yield the lines of a text of any length, each with its "\\n". Raises InputFileError, as ``read_text`` does."""
    with _readable(path):
        with held.open_to_read(path) as raw:
            encoding = _encoding(raw, path.name, True)
        with path.open(encoding=encoding) as file:  # which makes "\n" of every line's end
            for line in _lines(file, most):
                yield line.replace("\ufeff", "")


def read_json(path: Path, most: int = MOST_SETTINGS) -> Any:
    """Return the content of a JSON file; comments and last commas in it are passed over. Raises InputFileError."""
    return parse_json(read_text(path, most), path.name)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises InputFileError."""
    return parse_toml(read_text(path), path.name)


def read_rows(path: Path, *, blanks: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the line, cells without blanks around them) of a table. Raises InputFileError.

    What stands between the cells is told from the first line that is not a comment (with ``blanks``, it may be blanks), or from
    Excel's ``sep=;``; where it is not a comma, a decimal comma in a cell becomes a point.
    """
    rest = text_lines(path)
    first: list[str] = []
    mark = ","
    for line in rest:
        if stated := re.fullmatch(r"sep=(.)\s*", line):
            mark = stated[1]
            first.append("\n")
            break
        first.append(line)
        if line.strip() and not line.lstrip().startswith("#"):
            mark = delimiter_of(line, blanks=blanks)
            break
    reader = csv.reader(itertools.chain(first, rest), delimiter=mark, skipinitialspace=True)
    try:
        for cells in reader:
            yield reader.line_num, [number_text(cell.strip(), mark) for cell in cells]
    except csv.Error as error:
        raise InputFileError(f"{shown(path.name)}, line {reader.line_num}, is not a row of a table ({shown(error)}).") from error


def delimiter_of(line: str, *, blanks: bool = False) -> str:
    """Return what stands between the cells of a table with this line: tab, semicolon, comma, or a blank where that may be."""
    bare = re.sub(r'"[^"]*"?', "", line.strip())
    return next((mark for mark in ("\t", ";", ",") if mark in bare), " " if blanks and " " in bare else ",")


def number_text(cell: str, delimiter: str) -> str:
    """Return a cell with its decimal comma as a point; any other cell, and any cell between commas, as it is."""
    if delimiter != "," and re.fullmatch(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", cell):
        return cell.replace(",", ".")
    return cell


def parse_json(text: str, name: str) -> Any:
    """Return the value of a JSON text, as :func:`read_json` understands it. Raises InputFileError, which names ``name``."""
    try:
        bare = _JSON.sub(lambda found: _bare(found[0]), text)
        return json.loads(_LAST_COMMA.sub(lambda found: " " if found[0] == "," else found[0], bare), strict=False)
    except json.JSONDecodeError as error:
        cause = f"line {error.lineno}, column {error.colno}: {_small(error.msg)}" if text.strip() else "it is empty"
        raise InputFileError(
            f"{shown(name)} cannot be read ({cause}). It is not valid JSON: fix it there, or write the file anew."
        ) from error
    except (ValueError, RecursionError) as error:
        why = "a number in it is too long" if isinstance(error, ValueError) else "it is nested too deeply"
        raise InputFileError(f"{shown(name)} is not valid JSON ({why}): write the file anew.") from error


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Return the table of a TOML text, as :func:`read_toml` understands it. Raises InputFileError, which names ``name``."""
    strict = strict_toml(text)
    if has_long_name(strict):
        raise InputFileError(f"{shown(name)} cannot be read (a name in it has more than {MOST_PARTS} parts): write it anew.")
    try:
        return tomllib.loads(strict)
    except tomllib.TOMLDecodeError as error:
        at = re.fullmatch(r"(.*) \(at (?:(line \d+, column \d+)|end of document)\)", str(error), re.DOTALL)
        cause = f"{at[2] or 'at its end'}: {_small(at[1])}" if at else _small(str(error))
        raise InputFileError(
            f"{shown(name)} cannot be read ({cause}). It is not valid TOML: fix it there. Text stands between quotes, a number "
            "has a point and no comma, a truth is true or false."
        ) from error
    except (ValueError, RecursionError) as error:
        why = "a number in it is too long" if isinstance(error, ValueError) else "it is nested too deeply"
        raise InputFileError(f"{shown(name)} is not valid TOML ({why}): fix it, or write it anew.") from error


def strict_toml(text: str) -> str:
    """Return a TOML text as other programs understand it: a Windows path between double quotes has its backslashes doubled."""
    return _TOML.sub(lambda found: _literal(found[0]), text)


def _small(text: str) -> str:
    return shown(text[:1].lower() + text[1:], 120)


def _read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a file of at most ``most`` bytes.

    Raises InputFileError when it is longer (no more than that is read), and OSError.
    """
    held.must_end(path)
    with held.open_to_read(path) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise InputFileError(
            f"'{shown(path.name)}' is larger than the {most / 2**20:g} MiB that such a file may have: it was not read. Check "
            "that it is the right one."
        )
    return raw


def _lines(file: TextIO, most: int) -> Iterator[str]:
    """Yield the lines of a text. Raises ValueError at one of more than ``most`` characters."""
    while line := file.readline(most + 1):
        if len(line) > most:
            raise ValueError(f"it has a line of more than {most:,} characters")
        yield line


def without_mark(text: str) -> str:
    """Return a text without the byte order mark that a file gave it, also one that a code page made letters of."""
    text = text.replace("\ufeff", "")
    for page in ("cp1252", "cp1250", "cp850", "cp852", "cp437"):
        text = text.removeprefix(codecs.BOM_UTF8.decode(page))
    return text


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in a sentence why a file cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputFileError(f"{shown(path.name)} cannot be read (there is no such file): check the path.") from error
    except OSError as error:
        raise InputFileError(f"{shown(path.name)} cannot be read {held.why(error, 'check the path')}.") from error
    except UnicodeError as error:
        raise InputFileError(f"{shown(path.name)} is not text that can be read ({shown(error, 120)}). {_CURE}.") from error
    except ValueError as error:
        raise InputFileError(f"{shown(path.name)} cannot be read: {shown(error, 120)}.") from error


def _plain(text: str) -> str:
    """Return a text as every reader wants it. A mark in the middle comes of two files joined; Ctrl+Z ends a file of DOS."""
    return text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a")


def _encoding(file: BinaryIO, name: str, guess: bool) -> str:
    """Return the name of a text's encoding. Raises InputFileError when it is not text."""
    chunk = file.read(_CHUNK)
    for mark, encoding in _BOMS:
        if chunk.startswith(mark):
            return encoding
    if wide := _wide(chunk[:4096]):
        return wide
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, good = 1, 0
    while True:
        if b"\0" in chunk:
            raise InputFileError(f"{shown(name)} is not a text file: check that it is the right one.")
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            return _code_page(error.object, name, line, good, guess)
        if not chunk:
            return "utf-8"
        line += text.count("\n")
        good += 0 if text.isascii() else sum(c > "\x7f" for c in text)
        chunk = file.read(_CHUNK)


def _wide(head: bytes) -> str | None:
    """Return UTF-16 of a text without a mark: most of its letters are of the first 256, so every other byte is zero."""
    pairs = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if 2 * odd > pairs > 10 * even:
        return "utf-16-le"
    return "utf-16-be" if 2 * even > pairs > 10 * odd else None


def _code_page(raw: bytes, name: str, line: int, good: int, guess: bool) -> str:
    """Return the code page of bytes that are not UTF-8 from that line on, while ``good`` letters before them were."""
    own = codecs.lookup(locale.getencoding()).name
    cause = f"{shown(name)} cannot be read: its line {line} holds letters that are not UTF-8"
    text = raw.decode("utf-8", "surrogateescape")
    bad = sum("\udc80" <= c <= "\udcff" for c in text)
    good += sum(c > "\x7f" for c in text) - bad
    if good >= bad:
        raise InputFileError(f"{cause}, while others are: it was saved in two ways. {_CURE}, and write that line anew.")
    if own not in ("utf-8", "ascii"):  # what Windows calls ANSI, and what its older editors save
        return own
    if not guess:
        raise InputFileError(f"{cause}: what they are cannot be told here. {_CURE}.")
    found: dict[str, int] = {}
    for page in ("cp1252", "cp1250"):  # the West's where they are equally good: its marks are the Centre's letters (³ and ł)
        with contextlib.suppress(UnicodeDecodeError):
            found[page] = sum(c > "\x7f" and c.isalpha() for c in raw.decode(page))
    if not found:
        raise InputFileError(f"{cause}, nor in the code page of a Western or Central European Windows. {_CURE}.")
    return max(found, key=lambda page: found[page])


def _bare(token: str) -> str:
    """Return a string of JSON as it is meant, and the blanks that stand for a comment (lines keep their numbers)."""
    if not token.startswith('"'):
        return re.sub(r"[^\n]", " ", token)
    if re.fullmatch(_PATH, token) or "\\" in _JSON_ESCAPES.sub("", token):
        return _literal(token)
    return token


def _literal(token: str) -> str:
    """Return a string in which each backslash of a path stands for itself."""
    if not token.startswith('"') or token.startswith('"""') or "\\" not in token:
        return token
    if re.fullmatch(_PATH, token):
        head = "\\\\" if token.startswith('"\\\\') else ""  # the two that begin a share are two
        body = token[1 + len(head) : -1]
        return '"' + head * 2 + re.sub(r"\\+", r"\\\\", body) + '"'
    return re.sub(rf"{_TOML_ESCAPES.pattern}|\\", lambda found: "\\\\" if found[0] == "\\" else found[0], token)
