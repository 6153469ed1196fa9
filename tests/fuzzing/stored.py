"""Readers of what holds steps and weights: player runs, stores, checkpoints, messages from other machines, Minari datasets."""

# ruff: noqa: PT018 (an assertion is one thing that is asked of an answer)

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import pickle
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
from tests.fuzzing.mutate import mutate_bytes, mutate_value, odd_values
from tests.fuzzing.pickles import hostile
from tests.fuzzing.readers import dump_json, dump_odd, finite, odd_array, sound_csv

NAMES, ACTIONS = ("speed", "left", "right", "yaw"), ("gas_brake", "steer")
INFO = SessionInfo("play", "box2d", "hairpin", 20.0, NAMES, ACTIONS, {"progress": 1.0}, 3, "scripted")


def record(path: Path, steps: int = 12, episodes: int = 2) -> None:
    """Record a small session with a takeover in each episode, a checkpoint's row, metrics, corners and a judgement."""
    from data.recording.recorder import Recorder
    from data.store import Store

    with Recorder(path, INFO) as recorder:
        for _ in range(episodes):
            recorder.begin_episode("drive")
            token = None
            for i in range(steps):
                if i == 4:
                    token = recorder.begin_segment("takeover", "stick", "hairpin")
                if i == 8:
                    recorder.end_segment(token, "cleared")
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
    "sessions",
    "episodes",
    "steps",
    "segments",
    "tags",
    "checkpoints",
    "metrics",
    "events",
    "corners",
    "judgements",
)
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
                        None,
                        0,
                        1,
                        -1,
                        7,
                        2**40,
                        2**62,
                        -(2**63),
                        0.5,
                        -1.5,
                        1e308,
                        math.inf,
                        "",
                        "x",
                        "[",
                        "[]",
                        "{}",
                        '["a"]',
                        "[1, null]",
                        '{"a": 1}',
                        '["a", "b", "c", "d", "e"]',
                        "../../x",
                        "a/b\x00c",
                        b"",
                        b"\x00",
                        b"\x00" * 16,
                        b"\xff" * 16,
                        b"\x00\x00\xc0\x7f" * 4,
                        b"\x00" * 400,
                        "[" * 3000,
                        "x" * 5000,
                        "2026-01-01T00:00:00.000Z",
                        "<script>x</script>",
                        "open",
                        "human",
                        "lap",
                    )
                )
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
def _empty_store() -> bytes:
    from data.store import Store

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store.sqlite"
        with Store(path) as store:
            store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


def check_update(update: Any) -> None:
    """What a follower gives: arrays of one length, rows that belong to episodes that are told."""
    from data.reading.update import ARRAYS

    n = len(update)
    assert all(len(getattr(update, name)) == n for name in ARRAYS), "arrays of different lengths"
    assert set(np.unique(update.driver).tolist()) <= {0, 1}
    assert (np.diff(update.step_id) > 0).all() and (update.t >= 0).all()


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
    target.write_bytes(_empty_store())
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
            check_update(follower.poll())

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


# -- player runs


def _samples(rng: Random, size: int = 33, n: int = 8) -> list[tuple[Any, ...]]:
    return [
        (
            np.array([0.5, 0.0, 0.1], np.float32),
            (np.full(size - 3, i / 9, np.float32), np.zeros(3, np.float32)),
            0.5,
            i == n - 1,
            False,
            {"reward_sum": 0.5 * i},
        )
        for i in range(n)
    ]


def player_run(rng: Random) -> dict[str, Any]:
    """Return a run as the old tool stores it, now and then one of our own exports."""
    head = {
        "format": "tmrl_player_run_v1",
        "run_id": "a" * 32,
        "recorded_at": "2026-01-02T03:04:05+00:00",
        "metadata": {"map_name": "map", "run_name": "x"},
        "samples": _samples(rng),
    }
    if rng.random() < 0.4:
        head = pickle.loads(own_run())
    return head


@functools.cache
def own_run() -> bytes:
    """Return an episode exported as a player run."""
    from data.exchange.player_runs import write_player_run
    from data.exchange.portable import whole_episodes
    from data.store import Store

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store.sqlite"
        record(path, episodes=1)
        with Store(path) as store:
            item = next(iter(whole_episodes(store.conn)))
        return write_player_run(Path(name) / "out", item).read_bytes()


