"""A trainer whose store lacks what workers had delivered gets it again, and only then."""

import contextlib
import os
import shutil
import sqlite3

import pytest

from data.errors import StoreGoneError
from data.recording.recorder import Recorder
from data.store import Store
from data.tables.received import KIND, Received
from hitl.home import Home
from hitl.remote.outbox import Outbox
from hitl.remote.receive import Inbox, _at_its_place
from tests.support.workers import INFO, carry, everything, record, row, state_of


@pytest.fixture
def trainer(tmp_path):
    """Give a function that starts a trainer in a home of some name."""
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(contextlib.closing(Inbox(Home(tmp_path / name).create())))


def copied(inbox, name):
    """Copy the trainer's store as it is now into another home."""
    home = Home(inbox.path.parent.with_name(name)).create()
    with contextlib.closing(sqlite3.connect(home.store_path)) as copy:
        inbox._conn.backup(copy)


def test_a_trainer_in_a_new_home_gets_all_that_was_delivered(worker, inbox, trainer):
    record(worker)
    outbox = Outbox(worker, "one")  # what was recorded before is not asked for
    record(worker)
    record(worker)
    carry(outbox, inbox)
    new = trainer("new")
    carry(outbox, new)
    assert everything(new.path) == everything(inbox.path)
    assert "120 steps that were sent before are not in the trainer's store" in outbox.said.pop()
    assert Outbox(worker, "one").acked == outbox.acked
    carry(Outbox(worker, "one"), new)
    carry(Outbox(worker, "one"), inbox)
    assert (new.steps, inbox.steps) == (120, 120), "each gets it once"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
def test_a_store_that_is_put_back_while_it_receives_gets_what_came_since(worker, inbox, monkeypatch):
    monkeypatch.setattr("hitl.remote.receive.STATE_S", 0.01)
    outbox, home, said = Outbox(worker, "one"), Home(inbox.path.parent), []
    record(worker)
    carry(outbox, inbox)
    copied(inbox, "restored")
    record(worker)
    carry(outbox, inbox)
    delivered = everything(inbox.path)
    assert _at_its_place(inbox, home, lambda: False, said.append) is inbox
    (home.root.with_name("restored") / "store.sqlite").replace(inbox.path)
    for beside in ("-wal", "-shm"):
        inbox.path.with_name(inbox.path.name + beside).unlink(missing_ok=True)
    with contextlib.closing(_at_its_place(inbox, home, lambda: False, said.append)) as other:
        assert other is not inbox
        assert said == ["The store store.sqlite was replaced by another file. What workers send goes into that one now."]
        carry(outbox, other)
        assert everything(inbox.path) == delivered
        shutil.rmtree(home.root)
        with pytest.raises(StoreGoneError, match="no longer at its place"):
            _at_its_place(other, home, lambda: False, said.append)


def test_one_whose_store_was_put_back_from_a_copy_gets_what_came_since(worker, inbox, trainer):
    outbox = Outbox(worker, "one")
    record(worker)
    carry(outbox, inbox)
    recorder = Recorder(worker.store_path, INFO)
    recorder.begin_episode()
    for k in range(40):
        recorder.step(row(k))
        if k == 9:
            assert recorder.flush()
            carry(outbox, inbox)
            copied(inbox, "restored")
    recorder.close()
    carry(outbox, inbox)
    restored, messages = trainer("restored"), []
    carry(Outbox(worker, "one"), restored, messages)
    assert everything(restored.path) == everything(worker.store_path)
    assert sum(op[0] == "step" for m in messages for op in m["ops"]) == 30


def test_so_it_does_where_only_a_verdict_or_the_end_is_missing(worker, inbox, trainer):
    outbox = Outbox(worker, "one")
    recorder = record(worker, keep_open=True)
    carry(outbox, inbox)
    copied(inbox, "restored")
    recorder.close()
    with Store(worker.store_path) as store:
        store.label([1], verdict="bad")
    carry(outbox, inbox)
    restored = trainer("restored")
    carry(outbox, restored)
    assert everything(restored.path) == everything(worker.store_path)
    with Store(restored.path) as store:
        assert store.segments()[0].verdict == "bad"
    assert not restored.steps


@pytest.mark.parametrize("lost", [False, True])
def test_a_store_that_an_earlier_version_filled_is_asked_for_its_sessions(worker, inbox, trainer, lost):
    outbox = Outbox(worker, "one")
    record(worker)
    while (message := outbox.next()) is not None:  # no trainer has told anything: an earlier version
        assert message["received"] is None
        inbox.take(message)
        outbox.acknowledged(inbox.acks[outbox.run])
        if lost:
            copied(inbox, "t")
            lost = False
    assert not inbox._conn.execute("SELECT count(*) FROM events WHERE kind = ?", (KIND,)).fetchone()[0]
    record(worker)
    while (message := outbox.next()) is not None:
        inbox.take(message)
        outbox.acknowledged(inbox.acks[outbox.run])
    there = trainer("t") if (inbox.path.parent.with_name("t")).exists() else inbox
    had, there.steps = there is inbox, 0
    carry(outbox, there)
    assert everything(there.path) == everything(worker.store_path)
    assert there.steps == (0 if had else 120)
    assert (outbox.worker in there._has) == (not had), "as soon as something comes"


def test_what_was_on_its_way_to_another_store_is_not_taken_for_all_before_it(worker, inbox, trainer):
    outbox = Outbox(worker, "one")
    record(worker, episodes=1)
    carry(outbox, inbox)
    copied(inbox, "restored")
    record(worker, episodes=1)
    carry(outbox, inbox)
    record(worker, episodes=1)
    late = outbox.next()
    restored = trainer("restored")
    assert not restored.take(late)
    carry(outbox, restored)
    assert everything(restored.path) == everything(worker.store_path)


def test_it_waits_until_the_trainer_has_heard_of_this_worker(worker, inbox):
    outbox = Outbox(worker, "one")
    state = state_of(inbox, outbox)
    assert not outbox.may_send(state | {"has": {"another": {"sessions": 3}}})
    assert not outbox.may_send({name: value for name, value in state.items() if name != "has"})
    assert outbox.may_send(state)
    assert outbox.may_send(state | {"has": {}}), "it has told"
    assert outbox.may_send({"kind": "state", "acks": {}, "weights": ""}), "an earlier version"
    assert outbox.next() is None


def test_a_worker_that_lost_its_own_store_sends_what_it_records_from_then_on(worker, inbox):
    outbox = Outbox(worker, "one")
    record(worker, episodes=3)
    carry(outbox, inbox)
    outbox.close()
    shutil.rmtree(worker.root / "checkpoints")
    for path in worker.root.glob("store.sqlite*"):
        path.unlink()
    again = Outbox(worker, "one")
    record(worker, episodes=1)
    carry(again, inbox)
    assert inbox.steps == 120


@pytest.mark.parametrize("row", [3, None, {3: 4}, {"step": -1}, {"step": "3"}, {"step": 2**63}, {"open": [None]}, {"open": 3}])
def test_a_malformed_row_is_refused_and_one_of_a_newer_version_is_read(worker, inbox, row):
    with pytest.raises(ValueError, match="received"):
        Received.read(row)
    assert Received.read({"step": 3, "more": "of it"}).marks.step == 3
    insert = "INSERT INTO events (at, level, kind, message, data) VALUES ('', '', ?, '', ?)"
    inbox._conn.execute(insert, (KIND, '{"worker": "w"}'))
    assert inbox.has("w") == {"sessions": 0}
