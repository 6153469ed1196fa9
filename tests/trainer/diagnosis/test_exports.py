"""The forms in which people have a run's history: what pandas, spreadsheets and WandB's page write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputFileError
from hitl.diagnosis.cases import cases
from trainer.diagnosis.history import read_histories

ROWS = [
    {"_step": 0, "return_train": 0.5, "memory_len": 1234},
    {"_step": 1, "return_train": -1.25, "memory_len": 2345},
    {"_step": 2, "return_train": 1e-05, "memory_len": 1000000},
]
NAMES = list(ROWS[0])


def by_column() -> dict[str, dict[str, float]]:
    return {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in NAMES}


JSON = {
    "array": json.dumps(ROWS),
    "array, indented": json.dumps(ROWS, indent=2),
    "lines": "\n".join(map(json.dumps, ROWS)),
    "lines after blank ones": "\n\n" + "\n\n".join(map(json.dumps, ROWS)) + "\n",
    "lines with commas": ",\n".join(map(json.dumps, ROWS)),
    "objects, indented": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "columns": json.dumps(by_column()),
    "columns, indented": json.dumps(by_column(), indent=4),
    "index": json.dumps({str(i): row for i, row in enumerate(ROWS)}),
    "split": json.dumps({"columns": NAMES, "index": [0, 1, 2], "data": [[row[n] for n in NAMES] for row in ROWS]}),
    "table": json.dumps({"schema": {"fields": []}, "data": [{"index": i, **row} for i, row in enumerate(ROWS)]}),
    "lists": json.dumps({name: [row[name] for row in ROWS] for name in NAMES}),
    "under a name": json.dumps({"run": "night", "history": ROWS}),
    "a header and rows": json.dumps([NAMES, *([row[n] for n in NAMES] for row in ROWS)]),
    "numbers as text": json.dumps([{k: str(v) for k, v in row.items()} for row in ROWS]),
}


def table(delimiter: str, decimal: str = ".", quote: str = "", grouping: str = "", head: str = "", end: str = "\n") -> str:
    def cell(value: object) -> str:
        text = f"{value:,}".replace(",", grouping) if isinstance(value, int) else str(value).replace(".", decimal)
        return f"{quote}{text}{quote}"

    lines = [delimiter.join(f"{quote}{name}{quote}" for name in NAMES)]
    lines += [delimiter.join(cell(row[name]) for name in NAMES) for row in ROWS]
    return head + end.join(lines) + end


CSV = {
    "commas": table(","),
    "semicolons": table(";"),
    "tabs": table("\t"),
    "bars": table("|"),
    "semicolons and decimal commas": table(";", ","),
    "tabs and decimal commas": table("\t", ","),
    "quoted decimal commas": table(",", ",", '"'),
    "quoted": table(";", ",", '"'),
    "blanks after commas": table(", "),
    "blanks before quotes": table(", ", quote='"'),
    "blanks around semicolons": table(" ; ", ","),
    "grouped thousands": table(",", ".", '"', grouping=","),
    "grouped by points": table(";", ",", grouping="."),
    "grouped by hard blanks": table(";", ",", grouping="\u00a0"),
    "Excel's first line": table(";", ",", head="sep=;\n", end="\r\n"),
    "old line ends": table(",", end="\r"),
    "blank lines": table(",", head="\n\n", end="\n\n"),
    "cells at the end": "\n".join(line + ",," for line in table(",").splitlines()),
    "an index": "\n".join(("," if i == 0 else f"{i},") + line for i, line in enumerate(table(",").splitlines())),
    "newest first": "\n".join(np.array(table(",").splitlines())[[0, 3, 2, 1]]),
}


@pytest.mark.parametrize("text", [*JSON.values(), *CSV.values()], ids=[*JSON, *CSV])
@pytest.mark.parametrize("name", ["history.csv", "HISTORY.JSON"])  # what a file holds, not its ending, says what it is
def test_the_same_numbers_from_every_form(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    history = read_histories(tmp_path / name)[0]
    assert len(history) == 3
    for column in NAMES:
        assert history[column].tolist() == [float(row[column]) for row in ROWS], column


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("text", [JSON["array"], JSON["lines"], CSV["semicolons and decimal commas"]])
def test_as_spreadsheets_and_shells_of_windows_encode_it(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "history.csv").write_text(text, encoding=encoding)
    assert read_histories(tmp_path / "history.csv")[0]["return_train"].tolist() == [0.5, -1.25, 1e-05]


def test_rows_that_hold_other_columns(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a": 1}, {"b": "2"}, {"a": null, "b": NaN, "c": {"_type": "histogram"}}]')
    history = read_histories(tmp_path / "a.json")[0]
    assert sorted(history.columns) == ["a", "b"]
    np.testing.assert_array_equal(history["b"], [np.nan, 2, np.nan])


def test_a_single_comma_of_three_digits_is_read_as_its_file_reads(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n"1,234","0,5"\n"5,678","1,25"\n')
    assert read_histories(tmp_path / "a.csv")[0]["a"].tolist() == [1.234, 5.678]
    (tmp_path / "b.csv").write_text('a,b\n"1,234",0.5\n"5,678",1.25\n')
    assert read_histories(tmp_path / "b.csv")[0]["a"].tolist() == [1234, 5678]


CHART = (
    '"Step","night - run 3 - return_train","night - run 3 - return_train__MIN","night - run 3 - return_train__MAX"\n'
    '"0","1.5","1","2"\n"10","2.5","2","3"\n"20","3.5","3","4"\n'
)


def test_a_chart_of_one_run(tmp_path: Path) -> None:
    (tmp_path / "chart.csv").write_text(CHART)
    history = read_histories(tmp_path / "chart.csv")[0]
    assert sorted(history.columns) == ["_step", "return_train"]
    assert history["return_train"].tolist() == [1.5, 2.5, 3.5]
    (tmp_path / "chart.csv").write_text('"Step","w - run/Steps"\n0,100\n1,200\n')
    assert "worker/steps" in read_histories(tmp_path / "chart.csv")[0]


def test_a_chart_of_two_runs_is_two_histories(tmp_path: Path) -> None:
    (tmp_path / "chart.csv").write_text("Step,a - return_train,b - return_train\n0,1,\n1,2,5\n2,,6\n")
    first, second = read_histories(tmp_path / "chart.csv")
    assert (first.run, second.run) == ("a", "b")
    np.testing.assert_array_equal(second["return_train"], [np.nan, 5, 6])


def test_charts_of_one_run_are_looked_at_together(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(CHART)
    (tmp_path / "q.csv").write_text("Step;night - run 3 - debug/q1\n5;7,5\n10;8,5\n")
    (case,) = cases(None, [tmp_path / "r.csv", tmp_path / "q.csv"])
    assert case.history is not None
    assert case.history["_step"].tolist() == [0, 5, 10, 20]
    np.testing.assert_array_equal(case.history["debug/q1"], [np.nan, 7.5, 8.5, np.nan])
    np.testing.assert_array_equal(case.history["return_train"], [1.5, np.nan, 2.5, 3.5])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n0,5,1,5\n1,5,2,5\n", "decimal commas want semicolons"),
        ("1,2\n3,4\n", "where the names of the columns"),
        ("[[1, 2], [3, 4]]", "without the names of their columns"),
        ('{"columns": ["a"], "data": [[1, 2]]}', "row 1 does not have"),
        ('[{"a": 1},\n {"a": 2,, "b": 1}]', "line 2, column"),
        ('{"a": 1}\n{"a": 2\n', "line 2"),
        ("name\nhello\n", "no numbers"),
        ("", "no numbers"),
        ("[]", "no numbers"),
    ],
)
def test_what_cannot_be_read_is_refused_for_the_true_reason(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(InputFileError, match=reason):
        read_histories(tmp_path / "history.csv")
