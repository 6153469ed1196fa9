"""A LeRobotDataset folder in its layout v3.0 (huggingface/lerobot, ``src/lerobot/datasets``), written with pyarrow alone.

Features: ``observation.state``, ``action`` (executed), ``next.reward``, ``next.done``, ``next.truncated``, and of ours
``driver`` and ``action.proposed``. One file of data up to a size, then the next; one row of ``meta/episodes`` for each episode,
with its statistics.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UsageError
from data.exchange.parquet import arrow, empty_folder
from data.exchange.portable import Portable

VERSION = "v3.0"
CHUNK_FILES = 1000
FILE_MB = 100
_FILE = "chunk-{chunk:03d}/file-{file:03d}.parquet"


def _features(item: Portable, columns: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    actions = list(item.info.action_names)
    names = {"observation.state": list(item.info.observation_names), "action": actions, "action.proposed": actions}
    return {
        name: {"dtype": str(values.dtype), "shape": list(values.shape[1:]) or [1], "names": names.get(name)}
        for name, values in columns.items()
    }


def _columns(item: Portable, episode: int, first: int, task: int) -> dict[str, np.ndarray]:
    data = item.data
    n = len(data)
    return {
        "observation.state": np.asarray(data.observation, np.float32),
        "action": np.asarray(data.executed, np.float32),
        "action.proposed": np.asarray(data.executed if data.proposed is None else data.proposed, np.float32),
        "next.reward": np.asarray(data.reward, np.float32),
        "next.done": np.broadcast_to(np.asarray(data.terminated, bool), (n,)),
        "next.truncated": np.broadcast_to(np.asarray(data.truncated, bool), (n,)),
        "driver": np.broadcast_to(np.asarray(data.driver, np.int64), (n,)),
        "timestamp": (np.arange(n) / item.info.hz).astype(np.float32),
        "frame_index": np.arange(n, dtype=np.int64),
        "episode_index": np.full(n, episode, np.int64),
        "index": np.arange(first, first + n, dtype=np.int64),
        "task_index": np.full(n, task, np.int64),
    }


def _stats(columns: dict[str, np.ndarray]) -> dict[str, dict[str, list[Any]]]:
    found = {}
    for name, values in columns.items():
        table = values.reshape(len(values), -1).astype(np.float64)
        found[name] = {
            "min": table.min(0).tolist(), "max": table.max(0).tolist(), "mean": table.mean(0).tolist(),
            "std": table.std(0).tolist(), "count": [len(table)],
        } | {
            f"q{q:02d}": np.quantile(table, q / 100, axis=0).tolist() for q in (1, 10, 50, 90, 99)
        }  # fmt: skip
    return found


def _overall(each: list[dict[str, dict[str, list[Any]]]]) -> dict[str, dict[str, list[Any]]]:
    """Put the statistics of episodes together; quantiles are means weighted by length, as LeRobot's own are."""
    found = {}
    for name in each[0]:
        table = {key: np.array([stats[name][key] for stats in each], np.float64) for key in each[0][name]}
        count = table.pop("count")[:, 0]
        low, high, std = table.pop("min"), table.pop("max"), table.pop("std")
        whole = {key: np.average(values, axis=0, weights=count) for key, values in table.items()}
        squares = np.average(std**2 + table["mean"] ** 2, axis=0, weights=count)
        whole |= {"min": low.min(0), "max": high.max(0), "std": np.sqrt(np.maximum(squares - whole["mean"] ** 2, 0.0))}
        found[name] = {key: values.tolist() for key, values in whole.items()} | {"count": [int(count.sum())]}
    return found


def _array(pa: Any, values: np.ndarray) -> Any:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]) if values.ndim == 2 else flat


