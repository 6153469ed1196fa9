"""What each command of the review does, to the list and to the store."""

import sqlite3
import time

import numpy as np
import pygame
import pytest

from data import connect
from data.demos import Reason, Why
from data.errors import StoreError
from data.files.paths import sqlite_uri
from data.reading.segment_review import StoreReview
from data.store import Store
from hitl.screens.stored.scene import stored_scene
from takeover_ui.review.app import BUTTONS, KEYS
from takeover_ui.review.corner_plan import CornerPlan
from takeover_ui.review.model import SPEEDS, ReviewModel
from takeover_ui.review.segment_list import SegmentList
from takeover_ui.review.texts import ENGLISH, LANGUAGES
from takeover_ui.review.view import ReviewView
from takeover_ui.theme import Pen
from tests.support import sample_screens as samples
from tests.support.sample_stores import now

COMMANDS = sorted({*KEYS.values(), *BUTTONS.values(), "back"})


def test_a_verdict_is_one_press_and_goes_on_to_the_next_open_one(model: ReviewModel, store: Store) -> None:
    judged = []
    for command in ("good", "bad", "star", "good", "good", "bad", "star"):
        assert model.segment is not None
        judged.append((model.segment.id, command))
        model.do(command)
    assert len({i for i, _ in judged}) == 7
    assert all(now(store, i).verdict == v for i, v in judged)
    assert model.list.open == 0
    assert "judged" in model.message


def test_undo_takes_back_verdict_and_trim_together_and_returns_to_the_segment(model: ReviewModel, store: Store) -> None:
    first = model.segment
    assert first is not None
    for command in ("start_in", "start_in", "stop_in", "good"):
        model.do(command)
    after = now(store, first.id)
    assert (after.verdict, after.trim_start, after.trim_stop) == ("good", 2, 1)
    assert model.segment is not None
    assert model.segment.id != first.id
    model.do("undo")
    after = now(store, first.id)
    assert (after.verdict, after.trim_start, after.trim_stop) == ("unreviewed", 0, 0)
    assert model.segment.id == first.id
    assert model.trim == (0, 0)
    model.do("undo")
    assert "nothing to undo" in model.message


def test_a_trim_that_is_not_judged_yet_can_be_let_go_or_is_kept_when_moving_on(
    model: ReviewModel, store: Store
) -> None:
    first = model.segment
    assert first is not None
    model.do("start_in")
    model.do("undo")
    assert model.trim == (0, 0)
    model.do("start_in")
    model.do("next")
    assert now(store, first.id).trim_start == 1
    assert now(store, first.id).verdict == "unreviewed"


def test_a_trim_never_leaves_nothing(model: ReviewModel, store: Store) -> None:
    segment = model.segment
    assert segment is not None
    model.set_trim(start=10_000)
    model.set_trim(stop=10_000)
    assert segment.stop - segment.start - sum(model.trim) == 2
    model.do("good")
    assert (
        sum((now(store, segment.id).trim_start, now(store, segment.id).trim_stop)) == segment.stop - segment.start - 2
    )
    model.select(0)
    model.set_trim(start=-5, stop=-5)
    assert model.trim == (0, 0)


def test_tags_notes_and_priority(model: ReviewModel, store: Store) -> None:
    segment = model.segment
    assert segment is not None
    for command in ("tag", "next", "choose", "more", "more", "less"):
        model.do(command)
    model.do("note")
    for letter in "Ünder 'quotes'; DROP TABLE steps--\b!":
        model.type(letter)
    model.do("choose")
    after = now(store, segment.id)
    assert after.tags == ("late",)
    assert after.priority == 2.0
    assert after.note == "Ünder 'quotes'; DROP TABLE steps-!"
    assert store.conn.execute("SELECT count(*) FROM steps").fetchone()[0] > 100
    model.do("tag")
    model.do("next")
    model.do("choose")
    assert now(store, segment.id).tags == ()


def test_filters_and_orders(model: ReviewModel, store: Store) -> None:
    model.do("good")
    model.do("verdict")
    assert model.list.verdict == "unreviewed"
    assert len(model.list.shown) == 6
    model.do("verdict")
    assert [s.verdict for s in model.list.shown] == ["good"]
    model.list.verdict = "unreviewed"
    model.do("verdict")
    model.do("undo")  # the segment is no longer among the good ones: the filters give way
    assert model.list.verdict is None
    model.do("corner")
    assert {s.corner for s in model.list.shown} == {"hairpin"}
    model.do("sort")
    assert [s.id for s in model.list.shown] == sorted((s.id for s in model.list.shown), reverse=True)
    model.do("sort")
    for _ in range(50):
        model.tick(0.01)
    data = StoreReview(store, "default")
    gaps = [data.difference(s) for s in model.list.shown]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.3


