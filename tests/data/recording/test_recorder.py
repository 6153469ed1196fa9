import sqlite3
import time

import numpy as np
import pytest

from data.errors import StoreError
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN
from data.store import Store
from tests.support.recorded import drive, session_info, step_row


def test_what_was_recorded_is_in_the_store(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
        assert recorder.flush()
        assert recorder.status.committed_steps == 20
        session = recorder.session_id
    with Store(path) as store:
        assert list(store.db["steps"].rows_where(select="count(*) n")) == [{"n": 20}]
        row = next(store.db["steps"].rows_where("t = 6"))
        assert row["driver"] == HUMAN
        assert np.frombuffer(row["executed"], "<f4").tolist() == [6.25, 6.25]
        assert np.frombuffer(row["proposed"], "<f4").tolist() == [5.75, 5.75]
        episode = next(store.db["episodes"].rows)
        assert (episode["end"], episode["reason"], episode["length"], episode["return"]) == (
            "terminated",
            "finish",
            20,
            95.0,
        )
        assert episode["max_progress"] == 19.0
        assert np.frombuffer(episode["last_observation"], "<f4").tolist() == [20.0] * 4
        (segment,) = store.segments()
        assert (segment.start, segment.stop, segment.seconds, segment.outcome) == (5, 9, 0.2, "cleared")
        assert (segment.corner, segment.trigger, segment.driver, segment.session_id) == (
            "hairpin",
            "stick",
            "scripted",
            session,
        )
        assert (segment.from_m, segment.to_m) == (5.0, 8.0)
        assert next(store.db["sessions"].rows)["status"] == "ended"
        assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert store.db.journal_mode == "wal"


def test_arrays_may_be_reused_by_the_caller(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        row = step_row(1)
        recorder.step(row)
        row.observation[:] = 99
        recorder.step(row)
    new = Follower(path).poll()
    assert new.observation[:, 0].tolist() == [1.0, 99.0]


def test_an_episode_left_open_at_close_is_interrupted(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        recorder.begin_segment("takeover")
        recorder.step(step_row(0, HUMAN))
    new = Follower(path).poll()
    assert [e.end for e in new.episodes.values()] == ["interrupted"]
    assert [(s.start, s.stop, s.closed) for s in new.segments.values()] == [(0, 1, True)]


def test_a_segment_without_a_step_is_forgotten(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        number = recorder.begin_segment("takeover")
        recorder.end_segment(number)
        recorder.set_outcome(number, "failed")
        recorder.step(step_row(0))
    assert Store(path).segments() == []


def test_an_outcome_may_come_later(path):
    with Recorder(path, session_info()) as recorder:
        number = drive(recorder)
        recorder.flush()
        recorder.set_outcome(number, "failed")
    assert [s.outcome for s in Store(path).segments()] == ["failed"]


def test_a_reward_that_is_no_number_is_recorded_as_zero_and_noted(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0, reward=float("nan"), progress=float("nan"), risk=float("nan")))
    with Store(path) as store:
        row = next(store.db["steps"].rows)
        assert (row["reward"], row["progress"], row["risk"]) == (0.0, None, None)
        assert [e["kind"] for e in store.db["events"].rows] == ["reward"]
    assert np.isnan(Follower(path).poll().progress[0])


def test_a_row_the_store_refuses_does_not_hold_up_the_others(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0))
        recorder.step(step_row(1, checkpoint_id=12345))
        recorder.step(step_row(2))
        recorder.flush()
        assert "refused" in recorder.status.problem
    assert Follower(path).poll().t.tolist() == [0, 2]


def test_a_newer_store_is_refused_and_nothing_is_written(path):
    Store(path).close()
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA user_version = 999")
    conn.close()
    before = path.read_bytes()
    for opening in (lambda: Recorder(path, session_info()), lambda: Store(path), lambda: Follower(path).poll()):
        with pytest.raises(StoreError, match="newer version"):
            opening()
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["store.sqlite"]


@pytest.mark.parametrize("content", [b"not a database at all " * 20, b"x"])
def test_what_is_no_store_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not a store"):
        Store(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(path):
    conn = sqlite3.connect(path)
    conn.executescript("CREATE TABLE a (b); PRAGMA user_version = 3")
    conn.close()
    with pytest.raises(StoreError, match="another program"):
        Store(path)


def test_a_torn_store_is_named_damaged(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 500)
    Store(path).close()
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * 8000 + data[8100:])
    with pytest.raises(StoreError):
        Store(path).segments()


def test_a_step_costs_microseconds(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        rows = [step_row(i) for i in range(2000)]
        times = []
        for row in rows:
            begin = time.perf_counter()
            recorder.step(row)
            times.append(time.perf_counter() - begin)
    assert np.median(times) < 100e-6


def test_several_writers_share_a_store(path):
    recorders = [Recorder(path, session_info(kind=kind)) for kind in ("play", "evaluation")]
    for _ in range(3):
        for recorder in recorders:
            drive(recorder, 30)
    for recorder in recorders:
        recorder.close()
    new = Follower(path).poll()
    assert len(new) == 180
    assert sorted(s.kind for s in new.sessions.values()) == ["evaluation", "play"]
    assert set(new.driver.tolist()) == {AGENT, HUMAN}
    assert (np.diff(new.step_id) > 0).all()


def test_numpy_numbers_are_taken_as_they_are(path):
    with Store(path) as store:
        checkpoint = np.int64(store.add_checkpoint("c", "s", 1, 1, "train", {}))
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode(seed=np.int32(4), checkpoint_id=checkpoint)
        recorder.step(
            step_row(0, np.uint8(HUMAN), reward=np.float32(0.5), terminated=np.bool_(True), checkpoint_id=checkpoint)
        )
        recorder.flush()
        assert recorder.status.problem is None
    new = Follower(path).poll()
    assert (new.driver[0], new.reward[0], new.terminated[0], new.checkpoint_id[0]) == (HUMAN, 0.5, True, 1)


def test_a_step_of_another_size_is_refused_at_once(path):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        with pytest.raises(ValueError, match="another size"):
            recorder.step(step_row(0, observation=np.zeros(5, np.float32)))
        recorder.step(step_row(0))
    assert len(Follower(path).poll()) == 1


def test_recording_outlives_what_nobody_thought_of(path, monkeypatch):
    with Recorder(path, session_info(), retry_s=0.05) as recorder:
        recorder.begin_episode()
        recorder.flush()
        with monkeypatch.context() as broken:
            broken.setattr("data.recording.applier.Applier.apply", lambda *_: 1 / 0)
            recorder.step(step_row(0))
            assert not recorder.flush()
            assert "division by zero" in recorder.status.problem
        recorder.step(step_row(1))
        assert recorder.flush()
        assert recorder.status.problem is None
    assert Follower(path).poll().t.tolist() == [0, 1]
