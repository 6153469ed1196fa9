"""A review while others write into the same store: another review, a session, a merge."""

from collections.abc import Iterator

import pytest

from data.reading.segment_review import StoreReview
from data.recording.recorder import Recorder
from data.store import Store
from takeover_ui.review.model import LOOK_S, ReviewModel
from tests.support.recorded import drive, session_info
from tests.support.sample_stores import now


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """The same store in another window."""
    with Store(store.path) as opened:
        yield opened


def test_undo_takes_back_what_was_done_in_this_window(model: ReviewModel, store: Store, other: Store) -> None:
    beside = ReviewModel(StoreReview(other, "default"), sort="newest")
    first = model.segment
    assert first is not None
    model.do("star")
    said = beside.list.shown[-1]
    assert said.id != first.id
    beside.select(len(beside.list.shown) - 1)
    beside.do("bad")
    other.label([first.id], note="from beside")
    model.do("undo")
    assert (now(store, first.id).verdict, now(store, first.id).note) == ("unreviewed", "from beside")
    assert now(store, said.id).verdict == "bad"
    model.do("undo")
    assert model.message == "There is nothing to undo in this window."
    assert now(store, said.id).verdict == "bad"
    beside.do("undo")
    assert now(store, said.id).verdict == "unreviewed"


def test_what_others_record_and_judge_appears_and_nothing_moves(model: ReviewModel, store: Store, other: Store) -> None:
    model.select(2)
    rows, selected = [s.id for s in model.list.shown], model.segment
    assert selected is not None
    model.do("start_in")
    with Recorder(store.path, session_info(track=selected.track)) as recorder:
        drive(recorder)
    other.label([rows[0]], verdict="bad")
    other.label([selected.id], tags_add=["late"], trim=(3, 0))
    model.tick(LOOK_S / 2)
    assert [s.id for s in model.list.shown] == rows
    model.tick(LOOK_S / 2)
    assert [s.id for s in model.list.shown] == [*rows, max(s.id for s in store.segments())]
    assert model.list.all[rows[0]].verdict == "bad"
    assert model.segment is not None
    assert (model.list.index, model.segment.id, model.segment.tags) == (2, selected.id, ("late",))
    assert model.trim == (1, 0), "a trim that is being made is not taken away"
    model.do("undo")
    assert model.trim == (3, 0)
    other.label([selected.id], trim=(2, 0))
    model.tick(LOOK_S)
    assert model.trim == (2, 0)
    assert model._pending() == {}


def test_another_order_lists_what_has_come_meanwhile(model: ReviewModel, other: Store) -> None:
    shown = model.list.shown
    other.label([shown[0].id], verdict="star")
    for _ in range(3):
        model.do("verdict")
    model.do("verdict")
    assert model.list.verdict == "star"
    assert [s.id for s in model.list.shown] == [shown[0].id]


def test_a_look_reads_nothing_while_no_one_writes_of_a_segment(
    model: ReviewModel, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.data, "segments", lambda: pytest.fail("all segments were read"))
    model.do("good")
    model.tick(LOOK_S)
    other.add_event("note", "nothing of a segment")
    model.tick(LOOK_S)
