"""The memory that is filled with copies of what an agent drove."""

import importlib
from contextlib import closing

import numpy as np

from data.reading.follow import Follower
from data.recording.recorder import Recorder
from tests.support.places import BENCHMARKS
from tests.support.recorded import drive, session_info


def test_the_drives_are_copied_as_they_are_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    fill = importlib.import_module("original_size").fill
    path = tmp_path / "store.sqlite"
    with Recorder(path, session_info()) as recorder:
        drive(recorder, steps=30, takeover=None, purpose="lap")
        drive(recorder, steps=20, takeover=None)
        drive(recorder, steps=10, takeover=None)
    fill(path, 100)
    with closing(Follower(path)) as follower:
        new = follower.poll()
    assert np.bincount(new.episode_id)[1:].tolist() == [30, 20, 10, 20, 10, 20, 10, 20]
    assert new.observation[-20:, 0].tolist() == new.t[-20:].tolist() == list(range(20)), "in the order in which they were driven"
