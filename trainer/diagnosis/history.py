"""A run's metrics over time: a history as people have it (a table of ``data.files.tables``, TensorBoard's event files), or the
metrics of our own store. Columns have our names, whatever they were called (``trainer.diagnosis.names``)."""

from __future__ import annotations

import csv
import itertools
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InputFileError, shown
from data.files import held
from data.files.event_files import event_files, event_rows, is_event_file
from data.files.tables import rows_of
from data.reading.schema_check import readable_rows
from trainer.diagnosis.names import renamed
from trainer.diagnosis.stats import Array

if TYPE_CHECKING:
    from data.store import Store

_MAX_ROWS, _MAX_COLUMNS, _MAX_CELLS = 5_000_000, 10_000, 20_000_000  # far beyond any run; a wrong file should not fill the memory
_MOST_TABLES = 40  # in a folder: a chart of W&B's page is a file
_NO_TABLES = ("config.json", "wandb-metadata.json", "wandb-summary.json")
_PART, _EDGES = " - ", ("__MIN", "__MAX")  # in the export of a chart of WandB's page: "run - metric__MIN"


@dataclass(slots=True)
class History:
    """Named columns of n rows, oldest first; NaN where a row has no value."""

    columns: dict[str, Array]
    name: str = "history"
    ours: bool = False
    """Whether our trainer wrote it (its ``debug/q1`` is Q of executed actions by construction, and tested to be)."""
    run: str = ""
    """The run whose chart it is; empty for a whole history."""
    called: dict[str, str] = field(default_factory=dict)
    """What the file calls the columns that have another name there."""

    def __post_init__(self) -> None:
        if not self.ours:
            self.columns, called = renamed(self.columns)
            self.called = {**self.called, **called}

    @property
    def begins_at(self) -> float:
        """The first row's step (or count of updates) where the file lacks what came before, as after a resume; 0 for none.

        A run of our own trainer that goes on from a checkpoint counts on from there. A new one writes its first row early.
        """
        for name in ("_step", "updates"):
            if name in self:
                steps = self.columns[name][np.isfinite(self.columns[name])]
                usual = float(np.median(np.diff(steps))) if len(steps) > 2 else math.inf
                if steps[0] > max((3 if self.ours else 10) * usual, 0.05 * steps[-1]):
                    return float(steps[0])
                return 0.0
        return 0.0

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
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _left_out(_: float) -> None:
    """What is done with a value whose name is no text."""


def from_rows(rows: Iterable[Mapping[str, Any]], name: str = "history", ours: bool = False) -> History:
    """Return a history of rows, which need not have the same columns; a value that is not a number becomes NaN."""
    return History(_columns(rows, name), name, ours)


