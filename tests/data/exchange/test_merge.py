import numpy as np
import pytest

from data.errors import StoreError, UsageError
from data.exchange.merge import merge
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.store import Store
from data.tables.checkpoints import newest_name
from data.tables.driven import BROUGHT
from data.tables.received import kept
from tests.support.recorded import drive, session_info, step_row


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other.sqlite"
    with Store(path) as store:
        for n in range(3):
            store.add_checkpoint(f"c{n}", f"sha{n}", n, n, "train", {})
        store.upsert_corner("hairpin", "first", 5.0, 9.0, "player")
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 30, checkpoint_id=3)
        drive(recorder, 40, (10, 20))
        recorder.event("note", "hello")
    return path


def contents(path, track=None):
    """All steps with what they belong to, in an order that no row id takes part in."""
    with Store(path) as store:
        return store.db.execute(
            'SELECT s.uuid, e.number, e."end", e.length, hex(e.last_observation), p.t, p.driver, p.reward, p.progress, '
            "hex(p.observation), hex(p.executed), hex(p.proposed), c.sha256 FROM steps p JOIN episodes e ON e.id = p.episode_id "
            "JOIN sessions s ON s.id = e.session_id LEFT JOIN checkpoints c ON c.id = e.checkpoint_id ORDER BY 1, 2, 6"
        ).fetchall(), store.db.execute(
            "SELECT s.uuid, g.number, g.kind, g.start, g.stop, g.verdict, g.note, g.trim_start, (SELECT group_concat(tag) FROM "
            "tags "
            "WHERE segment_id = g.id) FROM segments g JOIN sessions s ON s.id = g.session_id ORDER BY 1, 2"
        ).fetchall()


def test_a_merge_brings_all_once_with_ids_remapped(path, other):
    with Recorder(path, session_info(seed=9)) as recorder:
        drive(recorder, 10, (2, 4))
    mine = contents(path)
    with Store(path) as store:
        store.add_checkpoint("own", "own", 1, 1, "train", {})
        summary = merge(store.conn, path, other)
        assert (summary.episodes, summary.steps, summary.segments, summary.present) == (2, 70, 2, 0)
        assert summary.seconds == pytest.approx(3.5)
        again = merge(store.conn, path, other)
        assert (again.episodes, again.steps, again.segments, again.present) == (0, 0, 0, 2)
        assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert store.conn.execute("SELECT name FROM corners").fetchall() == [("first",)]
        assert [e["message"] for e in store.db["events"].rows if e["kind"] != BROUGHT] == ["hello"]
    theirs = contents(other)
    assert contents(path) == (sorted(mine[0] + theirs[0]), sorted(mine[1] + theirs[1]))
    assert len(Follower(path).poll()) == 80


def test_checkpoints_that_came_with_a_merge_are_no_part_of_the_home(path, other):
    with Recorder(other, session_info(kind="evaluation", seed=5)) as recorder:
        drive(recorder, 30, None, purpose="evaluation", checkpoint_id=2)
    (path.parent / "checkpoints").mkdir()
    with Store(path) as store:
        own = store.add_checkpoint("own", "own", 1, 1, "train", {"takeover_min_m": 7.0})
        (path.parent / "checkpoints" / "own").touch()
        merge(store.conn, path, other)
        (evaluated,) = store.conn.execute("SELECT checkpoint_id FROM episodes WHERE purpose = 'evaluation'").fetchone()
        store.set_best(evaluated, "hairpin")
        for kind in ("imported", "train", "stall"):  # the last two as earlier versions left them
            store.conn.execute("UPDATE checkpoints SET kind = ? WHERE id != ?", (kind, own))
            assert [c.name for c in store.checkpoints()] == ["own"]
            assert store.latest_checkpoint().id == own
            assert newest_name(store.conn) == "own"
            assert store.best_checkpoint() is store.best_checkpoint("hairpin") is None
            assert store.evaluations() == []
            assert (store.count_checkpoints("train"), store.info().checkpoints) == (1, 1)
            assert store.rule().takeover_min_m == 7.0
            assert {e.checkpoint_id for e in store.episodes(imported=False)} == {None}
            assert store.checkpoint(evaluated).name == "c1", "who drove is known all the same"
        (path.parent / "checkpoints" / "c1").touch()  # its weights were put here, too
        assert store.latest_checkpoint().id == evaluated == store.best_checkpoint().id
        assert [e.checkpoint_id for e in store.evaluations()] == [evaluated]


def test_a_copy_of_a_store_keeps_its_checkpoints_as_they_are(path, other):
    with Store(path) as store:
        merge(store.conn, path, other, copy=True)
        assert [(c.name, c.kind) for c in store.checkpoints()] == [("c2", "train")]


def test_old_weights_that_were_deleted_are_those_of_this_home(path):
    folder = path.parent / "checkpoints"
    folder.mkdir()
    with Store(path) as store:
        one = store.add_checkpoint("1", "1", 1, 1, "train", {})
        store.add_checkpoint("2", "2", 2, 2, "train", {}, one)
        for name in ("3", "4"):
            store.add_checkpoint(name, name, 2, 2, "stall", {})
        (folder / "4").touch()
        assert [c.name for c in store.checkpoints()] == ["4", "3", "2", "1"]


