"""A trainer's store that can take nothing now: the reason is told once, on both machines, and so is its end."""

import sqlite3
from types import SimpleNamespace

import pytest

from data.connect import open_store, reason
from data.errors import StoreError
from data.files import paths
from data.store import Store
from hitl.home import Home
from hitl.remote.forward import _stored
from hitl.remote.outbox import Outbox
from hitl.remote.receive import Inbox, _open_inbox, _take
from tests.support.workers import carry, everything, record, state_of


def io_error():
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


@pytest.fixture
def full(monkeypatch):
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))


def test_it_is_said_once_and_its_end_too(worker, inbox, full, monkeypatch):
    outbox, said = Outbox(worker, "one"), []
    record(worker)
    assert outbox.may_send(state_of(inbox, outbox))
    message = outbox.next()
    with monkeypatch.context() as patched:

        def fails(message):
            raise io_error()

        patched.setattr(inbox, "take", fails)
        for _ in range(3):
            _take(inbox, message, said.append)
        assert inbox.trouble == "the disk is full"
    _take(inbox, message, said.append)
    assert said == [
        "The store cannot take what workers send (the disk is full); make room on it. They keep it, and send it again.",
        "The store takes what workers send again.",
    ]
    assert not inbox.trouble
    outbox.acknowledged(inbox.acks[outbox.run])
    carry(outbox, inbox)
    assert everything(inbox.path) == everything(worker.store_path)


def test_the_worker_hears_why_and_when_it_is_over(worker):
    outbox = Outbox(worker, "one")
    record(worker)
    assert _stored(outbox, "the disk is full") == (
        "The trainer's machine cannot store what is sent (the disk is full): 60 steps wait here, and will be sent again."
    )
    assert _stored(outbox, "") == "The trainer stores what is sent again."


@pytest.mark.parametrize("opened", [lambda home: Inbox(home), lambda home: Store(home.store_path)])
def test_a_store_that_cannot_be_opened_as_the_disk_is_full_says_so(tmp_path, full, monkeypatch, opened):
    def fails(*args, **more):
        raise io_error()

    monkeypatch.setattr("hitl.remote.receive.open_store", fails)
    monkeypatch.setattr("data.store.open_store", fails)
    with pytest.raises(StoreError, match=r"cannot be opened: the disk is full\. Make room on it"):
        opened(Home(tmp_path))


def test_it_is_waited_for_and_said_once(tmp_path, full, monkeypatch):
    tries, said = iter([io_error()] * 3), []

    def fails(path):
        if (error := next(tries, None)) is not None:
            raise error
        return open_store(path)

    monkeypatch.setattr("hitl.remote.receive.open_store", fails)
    monkeypatch.setattr("hitl.remote.receive.STATE_S", 0.0)
    _open_inbox(Home(tmp_path), lambda: False, said.append).close()
    assert len(said) == 1
    assert said[0].endswith("then try again. Until then nothing comes from workers.")
    tries = iter([io_error()])
    with pytest.raises(StoreError):
        _open_inbox(Home(tmp_path), lambda: True, said.append)


def test_a_disk_with_room_is_not_called_full(tmp_path):
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert reason(tmp_path / "store.sqlite", io_error()) == "disk I/O error"
    assert reason(tmp_path / "store.sqlite", full) == "the disk is full"
    assert reason(tmp_path / "no" / "store.sqlite", io_error()) == "disk I/O error"
