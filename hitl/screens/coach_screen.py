"""What the coach says, where the player sees and hears it: sentences, calls, the offer to practise, and the end of a session."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from data.errors import StoreError
from data.store import Store
from hitl.coach import ending
from hitl.coach.rules import FAILURES, Said, Say, StandingWords
from hitl.coach.sounds import Sounds
from hitl.demo.advice import braking_advice
from hitl.demo.cards import practice_card
from hitl.home import Named, in_home
from hitl.session.practice import TRIES
from takeover_ui.language import ENGLISH, Words
from takeover_ui.view import Card, Level, toast_s
from trainer.daemon import control
from trainer.daemon.heartbeat import read_heartbeat

if TYPE_CHECKING:
    from hitl.coach.call_me import Failure
    from hitl.coach.observer import Looking
    from hitl.screens.session_screen import SessionScreen
    from hitl.session.setup import SessionSetup
    from takeover_ui.window.window import Window

LOOK_S = 1.0  # how often the last screen looks how the trainer does


def speaker(
    window: Window | None, sounds: Sounds | None = None, also_printed: bool = False, named: Named = None
) -> Say:
    """Return what says a sentence: in the window and by a sound; printed where there is no window, or another game covers it.

    ``named``: the home as it was typed (`in_home`), for the commands in what is printed; a window knows it.
    """
    until, directly = -math.inf, False  # what was said of a takeover stands until then; nothing was said since
    shown = None if window is None else StandingWords(window.withdraw)

    def say(said: Said) -> None:
        nonlocal until, directly
        if said.first and not (directly if window is None else time.monotonic() < until):
            said = replace(said, first="")  # it would refer to nothing that is seen
        directly = said.of_takeover
        if directly and window is not None:
            until = time.monotonic() + toast_s(said.text(window.options.words))
        if window is None or also_printed:
            print(in_home(said.text(ENGLISH), named), flush=True)
        if window is not None and shown is not None:
            text = said.text(window.options.words)
            shown.note(said, text)
            window.toast(text, cast("Level", said.level), said.of_drive, said.only)
        if sounds is not None:
            sounds.play(said.sound)

    return say


class Caller:
    """Gets the player's attention, and counts down. ``screen`` None: in the terminal alone."""

    def __init__(self, rig: SessionSetup, window: Window | None, screen: SessionScreen | None, sounds: Sounds) -> None:
        self._rig, self._window, self._screen, self._sounds = rig, window, screen, sounds
        self._words = window.options.words if window is not None else ENGLISH
        self._lines: tuple[str, ...] = ()
        self._title = ""

    def begins(self, greedy_every: int) -> None:
        """The session begins: say which drives call, where not all do."""
        if greedy_every > 1:
            print(ENGLISH.say("call_begins", n=greedy_every), flush=True)
            if self._window is not None:
                self._window.toast(self._words.say("call_begins", n=greedy_every))

    def alone(self, times: float) -> None:
        """The agent drives alone, so many times as fast as the clock."""
        if self._screen is not None:
            self._screen.fast = self._words.say("call_fast", times=max(1.0, times))
        if self._window is not None:
            self._window.drive_begins()

    def learns(self, seconds: float) -> None:
        """The agent has been learning for so long, and nothing is driven meanwhile."""
        if self._screen is not None:
            self._screen.stand()
        said = self._words.say("call_learns", seconds=seconds), (self._words["call_waits"],)
        self._card(Card(*said, keys=self._words["key_leave"]))

    def call(self, failure: Failure) -> None:
        """The agent has failed there."""
        self._title, line = self._told(failure, self._words)
        self._lines = (line, self._words["call_ready"])
        print(*self._told(failure, ENGLISH), flush=True)  # the terminal is English in every language
        if self._screen is not None:
            self._screen.fast = ""
        if self._window is not None:
            self._window.forget_drives()  # of the try before: above this call they would be read as said of it
            self._window.to_front()
        self._sounds.play("call")

    @staticmethod
    def _told(failure: Failure, words: Words) -> tuple[str, str]:
        """Return that it needs the player, and where it failed."""
        corner = failure.corner
        title = words.say("call_title", corner=corner.name) if corner else words["call_title_road"]
        key = "call_line_stalled" if failure.reason == "stalled" else "call_line"
        return title, words.say(key, at=failure.at_m, seconds=failure.back_s, back=failure.back_m)

    def show(self, what: str, seconds: float) -> None:
        """Show how long it is until the wheel is the player's (`hitl.coach.call_me.Countdown`)."""
        if what == "go":
            self._sounds.play("go")
            self._card(None)
            if self._window is not None:
                self._window.toast(self._words["call_takes"], "good", of_drive=True)
            return
        if what == "count":
            self._sounds.play("tick")
        if what == "paused":  # it would cover what a pause says
            self._card(None)
            return
        title = self._title if what == "ready" else self._words.say("call_count", seconds=seconds)
        self._card(Card(title, self._lines if what == "ready" else (self._title,), keys=self._words["key_leave"]))

    def end_call(self) -> None:
        """No one is needed any more, or the player drives: nothing is said over the road."""
        self._card(None)
        if self._screen is not None:
            self._screen.fast = ""

    def _card(self, card: Card | None) -> None:
        if self._window is not None:
            self._window.card(card)


