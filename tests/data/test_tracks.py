"""A track is known by its line: two maps of one name are two, one map is one however its file was written."""

import sqlite3
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UsageError
from data.exchange.merge import merge
from data.recording.recorder import Recorder
from data.store import Store
from data.tables.tracks import Road, SeveralTracksError, place, plain, rows, settle
from tests.support.examples import examples
from tests.support.recorded import session_info, step_row

STORES = Path(__file__).parent / "stores"


def arc(bend, length=300.0, step=0.5):
    """A road that begins as every other one and turns by ``bend`` degrees after 60 m."""
    at = np.arange(0.0, length, step)
    turned = np.radians(bend) * np.clip((at - 60.0) / 60.0, 0.0, 1.0)
    return np.cumsum(np.c_[np.cos(turned), np.sin(turned)] * step, axis=0)


A, B, C = (Road(arc(bend), 8.0) for bend in (120.0, -120.0, 20.0))


def driven(path, track, road, digest="", offset=1.0, far=1.0, **more):
    """Record a drive along a road under a name."""
    at = np.linspace(2.0, far * road.length, 30)
    with Recorder(path, session_info(track=track, track_digest=digest, **more)) as recorder:
        recorder.begin_episode("drive")
        for i, (s, (x, y)) in enumerate(zip(at, road.at(at / road.length), strict=True)):
            recorder.step(step_row(i, progress=float(s), x=float(x), y=float(y) + offset))
        recorder.end_episode("terminated", "finish", np.zeros(4, np.float32))
    return recorder.session_id


def filed(store):
    return [track for (track,) in store.conn.execute("SELECT track FROM sessions ORDER BY id")]


class TestRoad:
    @settings(max_examples=examples(40), deadline=None)
    @given(
        bend=st.floats(-150, 150), decimals=st.integers(2, 9), step=st.floats(0.2, 1.5), single=st.booleans()
    )
    def test_it_is_the_same_however_it_is_written(self, bend, decimals, step, single):
        points = np.round(arc(bend, step=0.5), decimals)
        other = Road(points.astype(np.float32) if single else points, 16.0)  # a width is no shape
        assert other.same(Road(arc(bend), 8.0))
        line = arc(bend)  # with points elsewhere along it
        along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
        at = np.r_[np.arange(0.0, along[-1], step), along[-1]]
        assert Road(np.c_[np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])], 8.0).same(Road(line, 8.0))

    def test_one_that_differs_in_one_place_is_another(self):
        points = arc(30.0)
        dented = points.copy()
        dented[300:312, 1] += 2.0
        assert not Road(dented, 8.0).same(Road(points, 8.0))
        assert not Road(points[::-1], 8.0).same(Road(points, 8.0))
        assert not Road(points[:-10], 8.0).same(Road(points, 8.0))

    def test_the_digest_comes_from_the_line_alone(self):
        assert A.digest == Road(arc(120.0), 3.0).digest
        assert len({A.digest, B.digest, C.digest}) == 3
        assert not A.digest.strip("0123456789abcdef")


class TestEnter:
    def test_two_of_one_name_are_two_and_the_player_is_told_once(self, store):
        assert store.enter_track("line", A) == ("line", [])
        second, (told,) = store.enter_track("line", B)
        assert second == f"line~{B.digest[:6]}"
        assert "another line" in told
        assert second in told
        assert store.enter_track("line", B) == (second, [])
        assert store.enter_track("line", A) == ("line", [])

    def test_one_under_another_name_goes_on_as_it_was(self, store):
        store.enter_track("line", A)
        track, (told,) = store.enter_track("spring", Road(np.round(arc(120.0), 2), 8.0))
        assert track == "line"
        assert "spring" in told

    def test_a_built_in_track_keeps_its_name(self, store):
        assert store.enter_track("default", B, reserved=True)[0] == f"default~{B.digest[:6]}"
        assert store.enter_track("default", A, built_in=True) == ("default", [])

    def test_what_an_older_store_holds_of_this_road_is_this_tracks_without_a_word(self, store, path):
        driven(path, "line", A)
        driven(path, "line", A, far=0.7)
        assert store.enter_track("line", A) == ("line", [])
        assert filed(store) == ["line", "line"]

    def test_what_was_driven_elsewhere_is_kept_apart(self, store, path):
        driven(path, "line", A)
        driven(path, "line", B)
        store.upsert_corner("line", "corner 1", 60.0, 120.0, "track")
        track, (told,) = store.enter_track("line", A)
        assert track == "line"
        assert "1 older session" in told
        assert filed(store) == ["line", "line~unknown"]
        assert store.enter_track("line", B)[0] == f"line~{B.digest[:6]}"
        assert filed(store) == ["line", f"line~{B.digest[:6]}"]

    def test_an_older_map_keeps_its_name_when_another_one_of_it_comes(self, store, path):
        driven(path, "line", A)
        assert store.enter_track("line", B)[0] == f"line~{B.digest[:6]}"
        assert filed(store) == ["line"]
        assert store.enter_track("line", A) == ("line", [])

    def test_too_little_to_tell_by_stays_where_it_is(self, store, path):
        driven(path, "line", A, far=0.006)
        assert store.enter_track("line", B) == ("line", [])


