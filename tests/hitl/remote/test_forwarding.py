"""What a worker records arrives at the trainer's: all of it, once, and in order."""

import dataclasses
import sqlite3

import numpy as np
import pytest

from data.errors import StoreError
from data.recording.recorder import Recorder
from data.store import Store
from data.tables.tracks import Road
from hitl.home import Home
from hitl.remote.codec import decode, encode
from hitl.remote.outbox import Outbox
from hitl.remote.receive import Inbox
from tests.support.workers import INFO, carry, everything, record, row


class TestForwarding:
    def test_all_that_was_recorded_arrives_as_it_was(self, worker, inbox):
        outbox = Outbox(worker, "one")
        record(worker)
        carry(outbox, inbox)
        assert everything(inbox.path) == everything(worker.store_path)
        with Store(inbox.path) as store:
            assert store.conn.execute("SELECT source FROM sessions").fetchone()[0].startswith("worker one ")
            assert store.conn.execute("SELECT count(*) FROM steps").fetchone()[0] == 60

    def test_only_what_was_recorded_since_unless_all_is_asked_for(self, worker, inbox):
        record(worker)
        assert Outbox(worker, "one").next() is None
        (worker.root / "worker.json").unlink()
        assert Outbox(worker, "one", everything=True).next() is not None

    def test_a_takeover_leaves_at_its_end_while_the_episode_goes_on(self, worker, inbox):
        outbox = Outbox(worker, "one")
        recorder = Recorder(worker.create().store_path, INFO)
        recorder.begin_episode()
        number = recorder.begin_segment("takeover", "pad")
        for k in range(5):
            recorder.step(row(k, 1))
        recorder.end_segment(number)
        assert recorder.flush()
        carry(outbox, inbox)
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT start, stop FROM segments").fetchall() == [(0, 5)]
            assert db.execute('SELECT "end" FROM episodes').fetchall() == [(None,)]
        with Store(inbox.path) as store:
            store.recover()  # what a session that begins on the trainer's machine does: ours lives, elsewhere
            assert store.conn.execute("SELECT status FROM sessions").fetchone()[0] == "open"
        recorder.close()
        carry(outbox, inbox)
        assert everything(inbox.path) == everything(worker.store_path)

    def test_sent_twice_is_stored_once_in_whatever_order_it_comes(self, worker, inbox, monkeypatch):
        monkeypatch.setattr("hitl.remote.outbox.MESSAGE_BYTES", 1500)
        outbox = Outbox(worker, "one")
        record(worker, episodes=4)
        messages = []
        while (message := outbox.next()) is not None:
            messages.append(message)
        assert len(messages) == 8  # no more are on their way at once
        rng = np.random.default_rng(0)
        for _ in range(400):
            inbox.take(messages[rng.integers(len(messages))])
        assert inbox.acks[outbox.run] == 8
        outbox.acknowledged(8)
        carry(outbox, inbox)
        assert everything(inbox.path) == everything(worker.store_path)

    def test_a_trainer_that_starts_anew_gets_what_was_not_acknowledged(self, worker, inbox, tmp_path, monkeypatch):
        monkeypatch.setattr("hitl.remote.outbox.MESSAGE_BYTES", 3000)
        outbox = Outbox(worker, "one")
        record(worker, episodes=3)
        first, second, third = outbox.next(), outbox.next(), outbox.next()
        inbox.take(first)
        inbox.take(second)
        assert outbox.acknowledged(1)  # the word about the second is lost
        assert not outbox.acknowledged(1), "said once more, it is no news"
        inbox.close()
        anew = Inbox(Home(tmp_path / "trainer"))
        assert not anew.take(third)  # the second is missing for all it knows
        outbox.resend()
        carry(outbox, anew)
        anew.close()
        assert everything(tmp_path / "trainer" / "store.sqlite") == everything(worker.store_path)

    def test_a_worker_that_was_killed_goes_on_where_it_was(self, worker, inbox, monkeypatch):
        monkeypatch.setattr("hitl.remote.outbox.MESSAGE_BYTES", 3000)
        outbox = Outbox(worker, "one")
        record(worker, episodes=3)
        for _ in range(3):
            inbox.take(outbox.next())
        outbox.acknowledged(2)
        again, messages = Outbox(worker, "one"), []
        carry(again, inbox, messages)
        assert again.worker == outbox.worker
        assert everything(inbox.path) == everything(worker.store_path)
        steps = sum(op[0] == "step" for m in messages for op in m["ops"])
        assert 0 < steps < 90

    def test_two_sessions_at_once_are_kept_apart(self, worker, inbox, monkeypatch):
        monkeypatch.setattr("hitl.remote.outbox.MESSAGE_BYTES", 1500)
        outbox = Outbox(worker, "one")
        recorders = [Recorder(worker.create().store_path, dataclasses.replace(INFO, seed=k)) for k in range(2)]
        for episode in range(3):
            for r in recorders:
                r.begin_episode(seed=episode)
            for k in range(20):
                for n, r in enumerate(recorders):
                    if k == 5:
                        r.begin_segment("takeover", "pad")
                    r.step(row(k + 100 * n))
                if k % 7 == 0:
                    assert all(r.flush() for r in recorders)
                    carry(outbox, inbox)
            for r in recorders:
                r.end_episode("truncated", "time_limit", np.zeros(2, np.float32))
        for r in recorders:
            r.close()
        carry(outbox, inbox)
        assert everything(inbox.path) == everything(worker.store_path)

    def test_two_maps_of_one_name_stay_two_and_an_older_worker_s_is_told_by_its_positions(self, worker, inbox):
        lines = {bend: Road([[k, bend * k * k] for k in range(100)], 8.0) for bend in (0.0, 0.02)}
        outbox = Outbox(worker, "one")
        with Store(worker.store_path) as store:
            names = [store.enter_track("line", road)[0] for road in lines.values()]
        with Store(inbox.path) as store:
            store.enter_track("line", lines[0.02])
        sessions = [(names[0], lines[0.0], True), (names[1], lines[0.02], True), ("line", lines[0.0], False)]
        for name, road, known in sessions:
            digest = road.digest if known else ""
            with Recorder(worker.store_path, dataclasses.replace(INFO, track=name, track_digest=digest)) as recorder:
                recorder.begin_episode()
                for k in range(1, 60):
                    x, y = road.at(np.array(k / road.length)).tolist()
                    recorder.step(dataclasses.replace(row(k), x=x, y=y))
                recorder.end_episode("terminated", "finish", np.zeros(2, np.float32))
            while (message := outbox.next()) is not None:
                if not known:
                    del message["session"]["track_digest"]
                assert inbox.take(decode(encode(message)))
                outbox.acknowledged(inbox.acks[outbox.run])
        with Store(inbox.path) as store:
            tracks = [t for (t,) in store.conn.execute("SELECT track FROM sessions ORDER BY id")]
            here = f"line~{lines[0.0].digest[:6]}"
            assert tracks == [here, "line", "line~unknown"]  # the other line itself is not known here, only its digest
            store.enter_track("line", lines[0.0])  # until it is driven here
            assert [t for (t,) in store.conn.execute("SELECT track FROM sessions ORDER BY id")] == [here, "line", here]

    @pytest.mark.parametrize("digest", ["no digest", 3, "a" * 100, None])
    def test_an_invalid_digest_is_refused(self, worker, inbox, digest):
        outbox = Outbox(worker, "one")
        record(worker)
        message = outbox.next()
        message["session"]["track_digest"] = digest
        assert inbox.take(decode(encode(message)))  # acknowledged, so that it does not hold up what comes after it
        assert "invalid session: track_digest" in inbox.noted[0]
        with sqlite3.connect(inbox.path) as db:
            assert db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)

    def test_no_message_is_larger_than_a_megabyte(self, worker, inbox):
        outbox = Outbox(worker, "one")
        info = dataclasses.replace(INFO, observation_names=tuple(f"o{k}" for k in range(2000)))
        recorder = Recorder(worker.create().store_path, info)
        recorder.begin_episode()
        for k in range(500):
            recorder.step(dataclasses.replace(row(k), observation=np.full(2000, k, np.float32)))
        recorder.close()
        messages = []
        carry(outbox, inbox, messages)
        assert max(len(encode(m)) for m in messages) < 1_000_000
        assert inbox.steps == 500

    def test_what_is_sent_again_is_the_same_though_the_store_has_grown(self, worker, inbox):
        outbox = Outbox(worker, "one")
        recorder = Recorder(worker.create().store_path, INFO)
        recorder.begin_episode()
        for k in range(40):
            recorder.step(row(k))
            if k == 9:
                assert recorder.flush()
                late = outbox.next()  # on its way for long
        recorder.close()
        outbox.resend()
        again = outbox.next()
        assert (again["seq"], again["ops"]) == (late["seq"], late["ops"])
        assert inbox.take(late)
        assert not inbox.take(again)
        outbox.acknowledged(inbox.acks[outbox.run])
        carry(outbox, inbox)
        assert everything(inbox.path) == everything(worker.store_path)

    def test_a_store_that_is_just_being_made_is_waited_for(self, worker, inbox, monkeypatch):
        outbox = Outbox(worker, "one")
        worker.store_path.touch()
        assert outbox.next() is None
        record(worker)
        carry(outbox, inbox)
        assert everything(inbox.path) == everything(worker.store_path)
        outbox.close()
        worker.store_path.write_bytes(b"no database " * 1000)
        monkeypatch.setattr("hitl.remote.outbox.PATIENCE_S", -1.0)
        with pytest.raises(StoreError):
            outbox.next()

    def test_all_can_be_asked_for_later_too(self, worker, inbox):
        record(worker)
        Outbox(worker, "one").close()
        record(worker, episodes=1)
        carry(Outbox(worker, "one"), inbox)
        assert inbox.steps == 30
        carry(Outbox(worker, "one", everything=True), inbox)
        assert everything(inbox.path) == everything(worker.store_path)
        assert Outbox(worker, "one", everything=True).next() is None  # they are not sent at each start
