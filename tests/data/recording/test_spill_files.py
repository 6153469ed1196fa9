"""Spill files: read back whole, line by line, or kept aside."""


import pytest

from data.recording import spill_file
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.recorded import drive, session_info
from tests.support.trouble import QUICK, check_whole, record, wait_for, write_lock

pytestmark = pytest.mark.realtime


def everything(store):
    tables = ("sessions", "episodes", "steps", "segments", "tags", "events")
    rows = {name: list(store.db[name].rows) for name in tables}
    return {name: [{k: v for k, v in row.items() if k != "revision"} for row in rows[name]] for name in tables}


def test_a_spill_file_read_back_twice_changes_nothing(path, elsewhere):
    """As after a kill between reading it back and deleting it."""
    Store(path).close()
    other = write_lock(path)
    with Recorder(path, session_info(), **QUICK) as recorder:
        drive(recorder, 30)
        recorder.event("seen", "A wheel came off.")
    other.close()
    (left,) = spill_file.find_spills(path)
    content = left.read_bytes()
    with Store(path) as store:
        store.recover()
        first = everything(store)
        left.write_bytes(content)
        store.recover()
        assert everything(store) == first


def test_another_start_leaves_the_spill_file_of_a_living_session_alone(path, elsewhere):
    Store(path).close()
    other = write_lock(path)
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 200)
        wait_for(lambda: recorder.status.spilled)
        (left,) = spill_file.find_spills(path)
        recorder._live.release()  # as where no lock file could be made
        other.execute("ROLLBACK")
        recorder._retry = 1e9
        with Store(path) as store:
            store.recover()
        record(recorder, 100, 200)
        assert recorder.flush()
    other.close()
    check_whole(path, 300)
    assert not left.exists()


def left_over(path, **info):
    """The spill file of a session that drove two episodes while its store could not be written."""
    Store(path).close()
    other = write_lock(path)
    with Recorder(path, session_info(**info), **QUICK) as recorder:
        drive(recorder, 30)
        drive(recorder, 20)
    other.close()
    return spill_file.find_spills(path)[0]


BOTH = spill_file.spill_folders


def deleted(path):
    while spill_file._PEEKED:  # kept open on POSIX alone, where a file that is open can be deleted
        spill_file._PEEKED.pop().close()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


@pytest.mark.parametrize("opened", [True, False])
def test_drives_of_a_deleted_store_stay_out_of_a_new_one_at_its_place(path, elsewhere, monkeypatch, opened):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 5)
    monkeypatch.setattr(spill_file, "spill_folders", lambda store: BOTH(store)[1:])  # as where the store's disk is full
    with monkeypatch.context() as trouble:
        if not opened:
            trouble.setattr("data.recording.recorder.open_store", lambda *_, **__: 1 / 0)
        with Recorder(path, session_info(), **QUICK) as recorder:
            other = write_lock(path)
            drive(recorder, 30)
        other.close()
    (left,) = spill_file.find_spills(path)
    old = path.read_bytes()
    deleted(path)
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 5)
    assert recorder.recovered == []
    with Store(path) as store:
        assert store.count_steps() == 5
        assert store.check() == []
        (said,) = store.recover(set_aside=True)
        assert f"{left.name} in the temporary folder" in said
        assert store.count_steps() == 5
    deleted(path)
    path.write_bytes(old)  # the store that it is of comes back
    with Store(path) as store:
        store.recover()
        assert store.count_steps() == 35
    assert not left.exists()


def test_what_was_driven_before_there_was_a_store_goes_into_it(path, elsewhere, monkeypatch):
    monkeypatch.setattr(spill_file, "spill_folders", lambda store: BOTH(store)[1:])
    with monkeypatch.context() as full:
        full.setattr("data.recording.recorder.open_store", lambda *_, **__: 1 / 0)
        with Recorder(path, session_info(), **QUICK) as recorder:
            drive(recorder, 30)
    assert not path.exists()
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 5)
    with Store(path) as store:
        assert store.count_steps() == 35


BAD_LINES = [
    b'["step",0,3]', b'["stop",0]', b'["outcome",0,"cleared",1]', b'["stop",0,9,"cleared","no"]', b'["judge",0,{},"today"]',
    b'["newer",1]', b'["episode"]', b"[]", b"[[]]", b"{}", b"5", b'"step"', b"\x00\xff", b'["step",{"b":"="}]',
    b'["event","now","info","note","\\ud800",null]',
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_of_a_spill_file_costs_that_line_alone(path, elsewhere, bad):
    left = left_over(path)
    lines = left.read_bytes().splitlines(keepends=True)
    left.write_bytes(b"".join(lines[:20]) + bad + b"\n" + b"".join(lines[20:]))
    with Store(path) as store:
        (said,) = store.recover()
        assert said.startswith(f"{len(lines) - 1} recorded operations")
        assert said.endswith("1 more are damaged and were left out.")
        assert [n for (n,) in store.conn.execute("SELECT length FROM episodes ORDER BY id")] == [30, 20]
        assert store.conn.execute("SELECT count(*) FROM steps").fetchone() == (50,)
        assert store.conn.execute("SELECT status FROM sessions").fetchone() == ("ended",)
    assert list(path.parent.glob("*.unreadable")) == []


def test_a_session_beyond_what_foreign_ones_may_be_is_read_back(path, elsewhere):
    left_over(path, kind="trial", env="gym:" + "e" * 300, hz=2000.0, observation_names=("same",) * 4)
    with Store(path) as store:
        store.recover()
        assert store.conn.execute("SELECT kind, hz, length(env) FROM sessions").fetchone() == ("trial", 2000.0, 304)
        assert store.conn.execute("SELECT count(*) FROM steps").fetchone() == (50,)


def test_an_unreadable_spill_file_is_kept_aside(path):
    Store(path).close()
    left = path.with_name(f"{spill_file._stem(path)}-0.jsonl")
    left.write_bytes(b"\x00\x01")
    with Store(path) as store:
        assert "kept as" in store.recover()[0]
    assert left.with_suffix(".unreadable").exists()
