"""A disk that is full or read-only for a while: driving goes on, nothing is lost, the player is told."""

import contextlib
import os
import subprocess
import sys

import pytest

from data.errors import DiskFullError
from data.reading.follow import Follower
from data.recording import spill_file
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.recorded import session_info
from tests.support.trouble import QUICK, check_whole, record, wait_for, write_lock

pytestmark = pytest.mark.realtime


def test_when_the_spill_file_s_own_disk_fills_up_it_goes_on_elsewhere(small_disk, elsewhere):
    path = small_disk / "store.sqlite"
    with Recorder(path, session_info(), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 10)
        assert recorder.flush()
        other = write_lock(path)
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
    new = Follower(path).poll()
    assert new.t.tolist() == [*range(5), *range(300)]


def test_a_full_disk_is_named_as_such(small_disk, elsewhere):
    path = small_disk / "store.sqlite"
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        record(recorder, 5)
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(b"x" * 4096):
            pass
    for open_it in (Store, Store.open_existing):
        with pytest.raises(DiskFullError, match=r"store.sqlite cannot be opened: the disk is full. Make room on it"):
            open_it(path)
    with Recorder(path, session_info(seed=4), **QUICK) as recorder:
        recorder.begin_episode()
        record(recorder, 5)
        wait_for(lambda: recorder.status.spilled)
        assert "(the disk is full)" in recorder.status.problem
    (small_disk / "filler").unlink()
    with Store(path) as store:
        store.recover()
        assert store.count_steps() == 10


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
