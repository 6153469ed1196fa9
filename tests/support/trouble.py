"""A store in trouble: what several tests of the recorder need."""

import os
import shutil
import sqlite3
import subprocess
import time

import pytest

from data.reading.follow import Follower
from data.store import Store
from tests.support.recorded import step_row

QUICK = {"busy_timeout_s": 0.05, "retry_s": 0.1}


def write_lock(path):
    """Return a connection that holds the store's write lock, as another program may; ROLLBACK lets go of it."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def mount(folder, *options):
    if os.name == "nt" or not shutil.which("mount"):
        pytest.skip("no mount on this system")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def record(recorder, count, start=0, pause=0.0):
    """Record steps; returns the longest time one of them took, in seconds."""
    longest = 0.0
    for i in range(start, start + count):
        row = step_row(i)
        begin = time.perf_counter()
        recorder.step(row)
        longest = max(longest, time.perf_counter() - begin)
        time.sleep(pause)
    return longest


def check_whole(path, count):
    with Store(path) as store:
        assert store.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
    new = Follower(path).poll(10_000_000)
    assert new.t.tolist() == list(range(count))
    assert new.observation[:, 0].tolist() == [float(i) for i in range(count)]
