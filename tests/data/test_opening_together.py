"""Opening a store for reading while others open, write and close it: no lock is lost, no log removed under a writer."""

import importlib.util
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from data.store import Store
from tests.support.places import ROOT

VISITOR = """
import sys
from data.store import Store
for _ in range(int(sys.argv[2])):
    with Store(sys.argv[1]) as store:
        store.add_metrics(1, {"x": 1.0})
"""


@pytest.mark.realtime
def test_readers_come_and_go_beside_a_recorder_and_another_process(tmp_path):
    path = tmp_path / "store.sqlite"
    Store(path).close()  # the last to leave: no log lies beside it
    info = SessionInfo("play", "box2d", "t", 20.0, ("a",), ("b",))
    problems: list[BaseException] = []
    stop = threading.Event()

    def reader():
        while not stop.is_set():
            try:
                with Store(path, read_only=True) as store:
                    store.checkpoints()
            except BaseException as error:
                problems.append(error)

    threads = [threading.Thread(target=reader) for _ in range(2)]
    row = StepRow(np.zeros(1, np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32), 0, 0.0)
    steps = 0
    for thread in threads:
        thread.start()
    visitor = subprocess.Popen([sys.executable, "-c", VISITOR, str(path), "120"])
    sessions = 0
    try:
        while visitor.poll() is None:
            with Recorder(path, info) as recorder:
                recorder.begin_episode()
                for _ in range(200):
                    recorder.step(row)
                    steps += 1
                    if steps % 50 == 0:
                        recorder.flush()
                recorder.end_episode("terminated", "finish")
            sessions += 1
        assert visitor.returncode == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert sessions >= 3
    with Store(path) as store:
        assert store.conn.execute("SELECT count(*) FROM steps").fetchone()[0] == steps
        assert store.conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert store.conn.execute("SELECT count(*) FROM metrics").fetchone()[0] == 120


def test_a_store_is_opened_without_pandas_and_pandas_is_there_for_others():
    """sqlite-utils would load it, where it is installed: half a second of every start."""
    code = (
        "import sys, sqlite3; from data.schema import database; database(sqlite3.connect(':memory:'));"
        "print('pandas' in sys.modules); import importlib.util; print(importlib.util.find_spec('pandas') is None)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT).stdout.split()
    assert said[0] == "False"
    assert said[1] == str(importlib.util.find_spec("pandas") is None)


def test_beside_another_thread_it_is_opened_without_pandas_too_and_that_thread_can_load_it(tmp_path):
    """A worker opens its first store beside the thread that hears its child."""
    (tmp_path / "pandas.py").touch()
    code = (
        "import sys, sqlite3, threading; from data import schema; stop = threading.Event();"
        "threading.Thread(target=stop.wait, daemon=True).start(); entered = schema._without_pandas();"
        "entered.__enter__(); other = threading.Thread(target=__import__, args=('pandas',)); other.start(); other.join();"
        "print(sys.modules.pop('pandas', None) is not None); entered.__exit__(None, None, None);"
        "schema.database(sqlite3.connect(':memory:')); print('pandas' in sys.modules); import pandas; print(pandas.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False", str(tmp_path / "pandas.py")], done.stderr
