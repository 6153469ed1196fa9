import time

import numpy as np

from data.follow import Follower
from data.recorder import Recorder
from data.store import Store
from tests.data.helpers import ACTIONS, NAMES, drive, session_info, step_row


def test_each_step_is_given_once_and_in_order(path):
    follower = Follower(path)
    assert len(follower.poll()) == 0  # not there yet
    seen = []
    with Recorder(path, session_info()) as recorder:
        for _ in range(4):
            drive(recorder, 25)
            recorder.flush()
            update = follower.poll()
            seen.append(update)
            assert len(update) == 25
            assert len(follower.poll()) == 0
            assert update.observation.shape == (25, 4)
            assert update.observation[:, 0].tolist() == list(range(25))
            assert update.executed[:, 1].tolist() == [i + 0.25 for i in range(25)]
            assert update.proposed[:, 0].tolist() == [i - 0.25 for i in range(25)]
            assert np.flatnonzero(update.driver).tolist() == [5, 6, 7, 8]
            (episode,) = update.episodes.values()
            assert (episode.end, episode.length) == ("terminated", 25)
            assert episode.last_observation.tolist() == [25.0] * 4
            assert update.checkpoint_id.tolist() == [-1] * 25
    assert np.concatenate([u.step_id for u in seen]).tolist() == list(range(1, 101))


def test_a_limit_leaves_the_rest_for_the_next_poll(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 100)
    follower = Follower(path)
    parts = [follower.poll(30) for _ in range(5)]
    assert [len(p) for p in parts] == [30, 30, 30, 10, 0]
    assert [p.more for p in parts] == [True, True, True, False, False]


def test_a_label_arrives_without_new_steps(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    follower = Follower(path)
    (segment,) = follower.poll().segments.values()
    assert (segment.start, segment.stop, segment.verdict, segment.closed) == (5, 9, "unreviewed", True)
    with Store.open(path) as store:
        store.label([segment.id], verdict="bad", trim=(1, 1))
        update = follower.poll()
        assert len(update) == 0
        assert [(s.verdict, s.trim_start, s.trim_stop) for s in update.segments.values()] == [("bad", 1, 1)]
        assert follower.poll().segments == {}
        store.undo()
        assert [s.verdict for s in follower.poll().segments.values()] == ["unreviewed"]
        store.conn.execute("UPDATE segments SET verdict = 'star'")  # by whatever tool
        assert [s.verdict for s in follower.poll().segments.values()] == ["star"]


def test_steps_of_another_layout_are_left_out_and_counted(path):
    with Recorder(path, session_info(observation_names=("a",))) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0, observation=np.zeros(1, np.float32)))
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 10)
    newest = Follower(path)
    update = newest.poll()
    assert len(update) == 10
    assert newest.layout == (NAMES, ACTIONS)
    assert update.left_out == {(("a",), ACTIONS): 1}
    assert len(Follower(path, ("a",), ACTIONS).poll()) == 1
    nothing = Follower(path, ("other",), ACTIONS).poll()
    assert len(nothing) == 0
    assert nothing.observation.shape == (0, 1)
    assert sum(nothing.left_out.values()) == 11


def test_a_poll_with_nothing_new_is_cheap(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    follower = Follower(path)
    follower.poll()
    begin = time.perf_counter()
    for _ in range(100):
        follower.poll()
    assert (time.perf_counter() - begin) / 100 < 1e-3


def test_the_follower_cannot_write(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    follower = Follower(path)
    follower.poll()
    import sqlite3

    import pytest

    with pytest.raises(sqlite3.OperationalError):
        follower._conn.execute("DELETE FROM steps")
