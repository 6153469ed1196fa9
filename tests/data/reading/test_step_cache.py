import shutil
import sqlite3
import weakref

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from data.exchange.merge import merge
from data.files import held
from data.reading import step_cache
from data.reading.follow import Follower
from data.reading.new_steps import ARRAYS
from data.reading.step_cache import StepCache
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.examples import examples
from tests.support.recorded import drive, session_info, spoil, step_row


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    for name, value in (("PART_ROWS", 40), ("LEAST_ROWS", 1), ("SHORTEST", 2)):
        monkeypatch.setattr(step_cache, name, value)


def everything(path, cache=None, limit=200_000, newest=None, around=(0, 1)):
    """Return what a follower gives of a store from its beginning, and how many of the steps came from the cache."""
    with Follower(path, newest=newest, around=around, cache=cache) as follower:
        news = [follower.poll(limit)]
        while news[-1].more or news[-1].anything:
            news.append(follower.poll(limit))
        cached = sum(part.used for part in cache._parts) if cache is not None else 0
        follower.caught_up()
        skipped = follower.skipped
    arrays = {}
    for name in ARRAYS:
        whole = np.concatenate([getattr(u, name) for u in news if len(u)] or [np.empty(0)])
        arrays[name] = whole.dtype.str, whole.shape, whole.tobytes()
    rest = {}
    for name in ("episodes", "segments", "sessions", "unusable", "bad_numbers"):
        for new in news:
            rest[name] = rest.get(name, "") + "".join(f"{k}: {v}\n" for k, v in sorted(getattr(new, name).items()))
    left_out = [sum(u.left_out.get(k, 0) for u in news) for k in sorted({k for u in news for k in u.left_out})]
    return (arrays, rest, left_out, skipped), cached


def recorded(path, episodes=6, steps=30):
    with Recorder(path, session_info()) as recorder:
        for k in range(episodes):
            drive(recorder, steps, (5, 9) if k % 2 else None)


def test_a_second_start_reads_no_step_again_and_gives_the_same(path, tmp_path):
    recorded(path)
    plain, _ = everything(path)
    first, nothing = everything(path, StepCache(tmp_path / "cache"))
    second, all_of_it = everything(path, StepCache(tmp_path / "cache"))
    assert plain == first == second
    assert (nothing, all_of_it) == (0, 180)
    old, most = everything(path, StepCache(tmp_path / "cache"), newest=60)  # and the takeovers of what is older
    assert old == everything(path, newest=60)[0]
    assert most == 60 + 2 * 5


def test_new_steps_are_read_beside_those_that_are_known(path, tmp_path):
    recorded(path)
    everything(path, StepCache(tmp_path / "cache"))
    recorded(path, 2)
    found, cached = everything(path, StepCache(tmp_path / "cache"))
    assert found == everything(path)[0]
    assert cached == 180
    assert everything(path, StepCache(tmp_path / "cache"))[1] == 240


