"""What was driven in a home itself says what comes next, and the time says what is newest; row numbers say neither."""

import numpy as np
import pytest

from data.exchange.merge import merge
from data.reading.layouts import driven_layout, has_road, held
from data.recording.recorder import Recorder
from data.store import Store
from data.tables.driven import BROUGHT, is_brought
from tests.support.recorded import ACTIONS, NAMES, drive, session_info, step_row

ELSE = ("cos", "sin", "speed", "more")


def recorded(path, day, env="box2d", names=NAMES, track="hairpin"):
    """A store of one session with two drives, each with a takeover, all of one day."""
    with Recorder(path, session_info(env=env, observation_names=names, track=track)) as recorder:
        drive(recorder, 20)
        drive(recorder, 20)
        recorder.event("agent", "x", data={"kind": "sb3", "name": env})
    dated(path, day, env)
    return path


def dated(path, day, env):
    with Store(path) as store:
        store.conn.execute("UPDATE sessions SET started = ? WHERE env = ?", (f"{day}T10:00:00.000Z", env))
        for table in ("episodes", "segments"):
            sql = f"UPDATE {table} SET started = ? WHERE session_id IN (SELECT id FROM sessions WHERE env = ?)"
            store.conn.execute(sql, (f"{day}T10:00:05.000Z", env))


@pytest.fixture
def homes(tmp_path):
    """The embedded game on the 1st, and Pendulum in another store, later."""
    own = recorded(tmp_path / "own.sqlite", "2026-11-01")
    other = recorded(tmp_path / "other.sqlite", "2026-11-09", "gym:Pendulum-v1", ELSE, "Pendulum-v1")
    return own, other


def says(store):
    """All that says what was driven last."""
    session, newest = store.driven_sessions()[0], store.newest_session()
    assert session == newest
    assert has_road(store.conn) == (session.env == "box2d")
    assert store.tracks()[0] == session.track
    assert driven_layout(store.conn) == driven_layout(store.conn, live=True) == held(store.conn)[0].layout
    assert driven_layout(store.conn) == (session.observation_names, ACTIONS)
    assert list(store.agents())[-1] == session.id
    assert store.newest_agent()["name"] == session.env
    return session.env


def test_an_imported_store_does_not_say_what_was_driven_here_last(homes):
    own, other = homes
    with Store(own) as store:
        merge(store.conn, own, other)
        assert says(store) == "box2d"
        assert store.sessions()[-1].env == "gym:Pendulum-v1", "it is newer all the same"
        assert store.games("Pendulum-v1") == ["gym:Pendulum-v1"]
    recorded(own, "2026-11-20", "gym:Other-v1", ELSE, "Other-v1")
    with Store(own) as store:
        assert says(store) == "gym:Other-v1"


@pytest.mark.parametrize("turned", [False, True])
def test_where_nothing_was_driven_the_order_of_the_imports_says_nothing(homes, tmp_path, turned):
    path = tmp_path / "new.sqlite"
    with Store(path) as store:
        for source in homes[::-1] if turned else homes:
            merge(store.conn, path, source)
        assert says(store) == "gym:Pendulum-v1"


def test_in_the_stores_of_earlier_versions_the_time_decides(homes):
    own, other = homes
    with Store(other) as store:  # where the newer one is what was driven, and the import has the higher number
        merge(store.conn, other, own)
        store.conn.execute("DELETE FROM events WHERE kind = ?", (BROUGHT,))
        assert says(store) == "gym:Pendulum-v1"


def test_in_the_stores_of_earlier_versions_a_checkpoint_that_is_not_here_tells_an_import(homes):
    own, other = homes
    with Store(other) as store:
        store.conn.execute("UPDATE episodes SET checkpoint_id = ?", (store.add_checkpoint("c", "sha", 1, 1, "train", {}),))
    with Store(own) as store:
        merge(store.conn, own, other)
        store.conn.execute("DELETE FROM events WHERE kind = ?", (BROUGHT,))
        assert says(store) == "box2d"


def test_what_comes_back_is_still_what_was_driven_here(homes, tmp_path):
    own, other = homes
    with Store(other) as store:
        merge(store.conn, other, own)
    copy = tmp_path / "copy.sqlite"
    with Store(copy) as store:
        merge(store.conn, copy, other, copy=True)
        assert says(store) == "gym:Pendulum-v1", "a copy knows of what was imported"
    with Store(own) as store:
        for source in (other, copy):
            merge(store.conn, own, source)
            assert says(store) == "box2d"


def test_an_earlier_version_that_takes_over_all_events_brings_no_mark(homes):
    own, other = homes
    with Store(other) as store:
        merge(store.conn, other, own)
    with Store(other) as theirs, Store(own) as store:
        (here,) = store.conn.execute("SELECT id FROM sessions").fetchone()
        for event in theirs.conn.execute(
            "SELECT e.at, e.level, e.kind, e.message, e.data FROM events e JOIN sessions s ON s.id = e.session_id "
            "WHERE s.uuid = (SELECT uuid FROM sessions WHERE env = 'box2d')"
        ).fetchall():
            store.conn.execute(
                "INSERT INTO events (session_id, at, level, kind, message, data) VALUES (?, ?, ?, ?, ?, ?)", (here, *event)
            )
        merge(store.conn, own, other)
        assert not is_brought(store.conn, here)
        assert says(store) == "box2d"


def test_what_workers_sent_says_what_is_learned_and_not_what_is_played(homes, tmp_path):
    own, _ = homes
    recorded(own, "2026-11-09", "gym:Pendulum-v1", ELSE, "Pendulum-v1")
    with Store(own) as store:
        store.conn.execute("UPDATE sessions SET source = 'worker den 0a1b2c3d' WHERE env = 'gym:Pendulum-v1'")
        assert says(store) == "gym:Pendulum-v1"
        assert [s.env for s in store.driven_sessions(sent_last=True)] == ["box2d", "gym:Pendulum-v1"]
        store.conn.execute("UPDATE sessions SET source = 'worker den 0a1b2c3d'")
        assert [s.env for s in store.driven_sessions(sent_last=True)] == ["gym:Pendulum-v1", "box2d"], "the time decides"


def test_oldest_first_is_the_time_and_not_the_row_number(homes):
    own, other = homes
    with Store(other) as store:  # which then holds the older one with the higher numbers
        merge(store.conn, other, own)
        days = ["01", "01", "09", "09"]
        assert [s.started[8:10] for s in store.segments()] == days
        assert [e.started[8:10] for e in store.episodes()] == days
        assert [e.id for e in store.episodes(newest=1)] == [2]
        assert [s.started[8:10] for s in store.sessions()] == ["01", "09"]


def test_lately_are_the_newest_drives_by_time(tmp_path):
    path, early = recorded(tmp_path / "a.sqlite", "2026-11-09"), recorded(tmp_path / "b.sqlite", "2026-11-01")
    with Store(path) as store:
        merge(store.conn, path, early)
        assert [e.id for e in store.lately("hairpin", 2, ("drive",))] == [1, 2]
        assert [e.id for e in store.lately("hairpin", 3, ("drive",))] == [4, 1, 2]


def test_a_drive_that_is_open_is_the_newest(path):
    with Recorder(path, session_info()) as recorder, Store(path) as store:
        for _ in range(3):
            drive(recorder, 10)
        recorder.begin_episode()
        recorder.step(step_row(0))
        recorder.flush()
        assert [e.id for e in store.episodes(closed=False, newest=2)] == [3, 4]
        recorder.end_episode("terminated", "finish", np.ones(4))
