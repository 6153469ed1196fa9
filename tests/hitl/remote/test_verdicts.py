"""Verdicts, tags, notes and trims follow what a worker recorded, whenever they are given."""

import itertools
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from data.store import Store
from hitl.remote.outbox import Outbox
from tests.support.workers import carry, record


@pytest.fixture(autouse=True)
def moments(monkeypatch):
    """Each review is given a millisecond after the one before, however fast this machine is."""
    began, count = datetime.now(UTC), itertools.count()

    def moment():
        return f"{began + timedelta(milliseconds=next(count)):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"

    monkeypatch.setattr("data.tables.judgements.now", moment)


def judged(path):
    with Store(path) as store:
        return [
            (s.verdict, s.priority, s.trim_start, s.trim_stop, s.tags, s.note, s.judged_by) for s in store.segments()
        ]


class TestVerdicts:
    @pytest.fixture
    def sent(self, worker, inbox):
        """A worker whose two takeovers have arrived."""
        outbox = Outbox(worker, "one")
        record(worker)
        carry(outbox, inbox)
        return outbox

    def test_they_follow_whenever_they_are_made(self, worker, inbox, sent):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad", note="too early", trim=(1, 2))
            store.label([1, 2], tags_add=["wet", "late"])
            store.label([2], verdict="star", priority=3.0)
        again = Outbox(worker, "one")  # of a later day
        carry(again, inbox)
        assert judged(inbox.path) == judged(worker.store_path)
        assert judged(inbox.path)[1][:2] == ("star", 3.0)
        with Store(worker.store_path) as store:
            store.undo()
            store.label([1], tags_remove=["wet"])
        carry(again, inbox)
        assert judged(inbox.path) == judged(worker.store_path)
        assert judged(inbox.path)[1][0] == "unreviewed"

    def test_each_arrives_once(self, worker, inbox, sent):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        message = sent.next()
        assert inbox.take(message)
        assert inbox.take(message | {"run": "another", "seq": 1, "base": 0})
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT count(*) FROM judgements").fetchone() == (1,)

    def test_the_later_one_stands(self, worker, inbox, sent):
        with Store(worker.store_path) as store:
            store.label([1, 2], verdict="bad")
        with Store(inbox.path) as store:
            store.label([1], verdict="star")  # here, a moment later
        carry(sent, inbox)
        assert [j[0] for j in judged(inbox.path)] == ["star", "bad"]
        with Store(worker.store_path) as store:
            store.label([1], verdict="good")
        carry(sent, inbox)
        assert [j[0] for j in judged(inbox.path)] == ["good", "bad"]
        with Store(inbox.path) as store:
            store.undo([1])  # what came can be taken back here like any other
        assert [j[0] for j in judged(inbox.path)] == ["star", "bad"]

    def test_what_was_taken_back_there_does_not_come_again_here(self, worker, inbox, sent):
        with Store(inbox.path) as store:
            store.label([1], verdict="good", note="from here")
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad", note="from there")
            carry(sent, inbox)
            assert judged(inbox.path)[0][0] == "bad"
            store.undo()
        carry(sent, inbox)
        assert judged(inbox.path)[0][0] == "unreviewed"  # the undoing was set last
        with Store(inbox.path) as store:
            store.undo([1])
            assert next((s.verdict, s.note) for s in store.segments()) == ("good", "from here")
            store.undo([1])
            assert store.segments()[0].verdict == "unreviewed"
            assert store.undo([1]) == []

    def test_nor_where_it_was_judged_here_since(self, worker, inbox, sent):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
            carry(sent, inbox)
            store.undo()
        with Store(inbox.path) as store:
            store.label([1], verdict="star")  # later than the undoing that is still to come
        carry(sent, inbox)
        assert judged(inbox.path)[0][0] == "star"
        with Store(inbox.path) as store:
            store.undo([1])
        assert judged(inbox.path)[0][0] == "unreviewed"

    def test_what_is_in_force_is_not_taken_back_where_it_was_given_again(self, worker, inbox, sent):
        with Store(worker.store_path) as store:
            for verdict in ("bad", "star", "bad"):
                store.label([1], verdict=verdict)
            carry(sent, inbox)
            store.undo()
            store.undo()
        carry(sent, inbox)  # the first one holds again, of which only the last one was heard here
        with Store(inbox.path) as store:
            store.label([1], verdict="good")
            store.undo()
        assert judged(inbox.path)[0][0] == judged(worker.store_path)[0][0] == "bad"

    @pytest.mark.parametrize("back", [3, {"verdict": 3}, {"verdict": {"2026": 3}}, {3: {"2026": "2026"}}])
    def test_a_review_whose_undoings_are_malformed_is_left_out(self, worker, inbox, sent, back):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        message = sent.next()
        ops = tuple((*op[:2], op[2] | {"taken_back": back}, op[3]) if op[0] == "judge" else op for op in message["ops"])
        inbox.take(message | {"ops": ops})
        assert judged(inbox.path)[0][0] == "unreviewed"
        assert "judge" in inbox.refused[0]

    def test_what_was_not_set_there_stays(self, worker, inbox, sent):
        with Store(inbox.path) as store:
            store.label([1], verdict="star", note="from here", tags_add=["mine"])
        with Store(worker.store_path) as store:
            store.label([1], tags_add=["late"], priority=2.0)
        carry(sent, inbox)
        assert judged(inbox.path)[0][:6] == ("star", 2.0, 0, 0, ("late", "mine"), "from here")

    def test_an_older_worker_tells_only_when_the_whole_review_was_last_changed(self, worker, inbox, sent):
        with Store(inbox.path) as store:
            store.label([1], verdict="star", note="from here")
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad", priority=2.0)
        message = sent.next()
        for late, verdict in (("2000", "star"), ("2099", "bad")):
            ops = tuple(
                (*op[:2], {k: v for k, v in op[2].items() if k != "set_at"}, late) if op[0] == "judge" else op
                for op in message["ops"]
            )
            inbox.take(message | {"ops": ops, "run": late, "seq": 1, "base": 0})
            assert judged(inbox.path)[0][0] == verdict
        assert judged(inbox.path)[0][:6] == ("bad", 2.0, 0, 0, (), "")
        assert not inbox.refused

    @pytest.mark.parametrize("when", [3, {"verdict": 3}, {3: "2026"}])
    def test_a_review_whose_times_are_malformed_is_left_out(self, worker, inbox, sent, when):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        message = sent.next()
        ops = tuple((*op[:2], op[2] | {"set_at": when}, op[3]) if op[0] == "judge" else op for op in message["ops"])
        inbox.take(message | {"ops": ops})
        assert judged(inbox.path)[0][0] == "unreviewed"
        assert "judge" in inbox.refused[0]

    def test_of_what_was_never_sent_nothing_is(self, worker, inbox):
        record(worker)
        outbox = Outbox(worker, "one")
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        record(worker)
        carry(outbox, inbox)
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
        with Store(worker.store_path) as store:
            store.label([2], verdict="bad")
            store.label([4], verdict="star")
        carry(outbox, inbox)
        assert [j[0] for j in judged(inbox.path)] == ["unreviewed", "star"]
        assert not inbox.refused

    @pytest.mark.parametrize(
        "wrong", [{"verdict": "dreadful"}, {"priority": float("nan")}, {"trim_stop": 99}, {"tags": [1]}, {"note": None}]
    )
    def test_an_invalid_verdict_is_left_out(self, worker, inbox, sent, wrong):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        message = sent.next()
        ops = tuple((*op[:2], op[2] | wrong, op[3]) if op[0] == "judge" else op for op in message["ops"])
        inbox.take(message | {"ops": ops})
        assert judged(inbox.path)[0][0] == "unreviewed"
        assert "judge" in inbox.refused[0]