@pytest.mark.parametrize("damage", ["cut", "flipped", "longer", "emptied", "header", "json"])
def test_a_damaged_file_is_thrown_away(path, tmp_path, damage):
    recorded(path)
    plain, _ = everything(path, StepCache(tmp_path / "cache"))
    for file in (tmp_path / "cache").iterdir():
        content = bytearray(file.read_bytes())
        if damage == "flipped":
            content[len(content) // 2] ^= 1
        elif damage == "header":
            content[20] ^= 1
        elif damage == "longer":
            content += b"x"
        elif damage == "json":
            header = b'{"rows": 5}'
            content[:] = step_cache._START.pack(step_cache._MAGIC, len(header), step_cache.zlib.crc32(header)) + header
        else:
            content = content[: len(content) // 2 if damage == "cut" else 0]
        file.write_bytes(content)
    found, cached = everything(path, StepCache(tmp_path / "cache"))
    assert found == plain
    assert cached == 0
    assert everything(path, StepCache(tmp_path / "cache"))[1] == 180  # written anew


def test_what_is_asked_for_no_more_leaves_the_disk(path, tmp_path):
    recorded(path)
    everything(path, StepCache(tmp_path / "cache"))
    before = {file.name for file in (tmp_path / "cache").iterdir()}
    recorded(path, 2)
    everything(path, StepCache(tmp_path / "cache"), newest=60)
    assert not before & {file.name for file in (tmp_path / "cache").iterdir()}
    with Store(path) as store:
        store.conn.execute("UPDATE sessions SET observation_names = replace(observation_names, 'yaw', 'yaws')")
    found, cached = everything(path, StepCache(tmp_path / "cache"))
    assert (found, cached) == (everything(path)[0], 0)


def test_another_store_with_the_same_numbers_is_noticed(path, tmp_path):
    recorded(path)
    everything(path, StepCache(tmp_path / "cache"))
    path.unlink()
    recorded(path)
    found, cached = everything(path, StepCache(tmp_path / "cache"))
    assert (found, cached) == (everything(path)[0], 0)


def test_steps_that_were_changed_in_place_are_noticed(path, tmp_path):
    recorded(path)
    everything(path, StepCache(tmp_path / "cache"))
    with Store(path) as store:
        store.conn.execute("UPDATE steps SET reward = reward + 1")  # by whatever tool
    found, cached = everything(path, StepCache(tmp_path / "cache"))
    assert (found, cached) == (everything(path)[0], 0)


@pytest.mark.parametrize("bound", ["MOST_BYTES", "folder", "replace"])
def test_without_room_or_the_right_to_write_everything_is_read(path, tmp_path, monkeypatch, bound):
    recorded(path)
    if bound == "MOST_BYTES":
        monkeypatch.setattr(step_cache, bound, 1000)
    elif bound == "folder":
        (tmp_path / "cache").write_text("a file is in the way")
    else:

        def refused(*_):
            raise PermissionError

        monkeypatch.setattr(held, "replace", refused)
    for _ in range(2):
        assert everything(path, StepCache(tmp_path / "cache")) == (everything(path)[0], 0)


def test_a_disk_that_is_nearly_full_is_left_alone(path, tmp_path, monkeypatch):
    recorded(path)
    monkeypatch.setattr(step_cache.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 2**30))
    for _ in range(2):
        assert everything(path, StepCache(tmp_path / "cache"))[1] == 0


class Home(RuleBasedStateMachine):
    """Whatever is done to a store and to the files beside it: with them a start gives what it gives without, bit for bit."""

    folder = None

    def __init__(self):
        super().__init__()
        self.root = Home.folder()
        self.path, self.cache, self.copy = self.root / "store.sqlite", self.root / "cache", self.root / "copy.sqlite"
        self.open = []
        with Store(self.path):
            pass

    @rule(episodes=st.integers(1, 4), steps=st.integers(1, 60), takeover=st.sampled_from([None, (0, 3), (5, 9), (2, 50)]),
          purpose=st.sampled_from(["drive", "lap", "evaluation"]))  # fmt: skip
    def record(self, episodes, steps, takeover, purpose):
        takeover = None if takeover is None or takeover[1] > steps else takeover
        with Recorder(self.path, session_info()) as recorder:
            for _ in range(episodes):
                drive(recorder, steps, takeover, purpose=purpose)

    @rule(names=st.sampled_from([("a",), ("a", "b", "c", "d")]))
    def record_another_layout(self, names):
        with Recorder(self.path, session_info(observation_names=names)) as recorder:
            recorder.begin_episode()
            for i in range(5):
                recorder.step(step_row(i, observation=np.zeros(len(names), np.float32)))

    @precondition(lambda self: len(self.open) < 2)
    @rule()
    def begin(self):
        self.open.append([Recorder(self.path, session_info()), 0])
        self.open[-1][0].begin_episode()
        assert self.open[-1][0].flush(60.0)  # else its thread may write between two reads

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 1), steps=st.integers(1, 20))
    def go_on(self, which, steps):
        one = self.open[which % len(self.open)]
        for _ in range(steps):
            one[0].step(step_row(one[1]))
            one[1] += 1
        assert one[0].flush(60.0)  # of a busy machine

    @precondition(lambda self: self.open)
    @rule()
    def end(self):
        self.open.pop()[0].close()

    @rule(which=st.integers(0, 10), verdict=st.sampled_from(["good", "bad", "star"]))
    def review(self, which, verdict):
        with Store(self.path) as store:
            if ids := [segment.id for segment in store.segments()]:
                store.label([ids[which % len(ids)]], verdict=verdict)

    @rule()
    def prune(self):
        with Store(self.path) as store:
            store.prune("2999-01-01")

    @precondition(lambda self: not self.open)
    @rule()
    def compact(self):
        with Store(self.path) as store:
            store.compact()

    @rule(episode=st.integers(1, 9))
    def delete(self, episode):
        with Store(self.path) as store:  # by another tool
            store.conn.execute("DELETE FROM steps WHERE episode_id = ?", (episode,))

    @rule(episode=st.integers(1, 9), t=st.integers(0, 30))
    def renumber(self, episode, t):
        with Store(self.path) as store:
            at = (episode, t)
            store.conn.execute("UPDATE steps SET id = (SELECT max(id) + 1 FROM steps) WHERE episode_id = ? AND t = ?", at)

    @rule(t=st.integers(0, 5))
    def spoil(self, t):
        with Store(self.path) as store:
            (newest,) = store.conn.execute("SELECT max(id) FROM episodes").fetchone()
            known = store.conn.execute(
                "SELECT 1 FROM steps p JOIN episodes e ON e.id = p.episode_id JOIN sessions s ON s.id = e.session_id "
                "WHERE p.episode_id = ? AND t = ? AND s.observation_names LIKE '%yaw%'", (newest, t),
            ).fetchone()  # fmt: skip
        if known and not self.cache.exists():  # a step that is known is not changed under its number
            spoil(self.path, t, newest)

    @rule()
    def bring_in(self):
        other = self.root / "other.sqlite"
        other.unlink(missing_ok=True)
        recorded(other, 2, 25)
        with Store(self.path) as store:
            merge(store.conn, self.path, other)

    @rule()
    def back_up(self):
        self.copy.unlink(missing_ok=True)
        with Store(self.path) as store, sqlite3.connect(self.copy) as copy:
            store.conn.backup(copy)
        copy.close()

    @precondition(lambda self: not self.open and self.copy.exists())
    @rule()
    def restore(self):
        shutil.copy(self.copy, self.path)

    @precondition(lambda self: self.cache.exists())
    @rule(which=st.integers(0, 5), at=st.integers(0, 10**6), how=st.sampled_from(["flip", "cut", "delete", "half"]))
    def damage(self, which, at, how):
        files = sorted(self.cache.iterdir())
        if not files:
            return
        file = files[which % len(files)]
        content = bytearray(file.read_bytes())
        if how == "delete":
            file.unlink()
        elif how == "half":  # a writer was killed
            file.with_name(file.name + ".new").write_bytes(content[: at % len(content)] if content else b"")
        elif content:
            content[at % len(content)] ^= 16
            file.write_bytes(content if how == "flip" else content[: at % len(content)])

    @rule(limit=st.sampled_from([7, 50, 200_000]), newest=st.sampled_from([None, 20, 90, 200]), before=st.sampled_from([0, 3]))
    def start(self, limit, newest, before):
        given = {"limit": limit, "newest": newest, "around": (before, 1)}
        assert everything(self.path, StepCache(self.cache), **given)[0] == everything(self.path, **given)[0]

    def teardown(self):
        for recorder, _ in self.open:
            recorder.close()
        for _ in range(2):
            self.start(200_000, None, 0)


