"""Tables as people export them: CSV of any locale, JSON lines, and every shape that pandas and W&B write as one JSON document.

What a cell means is not decided here: rows are mappings of the columns' names to numbers, texts or whatever JSON held.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import shown
from data.files.text_files import MOST_LINE, parse_json, text_lines
from data.words import number_of

TableRow = Mapping[str, Any]
MOST_DOCUMENT = 2**27
"""Bytes of a JSON document that must be read as a whole; a larger table is for CSV or JSON lines."""
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 200, 2**18
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_GROUPED_BY_POINTS = re.compile(r"[+-]?\d{1,3}(\.\d{3}){2,}")
_BLANKS = re.compile("[ \u00a0\u202f']")  # what groups digits


def rows_of(path: Path) -> Iterator[TableRow]:
    """Yield the rows of a table, whatever its form.

    Raises InputFileError when it is not text, ValueError with the reason when it is not a table, and OSError.
    """
    small = path.stat().st_size <= MOST_DOCUMENT
    stream = text_lines(path, MOST_DOCUMENT if small else MOST_LINE)
    start = next((line for line in stream if line.strip()), "")
    if start.lstrip()[:1] not in ("{", "["):
        return _of_csv(text_lines(path))
    first, more = _of_one_line(start), next((line for line in stream if line.strip()), "")
    if isinstance(first, dict) and more:
        return _of_json_lines(text_lines(path))
    if not small:
        raise ValueError("it is one JSON document of more than 128 MiB: write it as CSV, or as JSON with one object a line")
    return _of_documents("".join([start, more, *stream]), path.name)


# -- JSON


def _of_one_line(line: str) -> Any:
    """Return what a line holds; None where it is not JSON by itself."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _of_json_lines(stream: Iterator[str]) -> Iterator[TableRow]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            row = _of_one_line(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is not a JSON object as the first one is ('{shown(line, 40)}')")
            yield row


def _of_documents(text: str, name: str) -> Iterator[TableRow]:
    """Read one document, or several one behind the other."""
    decoder, at = json.JSONDecoder(), 0
    found: list[Any] = []
    try:
        while at < len(text):
            if text[at].isspace() or (found and text[at] == ","):
                at += 1
                continue
            value, at = decoder.raw_decode(text, at)
            found.append(value)
    except (ValueError, RecursionError):  # comments perhaps; if not, that says where the mistake is
        found = [parse_json(text, name)]
    return _of_list(found) if len(found) > 1 else _of_value(found[0])


def _of_value(value: Any) -> Iterator[TableRow]:
    """Yield the rows of one document: pandas' ``orient`` by its shape, W&B's tables, a list under any of the usual names."""
    if isinstance(value, list):
        return _of_list(value)
    if not isinstance(value, dict):
        raise ValueError("its JSON is neither a list of rows nor columns of them")
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):  # orient="split"; a table of W&B's
        return _named(value["columns"], value["data"])
    for key in ("data", "history", "rows", "records"):  # orient="table" among them
        if isinstance(value.get(key), list) and all(isinstance(row, dict) for row in value[key]):
            return iter(value[key])
    inner = list(value.values())
    if inner and all(isinstance(column, list) for column in inner):
        return _columns({name: dict(enumerate(column)) for name, column in value.items()})
    if inner and all(isinstance(column, dict) for column in inner):
        if all(name.lstrip("-").isdigit() for name in value):  # orient="index": rows by their number
            return iter(inner)
        return _columns(value)
    return iter([value])


def _of_list(values: Sequence[Any]) -> Iterator[TableRow]:
    if all(isinstance(row, dict) for row in values):
        return iter(values)
    if all(isinstance(row, list) for row in values) and all(isinstance(name, str) for name in values[0]):
        return _named(values[0], values[1:])
    raise ValueError("its JSON holds values without the names of their columns (pandas: write it with orient='records')")


def _named(names: Sequence[Any], rows: Sequence[Any]) -> Iterator[TableRow]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            raise ValueError(f"row {number} does not have the {len(names)} values that its columns name")
        yield dict(zip(map(str, names), row, strict=True))


