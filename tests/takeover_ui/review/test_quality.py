"""Hints of how well a takeover was driven: each is said of the drive that has it, and of no calm one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.reading.drives import Drive
from data.reading.segment_review import StoreReview
from data.records import Segment
from data.store import Store
from hitl.screens.stored.scene import stored_scene
from takeover_ui.geometry import ribbon
from takeover_ui.review.quality import _NEWEST, Quality, _Habit, turns
from takeover_ui.review.segment_list import SegmentList
from tests.support.recorded import summary

STEPS = 60
LINE = np.stack([np.arange(0.0, 200.0, 1.0), np.zeros(200)], axis=1)


def segment(number: int, **changes: Any) -> Segment:
    """A takeover of three seconds that cleared its corner."""
    made = Segment(
        number, 1, number, "takeover", "button", "hairpin", 0, STEPS, 0, 0, STEPS / 20, 1.0, "unreviewed", "cleared", False, True,
        "", (), None, None, "2026-11-01T10:00:00.000Z", "box2d", "straight", 20.0, "pad", "drive", 50.0, 110.0,
    )  # fmt: skip
    return replace(made, **changes)


def drive(left: float = 0.3, speed: float = 20.0, steer: Any = 0.0, pedals: Any = 0.5) -> Drive:
    """Three seconds along a straight, by a human."""
    whole = np.ones(STEPS)
    progress = 50.0 + np.arange(STEPS) * speed / 20
    actions = np.stack([whole * pedals, whole * steer], axis=1).astype(np.float32)
    columns = {
        "t": np.arange(STEPS), "driver": np.ones(STEPS, np.uint8), "progress": progress, "x": progress, "y": whole * left,
        "speed": whole * speed, "executed": actions,
    }  # fmt: skip
    return Drive(summary(), columns)


def hints(mine: Drive, others: int = 5, **changes: Any) -> tuple[str, ...]:
    drives = {0: mine, **{k: drive(left=0.1 * k) for k in range(1, others + 1)}}
    quality = Quality(lambda s: drives[s.id], ribbon(LINE, 5.0, 1.0), 5.0)
    segments = [segment(0, **changes), *(segment(k) for k in range(1, others + 1))]
    for s in segments:
        quality.measure(s)
    assert all(quality.hints(s) == () for s in segments[1:])
    return quality.hints(segments[0])


TO_AND_FRO = np.sign(np.sin(np.arange(STEPS) * 2.1))


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (drive(), ()),
        (drive(steer=0.1 * TO_AND_FRO), ()),
        (drive(steer=0.8 * TO_AND_FRO), ("shaky",)),
        (drive(pedals=TO_AND_FRO), ("hesitant",)),
        (drive(left=-3.5), ("off_line", "unlike")),
        (drive(speed=9.0), ("unlike",)),
    ],
)
def test_each_hint_is_said_of_the_drive_that_has_it(mine: Drive, said: tuple[str, ...]) -> None:
    assert hints(mine) == said


def test_a_pedal_that_is_released_all_the_time_does_not_hesitate() -> None:
    whole, shown = np.ones(STEPS), drive()
    for gas, said in ((-np.abs(TO_AND_FRO * 0.5 + 0.5), ()), (TO_AND_FRO, ("hesitant",))):
        columns = {name: vars(shown)[name] for name in shown.columns}
        columns["executed"] = np.stack([gas, -whole, 0.0 * whole], axis=1).astype(np.float32)
        assert hints(Drive(summary(action_names=("gas", "brake", "steer")), columns)) == said


def test_what_was_judged_bad_is_no_habit_any_more() -> None:
    drives, read = {0: drive(speed=9.0), **{k: drive(left=0.1 * k) for k in range(1, 5)}}, list[int]()
    quality = Quality(lambda s: read.append(s.id) or drives[s.id], ribbon(LINE, 5.0, 1.0), 5.0)  # type: ignore[func-returns-value]
    for k in range(5):
        quality.measure(segment(k))
    assert quality.hints(segment(0)) == ("unlike",)
    quality.measure(segment(4, verdict="bad"))
    assert quality.hints(segment(0)) == ("unlike",), "it is measured once"
    quality.measure(segment(4, verdict="bad"), anew=True)
    assert quality.hints(segment(0)) == ()
    assert read == [0, 1, 2, 3, 4], "a verdict changes nothing of what was driven"
    quality.measure(segment(4, trim_start=5), anew=True)
    assert read[5:] == [4]
    assert quality.hints(segment(0)) == ("unlike",)


def test_a_habit_takes_more_than_a_few_others() -> None:
    assert hints(drive(speed=9.0), others=3) == ()
    assert hints(drive(speed=9.0), corner=None) == ()


def test_what_is_too_short_says_nothing_of_the_hand() -> None:
    assert hints(drive(steer=TO_AND_FRO), seconds=0.6) == ()


def test_a_turn_is_a_change_of_way_by_more_than_a_little() -> None:
    assert turns(np.array([])) == 0
    assert turns(np.array([0.0, 0.5, 1.0, 0.9, 1.0, 0.8])) == 0
    assert turns(np.array([0.0, 1.0, 0.0, 1.0])) == 2


def test_a_habit_is_that_of_the_newest_so_that_a_long_list_takes_no_longer_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    many = 20 * _NEWEST
    drives = {k: drive(speed=20.0 if k >= many // 2 else 9.0) for k in range(many)}
    quality = Quality(lambda s: drives[s.id], ribbon(LINE, 5.0, 1.0), 5.0)
    for k in range(many):
        quality.measure(segment(k))
    asked, usual = [], _Habit._usual
    monkeypatch.setattr(_Habit, "_usual", lambda self, values: asked.append(1) or usual(self, values))
    assert quality.hints(segment(0)) == ("unlike",), "half of them were driven so, but none of the newest"
    assert all(quality.hints(segment(k)) == () for k in range(many // 2, many))
    assert len(asked) <= 2 * (_NEWEST + 1), "of each of these without itself, and once of all"
    quality.measure(segment(1, corner="other"), anew=True)
    asked.clear()
    assert quality.hints(segment(1, corner="other")) == ()
    assert all(quality.hints(segment(k)) == () for k in range(many - 5, many)), "of a corner with another habit now"
    assert len(asked) <= 2 * (5 + 3)


def test_an_order_is_asked_for_without_working_out_what_it_needs_at_once(store: Store) -> None:
    scene, data = stored_scene(store), StoreReview(store, "default")
    quality = Quality(data.driven, ribbon(scene.points, scene.half_width, 1.0), scene.half_width)
    listed = SegmentList(data.segments(), data.difference, data.why_not, quality, sort="different")
    for s in listed.all.values():
        quality.measure(s)
    asked: list[int] = []
    quality.hints = lambda s: asked.append(s.id) or ()  # type: ignore[func-returns-value, method-assign]
    listed.cycle("sort")
    assert (listed.sort, asked) == ("doubtful", [])
    assert not listed.compare(0.0), "a little in each frame"
    assert len(asked) == 1
    assert listed.compare(60.0)
    assert sorted(asked) == sorted(listed.all), "each once"


def test_the_most_doubtful_takeovers_come_first(store: Store) -> None:
    scene, data = stored_scene(store), StoreReview(store, "default")
    quality = Quality(data.driven, ribbon(scene.points, scene.half_width, 1.0), scene.half_width)
    listed = SegmentList(data.segments(), data.difference, data.why_not, quality, sort="doubtful")
    doubted = [s for s in listed.all.values() if s.kind == "takeover"][1]
    quality.hints = lambda s: ("shaky", "off_line") if s.id == doubted.id else ()  # type: ignore[method-assign]
    assert listed.compare(60.0)
    assert listed.shown[0].id == doubted.id
    listed.update([replace(doubted, verdict="good")])
    assert not listed.compare(60.0), "what was judged keeps its row"
