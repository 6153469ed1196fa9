import sqlite3
import time

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.examples import examples
from tests.support.recorded import ACTIONS, NAMES, drive, session_info, spoil, step_row


def test_each_step_is_given_once_and_in_order(path):
    follower = Follower(path)
    assert len(follower.poll()) == 0  # not there yet
    seen = []
    with Recorder(path, session_info()) as recorder:
        for _ in range(4):
            drive(recorder, 25)
            recorder.flush()
            new = follower.poll()
            seen.append(new)
            assert len(new) == 25
            assert len(follower.poll()) == 0
            assert new.observation.shape == (25, 4)
            assert new.observation[:, 0].tolist() == list(range(25))
            assert new.executed[:, 1].tolist() == [i + 0.25 for i in range(25)]
            assert new.proposed[:, 0].tolist() == [i - 0.25 for i in range(25)]
            assert np.flatnonzero(new.driver).tolist() == [5, 6, 7, 8]
            (episode,) = new.episodes.values()
            assert (episode.end, episode.length) == ("terminated", 25)
            assert episode.last_observation.tolist() == [25.0] * 4
            assert new.checkpoint_id.tolist() == [-1] * 25
    assert np.concatenate([u.step_id for u in seen]).tolist() == list(range(1, 101))


def test_a_limit_leaves_the_rest_for_the_next_poll(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 100)
    follower = Follower(path)
    parts = [follower.poll(30) for _ in range(5)]
    assert [len(p) for p in parts] == [30, 30, 30, 10, 0]
    assert [p.more for p in parts] == [True, True, True, False, False]


def test_a_label_arrives_without_new_steps(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    follower = Follower(path)
    (segment,) = follower.poll().segments.values()
    assert (segment.start, segment.stop, segment.verdict, segment.closed) == (5, 9, "unreviewed", True)
    with Store(path) as store:
        store.label([segment.id], verdict="bad", trim=(1, 1))
        new = follower.poll()
        assert len(new) == 0
        assert [(s.verdict, s.trim_start, s.trim_stop) for s in new.segments.values()] == [("bad", 1, 1)]
        assert follower.poll().segments == {}
        store.undo()
        assert [s.verdict for s in follower.poll().segments.values()] == ["unreviewed"]
        store.conn.execute("UPDATE segments SET verdict = 'star'")  # by whatever tool
        assert [s.verdict for s in follower.poll().segments.values()] == ["star"]


def test_steps_of_another_layout_are_left_out_and_counted(path):
    with Recorder(path, session_info(observation_names=("a",))) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0, observation=np.zeros(1, np.float32)))
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 10)
    newest = Follower(path)
    new = newest.poll()
    assert len(new) == 10
    assert newest.layout == (NAMES, ACTIONS)
    assert new.left_out == {(("a",), ACTIONS): 1}
    assert len(Follower(path, ("a",), ACTIONS).poll()) == 1
    nothing = Follower(path, ("other",), ACTIONS).poll()
    assert len(nothing) == 0
    assert nothing.observation.shape == (0, 1)
    assert sum(nothing.left_out.values()) == 11


@pytest.mark.parametrize(
    ("reason", "end", "changes", "stood"),
    [
        ("stalled", "terminated", lambda i: {"speed": 12.0 if i < 13 else 0.4}, 7),
        ("stalled", "terminated", lambda i: {"speed": 40.0}, 0),  # it flew off, and there was no other word for that
        ("stalled", "terminated", lambda i: {"speed": 0.1, "z": -2.0 * i}, 1),  # it fell
        ("stalled", "terminated", lambda i: {"speed": 0.1}, 20),
        ("stalled", "terminated", lambda i: {"speed": 0.0, "x": 0.0, "y": 0.0}, 0),  # never seen
        ("stalled", "terminated", lambda i: {"speed": float("nan")}, 0),
        ("off_road", "terminated", lambda i: {"speed": 0.1}, None),
    ],
)
def test_how_long_a_car_stood_is_read_from_its_steps_and_not_from_the_word(path, reason, end, changes, stood):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        for i in range(20):
            recorder.step(step_row(i, **changes(i)))
        recorder.end_episode(end, reason, np.zeros(4, np.float32))
    (record,) = Follower(path).poll().episodes.values()
    assert (record.stood, record.driven) == (stood, 20)