class TestPlace:
    def test_a_digest_finds_its_track_whatever_it_is_called(self, store):
        store.enter_track("line", A)
        assert place(store.conn, "another name", A.digest) == "line"
        assert place(store.conn, "line", B.digest) == f"line~{B.digest[:6]}"

    def test_without_a_line_a_name_is_a_track_until_one_is_known(self, store, path):
        assert place(store.conn, "CarRacing-v3") == "CarRacing-v3"
        store.enter_track("line", A)
        first, second = driven(path, "line", A), driven(path, "line", B)
        assert filed(store) == ["line~unknown", "line~unknown"]
        assert settle(store.conn, "line") == 1
        assert (first, second, filed(store)) == (1, 2, ["line", "line~unknown"])

    def test_the_first_digest_goes_on_with_what_the_name_alone_was_known_by(self, store, path):
        driven(path, "line", A)
        assert place(store.conn, "line", A.digest) == "line"
        assert place(store.conn, "line", B.digest) == f"line~{B.digest[:6]}"
        assert store.enter_track("line", A) == ("line", [])

    @pytest.mark.parametrize(
        ("track", "name"),
        [("line", "line"), ("line~3fa9c1", "line"), ("a~b", "a~b"), ("line~unknown", "line"), ("~3fa9c1", "~3fa9c1")],
    )
    def test_a_name_is_what_people_gave(self, track, name):
        assert plain(track) == name


class TestResolve:
    def test_by_name_digest_or_line_and_the_choice_where_two_have_one_name(self, store, path):
        store.enter_track("line", A)
        driven(path, "line", A, A.digest)
        assert store.resolve_track("line") == "line"
        second, _ = store.enter_track("line", B)
        with pytest.raises(SeveralTracksError) as refused:
            store.resolve_track("line")
        for digest in (A.digest, B.digest):
            assert f"line~{digest[:6]}" in str(refused.value)
        assert store.resolve_track(f"line~{A.digest[:6]}") == "line"
        assert store.resolve_track(second) == second
        assert store.resolve_track(B.digest[:5]) == second
        assert store.resolve_track("line", B) == second
        with pytest.raises(UsageError, match="the store knows these tracks: line"):
            store.resolve_track("nowhere")

    def test_what_has_no_line_can_be_named_beside_one_that_has(self, store, path):
        driven(path, "line", B)
        store.enter_track("line", A)
        assert store.resolve_track("line~unknown") == "line"
        assert store.resolve_track(f"line~{A.digest[:6]}") == f"line~{A.digest[:6]}"


