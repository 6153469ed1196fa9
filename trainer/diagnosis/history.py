"""A run's metrics over time: a WandB history exported as CSV or JSON lines, or the metrics of our own store."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputFileError, shown
from data.foreign import lines
from data.sound import readable_rows
from trainer.diagnosis.stats import Array

WORKER = {
    "run/Run reward": "worker/return",
    "run/Steps": "worker/steps",
    "run/Run time": "worker/seconds",
    "run/best race progress": "worker/best_progress",
}
"""Columns of a worker's history (one row per episode), and what they are called here."""
_MAX_ROWS, _MAX_COLUMNS, _MAX_CELLS = 5_000_000, 10_000, 20_000_000  # far beyond any run; a wrong file should not fill the memory


@dataclass(slots=True)
class History:
    """Named columns of n rows, oldest first; NaN where a row has no value."""

    columns: dict[str, Array]
    name: str = "history"
    ours: bool = False
    """Whether our trainer wrote it (its ``debug/q1`` is Q of executed actions by construction, and tested to be)."""

    def __len__(self) -> int:
        return max((len(c) for c in self.columns.values()), default=0)

    def __contains__(self, column: str) -> bool:
        return column in self.columns and bool(np.isfinite(self.columns[column]).any())

    def __getitem__(self, column: str) -> Array:
        return self.columns[column]

    def missing(self, *columns: str) -> list[str]:
        """Return which of these columns are not there."""
        return [c for c in columns if c not in self]

    def numbered(self, prefix: str, suffix: str = "") -> list[Array]:
        """Return ``prefix0suffix``, ``prefix1suffix``, … as far as they go."""
        found: list[Array] = []
        while f"{prefix}{len(found)}{suffix}" in self:
            found.append(self.columns[f"{prefix}{len(found)}{suffix}"])
        return found


def _number(value: Any) -> float:
    if value is None or value == "" or isinstance(value, bool):
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def from_rows(rows: Iterable[Mapping[str, Any]], name: str = "history", ours: bool = False) -> History:
    """Return a history of rows that may each hold other columns; what is no number becomes NaN."""
    table: dict[str, array[float]] = {}
    missing, count = array("d", [math.nan]), 0
    for row in rows:
        for key, value in row.items():
            if not isinstance(key, str):
                continue
            column = table.setdefault(WORKER.get(key, key), array("d"))
            if len(table) > _MAX_COLUMNS or len(table) * (count + 1) > _MAX_CELLS:  # a new one is filled up from the first row on
                raise InputFileError(
                    f"The history {shown(name)} has {len(table):,} columns and at least {count + 1:,} rows: export fewer of them."
                )
            if len(column) <= count:  # not if the same column stood in the row under its other name
                column.extend(missing * (count - len(column)))
                column.append(_number(value))
        count += 1
        if count > _MAX_ROWS:
            raise InputFileError(f"The history {shown(name)} has more than {_MAX_ROWS:,} rows: export fewer of them.")
    columns = {k: np.array(v + missing * (count - len(v)), dtype=float) for k, v in table.items()}
    return History({k: v for k, v in columns.items() if np.isfinite(v).any()}, name, ours)


def read_history(path: Path) -> History:
    """Read a history from CSV or JSON lines (one object a line). Raises InputFileError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.read(1)  # one object a line, or a table
            file.seek(0)
            if first == "{":
                history = from_rows((json.loads(line) for line in lines(file) if line.strip()), path.name)
            else:
                history = from_rows(csv.DictReader(lines(file)), path.name)
    except OSError as error:
        raise InputFileError(f"The history {path.name} cannot be read ({error.strerror}): check the path.") from error
    except (ValueError, csv.Error, AttributeError, RecursionError) as error:  # ValueError: no text, no JSON, endless numbers
        raise InputFileError(
            f"{path.name} is neither a CSV table nor JSON lines: export the run's history from WandB as one of the two."
        ) from error
    if not history.columns or not len(history):
        raise InputFileError(f"The history {path.name} holds no numbers: export it again with its columns.")
    return history


@readable_rows()
def from_store(conn: sqlite3.Connection) -> History | None:
    """Return the metrics that our trainer wrote, one row per count of updates; None when there are none."""
    rows: dict[int, dict[str, float]] = {}
    for updates, name, value in conn.execute(
        "SELECT updates, name, value FROM metrics WHERE value IS NOT NULL ORDER BY updates, id"
    ):
        rows.setdefault(int(updates), {"updates": float(updates)})[name] = value
    return from_rows(rows.values(), "metrics", ours=True) if rows else None