def _columns(rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, Array]:
    """Return the columns that hold numbers, under the names that the rows give them."""
    table: dict[str, array[float]] = {}
    missing, count = array("d", [math.nan]), 0
    named: tuple[object, ...] = ()  # in the row before, and what takes its values: most rows are alike
    takers: list[Callable[[float], None]] = []
    for row in rows:
        most = min(_MAX_COLUMNS, _MAX_CELLS // (count + 1))  # a new one is filled up from the first row on
        if (keys := tuple(row)) != named:
            named, takers = keys, []
            for key in keys:
                if not isinstance(key, str):
                    takers.append(_left_out)
                    continue
                column = table.get(key)
                if column is None:
                    column = table[key] = array("d")
                    if len(table) > most:
                        break
                column.extend(missing * (count - len(column)))
                takers.append(column.append)
        if len(table) > most:
            raise InputFileError(
                f"The history {shown(name)} has {len(table):,} columns and at least {count + 1:,} rows: export fewer of them."
            )
        for take, value in zip(takers, row.values(), strict=True):
            take(_number(value))
        count += 1
        if count > _MAX_ROWS:
            raise InputFileError(f"The history {shown(name)} has more than {_MAX_ROWS:,} rows: export fewer of them.")
    columns = {k: np.array(v + missing * (count - len(v)), dtype=float) for k, v in table.items()}
    for values in columns.values():
        values[np.isinf(values)] = math.nan
    return {k: v for k, v in columns.items() if np.isfinite(v).any()}


EVENTS = {"train/episode": "episode", "train/update": "learner", "eval/episode": "eval", "evaluation/episode": "eval"}
"""Events of TrackmaniaRL's ``events.jsonl``, and the group in which it shows their figures on W&B."""


def _of_event(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row of an ``events.jsonl`` as columns; any other row as it is."""
    event = row.get("event", row.get("name", row.get("type")))
    if not isinstance(event, str):
        return row
    flat: dict[str, Any] = {}
    for key, value in row.items():
        inner = isinstance(value, Mapping)
        flat |= value if inner and key in ("metrics", "values", "data", "payload", "fields") else {key: value}
    if (group := EVENTS.get(event)) is None:
        return flat
    return {k if k.startswith(("_", f"{group}/")) or k in ("step", "event") else f"{group}/{k}": v for k, v in flat.items()}


def read_histories(path: Path) -> list[History]:
    """Read what a run wrote down: one history, or one for each run of a chart's export.

    ``path``: a table, an event file of TensorBoard, or a folder with such files. Raises InputFileError.
    """
    if path.is_dir() and not event_files(path) and not _logs(path) and (exported := _exported(path)):
        return [history for file in exported for history in read_histories(file)]
    try:
        columns = _columns(map(_of_event, _rows(path)), path.name)
    except OSError as error:
        raise InputFileError(f"The history {path.name} cannot be read {held.why(error, 'check the path')}.") from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise InputFileError(
            f"The history {path.name} cannot be read as a table, CSV or JSON: {shown(error, 300)}. Export the run's history "
            "from WandB again."
        ) from error
    if not columns:
        raise InputFileError(f"The history {path.name} holds no numbers: export it again with its columns.")
    charts = [History(part, f"{path.name}, {run}", run=run) for run, part in _runs_of_chart(columns).items()]
    return [_in_order(h) for h in charts or [History(columns, path.name)]]


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if not path.is_dir():
        return event_rows(path) if is_event_file(path) else rows_of(path)
    if files := event_files(path):
        return itertools.chain.from_iterable(map(event_rows, files))
    if not (tables := _logs(path)):
        raise InputFileError(
            f"The folder {path.name} holds no history: give the file itself, or the folder of an event file, events.jsonl, "
            "progress.csv, or of tables that W&B has exported."
        )
    return rows_of(tables[0])


def _logs(folder: Path) -> list[Path]:
    """Return the tables that a trainer itself writes into its folder, the fullest first."""
    named = [folder / name for name in ("events.jsonl", "progress.csv", "monitor.csv") if (folder / name).is_file()]
    return named + sorted(folder.glob("*.monitor.csv"))


def _exported(folder: Path) -> list[Path]:
    """Return the tables of any name in a folder, such as W&B's exports. Raises InputFileError where they are too many."""
    for ending in (".csv", ".jsonl", ".json"):
        found = sorted(f for f in folder.iterdir() if f.suffix.lower() == ending and f.is_file() and f.name not in _NO_TABLES)
        if len(found) > _MOST_TABLES:
            raise InputFileError(f"The folder {folder.name} holds {len(found)} tables ({ending}): name those of the run.")
        if found:
            return found
    return []


def _runs_of_chart(columns: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """Return each run's columns under the metrics' own names; empty unless the table is the export of a chart.

    A chart has one axis, and for each curve "run - metric" with the least and the greatest of what the point stands for.
    """
    curves = [name for name in columns if _PART in name]
    axes = [name for name in columns if _PART not in name]
    if not curves or len(axes) > 1:
        return {}
    found: dict[str, dict[str, Array]] = {}
    for name in curves:
        if not name.endswith(_EDGES):
            run, _, metric = name.rpartition(_PART)
            found.setdefault(run, {axis: columns[axis] for axis in axes})[metric] = columns[name]
    return found


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