class _Files(contextlib.ExitStack):
    """The files of data: one up to a size, then the next. All are closed at the end, also after an error: Windows deletes no open
    file."""

    def __init__(self, folder: Path, writer: Callable[..., Any]) -> None:
        super().__init__()
        self._folder, self._open = folder, writer
        self._writer: Any = None
        self._file = self._size = 0

    def write(self, table: Any) -> dict[str, int]:
        """Write a table, and return where it lies: its ``chunk`` and ``file``."""
        if self._writer is not None and self._size + table.nbytes > FILE_MB * 2**20:
            self.close()
            self._writer, self._file, self._size = None, self._file + 1, 0
        place = {"chunk": self._file // CHUNK_FILES, "file": self._file % CHUNK_FILES}
        if self._writer is None:
            path = self._folder / _FILE.format(**place)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self.enter_context(self._open(path, table.schema))
        self._writer.write_table(table)
        self._size += table.nbytes
        return place


def write_lerobot(folder: Path, items: Iterable[Portable]) -> int:
    """Write episodes of one layout and rate as a new dataset; returns how many.

    Raises UsageError when pyarrow is missing, the folder is not empty, or the episodes differ in layout or rate.
    """
    pa, parquet = arrow()
    empty_folder(folder)
    features: dict[str, dict[str, Any]] | None = None
    fps, frames = 0.0, 0
    tasks: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    each: list[dict[str, dict[str, list[Any]]]] = []
    with _Files(folder / "data", parquet.ParquetWriter) as files:
        for item in items:
            task = tasks.setdefault(f"drive {item.info.track}", len(tasks))
            columns = _columns(item, len(rows), frames, task)
            mine = _features(item, columns)
            if features is None:
                features, fps = mine, item.info.hz
            elif (mine, item.info.hz) != (features, fps):
                raise UsageError(
                    "These episodes have different observations or rates, a dataset holds one: choose them with --track or "
                    "--session."
                )
            stats = _stats(columns)
            each.append(stats)
            place = files.write(pa.table({name: _array(pa, values) for name, values in columns.items()}))
            n = len(item.data)
            rows.append(
                {
                    "episode_index": len(rows), "tasks": [f"drive {item.info.track}"], "length": n,
                    "data/chunk_index": place["chunk"], "data/file_index": place["file"], "dataset_from_index": frames,
                    "dataset_to_index": frames + n, "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
                }
                | {f"stats/{name}/{key}": value for name, values in stats.items() for key, value in values.items()}
            )  # fmt: skip
            frames += n
    if features is None:
        return 0
    _write_meta(folder, features, fps, frames, tasks, rows)
    (folder / "meta" / "stats.json").write_text(json.dumps(_overall(each), indent=1))
    return len(rows)


def _write_meta(
    folder: Path, features: dict[str, Any], fps: float, frames: int, tasks: dict[str, int], rows: list[dict[str, Any]]
) -> None:
    pa, parquet = arrow()
    meta = folder / "meta"
    path = meta / "episodes" / _FILE.format(chunk=0, file=0)
    path.parent.mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(rows), path)
    # The tasks are read as a pandas table whose index is the text of the task; this note says so.
    index = "__index_level_0__"
    text = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    number = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    pandas = {
        "index_columns": [index],
        "column_indexes": [{"name": None, "field_name": None} | text],
        "columns": [
            {"name": "task_index", "field_name": "task_index"} | number,
            {"name": None, "field_name": index} | text,
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
    }
    table = pa.table({"task_index": pa.array(list(tasks.values()), pa.int64()), index: pa.array(list(tasks))})
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), meta / "tasks.parquet")
    info = {
        "codebase_version": VERSION, "robot_type": "car", "total_episodes": len(rows), "total_frames": frames,
        "total_tasks": len(tasks), "chunks_size": CHUNK_FILES, "data_files_size_in_mb": FILE_MB, "video_files_size_in_mb": 200,
        "fps": int(fps) if float(fps).is_integer() else fps, "splits": {"train": f"0:{len(rows)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", "video_path": None, "features": features,
    }  # fmt: skip
    (meta / "info.json").write_text(json.dumps(info, indent=4))
