"""The wall's clock only dates things: every stored time is UTC, and no order, length or lock hangs on it."""

import datetime
import re
import time

import numpy as np
import pytest

import data.connect
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.recorded import drive, session_info, step_row

UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JUMPS = (0.0, -3_650 * 86_400.0, 3_600.0, 40 * 86_400.0, -86_400.0)


@pytest.fixture
def clock(monkeypatch):
    """A wall's clock that can be set; the monotonic one is the machine's."""

    class Clock(datetime.datetime):
        offset = 0.0

        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.now(tz) + datetime.timedelta(seconds=cls.offset)

    monkeypatch.setattr(data.connect, "datetime", Clock)
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + Clock.offset)
    return Clock


def test_a_clock_that_jumps_changes_dates_and_nothing_else(path, clock):
    with Recorder(path, session_info()) as recorder:
        for jump in JUMPS:
            clock.offset = jump
            began = time.monotonic()
            drive(recorder, 30)
            recorder.event("note", "The same words each time.")
            assert recorder.flush()
            assert time.monotonic() - began < 3.0
        clock.offset = JUMPS[1]
        with Store(path) as other:
            assert other.recover() == []  # a living session is not taken for a dead one
    new = Follower(path).poll()
    assert new.t.tolist() == list(range(30)) * len(JUMPS)
    assert (np.diff(new.episode_id) >= 0).all()
    with Store(path) as store:
        dates = [row[0] for row in store.conn.execute("SELECT started FROM episodes ORDER BY id")]
        assert dates != sorted(dates), "the jumps were seen"
        assert [s.start for s in store.segments()] == [5] * len(JUMPS)
        assert [s.id for s in store.segments()] == sorted(s.id for s in store.segments())
        assert store.conn.execute("SELECT count(*) FROM events WHERE kind = 'note'").fetchone() == (len(JUMPS),)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="time zones are not set this way here")
def test_every_stored_time_is_utc_wherever_the_player_lives(path, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        with Recorder(path, session_info()) as recorder:
            drive(recorder)
            recorder.event("note", "Something happened.")
        with Store(path) as store:
            store.label([1], verdict="good")
            store.add_checkpoint("a", "b", 1, 1, "train", {})
            store.add_metrics(1, {"a": 1.0})
            found = {}
            for table in ("sessions", "episodes", "segments", "checkpoints", "metrics", "events", "judgements"):
                for row in store.db[table].rows:
                    for column in ("started", "ended", "created", "at", "judged_at"):
                        if row.get(column):
                            found[table, column] = row[column]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert len(found) >= 10
    utc = datetime.datetime.now(datetime.UTC)
    for where, text in found.items():
        assert UTC.fullmatch(text), where
        assert abs((datetime.datetime.fromisoformat(text) - utc).total_seconds()) < 60.0, where


def test_what_came_after_is_later_whatever_the_clock_says() -> None:
    """Two reviews within a millisecond: the later one holds, as the store tells by their dates."""
    ahead = "2999-12-31T23:59:59.999Z"
    now = data.connect.now
    assert now(ahead) == "3000-01-01T00:00:00.000Z"
    assert now("2000-01-01T00:00:00.000Z") > "2026"
    times = [""]
    for _ in range(200):
        times.append(now(times[-1]))
    assert times == sorted(set(times))


def test_of_two_verdicts_within_a_millisecond_the_later_one_holds(tmp_path, monkeypatch) -> None:
    class Still(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(data.connect, "datetime", Still)
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        recorder.begin_episode()
        number = recorder.begin_segment("takeover", "button", None)
        for t in range(5):
            recorder.step(step_row(t))
        for verdict in ("bad", "unreviewed", "bad", "star"):
            assert recorder.review(number, verdict)
        recorder.end_segment(number)
    with Store(tmp_path / "store.sqlite") as store:
        assert [segment.verdict for segment in store.segments()] == ["star"]