def test_of_a_pruned_episode_it_is_known_how_long_it_was(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 40, (5, 9))
        drive(recorder, 10, None)
    with Store(path) as store:
        assert store.prune("2999-01-01") > 0
    record = Follower(path).poll().episodes[1]
    assert record.length < record.driven == 40


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -2e9])
@pytest.mark.parametrize(
    ("column", "name", "said"),
    [
        ("observation", "left", "left"),
        ("executed", "steer", "the action steer"),
        ("proposed", "gas_brake", "the proposed gas_brake"),
        ("reward", "", "the reward"),
    ],
)
def test_steps_that_cannot_be_learned_from_are_left_out_and_named(path, value, column, name, said):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 12)
        drive(recorder, 12)
    if column != "reward" or value == value:  # SQLite keeps a NaN as NULL, which a reward cannot be
        spoil(path, 4, 2, name, value, column)
        new = Follower(path).poll()
        assert list(zip(new.episode_id.tolist(), new.t.tolist(), strict=True)) == [
            (e, t) for e in (1, 2) for t in range(12) if (e, t) != (2, 4)
        ]
        assert new.observation[:, 0].tolist() == new.t.tolist()  # what is left is at its place
        assert new.reward.tolist() == [t * 0.5 for t in new.t.tolist()]
        assert (new.unusable, new.bad_numbers, new.bad_steps) == ({2: [4]}, {said: 1}, 1)
    spoil(path, 3, 1, "", np.inf, "progress")
    assert np.isnan(Follower(path).poll().progress[3])


def test_a_last_observation_that_cannot_be_learned_from_is_not_known(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 12)
    spoil(path, 0, 1, "yaw", np.inf, "last_observation")
    new = Follower(path).poll()
    assert new.episodes[1].last_observation is None
    assert (len(new), new.bad_numbers, new.bad_steps) == (12, {"yaw": 1}, 1)


def test_all_of_a_poll_may_be_left_out_and_that_is_news(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 3)
    for t in (1, 2):
        spoil(path, t)
    follower = Follower(path)
    first, second, third, fourth = (follower.poll(1) for _ in range(4))
    assert (len(first), first.anything) == (1, True)
    assert (len(second), second.anything, second.unusable) == (0, True, {1: [1]})
    assert (len(third), third.anything, third.unusable) == (0, True, {1: [2]})
    assert not fourth.anything


