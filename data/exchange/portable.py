"""What other formats have no place for: a JSON object that goes with each episode, so that nothing is lost on the way."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.errors import shown
from data.fields import checked
from data.reading.episodes import EpisodeData, SegmentData, read_episode
from data.reading.news import session_described
from data.reading.schema_check import readable_rows
from data.records import SessionInfo
from data.schema import STEP_MEASURES
from data.tables.checkpoints import IMPORTED

VERSION = 1
_EPISODE = ("purpose", "end", "reason", "seed", "started", "ended", "first_t")
_CHECKPOINT = ("name", "sha256", "updates", "env_steps", "kind", "created")


@dataclass(slots=True)
class Portable:
    """An episode with the session it belongs to, on its way out of or into a store."""

    info: SessionInfo
    data: EpisodeData
    origin: str
    """Says everywhere which episode, or which part of it, this is."""
    checkpoints: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Rows of the checkpoints that ``data`` names, by id."""


@readable_rows()
def session_info(conn: sqlite3.Connection, session_id: int) -> SessionInfo:
    """Read what holds for every step of a session."""
    return SessionInfo.from_json(session_described(conn, session_id))


def whole_episodes(conn: sqlite3.Connection, episodes: Iterable[int] | None = None) -> Iterator[Portable]:
    """Read whole closed episodes, all or those named, oldest first."""
    wanted = None if episodes is None else json.dumps(list(episodes))
    rows = conn.execute(
        "SELECT e.id, e.session_id, s.uuid, e.number, e.origin FROM episodes e JOIN sessions s ON s.id = e.session_id WHERE "
        'e."end" IS NOT NULL AND (?1 IS NULL OR e.id IN (SELECT value FROM json_each(?1))) ORDER BY e.id',
        (wanted,),
    ).fetchall()
    for episode, session, uuid, number, origin in rows:
        data = read_episode(conn, episode)
        if data is not None:
            yield _portable(conn, session, data, origin or f"store:{uuid}/{number}")


def segment_episodes(
    conn: sqlite3.Connection, segments: Iterable[int], only: Mapping[int, tuple[int, int]] | None = None
) -> Iterator[Portable]:
    """Read the steps of closed segments, trimmed, each as an episode of its own.

    ``only``: instead of those, by segment, these steps of its episode, from the first to before the second.
    """
    rows = conn.execute(
        "SELECT g.id, g.session_id, s.uuid, g.episode_id, g.number, g.start + g.trim_start, g.stop - g.trim_stop FROM segments g "
        "JOIN sessions s ON s.id = g.session_id WHERE g.stop IS NOT NULL AND g.id IN (SELECT value FROM json_each(?)) "
        "ORDER BY g.id",
        (json.dumps(list(segments)),),
    ).fetchall()
    for id_, session, uuid, episode, number, *trimmed in rows:
        start, stop = (only or {}).get(id_, trimmed)
        data = read_episode(conn, episode, start, stop)
        if data is not None:
            yield _portable(conn, session, data, f"store:{uuid}/segment/{number}:{start}-{stop}")


def _portable(conn: sqlite3.Connection, session: int, data: EpisodeData, origin: str) -> Portable:
    wanted = np.unique(np.asarray(-1 if data.checkpoint_id is None else data.checkpoint_id))
    rows = conn.execute(
        f"SELECT id, {', '.join(_CHECKPOINT)} FROM checkpoints WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps([int(i) for i in wanted]),),
    )
    checkpoints = {row[0]: dict(zip(_CHECKPOINT, row[1:], strict=True)) for row in rows}
    return Portable(session_info(conn, session), data, origin, checkpoints)


def describe(item: Portable) -> dict[str, Any]:
    """Return everything but the arrays as a JSON object."""
    data = item.data
    return {
        "hitl": VERSION,
        "session": dataclasses.asdict(item.info),
        "episode": {name: getattr(data, name) for name in _EPISODE} | ({} if data.lap_s is None else {"lap_s": data.lap_s}),
        "segments": [dataclasses.asdict(segment) for segment in data.segments],
        "origin": item.origin,
        "checkpoints": {str(key): value for key, value in item.checkpoints.items()},
    }


def step_arrays(data: EpisodeData) -> dict[str, np.ndarray]:
    """Return the columns of each step that other formats do not know, (n, …) each."""
    n = len(data)
    checkpoint = -1 if data.checkpoint_id is None else data.checkpoint_id
    arrays: dict[str, np.ndarray] = {
        "driver": np.broadcast_to(np.asarray(data.driver, np.int64), (n,)).copy(),
        "proposed": np.array(data.executed if data.proposed is None else data.proposed, np.float32),
        "checkpoint_id": np.broadcast_to(np.asarray(checkpoint, np.int64), (n,)).copy(),
    }
    return arrays | {name: np.asarray(data.columns.get(name, np.full(n, np.nan)), np.float64) for name in STEP_MEASURES}


