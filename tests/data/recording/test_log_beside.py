"""A store that was copied without its log, or lost it, says that what was driven last is missing; no other store does.

A store that came without a log, as one file, is given one by the first program that opens it to write.
"""

import contextlib
import shutil
import sqlite3
import subprocess
import sys

import pytest

from data.connect import open_store, open_to_follow
from data.errors import StoreError
from data.exchange.merge import merge
from data.recording.log_beside import without_log
from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from tests.support.places import ROOT
from tests.support.recorded import drive, session_info

KILLED = """
import os, sys
from data.recording.recorder import Recorder
from tests.support.recorded import drive, session_info
recorder = Recorder(sys.argv[1], session_info())
drive(recorder)
recorder.flush()
os._exit(0)  # as a kill: nothing is closed
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    home = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", KILLED, str(home / "store.sqlite")], check=True, cwd=ROOT)
    assert (home / "store.sqlite-wal").stat().st_size > 0
    return home


@pytest.fixture
def home(killed, tmp_path):
    """A home whose session was killed while it recorded."""
    return shutil.copytree(killed, tmp_path / "home")


@pytest.fixture
def other_program():
    """Returns what begins to read a store, and goes on reading until it is closed."""
    with contextlib.ExitStack() as stack:

        def reads(path):
            conn = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
            conn.execute("BEGIN")
            conn.execute("SELECT count(*) FROM sessions").fetchall()
            return conn

        yield reads


def said(path):
    with Store.open_existing(path) as store:
        return " ".join(store.check())


def test_a_killed_session_whose_log_is_there_is_whole_however_often_it_is_opened(home):
    for _ in range(3):
        assert "log" not in said(home / "store.sqlite")
    assert not (home / "store.sqlite-wal").exists()  # it was put into the file and taken away, rightly
    copy = home.parent / "copy"
    shutil.copytree(home, copy)
    assert "log" not in said(copy / "store.sqlite")


def test_a_copy_of_the_file_alone_says_so(home, tmp_path, capsys):
    copy = tmp_path / "copy" / "store.sqlite"
    copy.parent.mkdir()
    shutil.copyfile(home / "store.sqlite", copy)
    for _ in range(2):
        assert "store.sqlite-wal) was not beside it" in said(copy)
    assert main(["store", "info", "--home", str(copy.parent)]) == 0
    assert "was not beside it" in capsys.readouterr().out
    assert main(["import", str(copy), "--home", str(tmp_path / "new")]) == 0
    assert "was not beside it" in capsys.readouterr().out
    with Recorder(copy, session_info()) as recorder:
        drive(recorder)
        recorder.flush()
        assert "was not beside it" in " ".join(recorder.recovered)
    assert "log" not in said(copy)


def test_a_log_that_was_deleted_is_missed(home):
    (home / "store.sqlite-wal").unlink()
    (home / "store.sqlite-shm").unlink()
    assert "was not beside it" in said(home / "store.sqlite")


def killed_while(path, opened, program=KILLED):
    """Kill a session that records into a store while this process has it open, and then close it here, as the last one."""
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, cwd=ROOT)
    assert path.with_name("store.sqlite-wal").stat().st_size > 0
    opened.close()
    assert not path.with_name("store.sqlite-wal").exists()


@pytest.mark.parametrize("opened", [Store, open_store, open_to_follow])
def test_a_process_that_outlives_the_session_and_closes_the_store_takes_no_log_away_unnoticed(tmp_path, opened):
    path = tmp_path / "store.sqlite"
    Store(path).close()
    killed_while(path, opened(path))
    assert "was cut off" in said(path)
    assert "log" not in said(path)


@pytest.mark.parametrize("ends", ["pass", "recorder.event('noted', 'something')", "recorder.end_episode('truncated', 'stopped')"])
def test_nor_does_another_program(tmp_path, other_program, ends):
    path = tmp_path / "store.sqlite"
    Store(path).close()
    program = KILLED.replace("recorder.flush()", f"recorder.flush(); recorder.begin_episode(); {ends}; recorder.flush()")
    killed_while(path, other_program(path), program)
    with Store(tmp_path / "other.sqlite") as other:
        assert not [note for note in merge(other.conn, other.path, path).notes if "log" in note]
    assert "was cut off" in said(path)
    assert "log" not in said(path)


@pytest.mark.parametrize("content", [b"written ", b'written ["step", 0', b'written ["step", 0, 999]', b"written 3"])
def test_what_is_told_of_something_else_vouches_for_nothing(home, content):
    (home / "store.sqlite-wal").unlink()
    (home / "store.sqlite-shm").unlink()
    (lock,) = home.glob("*.live-*")
    lock.write_bytes(content)
    assert "was not beside it" in said(home / "store.sqlite")


def test_it_does_not_vouch_for_what_was_missing_when_it_opened_the_store(home):
    (home / "store.sqlite-wal").unlink()
    (home / "store.sqlite-shm").unlink()
    for _ in range(2):
        with Store(home / "store.sqlite") as store:
            assert without_log(store.conn, store.path) == [1]
            store.add_event("noted", "so that there is a log again")
            assert (home / "store.sqlite-wal").stat().st_size > 0
    assert "was not beside it" in said(home / "store.sqlite")


def test_a_session_that_its_own_process_leaves_open_misses_no_log(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        store.start_session(session_info())
    assert "was cut off" in said(tmp_path / "store.sqlite")
    assert "log" not in said(tmp_path / "store.sqlite")


def test_a_log_that_lies_beside_what_is_brought_in_is_seen(home, tmp_path):
    with Store(tmp_path / "other.sqlite") as other:
        assert not [note for note in merge(other.conn, other.path, home / "store.sqlite").notes if "log" in note]


def test_a_copy_with_its_log_is_whole(home, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("store.sqlite", "store.sqlite-wal"):
        shutil.copyfile(home / name, copy / name)
    for _ in range(2):
        assert "log" not in said(copy / "store.sqlite")


def test_a_living_session_and_a_whole_store_are_no_such_case(tmp_path):
    path = tmp_path / "store.sqlite"
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
        recorder.flush()
        with Store(path) as store:
            assert without_log(store.conn, path) == []
    assert "log" not in said(path)
    with Store(tmp_path / "other.sqlite") as other:
        assert merge(other.conn, other.path, path).notes == []
    assert [p.name for p in tmp_path.glob("*.live-*")] == []


def without_its_log(path):
    """Make of a store one file that keeps no log, as an export is."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)


