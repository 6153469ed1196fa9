import dataclasses
import pickle
import sqlite3
import stat
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import StoreError, UsageError
from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from data.store import Store
from data.tables.tracks import Road
from hitl import cli
from hitl.home import Home
from hitl.remote.codec import decode, encode
from hitl.remote.link import Access, access, make_keys
from hitl.remote.outbox import Outbox
from hitl.remote.receive import Inbox, _take

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(plain)
def test_what_travels_comes_back(value):
    assert decode(encode(value)) == value


@given(st.binary(max_size=200))
def test_noise_is_refused_or_plain(raw):
    try:
        value = decode(raw)
    except ValueError:
        return
    assert isinstance(value, type(None) | bool | int | float | str | bytes | tuple | dict)


def test_a_pickle_is_no_message():
    with pytest.raises(ValueError, match="not one of ours"):
        decode(pickle.dumps({"kind": "data"}))
    with pytest.raises(TypeError):
        encode({"code": print})


class TestAccess:
    def test_others_are_refused_without_tls_or_with_a_short_password(self, tmp_path):
        with pytest.raises(UsageError, match="Without TLS"):
            Access("192.168.1.5", password="long enough, surely").check()
        with pytest.raises(UsageError, match="12 characters"):
            Access("192.168.1.5", password="short", keys=tmp_path).check()
        assert Access("192.168.1.5", password="long enough, surely", keys=tmp_path).check()

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.4.5"])
    def test_this_machine_needs_neither(self, host):
        assert Access(host).check().loopback

    @pytest.mark.parametrize("host", ["0.0.0.0", "example.org", "127.0.0.1.example.org", ""])
    def test_everything_else_is_not_this_machine(self, host):
        assert not Access(host).loopback

    def test_the_server_itself_refuses(self, tmp_path, capsys):
        assert cli.main(["server", "--home", str(tmp_path), "--server", "0.0.0.0"]) == 2
        assert "hitl keys" in capsys.readouterr().err

    def test_keys_are_made_once_and_are_private(self, tmp_path, capsys):
        assert cli.main(["keys", "--home", str(tmp_path)]) == 0
        assert cli.main(["keys", "--home", str(tmp_path)]) == 2
        folder = tmp_path / "keys"
        to = access("10.0.0.1", 1234, folder, key=True)
        assert to.keys == folder
        assert len(to.password) >= 30
        assert to.password not in capsys.readouterr().out
        if sys.platform != "win32":
            assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
        (folder / "key.pem").unlink()
        assert access("10.0.0.1", 1234, folder).keys == folder  # a worker has no key
        with pytest.raises(UsageError, match=r"no key\.pem"):
            access("10.0.0.1", 1234, folder, key=True)

    def test_two_sets_of_keys_differ(self, tmp_path):
        for name in "ab":
            make_keys(tmp_path / name)
        assert (tmp_path / "a" / "password.txt").read_text() != (tmp_path / "b" / "password.txt").read_text()


INFO = SessionInfo("play", "box2d", "default", 20.0, ("a", "b"), ("gas_brake", "steer"), {"x": 1.0}, 3, "pad")


def row(k, driver=0):
    return StepRow(
        np.array([k, k + 0.5], np.float32), np.array([0.1, k], np.float32), np.array([0.2, -k], np.float32), driver, float(k),
        progress=float(k), x=1.0, y=2.0, speed=3.0,
    )  # fmt: skip


def record(home, episodes=2, steps=30, keep_open=False):
    recorder = Recorder(home.create().store_path, INFO)
    for _ in range(episodes):
        recorder.begin_episode(seed=7)
        for k in range(steps):
            if k == 10:
                token = recorder.begin_segment("takeover", "pad", "hairpin")
            recorder.step(row(k, int(10 <= k < 20)))
            if k == 19:
                recorder.end_segment(token)
                recorder.set_outcome(token, "cleared")
        recorder.end_episode("terminated", "finish", np.array([9.0, 9.0], np.float32))
    recorder.event("note", "something happened")
    assert recorder.flush()
    if not keep_open:
        recorder.close()
    return recorder


def everything(path):
    with sqlite3.connect(path) as db:
        return [
            db.execute(sql).fetchall()
            for sql in (
                "SELECT uuid, kind, env, track, hz, observation_names, action_names, reward, seed, driver, started, status FROM "
                "sessions ORDER BY uuid",
                "SELECT s.uuid, e.number, e.purpose, e.seed, e.\"end\", e.reason, e.length, e.\"return\", e.max_progress, "
                "e.last_observation FROM episodes e JOIN sessions s ON s.id = e.session_id ORDER BY 1, 2",
                "SELECT s.uuid, e.number, p.t, p.driver, p.reward, p.terminated, p.truncated, p.progress, p.x, p.y, p.speed, "
                "p.observation, p.executed, p.proposed FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON "
                "s.id = e.session_id ORDER BY 1, 2, 3",
                "SELECT s.uuid, g.number, g.kind, g.start, g.stop, g.\"trigger\", g.corner, g.outcome, g.interrupted FROM "
                "segments g JOIN sessions s ON s.id = g.session_id ORDER BY 1, 2",
                "SELECT s.uuid, v.kind, v.message FROM events v JOIN sessions s ON s.id = v.session_id ORDER BY 1, v.id",
            )
        ]  # fmt: skip


