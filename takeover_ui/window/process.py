"""The process behind :class:`takeover_ui.window.window.Window`: events in, frames out."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from takeover_ui.view import Card, Driver, Level, Scene, View, toast_s

if TYPE_CHECKING:
    import pygame

    from takeover_ui.window.newest_value import Slot
    from takeover_ui.window.options import WindowOptions

NO_KEYS_ANYWHERE = (
    "This system does not say which keys are down in other windows: keys count while the overlay has the focus, or use a pad."
)
SETTINGS_KEY = "o"
_BESIDE_TAB = frozenset(("left alt", "left ctrl", "right ctrl", "left shift", "right shift"))
_PUMP_S = 0.004  # how long the keyboard may wait to be read
_FRAME_S = 1 / 30
TOLD = 4
"""What the session can look at: pictures drawn, how often the window got the focus, whether keys are heard (1), and whether
they go to another window for now (1)."""
_STALE_S = 1.5  # nothing new for so long: draw seldom


def main(
    pipe: Connection, slot: Slot, counts: Any, told: Any, options: WindowOptions, outlives_interrupts: bool = False
) -> None:
    """Open the window, say so through the pipe, and run until the player or the session closes it.

    ``outlives_interrupts``: see :class:`takeover_ui.window.window.Window`.
    """
    if outlives_interrupts:  # Ctrl+C goes to every process of a terminal, and on Windows to every one of a console
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options.video is not None:
        os.environ["SDL_VIDEODRIVER"] = options.video
    elif os.environ.get("SDL_VIDEODRIVER") == "dummy":
        del os.environ["SDL_VIDEODRIVER"]
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")  # our pixels, not enlarged ones
    # Frames are drawn in memory; sending them through a GPU surface costs three times as much where there is no GPU.
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    try:
        from takeover_ui.window.screen import Screen

        screen = Screen(options)
    except Exception as error:  # whatever SDL says: the session turns it into one sentence
        pipe.send(str(error) or type(error).__name__)
        return
    loop = _Loop(pipe, slot, counts, told, screen, options.keys_anywhere and not options.game_view)
    told[2] = loop.keys_anywhere or screen.gets_focus
    try:
        pipe.send("ready")
        loop.run()
    except KeyboardInterrupt:  # Ctrl+C is for the session, too
        with contextlib.suppress(OSError):
            pipe.send("closed")
    except (BrokenPipeError, EOFError):
        pass  # the session ended first
    finally:
        screen.close()


def next_frame(due: float, now: float) -> float:
    """Return when the next frame is due, after one was drawn ``now`` (s): at ``due``, or sooner, for a new picture of a game."""
    return max(now, min(due, now) + _FRAME_S)


def _farther(one: str, other: str) -> bool:
    """Whether a text says the same as another with a newer percentage."""
    without = [re.sub(r"\d+ %", "%", text) for text in (one, other)]
    return "%" in other and without[0] == without[1]


class _Loop:
    def __init__(self, pipe: Connection, slot: Slot, counts: Any, told: Any, screen: Any, keys_anywhere: bool = False) -> None:
        from takeover_ui.window.key_names import KEYS
        from takeover_ui.window.system.held_keys import key_watch

        self.pipe, self.slot, self.counts, self.told, self.screen = pipe, slot, counts, told, screen
        self.numbers = {name: number for number, name in enumerate(KEYS)}
        self.scene: Scene | None = None
        self.scene_number = 0
        self.waiting: tuple[int, View] | None = None
        self.view: View | None = None
        self.trails: tuple[tuple[Any, ...], tuple[Any, ...]] = ((), ())
        self.card: Card | None = None
        self.toasts: list[tuple[float, Level, str]] = []
        self.remarks: set[str] = set()  # what was said of this drive, and of earlier ones
        self.earlier: set[str] = set()
        self.only: dict[str, Driver] = {}  # what holds only while that driver drives on
        self.running = True
        self.aside = False  # hidden, while another window of ours is used
        self.away = False  # the window had the focus and lost it: keys go elsewhere
        self.carried: frozenset[str] = frozenset()  # keys that were held when it came back: to be let go first
        self.really_down: Callable[[], frozenset[str]] = key_watch(KEYS)
        """Returns the keys that are down, in whichever window they went down."""
        self.keys_anywhere = keys_anywhere and self.really_down is not frozenset
        if keys_anywhere and not self.keys_anywhere:
            self._toast("warning", NO_KEYS_ANYWHERE)

    def run(self) -> None:
        """Read keys at least every four milliseconds, draw thirty times a second, and up to sixty where a game draws so many."""
        import pygame

        drawn = due = time.perf_counter()
        while self.running:
            wait = max(1, round(min(_PUMP_S, due - time.perf_counter()) * 1000))
            event = pygame.event.wait(wait)
            while event.type != pygame.NOEVENT:
                self._event(event)
                event = pygame.event.poll()
            if self.keys_anywhere:
                self._anywhere(self.really_down())
            if self.carried:
                self.carried &= self.really_down()
            self._receive()
            for sentence in self.screen.said():
                self.pipe.send(("said", sentence))
            now = time.perf_counter()
            if self.running and (now >= due or (now >= drawn + _FRAME_S / 2 and self.screen.has_new_picture)):
                self._draw(now)
                drawn = now
                idle = self.view is None or now - self.view.at > _STALE_S
                due = next_frame(due, now) if not idle else now + 0.1
        with contextlib.suppress(OSError):
            self.pipe.send("closed")

    def _event(self, event: pygame.event.Event) -> None:
        import pygame

        from takeover_ui.window.key_names import name_of

        if event.type == pygame.QUIT:
            self.running = False
        elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
            name = name_of(event.key)
            number = self.numbers.get(name)
            down = event.type == pygame.KEYDOWN
            if down and name == "escape" and self.screen.close_list():
                return  # it means the list that is open, not the session
            if name in self.carried:
                self.carried = self.carried if down else self.carried - {name}
                return
            if number is not None and not self.keys_anywhere and bool(self.counts[number] & 1) != down:
                self.counts[number] += 1
            if down and name == "tab" and not self.keys_anywhere:
                self.screen.next_size()
            elif down and name == "f11":
                self.screen.toggle_fullscreen()
            elif down and name == "escape" and (self.view is None if self.card is None else self.card.closes):
                self.running = False  # no one reads the keys yet, or any more
        elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEMOTION, pygame.MOUSEWHEEL):
            if event.type == pygame.MOUSEBUTTONDOWN:
                self.screen.take_keys()
            if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1 and self.screen.opens_settings(event.pos):
                self.counts[self.numbers[SETTINGS_KEY]] += 2  # pressed and let go
                return
            if (arrangement := self.screen.mouse(event)) is not None:
                self.pipe.send(arrangement)
        elif event.type == pygame.WINDOWFOCUSLOST and not self.keys_anywhere:
            for number in range(len(self.counts)):  # a key that is released elsewhere must not stay down here
                self.counts[number] += self.counts[number] & 1
            self._is_away(True)
        elif event.type == pygame.WINDOWFOCUSGAINED:
            self.told[1] += 1
            if self.away:
                self.carried = self.really_down()
                self._is_away(False)

    def _is_away(self, away: bool) -> None:
        self.away, self.told[3] = away, away

    def _anywhere(self, down: frozenset[str]) -> None:
        """Take in the keys that are down, in whichever window. Tab beside another key of this kind is the system's."""
        tabbed = bool(self.counts[self.numbers["tab"]] & 1)
        self._count(down)
        if "tab" in down and not tabbed and not down & _BESIDE_TAB and not self.aside:
            self.screen.next_size()

    def _count(self, down: frozenset[str]) -> None:
        """Count presses and releases by which keys are down now."""
        for name, number in self.numbers.items():
            if bool(self.counts[number] & 1) != (name in down):
                self.counts[number] += 1

    def _receive(self) -> None:
        """Take everything that has come; of views only the newest, once its scene is here."""
        while self.pipe.poll():
            self._take(pickle.loads(self.pipe.recv_bytes()))  # from our own parent process only
        data = self.slot.read()
        if data is not None:
            self._take(pickle.loads(data))
        if self.waiting is not None and self.waiting[0] == self.scene_number and self.scene is not None:
            view, self.waiting = self.waiting[1], None
            self.view = replace(view, scene=self.scene, agent_trails=self.trails[0], human_trails=self.trails[1])
            self._forget(lambda driver: driver != view.driver)

    def _take(self, message: tuple[Any, ...]) -> None:
        match message:
            case "view", number, view:
                self.waiting = number, view
            case "scene", number, scene:
                self.scene_number, self.scene = number, scene
            case "trails", agent, human:
                self.trails = agent, human
            case "toast" | "remark" as kind, level, text, only:
                if kind == "remark":
                    self.remarks.add(text)
                    self.earlier.discard(text)
                if only is not None:
                    self.only[text] = only
                if self.toasts and _farther(self.toasts[-1][2], text):
                    self.toasts.pop()
                self._toast(level, text)
            case "withdraw", gone:
                self.toasts = [toast for toast in self.toasts if toast[2] != gone]
            case ("episode over",):
                self._forget(lambda driver: driver == "agent")
            case ("drive",):
                self.earlier = (self.earlier | self.remarks).intersection(text for _, _, text in self.toasts)
                self.remarks.clear()
            case ("forget",):
                self.toasts = [toast for toast in self.toasts if toast[2] not in self.earlier]
            case "card", card:
                self.card = card
            case "look", options:
                self.screen.restyle(options)
            case "aside", aside:
                self.aside = aside
                self.screen.step_aside(aside)
            case "picture", path:
                self.screen.show_picture(path)
            case ("front",):
                self.screen.to_front()
            case ("close",):
                self.running = False

    def _forget(self, over: Callable[[Driver], bool]) -> None:
        """Take away what holds only while a driver drives on, of those who do no more."""
        if gone := {text for text, driver in self.only.items() if over(driver)}:
            self.toasts = [toast for toast in self.toasts if toast[2] not in gone]
            self.only = {text: driver for text, driver in self.only.items() if text not in gone}

    def _toast(self, level: Level, text: str) -> None:
        self.toasts.append((time.perf_counter() + toast_s(text), level, text))

    def _draw(self, now: float) -> None:
        elsewhere, card = self.away and self.screen.options.game_view, self.card
        if card is not None and elsewhere:
            card = replace(card, keys=self.screen.options.words["keys_elsewhere"])
        if self.view is None:  # what was said stays until something drives
            self.screen.tell([text for _, _, text in self.toasts[-3:]], card)
            return
        self.toasts = [t for t in self.toasts if t[0] > now][-8:]
        toasts = tuple((level, text) for _, level, text in self.toasts)
        held = tuple(dict.fromkeys((*self.view.held, *sorted(self.carried))))
        hint = self.view.hint if card is None else ""  # a card says which keys count now
        self.screen.draw(replace(self.view, toasts=toasts, held=held, hint=hint, elsewhere=elsewhere and card is None), now, card)
        self.told[0] += 1