def mode(path):
    with contextlib.closing(sqlite3.connect(path)) as conn:
        return conn.execute("PRAGMA journal_mode").fetchone()[0]


def test_a_store_that_came_as_one_file_gets_a_log_from_the_first_that_may_write(tmp_path, other_program):
    path = tmp_path / "store.sqlite"
    Store(path).close()
    without_its_log(path)
    Store(path, read_only=True).close()
    assert mode(path) == "delete"
    with Store(path) as store:
        reader = other_program(path)
        store.add_event("noted", "while another program reads")  # which it would else have to wait for
        reader.close()
    assert mode(path) == "wal"


def test_such_a_store_is_used_as_it_is_while_another_program_reads_it(tmp_path, other_program, monkeypatch):
    monkeypatch.setattr("data.connect.LOG_PATIENCE_S", 0.02)
    path = tmp_path / "store.sqlite"
    Store(path).close()
    without_its_log(path)
    reader = other_program(path)
    with Store(path) as store:
        assert store.sessions() == []
        assert store.conn.execute("PRAGMA busy_timeout").fetchone() == (5000,)
    reader.close()
    Store(path).close()
    assert mode(path) == "wal"


def test_a_killed_session_of_a_store_that_kept_no_log_misses_none(home):
    path = home / "store.sqlite"
    without_its_log(path)
    with contextlib.closing(sqlite3.connect(path)) as conn:
        assert without_log(conn, path) == []
    for _ in range(2):
        assert "log" not in said(path)
    assert mode(path) == "wal"
    with Recorder(path, session_info()) as recorder:
        assert "was cut off" in " ".join(recorder.recovered)
        assert "log" not in " ".join(recorder.recovered)


def test_an_export_that_is_brought_in_stays_one_file(home, tmp_path):
    source = tmp_path / "export.sqlite"
    shutil.copyfile(home / "store.sqlite", source)
    without_its_log(source)
    before = source.read_bytes()
    with Store(tmp_path / "other.sqlite") as other:
        assert merge(other.conn, other.path, source).notes == []
    assert source.read_bytes() == before


def test_a_database_of_something_else_is_not_made_a_store_by_bringing_it_in(tmp_path):
    source = tmp_path / "photos.sqlite"
    with contextlib.closing(sqlite3.connect(source)) as conn:
        conn.execute("CREATE TABLE photos (name TEXT)")
    before = source.read_bytes()
    with Store(tmp_path / "other.sqlite") as other, pytest.raises(StoreError, match="holds nothing that hitl recorded"):
        merge(other.conn, other.path, source)
    assert source.read_bytes() == before