def wants_practice(rig: SessionSetup, screen: SessionScreen | None, named: Named = None) -> str:
    """Ask a player who has failed three times in a row at one corner whether they want to practise it; "" where they do not.

    ``named``: as above.
    """
    coaching = rig.session.coaching
    if coaching is None or not coaching.coach.practice:
        return ""
    name, coaching.coach.practice = coaching.coach.practice, ""
    if screen is None:
        again = in_home(f'`hitl play --practice "{name}"` tries it again and again.', named)
        print(f"Three takeovers at '{name}' failed in a row: {again}")
        return ""
    advice = ""
    rig.written(5.0)
    with contextlib.suppress(StoreError), Store(rig.home.store_path, read_only=True) as store:
        session = rig.recorder.session_id
        if session is not None:
            advice = braking_advice(store, rig.track.name, rig.corner(name), session, screen.words, rig.options.env)
    return name if screen.asked(practice_card(name, FAILURES, advice, TRIES, screen.words)) else ""


def tell_ending(
    rig: SessionSetup, window: Window | None, looking: Looking, left: Callable[[], bool], elsewhere: bool = False,
    screen: SessionScreen | None = None,
) -> str:
    """Show what came of a session until the player closes it; return the same for the terminal. ``left``: they are gone.

    ``elsewhere``: another machine trains. ``screen``: what stands behind the card.
    """
    coaching = rig.session.coaching
    if coaching is None:
        return ""
    home, works = rig.home.root, control.running(rig.home.store_path)
    if window is not None and not window.closed and not left():
        words, looked = window.options.words, time.monotonic()
        shown = ending.card(coaching, looking, read_heartbeat(home), words, elsewhere, works)
        window.card(shown)
        down, answered = window.keys(), False  # the key that was pressed to leave may still be down, and is no answer
        while not (answered or window.closed or left()):
            time.sleep(0.02)
            before, down = down, window.keys()
            answered = not {"return", "escape"}.isdisjoint(down - before)
            if time.monotonic() > looked + LOOK_S:  # the trainer goes on meanwhile, or was ended
                looked = time.monotonic()
                now = ending.card(coaching, looking, read_heartbeat(home), words, elsewhere, control.running(rig.home.store_path))
                if now != shown:
                    window.card(shown := now)
                if screen is not None:
                    screen.trainer_goes_on()
    # Read anew: the card may have stayed for minutes, and a heartbeat of before would be that of a trainer that is silent.
    works = control.running(rig.home.store_path)
    return ending.printed(coaching, looking, read_heartbeat(home), elsewhere, works)
