"""A store that another program holds locked for a while: driving goes on, nothing is lost, the player is told."""

import subprocess
import sys
import types

import pytest

from data.recording import session_lock, spill_file
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.recorded import session_info
from tests.support.trouble import QUICK, check_whole, record, wait_for, write_lock

pytestmark = pytest.mark.realtime


def test_locked_by_another_program(path, elsewhere):
    Store(path).close()
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 10)
        assert recorder.flush()
        other = write_lock(path)
        longest = record(recorder, 300, 10, pause=0.002)
        wait_for(lambda: recorder.status.spilled)
        assert recorder.status.problem.startswith("What is driven is kept aside, in a spill file")
        assert not recorder.flush()
        longest = max(longest, record(recorder, 50, 310))
        assert longest < 0.1, "driving waited for the store"
        other.execute("ROLLBACK")
        other.close()
        wait_for(recorder.flush)
        assert recorder.status.problem is None
        assert recorder.status.spilled == 0
        record(recorder, 10, 360)
    check_whole(path, 370)
    assert spill_file.find_spills(path) == []


def test_locked_from_the_start_to_the_end(path, elsewhere):
    Store(path).close()
    other = write_lock(path)
    recorder = Recorder(path, session_info(), **QUICK)
    assert recorder.session_id is None
    assert "cannot be written" in recorder.status.problem
    recorder.begin_episode()
    record(recorder, 200)
    recorder.end_episode("terminated", "finish")
    recorder.close()
    other.execute("ROLLBACK")
    other.close()
    assert len(spill_file.find_spills(path)) == 1
    with Recorder(path, session_info()) as following:
        assert any("read back" in text for text in following.recovered)
    check_whole(path, 200)
    assert spill_file.find_spills(path) == []


def test_a_kill_in_the_middle_of_trouble_loses_nothing_spilled(path, elsewhere):
    script = f"""
import os, signal, tempfile
tempfile.tempdir = {str(elsewhere)!r}
from data.recording.recorder import Recorder
from tests.support.recorded import session_info, step_row
import sqlite3
recorder = Recorder({str(path)!r}, session_info(), busy_timeout_s=0.05, retry_s=0.05)
recorder.begin_episode()
for i in range(30): recorder.step(step_row(i))
assert recorder.flush()
other = sqlite3.connect({str(path)!r}, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
for i in range(30, 130): recorder.step(step_row(i))
recorder.flush()
assert recorder.status.spilled == 100, recorder.status
os.kill(os.getpid(), signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode < 0, done.stderr
    (left,) = spill_file.find_spills(path)
    with left.open("ab") as file:
        file.write(b'["step", 0, 130, tor')  # as a write cut short leaves it
    with Store(path) as store:
        said = store.recover()
    assert "read back" in said[0]
    assert "cut off" in said[1]
    check_whole(path, 130)


def test_what_is_driven_in_trouble_is_on_the_disk_within_a_second(path, elsewhere):
    """With the settings of a live session: locked by another program, killed, nothing older than a second is lost."""
    script = f"""
import os, signal, tempfile, time
tempfile.tempdir = {str(elsewhere)!r}
from data.recording.recorder import Recorder
from tests.support.recorded import session_info, step_row
import sqlite3
recorder = Recorder({str(path)!r}, session_info())
recorder.begin_episode()
assert recorder.flush()
other = sqlite3.connect({str(path)!r}, isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
begin, n, at = time.monotonic(), 0, []
while time.monotonic() < begin + 2.6:
    recorder.step(step_row(n)); n += 1
    at.append(time.monotonic())
    time.sleep(0.01)
killed = time.monotonic()
print(sum(moment < killed - 1.0 for moment in at), flush=True)
os.kill(os.getpid(), signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode < 0, done.stderr
    with Store(path) as store:
        store.recover()
        kept = store.db["steps"].count
    assert kept >= int(done.stdout) > 50
    check_whole(path, kept)


@pytest.fixture
def windows_locks(monkeypatch):
    """Locks as Windows makes them: the file's position is moved to the byte that is locked, and stays there."""
    fcntl = pytest.importorskip("fcntl")
    double = types.ModuleType("msvcrt")
    double.LK_NBLCK = 2
    double.locking = lambda fd, mode, count: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    monkeypatch.setitem(sys.modules, "msvcrt", double)
    monkeypatch.setattr(session_lock, "sys", types.SimpleNamespace(platform="win32"))


def test_on_windows_too_a_busy_store_costs_nothing(path, elsewhere, windows_locks):
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 20)
        recorder.flush()
        blocker = write_lock(path)
        record(recorder, 100, start=20)
        wait_for(lambda: recorder.status.spilled)
        (left,) = spill_file.find_spills(path)
        assert spill_file.read_spill(left)[0]["uuid"].startswith(left.stem.rpartition("-")[2])
        blocker.execute("ROLLBACK")
        blocker.close()
        wait_for(lambda: not recorder.status.spilled)
        record(recorder, 30, start=120)
    with Store(path) as store:
        assert store.conn.execute("SELECT count(*) FROM steps").fetchone()[0] == 150
    assert spill_file.find_spills(path) == []