def test_a_store_that_grew_is_merged_again(path, other):
    with Store(path) as store:
        with Recorder(other, session_info()) as recorder:
            recorder.begin_episode()
            number = recorder.begin_segment("takeover")
            for i in range(10):
                recorder.step(step_row(i))
            recorder.flush()
            merge(store.conn, path, other)  # in the middle of an episode and of a takeover
            assert contents(path)[1][-1][4] or contents(path)[1][0][4]
            for i in range(10, 25):
                recorder.step(step_row(i))
            recorder.end_segment(number)
            recorder.end_episode("truncated", "time_limit", np.ones(4))
        summary = merge(store.conn, path, other)
        assert (summary.episodes, summary.steps, summary.segments) == (1, 15, 0)
    assert contents(path) == contents(other)


def test_a_newer_judgement_is_taken_over_and_can_be_undone(path, other):
    with Store(path) as store, Store(other) as source:
        merge(store.conn, path, other)
        source.label([1], verdict="star", note="clean", tags_add=["apex"], trim=(1, 0), by="ann")
        merge(store.conn, path, other)
        assert contents(path) == contents(other)
        store.label([1], verdict="bad")
        merge(store.conn, path, other)  # mine is newer now
        assert store.segments()[0].verdict == "bad"
        store.undo()
        store.undo()
        assert (store.segments()[0].verdict, store.segments()[0].tags) == ("unreviewed", ())


def test_chosen_segments_make_a_store_of_their_own(path, other):
    with Store(path) as store:
        summary = merge(store.conn, path, other, segments=[2])
        assert (summary.episodes, summary.segments) == (1, 1)
        assert [(s.start, s.stop, s.corner) for s in store.segments()] == [(10, 20, "hairpin")]
    new = Follower(path).poll()
    told = [0, 4, 5, 8, 9]  # the first one, and where it came past the corner: what is told about tries is read from them
    assert new.t.tolist() == [*told, *range(10, 21)]  # and the one that follows
    assert new.driver.tolist() == [0] * 5 + [1] * 10 + [0]
    with Store(path) as store:
        merge(store.conn, path, other)
    assert contents(path) == contents(other)


def test_what_cannot_be_merged(path, tmp_path):
    with Store(path) as store:
        with pytest.raises(UsageError, match="itself"):
            merge(store.conn, path, path)
        with pytest.raises(StoreError, match="no store"):
            merge(store.conn, path, tmp_path / "nothing.sqlite")
        newer = tmp_path / "newer.sqlite"
        Store(newer).conn.execute("PRAGMA user_version = 99")
        with pytest.raises(StoreError, match="newer"):
            merge(store.conn, path, newer)
        (tmp_path / "x").write_text("hello")
        with pytest.raises(StoreError, match="not a store"):
            merge(store.conn, path, tmp_path / "x")
        assert store.db["sessions"].count == 0


def test_a_session_that_ran_when_it_came_has_ended_when_it_comes_again(path, other):
    def sessions(store):
        return store.conn.execute("SELECT status, ended FROM sessions ORDER BY id DESC LIMIT 1").fetchone()

    def episode(store):
        return store.conn.execute('SELECT "end", reason, length FROM episodes ORDER BY id DESC LIMIT 1').fetchone()

    with Store(path) as store, Store(other) as source:
        with Recorder(other, session_info()) as recorder:
            recorder.begin_episode()
            number = recorder.begin_segment("takeover")
            for i in range(10):
                recorder.step(step_row(i))
            recorder.flush()
            merge(store.conn, path, other)
            assert (sessions(store)[0], episode(store)) == ("interrupted", ("interrupted", "killed", 10))
            recorder.end_segment(number, "cleared")
            recorder.end_episode("terminated", "finish", np.ones(4))  # not a step was driven since
        merge(store.conn, path, other)
        assert sessions(store) == sessions(source)
        assert episode(store) == ("terminated", "finish", 10)
        assert [(s.interrupted, s.outcome) for s in store.segments()][-1] == (False, "cleared")


def test_a_session_that_is_recorded_here_goes_on_when_a_copy_of_it_comes_back(path, tmp_path):
    with Recorder(path, session_info()) as recorder, Store(path) as store, Store(tmp_path / "copy.sqlite") as copy:
        recorder.begin_episode()
        recorder.step(step_row(0))
        recorder.flush()
        merge(copy.conn, copy.path, path)
        merge(store.conn, path, copy.path)
        assert store.conn.execute("SELECT status FROM sessions").fetchall() == [("open",)]
        recorder.step(step_row(1))
        recorder.end_episode("terminated", "finish", np.ones(4))
        recorder.flush()
        assert store.conn.execute('SELECT "end", length FROM episodes').fetchall() == [("terminated", 2)]


def test_a_copy_does_not_tell_what_the_machine_of_a_worker_is_called(path, other):
    worker = "1d661034" + "0" * 24
    with Store(other) as store:
        store.conn.execute("UPDATE sessions SET source = 'worker my pc 1d661034'")
        assert kept(store.conn, worker) == {"sessions": 1}
    with Store(path) as store:
        merge(store.conn, path, other, copy=True)
        assert [source for (source,) in store.conn.execute("SELECT source FROM sessions")] == ["worker 1d661034"]
        assert kept(store.conn, worker) == {"sessions": 1}, "it is the same one"
        assert store.is_of_worker(1)