def _mutate_run(rng: Random, run: Any) -> Any:
    if rng.random() < 0.5 and isinstance(run, dict) and run.get("samples"):
        samples = list(run["samples"])
        i = rng.randrange(len(samples))
        sample = list(samples[i])
        sample[rng.randrange(6)] = rng.choice((odd_array(rng), odd_values(rng), (odd_array(rng),) * 2))
        samples[i] = tuple(sample)
        return {**run, "samples": samples}
    return mutate_value(rng, run, 4)


def _make_run(rng: Random) -> bytes:
    if rng.random() < 0.05:
        return rng.choice(list(hostile().values()))
    run = _mutate_run(rng, player_run(rng))
    data = dump_odd(rng, run["samples"] if isinstance(run, dict) and rng.random() < 0.1 and "samples" in run else run)
    return mutate_bytes(rng, data, 4) if rng.random() < 0.3 else data


@functools.cache
def _road() -> Any:
    from hitl.road.track import load_track

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "road.csv"
        path.write_bytes(sound_csv())
        return load_track(path)


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
        check_update(follower.poll())


def _use_run(data: bytes, folder: Path) -> None:
    from data.exchange.watch_folder import import_runs
    from data.store import Store
    from hitl.player_runs.rebuild import OldRuns, as_recorded
    from hitl.task.driving_task import TaskSettings

    file, path = folder / "run.pkl", folder / "store.sqlite"
    file.write_bytes(data)
    path.write_bytes(_empty_store())
    rebuilds = (
        lambda run: as_recorded(run, str(run.metadata.get("map_name") or "unknown"), 20.0),
        OldRuns(_road(), TaskSettings()),
    )
    refused: list[tuple[str, str]] = []
    steps = 0
    for rebuild in rebuilds:
        with Store(path) as store:
            summary = import_runs(store, [file], rebuild, consume=False)
            refused, steps = refused + summary.refused, steps + summary.steps
            check_imported(store, path, steps)
    if refused and not steps:
        raise RefusedError(refused[0][1])


# -- checkpoints


@functools.cache
def checkpoint_bytes() -> bytes:
    """Return a small checkpoint of the daemon's kind."""
    import torch

    from trainer.checkpoints.files import save
    from trainer.checkpoints.meta import CheckpointMeta
    from trainer.config import PLAIN
    from trainer.learner.tqc import TQC

    learner = TQC(4, 2, PLAIN.with_values(hidden=8, layers=1, quantiles=3, drop_per_critic=1, actor_average=0.99))
    learner.updates = 100
    with tempfile.TemporaryDirectory() as name:
        meta = CheckpointMeta.of(learner, NAMES, ACTIONS, numbers={"online_steps": 24, "owed_updates": 0.0})
        file, _ = save(Path(name), learner, meta, {"rng.replay": torch.Generator().get_state()})
        return (Path(name) / file).read_bytes()


def _make_checkpoint(rng: Random) -> bytes:
    """Break it; often with a sum that is right, as somebody with a bad intent would."""
    import torch
    from safetensors.torch import load, save

    from trainer.checkpoints.packed import digest

    data = checkpoint_bytes()
    kind = rng.random()
    if kind < 0.15:
        return data[: rng.randrange(len(data))]
    if kind < 0.35:
        return mutate_bytes(rng, data)
    if kind < 0.5:  # the header of safetensors itself
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        raw = dump_json(mutate_value(rng, header))
        return rng.choice((len(raw), size, 2**40, 2**63, 0)).to_bytes(8, "little") + raw + data[8 + size :]
    tensors = load(data)
    text = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["hitl"])
    meta = dump_json(mutate_value(rng, text)).decode("utf-8", "replace") if kind < 0.8 else json.dumps(text)
    for _ in range(rng.randint(0, 2)):
        name = rng.choice(list(tensors))
        change = rng.randrange(5)
        if change == 0:
            del tensors[name]
        elif change == 1:
            tensors[name] = torch.zeros(rng.choice(((0,), (1,), (3, 3), (1, 8, 8), ())))
        elif change == 2:
            tensors[name] = tensors[name].to(
                rng.choice((torch.float16, torch.int64, torch.float64, torch.uint8, torch.bool))
            )
        elif change == 3 and tensors[name].dtype in (torch.float32, torch.float64):
            tensors[name] = torch.full_like(tensors[name], rng.choice((math.nan, math.inf, 1e30)))
        else:
            tensors["more." + name] = torch.zeros(2)
    arrays = {name: value.numpy() for name, value in tensors.items()}
    return save(tensors, {"hitl": meta, "digest": digest(arrays, meta)})