@pytest.fixture
def worker(tmp_path):
    return Home(tmp_path / "worker").create()


@pytest.fixture
def inbox(tmp_path):
    inbox = Inbox(Home(tmp_path / "trainer").create())
    yield inbox
    inbox.close()


def carry(outbox, inbox, messages=None):
    while (message := outbox.next()) is not None:
        if messages is not None:
            messages.append(message)
        assert inbox.take(decode(encode(message)))
        outbox.acknowledged(inbox.acks[outbox.run])


class TestForwarding:
    def test_all_that_was_recorded_arrives_as_it_was(self, worker, inbox):
        outbox = Outbox(worker, "one")
        record(worker)
        carry(outbox, inbox)
        assert everything(inbox._path) == everything(worker.store_path)
        with Store(inbox._path) as store:
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
        token = recorder.begin_segment("takeover", "pad")
        for k in range(5):
            recorder.step(row(k, 1))
        recorder.end_segment(token)
        assert recorder.flush()
        carry(outbox, inbox)
        with sqlite3.connect(inbox._path) as db:
            assert db.execute("SELECT start, stop FROM segments").fetchall() == [(0, 5)]
            assert db.execute('SELECT "end" FROM episodes').fetchall() == [(None,)]
        with Store(inbox._path) as store:
            store.recover()  # what a session that begins on the trainer's machine does: ours lives, elsewhere
            assert store.conn.execute("SELECT status FROM sessions").fetchone()[0] == "open"
        recorder.close()
        carry(outbox, inbox)
        assert everything(inbox._path) == everything(worker.store_path)

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
        assert everything(inbox._path) == everything(worker.store_path)

    def test_a_trainer_that_starts_anew_gets_what_was_not_acknowledged(self, worker, inbox, tmp_path, monkeypatch):
        monkeypatch.setattr("hitl.remote.outbox.MESSAGE_BYTES", 3000)
        outbox = Outbox(worker, "one")
        record(worker, episodes=3)
        first, second, third = outbox.next(), outbox.next(), outbox.next()
        inbox.take(first)
        inbox.take(second)
        outbox.acknowledged(1)  # the word about the second is lost
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
        assert everything(inbox._path) == everything(worker.store_path)
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
        assert everything(inbox._path) == everything(worker.store_path)

    def test_two_maps_of_one_name_stay_two_and_an_older_worker_s_is_told_by_its_positions(self, worker, inbox):
        lines = {bend: Road([[k, bend * k * k] for k in range(100)], 8.0) for bend in (0.0, 0.02)}
        outbox = Outbox(worker, "one")
        with Store(worker.store_path) as store:
            names = [store.enter_track("line", road)[0] for road in lines.values()]
        with Store(inbox._path) as store:
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
        with Store(inbox._path) as store:
            tracks = [t for (t,) in store.conn.execute("SELECT track FROM sessions ORDER BY id")]
            here = f"line~{lines[0.0].digest[:6]}"
            assert tracks == [here, "line", "line~unknown"]  # the other line itself is not known here, only its digest
            store.enter_track("line", lines[0.0])  # until it is driven here
            assert [t for (t,) in store.conn.execute("SELECT track FROM sessions ORDER BY id")] == [here, "line", here]

    @pytest.mark.parametrize("digest", ["no digest", 3, "a" * 100, None])
    def test_a_digest_that_is_none_is_refused(self, worker, inbox, digest):
        outbox = Outbox(worker, "one")
        record(worker)
        message = outbox.next()
        message["session"]["track_digest"] = digest
        assert inbox.take(decode(encode(message)))  # acknowledged, so that it does not hold up what comes after it
        assert "invalid session: track_digest" in inbox.noted[0]
        with sqlite3.connect(inbox._path) as db:
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
        assert everything(inbox._path) == everything(worker.store_path)

    def test_a_store_that_is_just_being_made_is_waited_for(self, worker, inbox, monkeypatch):
        outbox = Outbox(worker, "one")
        worker.store_path.touch()
        assert outbox.next() is None
        record(worker)
        carry(outbox, inbox)
        assert everything(inbox._path) == everything(worker.store_path)
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
        assert everything(inbox._path) == everything(worker.store_path)
        assert Outbox(worker, "one", everything=True).next() is None  # they are not sent at each start


def judged(path):
    with Store(path) as store:
        return [
            (s.verdict, s.priority, s.trim_start, s.trim_stop, s.tags, s.note, s.judged_by) for s in store.segments()
        ]


