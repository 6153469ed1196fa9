"""A number that cannot be learned from, or a message that is invalid, never holds up what comes after it."""

import dataclasses
import sqlite3

import numpy as np
import pytest

from data.recording.recorder import Recorder
from hitl.remote.codec import decode, encode
from hitl.remote.outbox import Outbox
from hitl.remote.receive import _take
from tests.support.workers import INFO, carry, record, row


def spoiled(value, kind, at, op):
    """Return an operation with an unusable number in it."""
    if op[0] != kind:
        return op
    if isinstance(op[at], bytes):
        with np.errstate(over="ignore"):
            value = np.array([1.0, value], np.float32).tobytes()
    return (*op[:at], value, *op[at + 1 :])


class TestWhatCannotBeLearnedFrom:
    """A number of that kind, or a message that is none, never holds up what comes after it."""

    @pytest.fixture
    def messages(self, worker, monkeypatch):
        monkeypatch.setattr("hitl.remote.outbox.MESSAGE_BYTES", 3000)
        outbox = Outbox(worker, "one")
        record(worker, episodes=2)
        found = []
        while (message := outbox.next()) is not None:
            found.append(decode(encode(message)))
        assert len(found) > 3
        return found

    def received(self, inbox, messages):
        """Give all messages to the trainer's side as they come; returns what it says."""
        said = []
        for message in messages:
            _take(inbox, message, said.append)
        assert inbox.acks[messages[0]["run"]] == len(messages)
        return said

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, -1e12])
    @pytest.mark.parametrize(
        ("at", "name"), [(4, "the reward"), (15, "b"), (16, "the action steer"), (17, "the proposed steer")]
    )
    def test_a_step_is_left_out_and_the_rest_arrives(self, inbox, messages, value, at, name):
        ops = messages[1]["ops"]
        where = next(k for k, op in enumerate(ops) if op[0] == "step")
        messages[1]["ops"] = (*ops[:where], spoiled(value, "step", at, ops[where]), *ops[where + 1 :])
        said = self.received(inbox, messages)
        assert [s for s in said if f"({name} in 1)" in s and "'one'" in s]
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT count(*) FROM steps").fetchone() == (59,)
            ((level, text),) = db.execute("SELECT level, message FROM events WHERE kind = 'worker'").fetchall()
        assert (level, text) == ("warning", said[0])

    @pytest.mark.parametrize("at", [7, 8, 9, 10, 11, 12, 13])
    def test_a_place_or_a_risk_becomes_unknown(self, inbox, messages, at):
        for message in messages:
            message["ops"] = tuple(spoiled(float("inf"), "step", at, op) for op in message["ops"])
        self.received(inbox, messages)
        with sqlite3.connect(inbox.path) as db:
            name = ("progress", "x", "y", "z", "heading", "speed", "risk")[at - 7]
            assert db.execute(f"SELECT count(*), count({name}) FROM steps").fetchone() == (60, 0)

    def test_what_was_seen_at_the_end_becomes_unknown(self, inbox, messages):
        for message in messages:
            message["ops"] = tuple(spoiled(float("nan"), "end", 4, op) for op in message["ops"])
        self.received(inbox, messages)
        with sqlite3.connect(inbox.path) as db:
            counts = db.execute("SELECT count(*), count(last_observation), count(ended) FROM episodes").fetchone()
        assert counts == (2, 0, 2)

    @pytest.mark.parametrize(
        "change",
        [
            {"ops": (("step", 0, 1),)},
            {"ops": "none"},
            {"ops": ((),)},
            {"session": {}},
            {"session": None},
            {"checkpoints": None},
            {"checkpoints": {1: {}}},
            {"ops": (("step", 0, 0, 1, "much", 0, 0, 1.0, 0.0, 0.0, 0.0, 0.0, 9.0, None, None, b"", b"", b""),)},
            {"ops": (("step", 0, 0, 1, 1.0, 0, 0, 1.0, "here", 0.0, 0.0, 0.0, 9.0, None, None, bytes(8), bytes(8), bytes(8)),)},
        ],
    )
    def test_an_invalid_message_is_passed_over(self, inbox, messages, change):
        gone = sum(op[0] == "step" for op in messages[1]["ops"])
        messages[1] |= change
        said = self.received(inbox, messages)
        assert "A message was left out" in said[0]
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT count(*) FROM steps").fetchone() == (60 - gone,)
            assert db.execute("SELECT message FROM events WHERE kind = 'worker'").fetchall() == [(said[0],)]

    @pytest.mark.parametrize("change", [{"hz": 5000.0}, {"kind": "unknown"}, {"env": "e" * 201}, {"driver": "a\0b"}])
    def test_a_session_beyond_what_it_may_be_is_passed_over(self, inbox, messages, change):
        for message in messages:
            message["session"] |= change
        said = self.received(inbox, messages)
        assert f"invalid session: {next(iter(change))}" in said[0]
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)

    def test_two_numbers_of_one_name_and_any_reward_settings_are_no_reason(self, worker, inbox):
        outbox = Outbox(worker, "one")
        info = dataclasses.replace(INFO, observation_names=("a", "a"), reward={"terms": ["progress"]})
        with Recorder(worker.store_path, info) as recorder:
            recorder.begin_episode()
            recorder.step(row(1))
            recorder.step(dataclasses.replace(row(2), observation=np.array([np.nan, 0.0], np.float32)))
            recorder.end_episode("terminated", "finish", np.zeros(2, np.float32))
        carry(outbox, inbox)
        assert outbox.said == ["1 step holds a number that cannot be learned from (a in 1). Such steps are not sent."]
        assert not inbox.noted
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT count(*) FROM steps").fetchone() == (1,)

    def test_a_worker_sends_none_of_what_an_older_version_recorded(self, worker, inbox):
        outbox = Outbox(worker, "one")
        record(worker)
        with sqlite3.connect(worker.store_path) as db:
            bad = np.array([np.nan, 1.0], "<f4").tobytes()
            db.execute("UPDATE steps SET observation = ? WHERE t = 5", (bad,))
            db.execute("UPDATE episodes SET last_observation = ? WHERE number = 1", (bad,))
        messages = []
        carry(outbox, inbox, messages)
        assert outbox.said == ["3 steps hold numbers that cannot be learned from (a in 3). Such steps are not sent."]
        assert not inbox.noted
        sent = [op for message in messages for op in message["ops"]]
        for op in sent:
            for value in op:
                if isinstance(value, bytes):
                    assert np.isfinite(np.frombuffer(value, "<f4")).all()
        assert sum(op[0] == "step" for op in sent) == 58
        assert outbox.steps == 60  # all is dealt with
