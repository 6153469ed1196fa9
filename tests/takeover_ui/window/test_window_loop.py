"""The loop of the window's process, without a process: what it draws, what it takes away, and what keys and clicks are to it."""

import multiprocessing
import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pygame
import pytest

from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.view import Card, View
from takeover_ui.window import process
from takeover_ui.window.key_names import KEYS
from takeover_ui.window.newest_value import Slot
from takeover_ui.window.options import WindowOptions
from tests.support import sample_screens as samples

pytestmark = pytest.mark.realtime


class Recorded:
    """A screen that keeps what it was asked to draw."""

    def __init__(self) -> None:
        self.drawn: list[View] = []
        self.told: list[str] = []
        self.cards: list[Card | None] = []
        self.sizes = self.lists = 0
        self.looks: list[WindowOptions] = []
        self.options = WindowOptions()

    def tell(self, texts: list[str], card: Card | None = None) -> None:
        self.told = texts
        self.cards.append(card)

    def draw(self, view: View, now: float, card: Card | None = None) -> None:
        self.drawn.append(view)
        self.cards.append(card)

    def next_size(self) -> None:
        self.sizes += 1

    def opens_settings(self, at: tuple[int, int]) -> bool:
        return at == (9, 9)

    def take_keys(self) -> None: ...

    def said(self) -> list[str]:
        return []

    def step_aside(self, aside: bool) -> None: ...

    def restyle(self, options: WindowOptions) -> None:
        self.looks.append(options)

    def close_list(self) -> bool:
        was_open, self.lists = self.lists > 0, 0
        return was_open

    def mouse(self, event: pygame.event.Event) -> Arrangement | None:
        return Arrangement(scale=1.5) if event.type == pygame.MOUSEBUTTONUP else None


@pytest.fixture
def loop() -> Iterator[tuple[Any, Any, Any]]:
    """The window's loop in this process: (loop, our end of its pipe, its counters)."""
    pygame.display.init()
    pygame.display.set_mode((64, 64))
    pygame.event.clear()
    ours, theirs = multiprocessing.Pipe()
    counts = multiprocessing.get_context("spawn").RawArray("L", len(KEYS))
    slot = Slot(multiprocessing.get_context("spawn"))
    yield process._Loop(theirs, slot, counts, [0] * process.TOLD, Recorded()), ours, counts
    ours.close()
    theirs.close()


def test_both_enter_keys_and_keys_of_other_keyboards_are_heard(loop: tuple[Any, Any, Any]) -> None:
    made, _, counts = loop
    for key, name in ((pygame.K_KP_ENTER, "return"), (ord("ö"), "ö"), (ord("ù"), "ù"), (pygame.K_KP5, "[5]")):
        for kind, count in ((pygame.KEYDOWN, 1), (pygame.KEYUP, 2)):
            made._event(pygame.event.Event(kind, key=key))
            assert counts[KEYS.index(name)] == count, name


def test_only_the_newest_view_is_drawn_and_no_toast_is_lost(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    view = samples.view()
    for tick in range(5):
        made.slot.write(pickle.dumps(("view", 1, replace(view, scene=None, progress=float(tick)))))  # type: ignore[arg-type]
        pipe.send_bytes(pickle.dumps(("toast", "info", f"message {tick}", None)))
    made._receive()
    made._draw(time.monotonic())
    assert made.screen.drawn == []  # the track has not come yet
    made._draw(time.monotonic() + 60.0)
    assert made.screen.told == ["message 2", "message 3", "message 4"], "what is waited for is said as long as it is waited for"
    pipe.send_bytes(pickle.dumps(("scene", 1, view.scene)))
    made._receive()
    made._draw(time.monotonic())
    drawn = made.screen.drawn[-1]
    assert drawn.progress == 4.0
    assert drawn.scene.track == view.scene.track
    assert [text for _, text in drawn.toasts] == [f"message {k}" for k in range(5)]
    made._draw(time.monotonic() + 60.0)
    assert made.screen.drawn[-1].toasts == ()
    for text in ("learned: 10 %", "learned: 20 %", "read: 5 %"):
        pipe.send_bytes(pickle.dumps(("toast", "info", text, None)))
    made._receive()
    made._draw(time.monotonic())
    assert [text for _, text in made.screen.drawn[-1].toasts] == ["learned: 20 %", "read: 5 %"], "how far it is now"


def test_while_the_keys_are_elsewhere_no_key_is_named_that_would_do_nothing(loop: tuple[Any, Any, Any]) -> None:
    made, _, _ = loop
    card, view = Card("Your turn.", keys="Enter: I drive"), replace(samples.view(), hint="space: drive")
    made.view = view
    for number, kind in enumerate((pygame.WINDOWFOCUSGAINED, pygame.WINDOWFOCUSLOST, pygame.WINDOWFOCUSGAINED)):
        made._event(pygame.event.Event(kind))
        away = number == 1
        assert bool(made.told[3]) is away
        made.card = None
        made._draw(0.0)
        assert (made.screen.drawn[-1].elsewhere, made.screen.drawn[-1].hint) == (away, view.hint)
        made.card = card
        made._draw(0.0)
        assert (made.screen.drawn[-1].elsewhere, made.screen.drawn[-1].hint) == (False, ""), "a card says what counts"
        assert made.screen.cards[-1].keys == (made.screen.options.words["keys_elsewhere"] if away else card.keys)


def test_what_was_said_of_an_earlier_drive_is_taken_away_and_nothing_else(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    sent = (
        ("remark", "good", "The wheel is yours.", None), ("toast", "warning", "The pad is gone.", None),
        ("remark", "info", "said again", None),
        ("drive",),
        ("remark", "good", "It has the hairpin.", None), ("remark", "info", "said again", None),
        ("forget",),
    )  # fmt: skip
    for message in sent:
        pipe.send_bytes(pickle.dumps(message))
    made._receive()
    assert [text for *_, text in made.toasts].count("The wheel is yours.") == 0
    assert {text for *_, text in made.toasts} == {"The pad is gone.", "It has the hairpin.", "said again"}


def test_what_is_withdrawn_is_taken_away(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    sent = ("remark", "info", "Kept.", None), ("toast", "info", "Else.", None), ("withdraw", "Kept."), ("withdraw", "?")
    for message in sent:
        pipe.send_bytes(pickle.dumps(message))
    made._receive()
    assert [text for *_, text in made.toasts] == ["Else."]


def test_what_asks_for_the_wheel_goes_as_soon_as_the_agent_drives_no_more(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    view = samples.view("agent")
    pipe.send_bytes(pickle.dumps(("scene", 1, view.scene)))

    def after(*messages: tuple[Any, ...], driver: Any = "agent") -> list[str]:
        for message in (*messages, ("view", 1, replace(view, scene=None, driver=driver))):  # type: ignore[arg-type]
            pipe.send_bytes(pickle.dumps(message))
        made._receive()
        return [text for *_, text in made.toasts]

    help_now, other = ("remark", "warning", "Help now.", "agent"), ("toast", "info", "Another thing.", None)
    for driver in ("human", "paused", "waits", "over"):
        made.toasts.clear()
        assert after(help_now, other) == ["Help now.", "Another thing."]
        assert after(driver=driver) == ["Another thing."]
    made.toasts.clear()
    assert after(help_now, other) == ["Help now.", "Another thing."]
    assert after(("episode over",)) == ["Another thing."]
    go_on = ("toast", "info", "P drives on.", "paused")
    assert after(go_on, ("episode over",), driver="paused") == ["Another thing.", "P drives on."]
    assert after() == ["Another thing."]


def test_keys_are_counted_and_let_go_when_the_window_loses_them(loop: tuple[Any, Any, Any]) -> None:
    made, _, counts = loop
    made._event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP))
    made._event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP))  # the system's key repeat
    assert counts[KEYS.index("up")] == 1
    made._event(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    assert counts[KEYS.index("up")] == 2
    made._event(pygame.event.Event(pygame.KEYUP, key=pygame.K_UP))
    assert counts[KEYS.index("up")] == 2
    made._event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_TAB))
    assert made.screen.sizes == 1