def _columns(columns: Mapping[str, Mapping[Any, Any]]) -> Iterator[TableRow]:
    for index in dict.fromkeys(itertools.chain.from_iterable(columns.values())):
        yield {name: column[index] for name, column in columns.items() if index in column}


# -- CSV


def _of_csv(stream: Iterator[str]) -> Iterator[TableRow]:
    sample = list(_sample(stream))
    while sample and sample[0].lstrip().startswith("#{"):  # what Stable-Baselines3's Monitor writes above its table
        del sample[0]
    delimiter = ""
    if sample and (named := re.fullmatch(r"sep=(.)", sample[0].strip("\r\n"))):  # Excel's own first line
        delimiter = named[1]
        del sample[0]
    delimiter = delimiter or _delimiter(sample)
    rows = _split(itertools.chain(sample, stream), delimiter)
    header = next((row for row in rows if any(row)), [])
    if header and all(_is_number(cell) for cell in header if cell):
        raise ValueError("its first line holds numbers where the names of the columns were expected")
    numbers = _reader_of_numbers(list(_split(sample, delimiter))[1:], delimiter)
    for row in rows:
        if len(row) > len(header) and any(row[len(header) :]):
            raise ValueError(
                f"a row has {number_of(len(row), 'cell')} where the first line names {number_of(len(header), 'column')} "
                f"('{','.join(row)[:40]}'); numbers "
                "with decimal commas want semicolons or tabs between them"
            )
        if any(row):
            yield {name: cell for name, cell in zip(header, numbers(row), strict=False) if name}


def _sample(stream: Iterator[str]) -> Iterator[str]:
    size = 0
    for line in itertools.islice(stream, _SAMPLE_LINES):
        if line.strip() or size:
            yield line
        size += len(line)
        if size > _SAMPLE_CHARACTERS:
            return


def _split(text: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    for row in csv.reader(text, delimiter=delimiter, skipinitialspace=True):
        yield list(map(str.strip, row))


def _delimiter(sample: list[str]) -> str:
    """Return what stands between the cells: what splits the first lines most evenly, and into most cells."""

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            rows = [row for row in _split(sample, delimiter) if any(row)]
        except csv.Error:  # one field far too long
            return 0.0, 0
        if not rows or len(rows[0]) < 2:
            return 0.0, 0
        return sum(len(row) == len(rows[0]) for row in rows) / len(rows), len(rows[0])

    return max(DELIMITERS, key=fit)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _reader_of_numbers(sample: list[list[str]], delimiter: str) -> Callable[[list[str]], list[str]]:
    """Return what writes the numbers of a row's cells as Python reads them, after the sign that parts decimals in these rows."""
    known = [_BLANKS.sub("", cell) for row in sample for cell in row]
    cells = [cell for cell in known if "," in cell and _is_number(re.sub("[.,]", "", cell))]
    both = [cell for cell in cells if "." in cell]
    points_group = any(cell.rfind(",") > cell.rfind(".") for cell in both)  # 1.234,5
    points_group |= any(_GROUPED_BY_POINTS.fullmatch(cell) for cell in known)
    commas_group = any(cell.rfind(",") < cell.rfind(".") for cell in both)  # 1,234.5
    if delimiter == "," and not both:  # 1,234 alone says nothing; 0,5 and 12,3456 do
        commas_group = all(_GROUPED.fullmatch(cell) for cell in cells)

    def read(cell: str) -> str:
        if not (points_group or "," in cell or _BLANKS.search(cell)):
            return cell
        bare = _BLANKS.sub("", cell)
        if commas_group:
            bare = bare.replace(",", "")
        else:
            bare = (bare.replace(".", "") if points_group else bare).replace(",", ".")
        return bare if _is_number(bare) else cell

    def read_all(row: list[str]) -> list[str]:
        whole = "".join(row)  # most rows have nothing to look for in each cell
        return [read(cell) for cell in row] if points_group or "," in whole or _BLANKS.search(whole) else row

    return read_all
