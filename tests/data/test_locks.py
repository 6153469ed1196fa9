"""Another opening of the store in the same process must not cost a connection its locks (POSIX drops them at any close)."""

import os
import subprocess
import sys
import threading

import pytest

from data.connect import header_version, open_store
from data.errors import StoreError
from data.recording.session_lock import LiveLock, forget, is_alive
from data.store import Store
from tests.support.in_use import in_use

VISITOR = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1]); c.execute("SELECT count(*) FROM events").fetchone(); c.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_a_visitor_from_another_process_never_takes_the_log_away_from_a_writer(tmp_path):
    path = tmp_path / "store.sqlite"
    writer = open_store(path)
    insert = "INSERT INTO events(at, level, kind, message) VALUES ('t', 'info', 'k', 'm')"
    writer.execute(insert)
    for _ in range(3):
        Store(path, read_only=True).close()
        subprocess.run([sys.executable, "-c", VISITOR, str(path)], check=True)
        assert path.with_name("store.sqlite-wal").exists()  # the last one to leave removes it: that is not the visitor
        writer.execute(insert)
    writer.close()
    with Store(path, read_only=True) as store:
        assert store.conn.execute("SELECT count(*) FROM events").fetchone() == (4,)


def test_the_version_is_read_of_stores_and_of_nothing_else(tmp_path):
    assert header_version(tmp_path / "none") is None
    (tmp_path / "empty").touch()
    assert header_version(tmp_path / "empty") is None
    for content in (b"short", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 40):
        (tmp_path / "text").write_bytes(content)
        with pytest.raises(StoreError):
            header_version(tmp_path / "text")


@pytest.mark.parametrize("left", [600, 4096, 5000, 50_000])
def test_a_store_that_was_cut_off_is_damaged_and_no_file_of_another_program(path, left):
    Store(path).close()
    path.write_bytes(path.read_bytes()[:left])
    said = r"damaged or incomplete \(database disk image is malformed\): `hitl store check` says what can be saved"
    for opened in (header_version, open_store, Store.open_existing):
        with pytest.raises(StoreError, match=said):
            opened(path)
    path.write_bytes(b"x" * left)
    with pytest.raises(StoreError, match="not an SQLite file"):
        header_version(path)


@pytest.mark.realtime
def test_asking_who_is_alive_takes_no_lock_away(tmp_path):
    """One thread asks again and again while locks are taken: each lock is taken, and the others see it."""
    path, ended = tmp_path / "store.sqlite", threading.Event()
    looks, interval = 0, sys.getswitchinterval()

    def look():
        nonlocal looks
        while not ended.is_set():
            is_alive(path, "one")
            looks += 1

    watcher = threading.Thread(target=look)
    watcher.start()
    sys.setswitchinterval(1e-4)  # the two change places at almost every call, and neither waits long for its turn
    try:
        for _ in range(30):
            lock = LiveLock(path, "one")
            while not lock.acquire():
                pass
            assert is_alive(path, "one")
            assert not LiveLock(path, "one").acquire()
            lock.release()
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        watcher.join()
    assert looks > 30


def test_who_cannot_be_asked_may_be_alive(tmp_path):
    path = tmp_path / "store.sqlite"
    lock = LiveLock(path, "one")
    assert lock.acquire()
    with in_use(lock.path):
        assert is_alive(path, "one")
        assert not LiveLock(path, "two").problem
        other = LiveLock(path, "one")
        assert not other.acquire()
        assert other.problem == "(another program has it open): close that program"
        forget(path, "one")
    assert is_alive(path, "one")
    lock.release()
    assert not is_alive(path, "one")


def test_a_lock_that_may_only_be_read_can_be_asked_for(tmp_path, monkeypatch):
    path, opened = tmp_path / "store.sqlite", os.open

    def reading_only(path, flags, *more):
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *more)

    lock = LiveLock(path, "one")
    assert lock.acquire()
    (tmp_path / "store.sqlite.live-two").touch()
    monkeypatch.setattr(os, "open", reading_only)
    assert is_alive(path, "one")
    assert not is_alive(path, "two")