def put_step_arrays(data: EpisodeData, arrays: Any) -> None:
    """Put the columns back. Raises KeyError when one is missing, ValueError when one is not of its kind."""
    n = len(data)
    if any(np.asarray(arrays[name]).dtype.kind not in "biuf" for name in ("driver", "proposed", "checkpoint_id", *STEP_MEASURES)):
        raise ValueError("its columns do not hold numbers")
    driver, checkpoint = (np.asarray(arrays[name])[:n] for name in ("driver", "checkpoint_id"))
    if driver.dtype.kind not in "biu" or checkpoint.dtype.kind not in "biu" or not np.isin(driver, (0, 1)).all():
        raise ValueError("its drivers are not 0 and 1, or its checkpoints are not whole numbers")  # 8 bits would make 257 a 1
    data.driver = driver.astype(np.uint8)
    data.proposed = np.asarray(arrays["proposed"], np.float32)[:n]
    data.checkpoint_id = checkpoint.astype(np.int64)
    data.columns = {name: np.asarray(arrays[name], np.float64)[:n] for name in STEP_MEASURES}


def tail_of(data: EpisodeData) -> dict[str, Any] | None:
    """Return what was done in a last step whose successor is not known: other formats hold transitions, and it makes none."""
    if data.last_observation is not None:
        return None
    n = len(data)
    return {
        "executed": np.asarray(data.executed[-1], np.float64).tolist(),
        "reward": float(data.reward[-1]),
        "terminated": bool(np.broadcast_to(data.terminated, (n,))[-1]),
        "truncated": bool(np.broadcast_to(data.truncated, (n,))[-1]),
    }


def put_tail(data: EpisodeData, tail: dict[str, Any] | None) -> None:
    """Put such a last step back: what was taken for the observation after the others is the one it was decided from."""
    if tail is None or data.last_observation is None:
        return
    n = len(data)
    data.observation = np.concatenate([data.observation, data.last_observation[None]])
    data.executed = np.concatenate([data.executed, np.asarray(tail["executed"], np.float32)[None]])
    data.reward = np.append(data.reward, tail["reward"])
    data.terminated = np.append(np.broadcast_to(data.terminated, (n,)), tail["terminated"])
    data.truncated = np.append(np.broadcast_to(data.truncated, (n,)), tail["truncated"])
    data.last_observation = None


def restore(described: Any, arrays: EpisodeData) -> Portable:
    """Put a described episode together with its arrays.

    Raises ValueError when the description is of a later version or not whole: it comes from a file.
    """
    try:
        if described["hitl"] != VERSION:
            raise ValueError(f"it was written by a newer version of hitl: description {described['hitl']}")
        info = SessionInfo.from_json(described["session"])
        for name in _EPISODE:
            setattr(arrays, name, described["episode"][name])
        arrays.lap_s = described["episode"].get("lap_s")
        arrays.segments = [checked(segment, SegmentData, "segment") for segment in described["segments"]]
        checkpoints = {int(key): dict(value) for key, value in described["checkpoints"].items()}
        return Portable(info, arrays, str(described["origin"]), checkpoints)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ValueError(f"its description is incomplete ({shown(error, 120)})") from error


def adopt_checkpoints(conn: sqlite3.Connection, item: Portable) -> None:
    """Give the checkpoints that an episode names a row here (their weights stay where they were), and use those ids."""
    ids = item.data.checkpoint_id
    if ids is None:
        return
    source = np.broadcast_to(np.asarray(ids, np.int64), (len(item.data),))
    target = np.full(len(item.data), -1, np.int64)
    for key, row in item.checkpoints.items():
        known = "SELECT id FROM checkpoints WHERE sha256 = ? AND name = ?"
        here = conn.execute(known, (row["sha256"], row["name"])).fetchone() or conn.execute(
            f"INSERT INTO checkpoints ({', '.join(_CHECKPOINT)}, config) VALUES (?, ?, ?, ?, ?, ?, '{{}}') RETURNING id",
            tuple((row | {"kind": IMPORTED})[name] for name in _CHECKPOINT),
        ).fetchone()
        target[source == key] = here[0]
    item.data.checkpoint_id = target


def digest(*parts: bytes) -> str:
    """Return a short name for content."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return base64.b32encode(whole.digest())[:26].decode().lower()
