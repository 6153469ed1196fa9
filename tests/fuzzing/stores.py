"""Readers of stores, and what other readers ask of the store that they fill."""

# ruff: noqa: PT018 (an assertion is one thing that is asked of an answer)

from __future__ import annotations

import functools
import math
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from data.records import SessionInfo, StepRow
from tests.fuzzing.harness import Reader, RefusedError
from tests.fuzzing.mutate import finite, mutate_bytes

NAMES, ACTIONS = ("speed", "left", "right", "yaw"), ("gas_brake", "steer")
INFO = SessionInfo("play", "box2d", "hairpin", 20.0, NAMES, ACTIONS, {"progress": 1.0}, 3, "scripted")


def record(path: Path, steps: int = 12, episodes: int = 2) -> None:
    """Record a small session with a takeover in each episode, a checkpoint's row, metrics, corners and a judgement."""
    from data.recording.recorder import Recorder
    from data.store import Store

    with Recorder(path, INFO) as recorder:
        for _ in range(episodes):
            recorder.begin_episode("drive")
            number = None
            for i in range(steps):
                if i == 4:
                    number = recorder.begin_segment("takeover", "stick", "hairpin")
                if i == 8:
                    recorder.end_segment(number, "cleared")
                at = np.full(4, i, np.float32)
                action = np.full(2, i / 20, np.float32)
                recorder.step(
                    StepRow(at, action, -action, int(4 <= i < 8), 0.5, progress=float(i), x=float(i), speed=9.0)
                )
            recorder.end_episode("terminated", "finish", np.full(4, steps, np.float32))
    with Store(path) as store:
        store.add_checkpoint("000000100-aaaaaaaa.safetensors", "aa" * 32, 100, 24, "train", {"gamma": 0.99})
        for i in range(6):
            store.add_metrics(100 * i, {"losses/loss_critic": 0.1 * i, "debug/q1": 1.0})
        store.upsert_corner("hairpin", "hairpin", 3.0, 9.0, "track")
        store.label([1], verdict="star", note="late, but clean", tags_add=["wet"])
        store.add_event("note", "a word", session_id=1)


@functools.cache
def store_bytes() -> bytes:
    """Return a small sound store in pages of 1 KiB, so that what is hit is seldom empty."""
    with tempfile.TemporaryDirectory() as name:
        path, small = Path(name) / "store.sqlite", Path(name) / "small.sqlite"
        record(path)
        conn = sqlite3.connect(path)
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        conn.execute("PRAGMA journal_mode = DELETE")
        conn.execute("PRAGMA page_size = 1024")
        conn.execute("VACUUM")
        conn.close()
        shutil.copy(path, small)
        return small.read_bytes()


_TABLES = (
    "sessions", "episodes", "steps", "segments", "tags", "checkpoints", "metrics", "events", "corners", "judgements",
)  # fmt: skip
_SCHEMES = (
    "DROP TABLE {t}",
    "ALTER TABLE {t} RENAME TO other",
    "DROP VIEW takeovers",
    "CREATE TABLE more (x)",
    "DELETE FROM {t}",
    "DROP TRIGGER episodes_added",
    "PRAGMA user_version = {v}",
    "PRAGMA application_id = {v}",
    "ALTER TABLE {t} RENAME TO real; CREATE VIEW {t} AS WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) "
    "SELECT n AS id, n AS session_id, n AS uuid, n AS hz FROM a",
    "CREATE TRIGGER late AFTER INSERT ON sessions BEGIN DELETE FROM steps; END",
    "CREATE TRIGGER endless AFTER UPDATE ON sessions BEGIN INSERT INTO events (at, level, kind, message) WITH RECURSIVE a(n) AS "
    "(SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT n, n, n, n FROM a; END",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'observation', 'obsolete') WHERE name = '{t}'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = {v} WHERE name = '{t}'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE {t} (x)' WHERE name = '{t}'",
)


