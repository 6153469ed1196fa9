"""A run's metrics over time: a WandB history as people export it (``data.files.tables``), or the metrics of our own store."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InputFileError, shown
from data.files.tables import rows_of
from data.reading.schema_check import readable_rows
from trainer.diagnosis.charts import runs_of
from trainer.diagnosis.stats import Array

if TYPE_CHECKING:
    from data.store import Store

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
    run: str = ""
    """The run whose chart it is; empty for a whole history."""

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
        """Return ``prefix0suffix``, ``prefix1suffix``, … up to the first that is not there."""
        found: list[Array] = []
        while f"{prefix}{len(found)}{suffix}" in self:
            found.append(self.columns[f"{prefix}{len(found)}{suffix}"])
        return found


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def from_rows(rows: Iterable[Mapping[str, Any]], name: str = "history", ours: bool = False) -> History:
    """Return a history of rows, which need not have the same columns; a value that is not a number becomes NaN."""
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


def read_histories(path: Path) -> list[History]:
    """Read a table of metrics: one history, or one for each run of a chart's export. Raises InputFileError."""
    try:
        history = from_rows(rows_of(path), path.name)
    except OSError as error:
        raise InputFileError(f"The history {path.name} cannot be read ({error.strerror}): check the path.") from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise InputFileError(
            f"The history {path.name} cannot be read as a table, CSV or JSON: {shown(error, 300)}. Export the run's history "
            "from WandB again."
        ) from error
    if not history.columns:
        raise InputFileError(f"The history {path.name} holds no numbers: export it again with its columns.")
    charts = [
        History({WORKER.get(k, k): v for k, v in columns.items()}, f"{path.name}, {run}", run=run)
        for run, columns in runs_of(history.columns).items()
    ]
    return [_in_order(h) for h in charts or [history]]


def _in_order(history: History) -> History:
    """Return the rows by their step, where each has one: tables of a web page may begin with the newest."""
    step = history.columns.get("_step")
    if step is None or not np.isfinite(step).all() or (np.diff(step) >= 0).all():
        return history
    order = np.argsort(step, kind="stable")
    return replace(history, columns={name: column[order] for name, column in history.columns.items()})


def joined(histories: Sequence[History]) -> list[History]:
    """Put the charts of one run together, each of which holds one metric, by their steps."""
    found: list[History] = []
    for history in histories:
        other = next((h for h in found if history.run and h.run == history.run), None)
        if other is None or "_step" not in history or "_step" not in other:
            found.append(history)
            continue
        steps = np.union1d(other["_step"], history["_step"])
        columns: dict[str, Array] = {}
        for part in (other, history):
            rows = np.searchsorted(steps, part["_step"])
            for name, column in part.columns.items():
                columns.setdefault(name, np.full(len(steps), math.nan))[rows] = column
        found[found.index(other)] = replace(other, columns={**columns, "_step": steps}, name=f"charts of {history.run}")
    return found


@readable_rows()
def from_store(store: Store) -> History | None:
    """Return the metrics that our trainer wrote, one row per count of updates; None when there are none."""
    rows: dict[int, dict[str, float]] = {}
    for updates, name, value in store.metrics():
        rows.setdefault(int(updates), {"updates": float(updates)})[name] = value
    return from_rows(rows.values(), "metrics", ours=True) if rows else None
