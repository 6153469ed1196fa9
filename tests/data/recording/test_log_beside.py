"""A store that was copied without its log, or lost it, says that what was driven last is missing; no other store does."""

import shutil
import subprocess
import sys

import pytest

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
