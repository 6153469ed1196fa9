"""Tables for data people: one Parquet file of steps for each layout, and one each of episodes, segments and sessions."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UsageError
from data.extras import install
from data.schema import STEP_MEASURES

BLOCK = 50_000
"""Steps in a row group."""


def arrow() -> tuple[Any, Any]:
    """Return the modules ``pyarrow`` and ``pyarrow.parquet``. Raises UsageError when they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(f"Parquet needs pyarrow: {install('parquet')} brings it.") from error
    return pyarrow, pyarrow.parquet


def empty_folder(folder: Path) -> None:
    """Make the folder. Raises UsageError when there is something in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder.name} is there already and not an empty folder: name a new one.")
    folder.mkdir(parents=True, exist_ok=True)


_CHOSEN = "(?1 IS NULL OR e.id IN (SELECT value FROM json_each(?1)))"
_NUMBERS = (
    ("step", "p.id", "int64"), ("episode", "p.episode_id", "int64"), ("session", "e.session_id", "int64"), ("t", "p.t", "int32"),
    ("driver", "p.driver", "uint8"), ("reward", "p.reward", "float64"), ("terminated", "p.terminated", "bool_"),
    ("truncated", "p.truncated", "bool_"), *((name, f"p.{name}", "float64") for name in STEP_MEASURES),
    ("checkpoint", "p.checkpoint_id", "int64"),
)  # fmt: skip


def write_parquet(conn: sqlite3.Connection, folder: Path, episodes: list[int] | None = None) -> dict[str, int]:
    """Write the tables; returns rows by file name. ``episodes``: only those.

    In the files of steps, each number of the observation and of the actions is a column named after it. Raises UsageError when
    pyarrow is missing or the folder is not empty.
    """
    pa, parquet = arrow()
    empty_folder(folder)
    wanted = None if episodes is None else json.dumps(episodes)
    written: dict[str, int] = {}
    for name, sql in {
        "sessions": f"SELECT * FROM sessions WHERE id IN (SELECT e.session_id FROM episodes e WHERE {_CHOSEN})",
        "episodes": f"SELECT e.* FROM episodes e WHERE {_CHOSEN} ORDER BY e.id",
        "segments": "SELECT g.*, (SELECT json_group_array(tag) FROM tags WHERE segment_id = g.id) AS tags FROM segments g "
        f"JOIN episodes e ON e.id = g.episode_id WHERE {_CHOSEN} ORDER BY g.id",
        "corners": "SELECT * FROM corners WHERE ?1 IS NULL OR 1",
    }.items():
        cursor = conn.execute(sql, (wanted,))
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        kept = {n: list(c) for n, c in zip(names, columns, strict=True) if n not in ("revision", "last_observation")}
        parquet.write_table(pa.table(kept), folder / f"{name}.parquet")
        written[f"{name}.parquet"] = len(rows)
    layouts = conn.execute(
        "SELECT DISTINCT s.observation_names, s.action_names FROM sessions s JOIN episodes e ON e.session_id = s.id "
        f"WHERE {_CHOSEN} ORDER BY s.id",
        (wanted,),
    ).fetchall()
    for number, layout in enumerate(layouts):
        name = "steps.parquet" if len(layouts) == 1 else f"steps-{number}.parquet"
        written[name] = 0
        with contextlib.ExitStack() as closing:  # also after an error: Windows deletes no file that is open
            writer = None
            for block in _blocks(pa, conn, wanted, layout):
                if writer is None:
                    writer = closing.enter_context(parquet.ParquetWriter(folder / name, block.schema, compression="zstd"))
                writer.write_table(block)
                written[name] += len(block)
    return written


def _blocks(pa: Any, conn: sqlite3.Connection, wanted: str | None, layout: tuple[str, str]) -> Iterator[Any]:
    observation_names, action_names = (json.loads(text) for text in layout)
    cursor = conn.execute(
        f"SELECT {', '.join(column for _, column, _ in _NUMBERS)}, CAST(p.observation || p.executed || p.proposed AS BLOB) "
        f"FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id WHERE {_CHOSEN} "
        "AND s.observation_names = ?2 AND s.action_names = ?3 ORDER BY p.id",
        (wanted, *layout),
    )
    while rows := cursor.fetchmany(BLOCK):
        *numbers, blobs = zip(*rows, strict=True)
        flat = np.frombuffer(b"".join(blobs), "<f4").reshape(len(rows), -1)
        columns = {
            name: pa.array([bool(v) for v in values] if kind == "bool_" else values, getattr(pa, kind)())
            for (name, _, kind), values in zip(_NUMBERS, numbers, strict=True)
        }
        names = [f"observation.{n}" for n in observation_names]
        names += [f"{kind}.{n}" for kind in ("executed", "proposed") for n in action_names]
        columns |= {name: pa.array(np.ascontiguousarray(flat[:, i])) for i, name in enumerate(names)}
        yield pa.table(columns)