def test_playback_goes_at_its_speed_and_step_by_step(model: ReviewModel) -> None:
    assert model.segment is not None
    model.tick(0.5)
    assert model.position == pytest.approx(0.5 * model.segment.hz)
    for _ in range(10):
        model.do("slower")
    assert model.speed == SPEEDS[0]
    before = model.position
    model.tick(0.4)
    assert model.position - before == pytest.approx(0.4 * 0.25 * model.segment.hz)
    model.do("step_on")
    assert not model.playing
    assert model.position == int(before + 0.4 * 0.25 * model.segment.hz) + 1
    model.seek(1e9)
    assert model.detail is not None
    assert model.position == len(model.detail.drive) - 1


def test_the_agent_is_shown_with_the_same_and_the_newest_checkpoint(model: ReviewModel) -> None:
    assert model.detail is not None
    assert model.detail.same is not None
    assert model.detail.latest is not None
    corner = samples.scene().corners[0]
    assert model.detail.same.progress.max() < corner[2] < model.detail.latest.progress.max()
    assert not model.detail.same.human.any()
    assert model.detail.drive.human.any()


def test_no_command_ever_fails(model: ReviewModel) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        for number in rng.integers(0, len(COMMANDS), 300):
            if COMMANDS[number] != "quit":
                model.do(COMMANDS[number])
                model.tick(0.01)
    assert model.list.all


def test_an_empty_list_says_what_to_do(model: ReviewModel) -> None:
    model.do("verdict")
    model.do("verdict")
    assert model.list.shown == []
    marks = ReviewView(samples.scene()).draw(pygame.Surface((1280, 720)), model)
    assert any(m.name == "empty" for m in marks)
    for command in COMMANDS:
        if command != "quit":
            model.do(command)
            model.menu = None


def test_a_store_that_is_locked_is_a_message_and_the_review_goes_on(store: Store) -> None:
    store.conn.execute("PRAGMA busy_timeout = 20")
    model = ReviewModel(StoreReview(store, "default"))
    assert model.segment is not None
    first = model.segment.id
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    model.do("good")
    assert "locked" in model.message
    assert (model.segment.id, model.segment.verdict) == (first, "unreviewed")
    model.do("start_in")
    model.pick(1)  # leaving the row would write the trim
    assert "locked" in model.message
    model.do("quit")
    assert not model.over
    assert "locked" in model.message
    model.do("quit")  # asked twice, it ends all the same
    assert model.over
    other.execute("ROLLBACK")
    other.close()
    model.do("good")
    assert model.message == ""
    assert now(store, first).verdict == "good"


def test_wrecked_starts_come_last_are_not_open_and_go_with_one_key(store: Store) -> None:
    laps = [s.id for s in store.segments(kind="lap")]
    store.conn.execute("UPDATE segments SET stop = start + 40, outcome = 'failed' WHERE kind = 'lap'")
    model = ReviewModel(StoreReview(store, "default"))
    assert [s.id for s in model.list.shown[-2:]] == laps[::-1]
    assert model.list.open == 5
    assert model.data.why_not(model.list.shown[-1]) == Reason(Why.WRECKED, "2.0 s")
    model.do("wrecked_bad")
    assert [now(store, i).verdict for i in laps] == ["bad", "bad"]
    assert model.message.startswith("2 wrecked starts judged bad")
    model.do("undo")
    assert [now(store, i).verdict for i in laps] == ["unreviewed"] * 2, "one press, one undo"
    model.do("listed_bad")
    assert {s.verdict for s in model.list.all.values()} == {"bad"}
    model.do("wrecked_bad")
    assert model.message == "There is no wrecked start in this list."


def test_after_all_are_taken_back_the_same_one_is_selected(model: ReviewModel) -> None:
    model.select(2)
    looked_at = model.segment
    assert looked_at is not None
    model.do("listed_bad")
    model.do("undo")
    assert model.segment is not None
    assert (model.segment.id, model.segment.verdict, model.list.index) == (looked_at.id, "unreviewed", 2)
    model.do("listed_bad")
    model.do("first")
    model.do("good")
    model.do("last")
    model.do("undo")
    assert model.list.index == 0
    assert model.segment is not None
    assert model.segment.verdict == "bad"


def test_a_store_that_can_only_be_read_is_said_so_at_once_and_looked_through(store: Store) -> None:
    with Store(store.path, read_only=True) as only_read:
        model = ReviewModel(StoreReview(only_read, "default"))
        said = model.words["said_read_only"]
        assert model.message == said
        before = model.segment
        for command in ("good", "start_in", "stop_in", "tag", "note", "more", "undo", "wrecked_bad"):
            model.do("step_on")
            assert model.message == ""
            model.do(command)
            assert (model.message, model.menu, model.segment, model.trim) == (said, None, before, (0, 0)), command
        model.set_trim(start=3)
        assert model.trim == (0, 0)
        model.do("next")
        assert (model.list.index, model.message) == (1, "")
        with pytest.raises(StoreError, match="can only be read here"):
            model.data.label([1], {"verdict": "good"})
        model.do("quit")
        assert model.over