def test_with_the_files_a_start_gives_what_it_gives_without(tmp_path_factory):
    Home.folder = staticmethod(lambda: tmp_path_factory.mktemp("home"))
    run_state_machine_as_test(Home, settings=settings(max_examples=examples(25), stateful_step_count=25, deadline=None))


def test_a_start_does_not_look_at_steps_that_are_too_old(path, monkeypatch):
    turns = []

    def start():
        asked = [0]

        def count():
            asked[0] += 1

        def opened(*args):
            conn = open_to_follow(*args)
            conn.set_progress_handler(count, 10)
            return conn

        monkeypatch.setattr("data.reading.follow.open_to_follow", opened)
        with Follower(path, newest=60) as follower:
            follower.poll()
        turns.append(asked[0])

    from data.reading.follow import open_to_follow

    recorded(path, 4, 30)
    start()
    with Store(path) as store:  # as many episodes, the older ones far longer
        store.conn.execute("UPDATE steps SET id = id + 100000")
        store.conn.execute("UPDATE steps SET id = id - 100000 WHERE episode_id = 1")
        store.conn.execute(
            "WITH times(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM times WHERE n < 200) "
            "INSERT INTO steps (id, episode_id, t, driver, reward, terminated, truncated, observation, executed, proposed) "
            "SELECT id + 100 * n, 1, t + 100 * n, driver, reward, 0, 0, observation, executed, proposed FROM steps, times "
            "WHERE episode_id = 1"
        )
    start()
    assert turns[1] < 1.5 * turns[0]


def test_where_nothing_may_be_written_no_row_is_copied_for_it(path, tmp_path, monkeypatch):
    recorded(path)
    monkeypatch.setattr(step_cache, "MOST_BYTES", 1000)
    cache = StepCache(tmp_path / "cache")
    monkeypatch.setattr(cache, "_write", lambda: pytest.fail("nothing may be written"))
    with Follower(path, cache=cache) as follower:
        follower.poll(200_000)
        assert cache._fresh == []


def test_a_file_holds_no_more_than_its_bytes(path, tmp_path, monkeypatch):
    recorded(path)
    monkeypatch.setattr(step_cache, "PART_BYTES", 4000)
    assert everything(path, StepCache(tmp_path / "cache"))[1] == 0
    files = list((tmp_path / "cache").glob("*.steps"))
    assert len(files) > 4
    assert max(file.stat().st_size for file in files) < 6000
    found, cached = everything(path, StepCache(tmp_path / "cache"))
    assert found == everything(path)[0]
    assert cached > 100


def test_a_damaged_file_is_let_go_of_before_it_is_deleted(path, tmp_path, monkeypatch):
    recorded(path)
    everything(path, StepCache(tmp_path / "cache"))
    (file, *_) = (tmp_path / "cache").glob("*.steps")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    opened, deleted = [], []
    memmap = np.memmap

    def noted(*args, **kwargs):
        found = memmap(*args, **kwargs)
        opened.append(weakref.ref(found._mmap))
        return found

    def gone(path):
        deleted.append(path)
        assert sum(one() is not None for one in opened) <= len(opened) - 1, "Windows deletes no file that is mapped"

    monkeypatch.setattr(np, "memmap", noted)
    monkeypatch.setattr(held, "unlink", gone)
    everything(path, StepCache(tmp_path / "cache"))
    assert file in deleted