def _sql(rng: Random, data: bytes) -> bytes:
    """Return the store with values, rows or tables changed by SQL, as a person with a bad intent would."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "s.sqlite"
        path.write_bytes(data)
        conn = sqlite3.connect(path, isolation_level=None)
        conn.execute("PRAGMA foreign_keys = OFF")
        until = time.monotonic() + 2.0  # its own views without end must not hold up who made them
        conn.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        for _ in range(rng.choice((1, 1, 2, 4))):
            table = rng.choice(_TABLES)
            try:
                if rng.random() < 0.2:
                    text = rng.choice(_SCHEMES).format(t=table, v=rng.choice((0, 1, 2, 3, 99, -1, 2**31 - 1)))
                    conn.executescript(text)
                    continue
                columns = [row[1] for row in conn.execute(f"PRAGMA table_info({table})")]
                value: Any = rng.choice(
                    (
                        None, 0, 1, -1, 7, 2**40, 2**62, -(2**63), 0.5, -1.5, 1e308, math.inf, "", "x", "[", "[]",
                        "{}", '["a"]', "[1, null]", '{"a": 1}', '["a", "b", "c", "d", "e"]', "../../x", "a/b\x00c",
                        b"", b"\x00", b"\x00" * 16, b"\xff" * 16, b"\x00\x00\xc0\x7f" * 4, b"\x00" * 400, "[" * 3000,
                        "x" * 5000, "2026-01-01T00:00:00.000Z", "<script>x</script>", "open", "human", "lap",
                    )
                )  # fmt: skip
                where = "" if rng.random() < 0.3 else f" WHERE rowid = {rng.randrange(1, 5)}"
                conn.execute(f'UPDATE {table} SET "{rng.choice(columns)}" = ?{where}', (value,))
            except (sqlite3.Error, OverflowError, IndexError):
                continue
        conn.close()
        return path.read_bytes()


def _make_store(rng: Random) -> bytes:
    data = store_bytes()
    kind = rng.random()
    if kind < 0.55:
        return _sql(rng, data)
    if kind < 0.65:
        return data[: rng.randrange(len(data))]
    if kind < 0.75:  # pages swapped, emptied, or of noise
        out, pages = bytearray(data), len(data) // 1024
        for _ in range(rng.randint(1, 3)):
            a, b = (rng.randrange(pages) * 1024 for _ in range(2))
            out[a : a + 1024] = rng.choice((bytes(1024), rng.randbytes(1024), bytes(out[b : b + 1024])))
        return bytes(out)
    if kind < 0.85:  # the header
        out = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            out[rng.randrange(100)] = rng.randrange(256)
        return bytes(out)
    return mutate_bytes(rng, data, rng.choice((1, 3, 30)))


@functools.cache
def empty_store() -> bytes:
    from data.store import Store

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store.sqlite"
        with Store(path) as store:
            store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


def check_new_steps(new: Any) -> None:
    """What a follower gives: arrays of one length, rows that belong to episodes that are told."""
    from data.reading.new_steps import ARRAYS

    n = len(new)
    assert all(len(getattr(new, name)) == n for name in ARRAYS), "arrays of different lengths"
    assert set(np.unique(new.driver).tolist()) <= {0, 1}
    assert (np.diff(new.step_id) > 0).all() and (new.t >= 0).all()


def _use_store(data: bytes, folder: Path) -> None:
    """Open it as every command does, look at it, follow it, merge it into another."""
    from data.errors import HitlError
    from data.exchange.merge import merge
    from data.exchange.portable import whole_episodes
    from data.reading.follow import Follower
    from data.store import Store
    from trainer.diagnosis.drives import from_store as drives_from_store
    from trainer.diagnosis.history import from_store

    path, target, again = folder / "store.sqlite", folder / "target.sqlite", folder / "again.sqlite"
    path.write_bytes(data)
    shutil.copy(path, again)
    target.write_bytes(empty_store())
    refusals: list[HitlError] = []
    said: list[str] = []

    def tried(work: Any) -> None:
        try:
            work()
        except HitlError as error:
            refusals.append(error)

    def look() -> None:
        with Store(path) as store:
            said.extend(store.check())
            store.info()
            for segment in store.segments():
                whole = said or (finite(segment.seconds, segment.priority) and segment.start <= segment.stop)
                assert whole, "a segment that is none"
            store.corners("hairpin"), store.checkpoints(), store.evaluations(), store.best_checkpoint()
            from_store(store)
            drives_from_store(store)
            for item in whole_episodes(store.conn):
                assert len(item.data.observation) == len(item.data.executed) == len(item.data) or said

    def recover() -> None:
        with Store(path) as store:
            store.recover()

    def follow() -> None:
        with Follower(path) as follower:
            check_new_steps(follower.poll())

    def take_over() -> None:
        with Store(target) as store:
            merge(store.conn, target, again)
        with Store(target) as store:
            left = store.check()
            assert not left or said or refusals, f"what was merged is not sound: {left}"

    for work in (look, follow, take_over, recover):
        tried(work)
    assert all(text.isprintable() for text in said), "a finding with control characters"
    if refusals:
        worst = max(refusals, key=lambda e: len(str(e)))
        raise worst
    if said:
        raise RefusedError(said[0])


def check_imported(store: Any, path: Path, steps: int) -> None:
    """What an import left: a sound store whose steps can be followed and trained from."""
    from data.exchange.portable import whole_episodes
    from data.reading.follow import Follower

    assert store.check() == [], f"{store.check()}"
    held = 0
    for item in whole_episodes(store.conn):
        assert finite(item.data.observation, item.data.executed, item.data.reward)
        held += len(item.data)
    assert held == steps, f"{held} of {steps} steps"
    with Follower(path) as follower:
        check_new_steps(follower.poll())


READERS = (Reader("store", _make_store, _use_store, store_bytes),)