class TestJudgements:
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
        assert judged(inbox._path) == judged(worker.store_path)
        assert judged(inbox._path)[1][:2] == ("star", 3.0)
        with Store(worker.store_path) as store:
            store.undo()
            store.label([1], tags_remove=["wet"])
        carry(again, inbox)
        assert judged(inbox._path) == judged(worker.store_path)
        assert judged(inbox._path)[1][0] == "unreviewed"

    def test_each_arrives_once(self, worker, inbox, sent):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        message = sent.next()
        assert inbox.take(message)
        assert inbox.take(message | {"run": "another", "seq": 1, "base": 0})
        with sqlite3.connect(inbox._path) as db:
            assert db.execute("SELECT count(*) FROM judgements").fetchone() == (1,)

    def test_the_later_one_stands(self, worker, inbox, sent):
        with Store(worker.store_path) as store:
            store.label([1, 2], verdict="bad")
        with Store(inbox._path) as store:
            store.label([1], verdict="star")  # here, a moment later
        carry(sent, inbox)
        assert [j[0] for j in judged(inbox._path)] == ["star", "bad"]
        with Store(worker.store_path) as store:
            store.label([1], verdict="good")
        carry(sent, inbox)
        assert [j[0] for j in judged(inbox._path)] == ["good", "bad"]
        with Store(inbox._path) as store:
            store.undo([1])  # what came can be taken back here like any other
        assert [j[0] for j in judged(inbox._path)] == ["star", "bad"]

    def test_of_what_was_never_sent_nothing_is(self, worker, inbox):
        record(worker)
        outbox = Outbox(worker, "one")
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        record(worker)
        carry(outbox, inbox)
        with sqlite3.connect(inbox._path) as db:
            assert db.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
        with Store(worker.store_path) as store:
            store.label([2], verdict="bad")
            store.label([4], verdict="star")
        carry(outbox, inbox)
        assert [j[0] for j in judged(inbox._path)] == ["unreviewed", "star"]
        assert not inbox.refused

    @pytest.mark.parametrize(
        "wrong", [{"verdict": "dreadful"}, {"priority": float("nan")}, {"trim_stop": 99}, {"tags": [1]}, {"note": None}]
    )
    def test_what_is_no_judgement_is_left_out(self, worker, inbox, sent, wrong):
        with Store(worker.store_path) as store:
            store.label([1], verdict="bad")
        message = sent.next()
        ops = tuple((*op[:2], op[2] | wrong, op[3]) if op[0] == "judge" else op for op in message["ops"])
        inbox.take(message | {"ops": ops})
        assert judged(inbox._path)[0][0] == "unreviewed"
        assert "judge" in inbox.refused[0]


def spoiled(value, kind, at, op):
    """Return an operation with a number that is none in it."""
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
        with sqlite3.connect(inbox._path) as db:
            assert db.execute("SELECT count(*) FROM steps").fetchone() == (59,)
            ((level, text),) = db.execute("SELECT level, message FROM events WHERE kind = 'worker'").fetchall()
        assert (level, text) == ("warning", said[0])

    @pytest.mark.parametrize("at", [7, 8, 9, 10, 11, 12, 13])
    def test_a_place_or_a_risk_becomes_unknown(self, inbox, messages, at):
        for message in messages:
            message["ops"] = tuple(spoiled(float("inf"), "step", at, op) for op in message["ops"])
        self.received(inbox, messages)
        with sqlite3.connect(inbox._path) as db:
            name = ("progress", "x", "y", "z", "heading", "speed", "risk")[at - 7]
            assert db.execute(f"SELECT count(*), count({name}) FROM steps").fetchone() == (60, 0)

    def test_what_was_seen_at_the_end_becomes_unknown(self, inbox, messages):
        for message in messages:
            message["ops"] = tuple(spoiled(float("nan"), "end", 4, op) for op in message["ops"])
        self.received(inbox, messages)
        with sqlite3.connect(inbox._path) as db:
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
    def test_a_message_that_is_none_is_passed_over(self, inbox, messages, change):
        gone = sum(op[0] == "step" for op in messages[1]["ops"])
        messages[1] |= change
        said = self.received(inbox, messages)
        assert "A message was left out" in said[0]
        with sqlite3.connect(inbox._path) as db:
            assert db.execute("SELECT count(*) FROM steps").fetchone() == (60 - gone,)
            assert db.execute("SELECT message FROM events WHERE kind = 'worker'").fetchall() == [(said[0],)]

    @pytest.mark.parametrize("change", [{"hz": 5000.0}, {"kind": "unknown"}, {"env": "e" * 201}, {"driver": "a\0b"}])
    def test_a_session_beyond_what_it_may_be_is_passed_over(self, inbox, messages, change):
        for message in messages:
            message["session"] |= change
        said = self.received(inbox, messages)
        assert f"invalid session: {next(iter(change))}" in said[0]
        with sqlite3.connect(inbox._path) as db:
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
        with sqlite3.connect(inbox._path) as db:
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