def _use_checkpoint(data: bytes, folder: Path) -> None:
    import torch

    from data.errors import HitlError
    from data.tables.checkpoints import CheckpointRecord
    from trainer.checkpoints.files import load_policy
    from trainer.checkpoints.packed import policy_only
    from trainer.daemon.resume import begin
    from trainer.daemon.wish import Wish

    path = folder / "000000100-aaaaaaaa.safetensors"
    path.write_bytes(data)
    refusals: list[HitlError] = []
    names = {f.name for f in dataclasses.fields(CheckpointRecord)}
    values = {
        "id": 1,
        "name": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "updates": 100,
        "env_steps": 24,
        "kind": "train",
        "config": {},
        "parent": None,
        "best": False,
        "created": "2026-01-01T00:00:00.000Z",
    }
    record_ = CheckpointRecord(**{k: v for k, v in values.items() if k in names})

    def policy() -> None:
        actor, meta = load_policy(path)
        action = actor.act(torch.zeros(1, len(meta.observation_names)))
        assert action.shape == (1, len(meta.action_names)) and bool(torch.isfinite(action).all()), (
            "actions that are none"
        )
        policy_only(path)

    def go_on() -> None:
        start = begin(Wish.of({}), [record_], folder, lambda text: None)
        assert start is not None
        start.budget(24), start.generator()
        assert start.learner.updates >= 0
        assert start.learner.healthy(), "weights that are not finite"

    for work in (policy, go_on):
        try:
            work()
        except HitlError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


# -- other machines


def _message() -> dict[str, Any]:
    at = np.zeros(4, "<f4").tobytes()
    act = np.zeros(2, "<f4").tobytes()
    session = {
        "uuid": "u" * 32,
        "kind": "play",
        "env": "box2d",
        "track": "hairpin",
        "hz": 20.0,
        "observation_names": json.dumps(NAMES),
        "action_names": json.dumps(ACTIONS),
        "reward": "{}",
        "seed": 1,
        "driver": "pad",
        "frame_shape": None,
        "started": "2026-01-01T00:00:00.000Z",
    }
    step = ("step", 0, 0, 1, 0.5, 0, 0, 1.0, 0.0, 0.0, 0.0, 0.0, 9.0, None, 5, at, act, act)
    ops = (
        ("episode", 0, "drive", None, 5, "2026-01-01T00:00:00.000Z"),
        step,
        (*step[:2], 1, *step[3:]),
        ("segment", 0, 0, "takeover", 0, "stick", None, 1.0, "2026-01-01T00:00:00.000Z"),
        ("stop", 0, 2, "cleared", False),
        ("end", 0, "terminated", None, at, 2, 1.0, 1.0, "2026-01-01T00:00:01.000Z"),
        ("event", "2026-01-01T00:00:00.000Z", "info", "note", "hello", None),
    )
    return {
        "kind": "data",
        "worker": "w" * 32,
        "name": "den",
        "run": "r" * 32,
        "seq": 1,
        "base": 0,
        "session": session,
        "ops": ops,
        "checkpoints": {5: "a.safetensors"},
    }


def _sound_message() -> bytes:
    from hitl.remote.codec import encode

    return encode(_message())


def _buffer(rng: Random) -> bytes:
    """Return samples as a worker of tmrl's own sends them."""
    from hitl.remote.wire import BUFFER

    state = {
        "memory": _samples(rng),
        "stat_train_return": 1.0,
        "stat_test_return": 0.0,
        "stat_train_steps": 8,
        "stat_test_steps": 0,
        "maxlen": 100,
    }
    inside = dump_odd(rng, None)
    while len(inside) < 20:
        try:
            inside = pickle.dumps(_mutate_run(rng, state), protocol=2)
        except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError):
            continue
    return b"\x80\x04c" + BUFFER.replace(" ", "\n").encode() + b"\n)\x81" + inside[2:-1] + b"b."


def _make_message(rng: Random) -> bytes:
    from hitl.remote.codec import encode

    if rng.random() < 0.25:
        data = _buffer(rng)
        return mutate_bytes(rng, data, 4) if rng.random() < 0.35 else data

    value = rng.choice(
        (
            {"kind": "state", "acks": {"r": 1}},
            {"kind": "weights", "name": "000000100-aaaaaaaa.safetensors", "data": checkpoint_bytes()},
            _message(),
            _message(),
            _message(),
        )
    )
    try:
        data = encode(mutate_value(rng, value, 4))
    except (TypeError, ValueError, RecursionError, OverflowError):
        data = encode(value)
    return mutate_bytes(rng, data, 4) if rng.random() < 0.35 else data


