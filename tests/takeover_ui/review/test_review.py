"""The review: what each command does to the store, a whole review by pad, and a screen on which nothing is cut off."""

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pytest

from data.errors import HitlError
from data.reading.segment_review import StoreReview
from data.store import Store
from hitl.commands.review import main
from hitl.screens.stored_scene import stored_scene
from takeover_ui.review import compare
from takeover_ui.review.app import BUTTONS, KEYS, ReviewApp
from takeover_ui.review.model import SPEEDS, ReviewModel
from takeover_ui.review.view import ReviewView
from tests.support import sample_screens as samples
from tests.support import sample_stores as stores
from tests.support.virtual_pad import VirtualPad

COMMANDS = sorted({*KEYS.values(), *BUTTONS.values(), "back"})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "store.sqlite"
    stores.fill(path, takeovers=5)
    return path


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of the filled store: 5 takeovers and 2 laps."""
    path = tmp_path / "store.sqlite"
    source, target = sqlite3.connect(filled), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    with Store(path) as opened:
        yield opened


@pytest.fixture
def model(store: Store) -> ReviewModel:
    return ReviewModel(StoreReview(store, "default"))


def now(store: Store, segment_id: int) -> Any:
    return store.segments(ids=[segment_id])[0]


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


class Hand:
    """A virtual pad and the review that it drives."""

    def __init__(self, pad: VirtualPad, app: ReviewApp) -> None:
        self.pad, self.app = pad, app

    def press(self, *buttons: str) -> None:
        for button in buttons:
            self.pad.press(button)
            self._pump()
            self.pad.release(button)
            self._pump()

    def pull(self, trigger: str, value: float) -> None:
        self.pad.axis(trigger, value)
        self._pump()

    def _pump(self) -> None:
        for _ in range(3):
            pygame.event.pump()
            self.app.events()
        self.app.draw()


@pytest.fixture
def hand(model: ReviewModel) -> Iterator[Hand]:
    with VirtualPad() as pad:
        app = ReviewApp(model, samples.scene(), (640, 360))
        yield Hand(pad, app)
    app.close()


def test_a_whole_review_with_a_pad_alone(hand: Hand, model: ReviewModel, store: Store) -> None:
    """List, play, trim, verdict, undo, verdict again, tag, next: everything lands in the store."""
    hand.press("dpdown", "dpup")
    first = model.segment
    assert first is not None
    hand.press("start", "rightshoulder", "dpright", "dpleft")
    assert model.speed == 2.0
    hand.pull("triggerleft", 1.0)
    hand.press("dpright", "dpright")
    hand.pull("triggerleft", -1.0)
    hand.pull("triggerright", 1.0)
    hand.press("dpleft")
    hand.pull("triggerright", -1.0)
    hand.press("b")
    assert (now(store, first.id).verdict, now(store, first.id).trim_start, now(store, first.id).trim_stop) == (
        "bad",
        2,
        1,
    )
    hand.press("back")
    assert (now(store, first.id).verdict, now(store, first.id).trim_start) == ("unreviewed", 0)
    assert model.segment is not None
    assert model.segment.id == first.id
    hand.press("leftstick", "dpdown", "a", "a")  # the menu, its tags, the first of them
    assert now(store, first.id).tags == ("clean",)
    hand.press("y")
    assert now(store, first.id).verdict == "star"
    second = model.segment
    assert second.id != first.id
    hand.press("x")
    assert model.segment.id not in (first.id, second.id)
    hand.press("leftstick", "dpup", "a")
    assert model.over
    history = store.conn.execute(
        "SELECT after FROM judgements WHERE segment_id = ? ORDER BY id", (first.id,)
    ).fetchall()
    assert [json.loads(h)["verdict"] for (h,) in history] == ["bad", "unreviewed", "star"]


def test_a_verdict_key_that_is_held_judges_one_segment(model: ReviewModel, store: Store) -> None:
    app = ReviewApp(model, samples.scene())
    try:
        for _ in range(6):  # the system repeats it
            app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_b))
        assert store.conn.execute("SELECT count(*) FROM judgements").fetchone()[0] == 1
        app.event(pygame.event.Event(pygame.KEYUP, key=pygame.K_b))
        app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_b))
        assert store.conn.execute("SELECT count(*) FROM judgements").fetchone()[0] == 2
        app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_HOME))
        for _ in range(2):
            app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_DOWN))
        assert model.list.index == 2  # going through a list goes on
    finally:
        app.close()


def test_a_whole_review_with_keys_and_with_the_mouse(model: ReviewModel, store: Store) -> None:
    app = ReviewApp(model, samples.scene())
    try:
        first = model.segment
        assert first is not None
        for key in (pygame.K_SPACE, pygame.K_RIGHTBRACKET, pygame.K_COMMA, pygame.K_g):
            app.event(pygame.event.Event(pygame.KEYDOWN, key=key))
        assert (now(store, first.id).verdict, now(store, first.id).trim_start, now(store, first.id).trim_stop) == (
            "good",
            1,
            1,
        )
        app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_m))
        app.event(pygame.event.Event(pygame.TEXTINPUT, text="fine"))
        app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_g))  # a letter now, not a verdict
        second = model.segment
        assert second is not None
        app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_RETURN))
        assert (now(store, second.id).note, now(store, second.id).verdict) == ("fine", "unreviewed")
        app.draw()
        start, _ = app.view.timeline.handles(_pen(app), model.detail, model.trim)  # type: ignore[arg-type]
        to = start.centerx + app.view.timeline.area.w // 10
        app.event(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=start.center))
        app.event(pygame.event.Event(pygame.MOUSEMOTION, pos=(to, start.centery), rel=(1, 0), buttons=(1, 0, 0)))
        app.event(pygame.event.Event(pygame.MOUSEBUTTONUP, button=1, pos=(to, start.centery)))
        moved = model.trim[0]
        assert moved >= 2
        star = next(h.rect for h in app.view.hits if h.command == "star")
        app.event(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=star.center))
        assert (now(store, second.id).verdict, now(store, second.id).trim_start) == ("star", moved)
        row = next(h for h in app.view.hits if h.row == 0)
        app.event(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=row.rect.center))
        assert model.list.index == 0
        app.event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE))
        assert model.over
    finally:
        app.close()


def _pen(app: ReviewApp) -> Any:
    from takeover_ui.theme import Pen

    return Pen(app.surface, min(app.surface.get_width() / 1280, app.surface.get_height() / 720))


@pytest.mark.parametrize("size", [(1280, 720), (1024, 640), (1920, 1080), (2560, 1440)])
@pytest.mark.parametrize("pad", [False, True])
def test_the_screen_holds_everything_without_cutting_it_off(
    model: ReviewModel, size: tuple[int, int], pad: bool
) -> None:
    from tests.takeover_ui.overlay.test_overlay import check

    surface = pygame.Surface(size)
    view = ReviewView(samples.scene(), pad=pad)
    marks = view.draw(surface, model)
    check(marks, surface.get_rect())
    assert {"plan", "timeline", "button_good", "list_left", "key", "word"} <= {m.name for m in marks}
    model.do("menu")
    check([m for m in view.draw(surface, model) if m.name.startswith("menu")], surface.get_rect())


def test_what_is_not_learned_from_is_said_in_the_list_and_beside_it(store: Store) -> None:
    from tests.takeover_ui.overlay.test_overlay import check

    (held, *_) = store.segments(kind="takeover")
    store.conn.execute("UPDATE segments SET start = 0, stop = 12 WHERE id = ?", (held.id,))
    model = ReviewModel(StoreReview(store, "default"), sort="newest")
    model.select([s.id for s in model.list.shown].index(held.id))
    for size in ((1024, 640), (1280, 720)):
        surface = pygame.Surface(size)
        marks = ReviewView(samples.scene()).draw(surface, model)
        check(marks, surface.get_rect())
        assert sum("not learned from" in m.text for m in marks if m.name == "row_more") == 1
        assert "Not learned from: a key still held" in " ".join(m.text for m in marks if m.name == "why_not")
    model.do("good")  # the player's word stands
    model.select([s.id for s in model.list.shown].index(held.id))
    assert not [m for m in ReviewView(samples.scene()).draw(surface, model) if m.name == "why_not"]


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


def test_the_comparison_speaks_of_what_is_there() -> None:
    scene = samples.scene()
    corner = scene.corners[0]
    episodes = (stores.episode(30, blunder=False, takeover=True), stores.episode(10, blunder=True))
    human, agent = (_drive(e) for e in episodes)
    mine, its = (compare.figures(d, scene, corner, 20.0) for d in (human, agent))
    assert mine.seconds > 0
    assert np.isnan(its.seconds)
    words = compare.in_words(mine, its, corner[2])
    assert words[0].startswith("the agent ends")
    later = replace(mine, braking_m=mine.braking_m + 22.0, entry=mine.entry + 31 / 3.6, seconds=mine.seconds - 0.8)
    assert compare.in_words(mine, later, corner[2])[:3] == [
        "you brake 22 m earlier", "you enter 31 km/h slower", "you lose 0.8 s in the corner",
    ]  # fmt: skip
    assert compare.in_words(mine, mine, corner[2]) == ["no notable difference"]


def _drive(episode: Any) -> Any:
    from data.reading.drives import Drive
    from tests.support.recorded import summary

    n = len(episode)
    driver = np.broadcast_to(np.asarray(episode.driver), (n,))
    columns = {"t": np.arange(n), "driver": driver, **episode.columns, "executed": episode.executed, "proposed": episode.proposed}
    return Drive(summary(action_names=samples.scene().action_names), columns)


def test_the_store_says_what_the_review_needs(store: Store) -> None:
    scene = stored_scene(store)
    assert scene.corners == samples.scene().corners
    review = StoreReview(store, "default")
    began = time.perf_counter()
    for segment in review.segments():
        detail = review.detail(segment)
        assert len(detail.drive) >= segment.stop - segment.start
        assert detail.drive.t[0] <= segment.start
    assert time.perf_counter() - began < 5.0


@pytest.mark.parametrize(
    ("options", "display", "words"),
    [
        ([], "", "no display"),
        (["--since", "2099-01-01"], ":0", "No takeover or lap"),
        (["--track", "chicane"], ":0", "Nothing was driven"),
        (["--since", "soon"], ":0", "is not a date"),
    ],
)
def test_a_review_that_cannot_begin_is_one_sentence(
    filled: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], display: str, words: str
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(HitlError, match=words):
        main(["--home", str(filled.parent), *options])


def test_the_command_opens_the_review(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, int]] = []

    def run(app: ReviewApp) -> None:
        app.draw()
        opened.append((len(app.model.list.shown), len(app.model.list.all)))

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(ReviewApp, "run", run)
    assert main(["--home", str(filled.parent), "--corner", "hairpin", "--sort", "newest"]) == 0
    assert opened == [(5, 7)]


def test_a_store_that_somebody_holds_is_a_message_and_the_review_goes_on(store: Store) -> None:
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
