"""A store that cannot be written for a while: driving goes on, nothing is lost, the player is told."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
import types

import pytest

from data.reading.follow import Follower
from data.recording import session_lock, spill_file
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.recorded import drive, session_info, step_row

pytestmark = pytest.mark.realtime

QUICK = {"busy_timeout_s": 0.05, "retry_s": 0.1}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The temporary folder that a spill file falls back to."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def mount(folder, *options):
    if os.name == "nt" or not shutil.which("mount"):
        pytest.skip("no mount on this system")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one mebibyte."""
    folder = tmp_path / "small"
    mount(folder, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def record(recorder, count, start=0, pause=0.0):
    """Record steps; returns the longest time one of them took, in seconds."""
    longest = 0.0
    for i in range(start, start + count):
        row = step_row(i)
        begin = time.perf_counter()
        recorder.step(row)
        longest = max(longest, time.perf_counter() - begin)
        time.sleep(pause)
    return longest


def check_whole(path, count):
    with Store(path) as store:
        assert store.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
    update = Follower(path).poll(10_000_000)
    assert update.t.tolist() == list(range(count))
    assert update.observation[:, 0].tolist() == [float(i) for i in range(count)]


def test_locked_by_somebody_else(path, elsewhere):
    Store(path).close()
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 10)
        assert recorder.flush()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        longest = record(recorder, 300, 10, pause=0.002)
        wait_for(lambda: recorder.status.spilled)
        assert "spill file" in recorder.status.problem
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
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
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
    """With the settings of a live session: locked by somebody else, killed, nothing older than a second is lost."""
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


def test_when_the_spill_file_s_own_disk_fills_up_it_goes_on_elsewhere(small_disk, elsewhere):
    path = small_disk / "store.sqlite"
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 10)
        assert recorder.flush()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        record(recorder, 10, 10)
        assert not recorder.flush()
        assert spill_file.find_spills(path)[0].parent == small_disk
        with pytest.raises(OSError, match="space"):
            (small_disk / "filler").write_bytes(b"x" * 2_000_000)
        record(recorder, 3_000, 20)
        assert not recorder.flush()
        assert len(spill_file.find_spills(path)) == 2
        record(recorder, 10, 3_020)
        recorder._retry = 1e9  # it never comes back in this process
    other.execute("ROLLBACK")
    other.close()
    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    with Store(path) as store:
        store.recover()
    check_whole(path, 3_030)
    assert spill_file.find_spills(path) == []


def everything(store):
    tables = ("sessions", "episodes", "steps", "segments", "tags", "events")
    rows = {name: list(store.db[name].rows) for name in tables}
    return {name: [{k: v for k, v in row.items() if k != "revision"} for row in rows[name]] for name in tables}


def test_a_spill_file_read_back_twice_changes_nothing(path, elsewhere):
    """As after a kill between reading it back and deleting it."""
    Store(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
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
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
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
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Recorder(path, session_info(**info), **QUICK) as recorder:
        drive(recorder, 30)
        drive(recorder, 20)
    other.close()
    return spill_file.find_spills(path)[0]


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


def test_a_full_disk(small_disk, elsewhere):
    path = small_disk / "store.sqlite"
    recorder = Recorder(path, session_info(), **QUICK)
    recorder.begin_episode()
    count = 0
    longest = 0.0
    while not recorder.status.spilled:
        longest = max(longest, record(recorder, 200, count))
        count += 200
        recorder.flush(0.5)
        assert count < 100_000
    assert "spill" in recorder.status.problem
    assert list(elsewhere.rglob("*.jsonl")), "the small disk is full: the spill file lies elsewhere"
    longest = max(longest, record(recorder, 500, count))
    count += 500
    assert longest < 0.1, "driving waited for the disk"
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    wait_for(recorder.flush)
    assert recorder.status.problem is None
    recorder.close()
    check_whole(path, count)
    assert spill_file.find_spills(path) == []


def test_a_disk_that_stays_full_until_the_next_start(small_disk, elsewhere):
    path = small_disk / "store.sqlite"
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 12_000)
    assert spill_file.find_spills(path)
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    with Store(path) as store:
        assert any("read back" in text for text in store.recover())
    check_whole(path, 12_000)


def test_no_room_anywhere_keeps_it_in_memory(small_disk, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    path = small_disk / "store.sqlite"
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 12_000)
        wait_for(lambda: "memory only" in (recorder.flush(0.3) or recorder.status.problem or ""))
        subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
        wait_for(recorder.flush)
    check_whole(path, 12_000)


def test_a_read_only_mount(small_disk, elsewhere):
    path = small_disk / "store.sqlite"
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        record(recorder, 5)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with Store.open_existing(path) as store:
        assert store.db["steps"].count == 5
    recorder = Recorder(path, session_info(seed=4), **QUICK)
    assert recorder.session_id is None
    recorder.begin_episode()
    record(recorder, 300)
    wait_for(lambda: recorder.status.spilled)
    assert "spill" in recorder.status.problem
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    wait_for(recorder.flush)
    assert recorder.session_id == 2
    recorder.close()
    update = Follower(path).poll()
    assert update.t.tolist() == [*range(5), *range(300)]


def test_a_file_size_limit(tmp_path):
    """The same where no file system can be mounted: the process may not write files beyond a size."""
    if os.name == "nt":
        pytest.skip("no such limit on Windows")
    path = tmp_path / "store.sqlite"
    script = f"""
import resource, signal, tempfile
tempfile.tempdir = {str(tmp_path)!r}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from data.recording.recorder import Recorder
from tests.support.recorded import session_info, step_row
recorder = Recorder({str(path)!r}, session_info(), busy_timeout_s=0.05, retry_s=0.05)
recorder.begin_episode()
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for i in range(3000): recorder.step(step_row(i))
recorder.flush()
assert recorder.status.problem, recorder.status
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
recorder.close()
assert recorder.status.committed_steps == 3000, recorder.status
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_whole(path, 3000)


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
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
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