def test_a_poll_with_nothing_new_is_cheap(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    follower = Follower(path)
    follower.poll()
    begin = time.thread_time()  # of the processor: others may be at work beside this
    for _ in range(100):
        follower.poll()
    assert (time.thread_time() - begin) / 100 < 1e-3


def test_the_follower_cannot_write(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    follower = Follower(path)
    follower.poll()
    with pytest.raises(sqlite3.OperationalError):
        follower._conn.execute("DELETE FROM steps")


def test_a_locked_store_has_nothing_new_yet(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    follower = Follower(path, busy_timeout_s=0.05)
    assert len(follower.poll()) == 0
    other.execute("COMMIT")
    other.close()
    assert len(follower.poll()) == 20


def read_all(follower, limit=200_000):
    """Return all that a first reading gives, part by part."""
    news = [follower.poll(limit)]
    while news[-1].more:
        news.append(follower.poll(limit))
    return news


@pytest.mark.parametrize("limit", [3, 200_000])
def test_a_start_on_the_newest_steps_leaves_out_what_is_older_but_for_segments_and_open_episodes(path, limit):
    open_one = Recorder(path, session_info())
    open_one.begin_episode()  # 1: open all the time, its steps in two places
    for i in range(5):
        open_one.step(step_row(i))
    assert open_one.flush()
    with Recorder(path, session_info()) as recorder:
        drive(recorder, 30, None)  # 2: old, nothing in it
        drive(recorder, 30, (5, 9))  # 3: old, with a takeover
        drive(recorder, 30, (20, 30), purpose="practice")  # 4: old, a takeover at its end
        drive(recorder, 30, None, purpose="evaluation")  # 5
        drive(recorder, 40, (5, 9))  # 6 and 7: the newest
        drive(recorder, 40, None)
    for i in range(5, 8):
        open_one.step(step_row(i))
    assert open_one.flush()
    follower = Follower(path, newest=80)
    news = read_all(follower, limit)
    given = {}
    for new in news:
        for episode, t in zip(new.episode_id.tolist(), new.t.tolist(), strict=True):
            given.setdefault(episode, []).append(t)
    assert given == {
        1: list(range(8)), 3: [5, 6, 7, 8, 9], 4: list(range(20, 30)), 6: list(range(40)), 7: list(range(40)),
    }  # fmt: skip
    steps = np.concatenate([u.step_id for u in news])
    assert len(set(steps.tolist())) == len(steps)
    assert news[0].episodes[3].length == 5
    assert news[0].episodes[4].last_observation is not None
    assert {e.length for i, e in news[0].episodes.items() if i in (6, 7)} == {40}
    assert set(news[0].episodes) == {1, 3, 4, 6, 7}
    assert [(g.episode_id, g.start, g.stop) for g in news[0].segments.values()] == [(3, 5, 9), (4, 20, 30), (6, 5, 9)]
    assert follower.skipped == {"drive": 30 + 25, "practice": 20, "evaluation": 30}
    open_one.step(step_row(8))
    open_one.end_episode("terminated", "finish", np.zeros(4))
    assert open_one.flush()
    new = follower.poll()
    assert (new.episode_id.tolist(), new.t.tolist(), new.episodes[1].length) == ([1], [8], 9)
    open_one.close()
    everything = Follower(path, newest=10_000).poll()  # a store that is smaller is read as a whole
    assert len(everything) == 209


def test_an_episode_says_how_many_of_its_steps_are_here(path, tmp_path):
    from data.exchange.merge import merge

    with Recorder(path, session_info()) as recorder:
        drive(recorder, 40)
        drive(recorder, 10, None)
    with Store(path) as store, Store(tmp_path / "part.sqlite") as part:
        merge(part.conn, part.path, path, segments=[1])
        follower = Follower(part.path)
        assert [e.length for e in follower.poll().episodes.values()] == [6]  # its first step, too
        merge(part.conn, part.path, path)
        assert {e.id: e.length for e in follower.poll().episodes.values()} == {1: 40, 2: 10}
        store.prune("2999-01-01")
    new = Follower(path).poll()
    assert [e.length for e in new.episodes.values()] == [6, 2]  # with the first steps, and the newest of all
    assert len(new) == 8


class Recording(RuleBasedStateMachine):
    """Any order of recording, flushing and following gives what was recorded, once and in order."""

    folder = None

    def __init__(self):
        super().__init__()
        self.path = Recording.folder() / "store.sqlite"
        self.recorder = Recorder(self.path, session_info())
        self.follower = Follower(self.path)
        self.steps, self.ends, self.segments, self.outcomes = [], {}, {}, {}
        self.seen, self.seen_episodes, self.seen_segments = [], {}, {}
        self.episode, self.open, self.t = None, [], 0

    @rule(purpose=st.sampled_from(["drive", "lap"]))
    def begin(self, purpose):
        if self.episode is not None:
            self.finish("interrupted", None, "stopped")
        self.episode, self.t = self.recorder.begin_episode(purpose), 0

    @precondition(lambda self: self.episode is not None)
    @rule(n=st.integers(1, 30), driver=st.sampled_from([0, 1]))
    def drive(self, n, driver):
        for _ in range(n):
            for number in [s for s in self.open if self.segments[s] is None]:
                self.segments[number] = [self.episode, self.t, None]
            self.recorder.step(step_row(self.t, driver))
            self.steps.append((self.episode, self.t, driver))
            self.t += 1

    @precondition(lambda self: self.episode is not None)
    @rule()
    def begin_segment(self):
        number = self.recorder.begin_segment("takeover")
        self.segments[number] = None
        self.open.append(number)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end_segment(self, data):
        number = data.draw(st.sampled_from(self.open))
        self.recorder.end_segment(number, "failed")
        self.stop(number, "failed")

    def stop(self, number, outcome):
        self.open.remove(number)
        if self.segments[number] is None:
            del self.segments[number]
        else:
            self.segments[number][2], self.outcomes[number] = self.t, outcome

    def finish(self, end, last, reason):
        self.ends[self.episode] = (end, self.t, last)
        for number in list(self.open):
            self.stop(number, "unclear")
        self.episode = None

    @precondition(lambda self: self.episode is not None)
    @rule(end=st.sampled_from(["terminated", "truncated"]), known=st.booleans())
    def end(self, end, known):
        self.recorder.end_episode(end, "finish", np.full(4, 7, np.float32) if known else None)
        self.finish(end, 7.0 if known else None, "finish")

    @rule(limit=st.sampled_from([7, 1000]), flush=st.booleans())
    def poll(self, limit, flush):
        if flush:
            assert self.recorder.flush()
        new = self.follower.poll(limit)
        self.seen += zip((new.episode_id - 1).tolist(), new.t.tolist(), new.driver.tolist(), strict=True)
        assert self.seen == self.steps[: len(self.seen)]
        self.seen_episodes |= new.episodes
        self.seen_segments |= new.segments

    def teardown(self):
        if self.episode is not None:
            self.finish("interrupted", None, "stopped")
        self.recorder.close()
        self.poll(10**6, False)
        self.follower.close()
        assert self.seen == self.steps
        ends = {
            e.id - 1: (e.end, e.length, None if e.last_observation is None else e.last_observation[0])
            for e in self.seen_episodes.values()
        }
        assert ends == self.ends
        found = sorted((s.episode_id - 1, s.start, s.stop, s.outcome) for s in self.seen_segments.values())
        assert all(s.closed for s in self.seen_segments.values())
        assert found == sorted((*where, self.outcomes[number]) for number, where in self.segments.items())


def test_any_order_of_recording_and_following(tmp_path_factory):
    Recording.folder = staticmethod(lambda: tmp_path_factory.mktemp("machine"))
    run_state_machine_as_test(Recording, settings=settings(max_examples=examples(25), stateful_step_count=25, deadline=None))


def test_a_farthest_metre_that_is_no_number_is_no_pass(path):
    with Recorder(path, session_info(kind="evaluation")) as recorder:
        for _ in range(2):
            recorder.begin_episode("evaluation")
            recorder.step(step_row(0, progress=5.0))
            recorder.end_episode("terminated", "off_road", np.zeros(4, np.float32))
    with Store(path) as store:
        store.upsert_corner(session_info().track, "corner 1", 40.0, 50.0, "player")
        store.conn.execute('UPDATE episodes SET max_progress = 9e999, "return" = 9e999 WHERE id = 2')
        (found,) = store.evaluations()
        assert found.passes == {"corner 1": 0}
        assert np.isfinite(found.return_mean)
        store.conn.execute('UPDATE episodes SET "return" = 9e999')
        assert store.evaluations()[0].return_mean == 0.0
        assert [e.farthest for e in store.episodes()] == [5.0, 0.0]


@pytest.mark.parametrize("reward", ["[1]", "{", "5", "null", "", '{"a": 1' + "0" * 400 + "}", '{"a": true}'])
def test_a_foreign_session_s_reward_settings_stop_nobody(path, reward):
    with Recorder(path, session_info()) as recorder:
        recorder.begin_episode()
        recorder.step(step_row(0))
    with Store(path) as store:
        store.conn.execute("UPDATE sessions SET reward = ?", (reward,))
        assert store.sessions()[0].reward == {}
    assert len(Follower(path).poll()) == 1