def test_so_it_is_where_sqlite_opens_a_file_that_cannot_be_written_and_says_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "sqlite_uri", lambda path, mode: sqlite_uri(path, "mode=ro"))
    with Store.open_existing(store.path) as only_read:
        assert only_read.read_only
        model = ReviewModel(StoreReview(only_read, "default"), words=LANGUAGES["de"])
        said = LANGUAGES["de"]["said_read_only"]
        assert model.message == said
        before = model.segment
        for command in ("good", "start_in", "undo"):
            model.do("step_on")
            model.do(command)
            assert (model.message, model.segment, model.trim) == (said, before, (0, 0)), command
        model.do("next")
        assert model.list.index == 1, "a trim does not hold the selection"
        with pytest.raises(StoreError, match="can only be read here"):
            only_read.check_writable()


def test_a_store_that_another_program_writes_to_now_can_be_written_and_is_not_waited_for(store: Store) -> None:
    with Store.open_existing(store.path) as other:
        other.conn.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with Store.open_existing(store.path) as opened:
            assert time.monotonic() < began + 2.0
            assert not opened.read_only
            assert opened.conn.execute("PRAGMA busy_timeout").fetchone()[0] >= 1000
        other.conn.execute("ROLLBACK")


def test_what_matters_is_listed_first(store: Store) -> None:
    """The player's own priority; then takeovers that may teach a mistake; laps; what is not learned from anyway."""
    first, second, third, *_ = [s.id for s in store.segments(kind="takeover")]
    store.conn.execute("UPDATE segments SET outcome = 'failed' WHERE id = ?", (first,))
    store.conn.execute("UPDATE segments SET start = 0, stop = 3, outcome = 'unclear' WHERE id = ?", (second,))
    store.label([third], priority=2.0)
    shown = ReviewModel(StoreReview(store, "default")).list.shown
    assert [s.id for s in shown[:2]] == [third, first]
    assert shown[-1].id == second
    assert [s.kind for s in shown[-3:]] == ["lap", "lap", "takeover"]


def test_where_there_are_no_others_to_show_it_is_said(store: Store) -> None:
    model = ReviewModel(StoreReview(store, "default"))
    mine = model.segment
    assert mine is not None
    with store.conn:
        store.conn.execute("UPDATE segments SET corner = NULL WHERE id = ?", (mine.id,))
    model = ReviewModel(StoreReview(store, "default"))
    model.do("together")
    assert (model.message, model.together) == (ENGLISH["said_no_corner"], False)
    with store.conn:
        store.conn.execute("UPDATE segments SET corner = 'alone' WHERE id = ?", (mine.id,))
    model = ReviewModel(StoreReview(store, "default"))
    model.do("together")
    assert (model.message, model.together) == (ENGLISH["said_no_together"], True)


def test_all_takeovers_of_a_corner_are_shown_over_each_other(store: Store) -> None:
    model = ReviewModel(StoreReview(store, "default"))
    assert model.others == []
    model.do("together")
    mine = model.segment
    assert mine is not None
    assert mine.corner is not None
    beside = [s for s in store.segments(corner=mine.corner, kind="takeover") if s.id != mine.id]
    assert [d.episode.id for d in model.others] == [s.episode_id for s in beside]
    assert all(d.human.all() for d in model.others)
    plan, detail = CornerPlan(stored_scene(store)), model.detail
    assert detail is not None
    pictures = []
    for others in ([], model.others):
        surface = pygame.Surface((400, 300))
        pen = Pen(surface)
        plan.draw(pen, surface.get_rect(), detail, (0, 0), 0.0, ENGLISH, others=others)
        pictures.append(pygame.image.tobytes(surface, "RGB"))
    assert pictures[0] != pictures[1]
    assert any(m.text.startswith(f"{len(beside)} other") for m in pen.marks)
    model.do("together")
    assert model.others == []


def test_the_newest_was_driven_last_whatever_its_number(store: Store) -> None:
    """The number says only when it came into the store, with an import, say."""
    first, second, third, *_ = store.segments()
    listed = SegmentList([third, first], lambda segment: 0.0, sort="newest")
    assert [s.id for s in listed.shown] == [first.id, third.id]
    listed.update([third, second, first])
    listed.arrange()
    assert [s.id for s in listed.shown] == [first.id, second.id, third.id]
