"""What happened in a session (lap times, takeovers, offers) arrives whatever other sessions do."""

import sqlite3

import pytest

from data.recording.recorder import Recorder
from data.store import Store
from hitl.remote.outbox import Outbox
from tests.support.workers import INFO, carry, everything, record


def session_without_a_step(home, *, ended):
    """Begin a session that notes something, and never drives."""
    recorder = Recorder(home.create().store_path, INFO)
    recorder.event("agent", "it is there")
    assert recorder.flush()
    if ended:
        recorder.close()
    return recorder


def events(path):
    with sqlite3.connect(path) as db:
        return [kind for (kind,) in db.execute("SELECT kind FROM events WHERE session_id IS NOT NULL ORDER BY id")]


@pytest.mark.parametrize("ended", [True, False])
def test_a_session_that_ends_before_its_first_step_holds_up_no_other(worker, inbox, ended):
    outbox = Outbox(worker, "one")
    begun = session_without_a_step(worker, ended=ended)
    record(worker)
    record(worker)
    carry(outbox, inbox)
    if not ended:
        begun.close()
        carry(outbox, inbox)
    assert everything(inbox.path) == everything(worker.store_path)


def test_so_does_none_that_was_cut_off_before_its_first_step(worker, inbox):
    outbox = Outbox(worker, "one")
    session_without_a_step(worker, ended=False)._live.release()  # as the system does when its process is killed
    with Store(worker.store_path) as store:
        assert "cut off" in store.recover()[0]
    record(worker)
    carry(outbox, inbox)
    assert everything(inbox.path) == everything(worker.store_path)


def test_events_of_what_was_never_sent_are_passed_over(worker, inbox):
    played = session_without_a_step(worker, ended=False)
    outbox = Outbox(worker, "one")
    played._live.release()
    outbox._first += 1  # as where it was not open any more when the home became a worker's
    with Store(worker.store_path) as store:
        store.recover()
        store.add_event("note", "of no session")
    record(worker)
    carry(outbox, inbox)
    assert events(inbox.path) == ["note"]
    assert Outbox(worker, "one").next() is None