def _use_message(data: bytes, folder: Path) -> None:
    """Hear it as the trainer's side does, and as the worker's."""
    from data.exchange.unpickle import Holder
    from data.store import Store
    from hitl.home import Home
    from hitl.remote.forward import take_weights
    from hitl.remote.receive import Inbox, _take
    from hitl.remote.tmrl_samples import TmrlSamples
    from hitl.remote.wire import Unreadable, unpack

    message = unpack(data)
    if isinstance(message, Unreadable):
        raise RefusedError(message.why)
    if not isinstance(message, dict | Holder):
        raise RefusedError("no message")
    home = Home(folder).create()
    home.store_path.write_bytes(_empty_store())
    said: list[str] = []
    inbox, foreign = Inbox(home), TmrlSamples(home)
    try:
        if isinstance(message, Holder):
            foreign.take(message.state, said.append)
        elif message.get("kind") == "weights" and "name" in message:
            take_weights(home, message, said.append)
        else:
            _take(inbox, message, said.append)
    finally:
        inbox.close()
        foreign.close()
    with Store(home.store_path) as store:
        left = [t for t in store.check() if "cut off" not in t]
        assert not left, f"what was taken is not sound: {left}"
        from data.reading.follow import Follower

        with Follower(home.store_path) as follower:
            check_update(follower.poll())
    assert not [p.name for p in home.checkpoints.iterdir() if p.suffix != ".safetensors"], "a half file is left"
    if said and not said[0].startswith("New weights"):
        raise RefusedError(said[0])


# -- Minari


@functools.cache
def dataset() -> dict[str, bytes]:
    """Return the files of a small dataset of our own."""
    from data.exchange.minari import write_minari
    from data.exchange.portable import whole_episodes
    from data.store import Store

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store.sqlite"
        record(path, episodes=1)
        with Store(path) as store:
            write_minari(Path(name) / "set", whole_episodes(store.conn))
        return {p.name: p.read_bytes() for p in (Path(name) / "set" / "data").iterdir()}


def _make_minari(rng: Random) -> bytes:
    """The files of a dataset, as a pickle of our own."""
    files = dict(dataset())
    kind = rng.random()
    if kind < 0.4:
        try:
            files["metadata.json"] = dump_json(mutate_value(rng, json.loads(files["metadata.json"])))
        except ValueError:
            files["metadata.json"] = b"{"
    elif kind < 0.7:
        files["main_data.hdf5"] = mutate_bytes(rng, files["main_data.hdf5"], rng.choice((1, 2, 8)))
    else:
        files["main_data.hdf5"] = _hdf5(rng, files["main_data.hdf5"])
    if rng.random() < 0.02:
        del files[rng.choice(list(files))]
    return pickle.dumps(files)


def _hdf5(rng: Random, data: bytes) -> bytes:
    import h5py

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "main.hdf5"
        path.write_bytes(data)
        with h5py.File(path, "r+") as file:
            group = file["episode_0"]
            for _ in range(rng.randint(1, 2)):
                try:
                    if rng.random() < 0.4:
                        key = rng.choice(list(group.attrs))
                        described = group.attrs[key]
                        if key == "hitl" and rng.random() < 0.7:
                            described = dump_json(mutate_value(rng, json.loads(described))).decode("utf-8", "replace")
                        else:
                            described = odd_values(rng)
                        group.attrs[key] = described
                        continue
                    where = rng.choice([group, group["infos"]])
                    key = rng.choice(list(where))
                    del where[key]
                    if rng.random() < 0.8:
                        where.create_dataset(key, data=odd_array(rng))
                except Exception:  # what h5py cannot write stays as it was
                    continue
        return path.read_bytes()


def _use_minari(data: bytes, folder: Path) -> None:
    from data.exchange.importing import write
    from data.exchange.minari import read_minari
    from data.store import Store

    (folder / "set" / "data").mkdir(parents=True)
    for name, raw in pickle.loads(data).items():
        (folder / "set" / "data" / name).write_bytes(raw)
    path = folder / "store.sqlite"
    path.write_bytes(_empty_store())
    with Store(path) as store:
        summary = write(store, read_minari(folder / "set"), "minari")
        check_imported(store, path, summary.steps)
    if summary.refused and not summary.steps:
        raise RefusedError(summary.refused[0][1])


STORED_READERS = (
    Reader("player-run", _make_run, _use_run, own_run),
    Reader("store", _make_store, _use_store, store_bytes),
    Reader("checkpoint", _make_checkpoint, _use_checkpoint, checkpoint_bytes),
    Reader("message", _make_message, _use_message, _sound_message),
    Reader("minari", _make_minari, _use_minari, lambda: pickle.dumps(dataset())),
)