class TestFromElsewhere:
    def test_a_merge_puts_each_map_to_its_own(self, store, path, tmp_path):
        other = tmp_path / "other.sqlite"
        with Store(other) as theirs:
            theirs.enter_track("line", B)
            theirs.enter_track("line", A)
            theirs.upsert_corner("line", "drop", 70.0, 90.0, "player")
            theirs.upsert_corner(f"line~{A.digest[:6]}", "climb", 70.0, 90.0, "player")
        driven(other, "line", B, B.digest)
        driven(other, "line", A, A.digest)
        store.enter_track("line", A)
        for _ in range(2):
            merge(store.conn, path, other)
            assert filed(store) == [f"line~{B.digest[:6]}", "line"]
            found = store.conn.execute("SELECT track, name FROM corners ORDER BY track").fetchall()
            assert found == [("line", "climb"), (f"line~{B.digest[:6]}", "drop")]
        assert [row.road is not None for row in store.known_tracks()] == [True, True]

    def test_an_older_store_is_sorted_by_its_positions(self, store, path, tmp_path):
        old = tmp_path / "old.sqlite"
        conn = sqlite3.connect(old)
        conn.executescript((STORES / "two-maps-v2.sql").read_text())
        conn.close()
        from hitl.road.track import lay_segments

        points, _ = lay_segments("a", [{"straight": 60}, {"radius": 12, "angle": 120}, {"straight": 120}])
        store.enter_track("line", Road(points, 8.0))
        merge(store.conn, path, old)
        assert filed(store) == ["line", "line~unknown", "default"]

    def test_a_store_of_the_version_before_is_told_apart_as_its_maps_are_driven(self, path):
        from hitl.road.known_tracks import file_under
        from hitl.road.line import ReferenceLine
        from hitl.road.track import Track, lay_segments, load_track

        conn = sqlite3.connect(path)
        conn.executescript((STORES / "two-maps-v2.sql").read_text())
        conn.close()
        with Store(path) as store:
            assert filed(store) == ["line", "line", "default"]  # as they were, until a person drives
            segments = [(s.id, s.corner) for s in store.segments()]
            assert file_under(store, load_track("default"))[2] == []
            points, _ = lay_segments("b", [{"straight": 150}, {"radius": 12, "angle": -120}, {"straight": 40}])
            b, _, said = file_under(store, Track("line", ReferenceLine(points), 8.0))
            assert (b.name, len(said)) == ("line", 1)
            points, _ = lay_segments("a", [{"straight": 60}, {"radius": 12, "angle": 120}, {"straight": 120}])
            a, digest, said = file_under(store, Track("line", ReferenceLine(np.round(points, 3)), 8.0))
            assert (a.name, len(said)) == (f"line~{digest[:6]}", 2)
            assert filed(store) == [a.name, "line", "default"]
            assert [(s.id, s.corner) for s in store.segments()] == segments
            assert [s.id for s in store.segments(track="line")] == [2]
            named = set(store.conn.execute("SELECT track, name FROM corners WHERE source = 'player'"))
            assert named == {("line", "the drop"), ("line", "elsewhere")}
            assert ("default", "hairpin") in set(store.conn.execute("SELECT track, name FROM corners"))

    def test_an_export_brings_the_line_along(self, store, path, tmp_path):
        from data.exchange.importing import write
        from data.exchange.portable import describe, restore, whole_episodes

        store.enter_track("line", A)
        second, _ = store.enter_track("line", B)
        driven(path, second, B, B.digest)
        (item,) = whole_episodes(store.conn)
        described = describe(item)
        assert described["session"]["track_digest"] == B.digest
        with Store(tmp_path / "new.sqlite") as new:
            new.enter_track("other", B)
            write(new, [("one", restore(described, item.data))], "test")
            assert filed(new) == ["other"]


    def test_an_older_export_is_told_by_its_positions(self, store, path, tmp_path):
        from data.exchange.importing import write
        from data.exchange.portable import describe, restore, whole_episodes

        store.enter_track("line", B)
        store.enter_track("line", A)
        with Store(tmp_path / "old.sqlite") as old:
            driven(tmp_path / "old.sqlite", "line", A)
            (item,) = whole_episodes(old.conn)
        described = describe(item)
        del described["session"]["track_digest"]
        write(store, [("one", restore(described, item.data))], "test")
        assert filed(store) == [f"line~{A.digest[:6]}"]


def test_two_sessions_that_meet_a_new_map_at_once_file_it_once(path):
    import threading

    problems, found = [], []

    def meet():
        try:
            with Store(path) as store:
                found.append(store.enter_track("line", A)[0])
        except Exception as error:  # whatever it is, it is shown below
            problems.append(error)

    Store(path).close()
    threads = [threading.Thread(target=meet) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (problems, found) == ([], ["line"] * 6)


def test_best_is_told_for_each_track(store):
    one = store.add_checkpoint("a", "1", 1, 1, "train", {})
    two = store.add_checkpoint("b", "2", 2, 2, "train", {})
    store.enter_track("line", A)
    second, _ = store.enter_track("line", B)
    store.set_best(one, "line")
    store.set_best(two, second)
    assert store.best_checkpoint("line").id == one
    assert store.best_checkpoint(second).id == two
    assert store.best_checkpoint().id == two


def test_a_line_that_is_none_is_found_by_the_check(store, path):

    store.enter_track("line", A)
    assert store.check() == []
    store.conn.execute("UPDATE tracks SET line = X'00'")
    assert any("1 track whose line is malformed" in said for said in store.check())


def test_a_line_far_too_long_is_no_line(store, path):
    store.enter_track("line", A)
    with store.conn:
        store.conn.execute("UPDATE tracks SET line = zeroblob(30000000)")
    tracemalloc.start()
    try:
        assert [row.road for row in rows(store.conn)] == [None]
        assert any("1 track whose line is malformed" in said for said in store.check())
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
