"""Minari datasets from strangers: what lies outside their file is not read, and no number that is not stored is believed."""

import gc
import json
import time
import zlib
from tracemalloc import get_traced_memory, start, stop

import h5py
import numpy as np
import pytest

from data.errors import InputFileError
from data.exchange.datasets.minari import read_minari

SECRET = b"PASSWORD of a local file"
NAMES = ("observations", "actions", "rewards", "terminations", "truncations")


def dataset(folder, change=lambda group: None, without=(), **more):
    """Make a dataset of two steps with a change of its episode."""
    data = folder / "data"
    data.mkdir(parents=True)
    with h5py.File(data / "main_data.hdf5", "w") as file:
        file.attrs.update(total_episodes=1, total_steps=2)
        group = file.create_group("episode_0")
        group.attrs.update(id=0, total_steps=2, seed=1)
        values = (np.zeros((3, 8), np.uint8), np.zeros((2, 2), "f4"), np.zeros(2), np.zeros(2, bool), np.array([False, True]))
        for name, value in zip(NAMES, values, strict=True):
            if name not in without:
                group.create_dataset(name, data=value, chunks=True, maxshape=(None, *value.shape[1:]), **more)
        change(group)
    spaces = {
        "observation_space": {"type": "Box", "dtype": "uint8", "shape": [8], "low": [0] * 8, "high": [255] * 8},
        "action_space": {"type": "Box", "dtype": "float32", "shape": [2], "low": [-1.0, -1.0], "high": [1.0, 1.0]},
    }
    (data / "metadata.json").write_text(json.dumps(
        {"dataset_id": "y-v0", "total_episodes": 1, "total_steps": 2, "data_format": "hdf5", "minari_version": "0.5.3"}
        | {name: json.dumps(space) for name, space in spaces.items()}
    ))  # fmt: skip
    return folder


@pytest.mark.parametrize("more", [{}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}])
def test_a_sound_dataset_comes_in(tmp_path, more):
    [(_, episode)] = read_minari(dataset(tmp_path / "set", **more))
    assert len(episode.data) == 2


def external(group):
    group.create_dataset("observations", shape=(3, 8), dtype="u1", external=[(SECRET_FILE, 0, len(SECRET))])


def link(group):
    group["observations"] = h5py.ExternalLink(SECRET_FILE + ".hdf5", "/secret")


def virtual(group):
    layout = h5py.VirtualLayout((3, 8), "u1")
    layout[:] = h5py.VirtualSource(SECRET_FILE + ".hdf5", "secret", (3, 8))
    group.create_virtual_dataset("observations", layout)


def beside(group):
    group["observations"] = np.zeros((3, 8), np.uint8)
    group.create_group("infos").create_dataset("far", shape=(3, 8), dtype="u1", external=[(SECRET_FILE, 0, len(SECRET))])


def round_and_round(group):
    group["observations"] = np.zeros((3, 8), np.uint8)
    group["infos"] = group


def soft(group):
    group["observations"] = h5py.SoftLink("/episode_0/infos")


def again(group):
    group["observations"] = np.zeros((3, 8), np.uint8)
    group["infos"] = group["observations"]


SECRET_FILE = "secret"


@pytest.mark.parametrize("change", [external, link, virtual, beside, round_and_round, soft, again])
def test_nothing_outside_the_file_comes_in(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(globals(), "SECRET_FILE", str(tmp_path / "secret"))
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "secret.hdf5", "w") as file:
        file["secret"] = np.frombuffer(SECRET, np.uint8).reshape(3, 8)
    with pytest.raises(InputFileError, match=r"a part of it is a link|lie in other files|parts of it are the same") as caught:
        list(read_minari(dataset(tmp_path / "set", change, ("observations",))))
    assert str(tmp_path) not in str(caught.value)


ROWS = 150_000_000


def empty(group, **more):
    group.create_dataset("observations", shape=(ROWS + 1, 8), dtype="u1", chunks=(10000, 8), **more)


def empty_and_packed(group):
    empty(group, compression="gzip")


def wide_chunks(group):
    more = {"maxshape": (None, 8), "chunks": (2**28, 8), "compression": "gzip"}
    made = group.create_dataset("observations", shape=(3, 8), dtype="u1", **more)
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(24)))


def lying_chunk(group):
    made = group.create_dataset("observations", shape=(3, 8), dtype="u1", chunks=(3, 8), compression="gzip")
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**26)))


def packed_twice(group):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((3, 8))
    plist.set_deflate(9)
    plist.set_deflate(9)
    space = h5py.h5s.create_simple((3, 8))
    h5py.h5d.create(group.id, b"observations", h5py.h5t.NATIVE_UINT8, space, plist)


def never_written(group):
    group.create_dataset("observations", shape=(ROWS, 8), dtype="u1")


@pytest.mark.parametrize("change", [empty, empty_and_packed, wide_chunks, lying_chunk, packed_twice, never_written])
def test_numbers_that_are_not_stored_are_refused(tmp_path, change):
    folder = dataset(tmp_path / "set", change, ("observations",))
    start()
    try:
        with pytest.raises(InputFileError, match=r"than are stored|than it claims|packed in a way"):
            list(read_minari(folder))
    finally:
        most = get_traced_memory()[1]
        stop()
    assert most < 20 * 2**20


def test_many_episodes_take_no_time(tmp_path):
    """A thousand episodes are looked at in far less than it takes to read them."""
    def more(group):
        for number in range(1, 1000):
            group.file.copy(group, f"episode_{number}")

    folder = dataset(tmp_path / "set", more)
    gc.collect()
    began = time.thread_time()
    next(iter(read_minari(folder)))
    assert time.thread_time() - began < 3.0
