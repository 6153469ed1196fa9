"""The review's window: whole reviews by pad, by keys and with the mouse, and a screen on which nothing is cut off."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import pygame
import pytest

from data.reading.segment_review import StoreReview
from data.store import Store
from takeover_ui.review.app import KEYS, ReviewApp
from takeover_ui.review.menu import ACTIONS
from takeover_ui.review.model import ReviewModel
from takeover_ui.review.texts import LANGUAGES
from takeover_ui.review.view import ReviewView
from takeover_ui.review.widgets import HINTS
from takeover_ui.theme import Pen
from tests.support import sample_screens as samples
from tests.support.sample_stores import now
from tests.support.virtual_pad import VirtualPad
from tests.takeover_ui.overlay.test_overlay import check


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


@pytest.mark.parametrize("mod", [pygame.KMOD_LCTRL, pygame.KMOD_LALT, pygame.KMOD_RALT, pygame.KMOD_LMETA])
def test_a_letter_with_ctrl_or_alt_judges_nothing(model: ReviewModel, store: Store, mod: int) -> None:
    app = ReviewApp(model, samples.scene())

    def press_with(key: int, mod: int) -> None:
        app.event(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod))
        app.event(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))

    try:
        first = model.segment
        for key in set(KEYS) - {pygame.K_LEFT, pygame.K_RIGHT, pygame.K_z}:
            press_with(key, mod)
        assert not store.conn.execute("SELECT count(*) FROM judgements").fetchone()[0]
        assert (model.segment, model.menu, model.over) == (first, None, False)
        press_with(pygame.K_b, pygame.KMOD_SHIFT | pygame.KMOD_CAPS)
        assert first is not None
        assert now(store, first.id).verdict == "bad"
        press_with(pygame.K_z, pygame.KMOD_LCTRL)
        assert now(store, first.id).verdict == "unreviewed"
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
        press(app, pygame.K_m)
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
    return Pen(app.surface, min(app.surface.get_width() / 1280, app.surface.get_height() / 720))


class AtTheWheel:
    """A wheel and the review that it drives."""

    def __init__(self, wheel: VirtualPad, app: ReviewApp) -> None:
        self.wheel, self.app = wheel, app

    def look(self) -> None:
        for _ in range(3):
            pygame.event.pump()
            self.app.events()
        self.app.draw()

    def press(self, *buttons: int) -> None:
        for button in buttons:
            self.wheel.raw_button(button, True)
            self.look()
            self.wheel.raw_button(button, False)
            self.look()

    def hat(self, *ways: int) -> None:
        for way in ways:
            self.wheel.raw_hat(way)
            self.look()
            self.wheel.raw_hat(0)
            self.look()


def test_a_whole_review_with_a_wheel_alone(model: ReviewModel, store: Store) -> None:
    """List, play, verdict, undo, tag, and out: also when it is plugged in while the window is open."""
    up, right, down, left = 1, 2, 4, 8
    with VirtualPad.wheel("Logitech G29 Driving Force Racing Wheel", 4, 25, (0x046D, 0xC24F), 1) as wheel, VirtualPad() as pad:
        wheel.raw_button(0, True)  # what is held while the window opens is no verdict
        app = ReviewApp(model, samples.scene(), (640, 360))
        hand = AtTheWheel(wheel, app)
        hand.look()
        wheel.raw_button(0, False)
        hand.look()
        first = model.segment
        assert first is not None
        assert (now(store, first.id).verdict, app.view.hand) == ("unreviewed", "pad")
        pad.unplug()
        hand.hat(down, up)
        assert (model.segment, app.view.hand) == (first, "wheel")
        assert model.playing
        hand.press(7, 5)
        assert (model.playing, model.speed) == (False, 2.0)
        position = model.position
        hand.hat(right)
        assert model.position == position + 1
        hand.hat(left)
        hand.press(1)
        assert now(store, first.id).verdict == "bad"
        hand.press(6)
        assert now(store, first.id).verdict == "unreviewed"
        wheel.unplug()
        wheel.plug()
        hand.look()
        hand.press(8)
        hand.hat(down, left)
        hand.press(0, 0)  # the menu, its tags, the first of them
        assert now(store, first.id).tags == ("clean",)
        hand.press(8, 1)
        assert model.menu is None
        hand.press(24, 8)
        hand.hat(up)
        hand.press(0)
        assert model.over
    app.close()


@pytest.mark.parametrize("size", [(1280, 720), (1024, 600), (1024, 640), (1920, 1080), (2560, 1440)])
@pytest.mark.parametrize("by", HINTS)
@pytest.mark.parametrize("code", LANGUAGES)
def test_the_screen_holds_everything_without_cutting_it_off(
    model: ReviewModel, size: tuple[int, int], by: Literal["keys", "pad", "wheel"], code: str
) -> None:
    model.words = LANGUAGES[code]
    surface = pygame.Surface(size)
    view = ReviewView(samples.scene(), by)
    marks = view.draw(surface, model)
    check(marks, surface.get_rect())
    assert {"plan", "timeline", "button_good", "list_left", "key", "word"} <= {m.name for m in marks}
    model.do("menu")
    check([m for m in view.draw(surface, model) if m.name.startswith("menu")], surface.get_rect())


def test_what_is_not_learned_from_is_said_in_the_list_and_beside_it(store: Store) -> None:
    (held, *_) = store.segments(kind="takeover")
    store.conn.execute("UPDATE segments SET start = 0, stop = 12 WHERE id = ?", (held.id,))
    model = ReviewModel(StoreReview(store, "default"), sort="newest")
    model.select([s.id for s in model.list.shown].index(held.id))
    for size in ((1024, 640), (1280, 720)):
        surface = pygame.Surface(size)
        marks = ReviewView(samples.scene()).draw(surface, model)
        check(marks, surface.get_rect())
        assert sum("not learned from" in m.text for m in marks if m.name == "row_more") == 1
        assert "Not learned from: a key was still held" in " ".join(m.text for m in marks if m.name == "why_not")
    model.do("good")  # the player's word stands
    model.select([s.id for s in model.list.shown].index(held.id))
    assert not [m for m in ReviewView(samples.scene()).draw(surface, model) if m.name == "why_not"]


def press(app: ReviewApp, key: int, *letters: str) -> None:
    """A key goes down and up as SDL reports it, with its letters between while text is typed."""
    for event in (pygame.event.Event(pygame.KEYDOWN, key=key), *(pygame.event.Event(pygame.TEXTINPUT, text=c) for c in letters)):
        app.event(event)
    app.event(pygame.event.Event(pygame.KEYUP, key=key))


@pytest.mark.parametrize(("key", "letter", "field"), [(pygame.K_t, "t", "tags"), (pygame.K_m, "m", "note")])
def test_the_key_that_opens_a_field_does_not_type_its_letter(
    model: ReviewModel, store: Store, key: int, letter: str, field: str
) -> None:
    app = ReviewApp(model, samples.scene())
    try:
        first = model.segment
        assert first is not None
        press(app, key, letter, letter)  # in the same batch of events, and again while it is held
        press(app, key, letter)  # now it is meant
        press(app, pygame.K_o, "o")
        press(app, pygame.K_RETURN)
        assert getattr(now(store, first.id), field) in (f"{letter}o", (f"{letter}o",))
        app.event(pygame.event.Event(pygame.KEYDOWN, key=key))
        press(app, pygame.K_x, "x")  # before the first key is let go
        assert model.menu is not None
        assert model.menu.text.endswith("x")
    finally:
        app.close()


def test_everything_that_keys_do_can_be_clicked_on(model: ReviewModel, store: Store) -> None:
    app = ReviewApp(model, samples.scene(), (1280, 720))
    try:
        app.draw()
        offered = {h.command for h in app.view.hits}
        assert offered >= set(KEYS.values()) - {"first", "last", "choose"}, "these three are the rows and options themselves"

        def click(command: str, row: int = -1) -> None:
            app.draw()
            hit = next(h for h in reversed(app.view.hits) if h.command == command and row in (-1, h.row))
            app.event(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=hit.rect.center))

        first = model.segment
        assert first is not None
        click("more")
        click("note")
        click("choose", 1)
        assert (now(store, first.id).priority, now(store, first.id).note) == (2.0, "good line")
        click("menu")
        click("choose", ACTIONS.index("undo"))
        assert now(store, first.id).note == ""
        click("note")
        app.event(pygame.event.Event(pygame.TEXTINPUT, text="late"))
        app.draw()
        field = next(h for h in app.view.hits if h.command == "choose" and h.row == -1)
        app.event(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=field.rect.center))
        assert now(store, first.id).note == "late"
        click("quit")
        assert model.over
    finally:
        app.close()


def test_a_segment_is_trimmed_by_keys_that_every_keyboard_has(model: ReviewModel) -> None:
    app = ReviewApp(model, samples.scene())
    try:
        for mod, key, trim in (
            (pygame.KMOD_LSHIFT, pygame.K_RIGHT, (1, 0)), (pygame.KMOD_RCTRL, pygame.K_LEFT, (1, 1)),
            (pygame.KMOD_RSHIFT, pygame.K_LEFT, (0, 1)), (pygame.KMOD_LCTRL, pygame.K_RIGHT, (0, 0)),
        ):  # fmt: skip
            app.event(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod))
            app.event(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))
            assert model.trim == trim
    finally:
        app.close()


@pytest.mark.parametrize("code", ["de", "pl"])
def test_what_is_offered_is_in_the_players_language_and_a_tag_is_stored_under_one_name(
    model: ReviewModel, store: Store, code: str
) -> None:
    model.words = LANGUAGES[code]
    surface, view = pygame.Surface((1280, 720)), ReviewView(samples.scene())
    first = model.segment
    assert first is not None
    model.do("tag")
    offered = [m.text for m in view.draw(surface, model) if m.name == "menu_option"]
    assert offered[0] == model.words["tag_clean"] != "clean"
    model.do("choose")
    assert now(store, first.id).tags == ("clean",)
    drawn = view.draw(surface, model)
    assert any(f"#{model.words['tag_clean']}" in m.text for m in drawn if m.name == "said")
    assert {model.words["line_agent"], model.words["line_you"]} <= {m.text for m in drawn if m.name.startswith("figure")}
    model.do("note")
    model.do("next")
    model.do("choose")
    assert now(store, first.id).note == model.words["note_line"] != "good line"