def test_tab_in_another_window_of_ours_leaves_the_overlay_that_stands_aside_as_it_is(loop: tuple[Any, Any, Any]) -> None:
    made, _, _ = loop
    made._take(("aside", True))
    made._anywhere(frozenset(("tab",)))
    made._take(("aside", False))
    made._anywhere(frozenset(("tab",)))
    assert made.screen.sizes == 0, "it is still held since then"
    made._anywhere(frozenset())
    made._anywhere(frozenset(("tab",)))
    assert made.screen.sizes == 1


def test_escape_closes_the_list_of_gauges_before_it_means_the_session(loop: tuple[Any, Any, Any]) -> None:
    made, _, counts = loop
    made.view, made.screen.lists = samples.view(), 1
    escape = KEYS.index("escape")
    for presses in (0, 2):
        made._event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE))
        made._event(pygame.event.Event(pygame.KEYUP, key=pygame.K_ESCAPE))
        assert (made.screen.lists, counts[escape]) == (0, presses)


def test_what_the_mouse_made_of_the_gauges_is_sent_to_the_session(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        made._event(pygame.event.Event(kind, button=1, pos=(3, 3)))
    assert pipe.recv() == Arrangement(scale=1.5)
    assert not pipe.poll()


def test_a_click_on_the_settings_of_a_paused_session_is_a_press_of_their_key(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    made._event(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(9, 9)))
    assert made.counts[KEYS.index(process.SETTINGS_KEY)] == 2
    assert not pipe.poll()


def test_another_look_reaches_the_screen(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    pipe.send_bytes(pickle.dumps(("look", WindowOptions(language="pl"))))
    made._receive()
    assert [options.language for options in made.screen.looks] == ["pl"]


def test_a_card_stays_until_the_next_one_and_escape_closes_where_no_one_reads_the_keys(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    escape = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE)

    def show(card: Card | None) -> None:
        pipe.send_bytes(pickle.dumps(("card", card)))
        made._receive()
        made._draw(time.monotonic())

    for card in (Card("first"), Card("second"), None):
        show(card)
        assert made.screen.cards[-1] == card
    pipe.send_bytes(pickle.dumps(("scene", 1, samples.scene())))
    made.slot.write(pickle.dumps(("view", 1, replace(samples.view(), scene=None))))  # type: ignore[arg-type]
    made._receive()
    assert made.view is not None
    for card in (None, Card("a question")):  # the session reads Escape
        show(card)
        made._event(escape)
        assert made.running
    show(Card("the end", closes=True))
    made._event(escape)
    assert not made.running


def test_escape_closes_a_window_in_which_nothing_drives_yet(loop: tuple[Any, Any, Any]) -> None:
    made = loop[0]
    made._event(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE))
    assert not made.running


def test_the_close_button_and_the_end_of_the_session_stop_the_loop(loop: tuple[Any, Any, Any]) -> None:
    made, pipe, _ = loop
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    made.run()
    assert pipe.recv() == "closed"
