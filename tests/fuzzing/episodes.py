"""Readers of episodes from elsewhere: player runs, Minari datasets."""

from __future__ import annotations

import functools
import json
import pickle
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzzing.harness import Reader, RefusedError
from tests.fuzzing.mutate import dump_json, dump_odd, mutate_bytes, mutate_value, odd_array, odd_values
from tests.fuzzing.pickles import hostile
from tests.fuzzing.roads import sound_csv
from tests.fuzzing.stores import check_imported, empty_store, record


def samples(rng: Random, size: int = 33, n: int = 8) -> list[tuple[Any, ...]]:
    return [
        (
            np.array([0.5, 0.0, 0.1], np.float32), (np.full(size - 3, i / 9, np.float32), np.zeros(3, np.float32)),
            0.5, i == n - 1, False, {"reward_sum": 0.5 * i},
        )
        for i in range(n)
    ]  # fmt: skip


def player_run(rng: Random) -> dict[str, Any]:
    """Return a run as the old tool stores it, now and then one of our own exports."""
    head = {
        "format": "tmrl_player_run_v1",
        "run_id": "a" * 32,
        "recorded_at": "2026-01-02T03:04:05+00:00",
        "metadata": {"map_name": "map", "run_name": "x"},
        "samples": samples(rng),
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


def mutate_run(rng: Random, run: Any) -> Any:
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
    run = mutate_run(rng, player_run(rng))
    data = dump_odd(rng, run["samples"] if isinstance(run, dict) and rng.random() < 0.1 and "samples" in run else run)
    return mutate_bytes(rng, data, 4) if rng.random() < 0.3 else data


@functools.cache
def _road() -> Any:
    from hitl.road.track import load_track

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "road.csv"
        path.write_bytes(sound_csv())
        return load_track(path)


def _use_run(data: bytes, folder: Path) -> None:
    from data.exchange.watch_folder import import_runs
    from data.store import Store
    from hitl.player_runs.rebuild import OldRuns, as_recorded
    from hitl.task.driving_task import TaskSettings

    file, path = folder / "run.pkl", folder / "store.sqlite"
    file.write_bytes(data)
    path.write_bytes(empty_store())
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


@functools.cache
def dataset() -> dict[str, bytes]:
    """Return the files of a small dataset of our own."""
    from data.exchange.datasets.minari import write_minari
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
    from data.exchange.datasets.minari import read_minari
    from data.exchange.importing import write
    from data.store import Store

    (folder / "set" / "data").mkdir(parents=True)
    for name, raw in pickle.loads(data).items():
        (folder / "set" / "data" / name).write_bytes(raw)
    path = folder / "store.sqlite"
    path.write_bytes(empty_store())
    with Store(path) as store:
        summary = write(store, read_minari(folder / "set"), "minari")
        check_imported(store, path, summary.steps)
    if summary.refused and not summary.steps:
        raise RefusedError(summary.refused[0][1])


READERS = (
    Reader("player-run", _make_run, _use_run, own_run),
    Reader("minari", _make_minari, _use_minari, lambda: pickle.dumps(dataset())),
)
