"""The settings window: keys, pads and mouse in, frames out."""

from __future__ import annotations

import time

import pygame

from takeover_ui.settings import track_picture
from takeover_ui.settings.look_picture import WINDOW
from takeover_ui.settings.model import SettingsModel
from takeover_ui.settings.view import SettingsView
from takeover_ui.view import Driver
from takeover_ui.window.arranging import Arranging
from takeover_ui.window.key_names import name_of
from takeover_ui.window.screen import SHORTCUT, large_enough, open_plain, take_keys

KEYS = {
    pygame.K_UP: "up", pygame.K_DOWN: "down", pygame.K_LEFT: "left", pygame.K_RIGHT: "right", pygame.K_RETURN: "choose",
    pygame.K_KP_ENTER: "choose", pygame.K_SPACE: "choose", pygame.K_TAB: "next_page", pygame.K_PAGEDOWN: "next_page",
    pygame.K_PAGEUP: "previous_page", pygame.K_z: "undo", pygame.K_DELETE: "default", pygame.K_BACKSPACE: "default",
    pygame.K_r: "restore", pygame.K_ESCAPE: "back", pygame.K_PLUS: "larger", pygame.K_KP_PLUS: "larger",
    pygame.K_EQUALS: "larger", pygame.K_MINUS: "smaller", pygame.K_KP_MINUS: "smaller",
}  # fmt: skip
_WITH_CTRL = ("undo", "next_page", "previous_page")  # as elsewhere
BUTTONS = {
    "dpup": "up", "dpdown": "down", "dpleft": "left", "dpright": "right", "a": "choose", "b": "back", "x": "undo", "y": "default",
    "leftshoulder": "previous_page", "rightshoulder": "next_page", "back": "restore",
    "hat0.up": "up", "hat0.down": "down", "hat0.left": "left", "hat0.right": "right",
    "button0": "choose", "button1": "back", "button2": "undo", "button3": "default", "button4": "previous_page",
    "button5": "next_page", "button6": "restore",
}  # fmt: skip
"""The second half is for wheels and plain joysticks."""
_REPEATING = ("up", "down", "left", "right")
_AGAIN_AFTER_S, _AGAIN_S = 0.4, 0.1
_LOOK_S = 0.5  # between two looks at the files
_BIND_S = 8.0  # in which a button is to be pressed


class SettingsApp:
    """Feeds a model. It owns the window while it runs."""

    def __init__(self, model: SettingsModel, size: tuple[int, int] | None = None) -> None:
        self._title = f"hitl: {model.words['settings_title']}"
        self.surface = open_plain(self._title, size)
        pygame.key.set_repeat(300, 50)
        pygame.key.stop_text_input()
        pygame.event.clear()  # what was pressed before there was a window was not meant for it
        self.model, self.view = model, SettingsView()
        self._arranging = Arranging(self.view.look.composer)
        self._keys: set[str] = set()
        self._down = model.desk.pressed()  # what is held while the window opens is not meant for it
        self._held: frozenset[str] | None = None  # controls that are pressed while a button is to be named
        self._again = 0.0
        self._bind_until = 0.0
        self._looked = time.monotonic()
        self._driver: Driver = "agent"

    def run(self) -> None:
        """Run until the player closes it."""
        clock = pygame.time.Clock()
        while not self.model.over:
            self.step(time.monotonic())
            self.draw()
            clock.tick(30)

    def step(self, now: float) -> None:
        """Take in what was pressed, and what has changed in the files."""
        for event in pygame.event.get(exclude=(pygame.JOYDEVICEADDED, pygame.JOYDEVICEREMOVED)):  # the pads' own
            self.event(event)
        self._pads(now)
        if self.model.mode == "try":
            self._driver = self.model.desk.driver(frozenset(self._keys))
        if self.model.mode == "calibrate":
            self.model.measure()
        if self.model.mode not in ("bind", "key"):
            self._bind_until = 0.0
        elif not self._bind_until:
            self._bind_until = now + _BIND_S
        elif now > self._bind_until:
            self.model.do("back")
        if now - self._looked > _LOOK_S:
            self._looked = now
            self.model.desk.refresh()

    def draw(self) -> None:
        """Draw a frame and show it."""
        if (title := f"hitl: {self.model.words['settings_title']}") != self._title:  # another language was chosen
            self._title = title
            pygame.display.set_caption(title)
        if (surface := large_enough()) is not None:
            self.view.draw(surface, self.model, self._driver)
            pygame.display.flip()

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()

    def event(self, event: pygame.event.Event) -> None:
        """Take in one event of the window."""
        if event.type == pygame.QUIT:
            self.model.over = True
        elif event.type == pygame.KEYDOWN:
            name = name_of(event.key)
            again = name in self._keys
            self._keys.add(name)
            self.view.with_pad = False
            command = KEYS.get(event.key, "")
            if event.key == pygame.K_TAB and event.mod & pygame.KMOD_SHIFT:
                command = "previous_page"
            if event.mod & SHORTCUT and (event.mod & pygame.KMOD_ALT or command not in _WITH_CTRL):
                command = ""  # Ctrl+R loads a page anew elsewhere: here it restores no default
            if self.model.mode == "try" and event.key != pygame.K_ESCAPE:
                return  # the keys drive
            if self.model.mode == "key" and event.key != pygame.K_ESCAPE:
                if not again:
                    self.model.pressed(name)
                return
            if command and (not again or command in (*_REPEATING, "larger", "smaller")):
                self.do(command)
        elif event.type == pygame.KEYUP:
            self._keys.discard(name_of(event.key))
        elif event.type == pygame.WINDOWFOCUSLOST:
            self._keys.clear()
        elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEMOTION, pygame.MOUSEWHEEL):
            self._mouse(event)

    def do(self, command: str) -> None:
        """Carry out a command; those of a mode are nothing outside of it."""
        if command in ("larger", "smaller") and self.model.mode != "move":
            command = "right" if command == "larger" else "left"
        self.model.do(command)

    def _pads(self, now: float) -> None:
        """Take in the buttons of all pads; a cross that is held goes on."""
        down = self.model.desk.pressed()
        pressed, self._down = down - self._down, down
        if pressed:
            self.view.with_pad = True
            self._again = now + _AGAIN_AFTER_S
        elif down and now >= self._again:
            self._again = now + _AGAIN_S
            pressed = frozenset(b for b in down if BUTTONS.get(b) in _REPEATING)
        held, self._held = self._held, self.model.desk.pad().down if self.model.mode == "bind" else None
        if self.model.mode == "bind":  # of the pad at hand alone, and its triggers, too
            if held is not None and self._held is not None and (new := sorted(self._held - held)):
                self.model.pressed(new[0])
            return
        for button in sorted(pressed):
            if self.model.mode in ("try", "calibrate") and BUTTONS.get(button) != "back":
                continue  # the pad drives, or is measured
            if button in BUTTONS:
                self.do(BUTTONS[button])

    def _mouse(self, event: pygame.event.Event) -> None:
        model, view = self.model, self.view
        if event.type != pygame.MOUSEWHEEL:
            view.pointed = event.pos
        if event.type == pygame.MOUSEBUTTONDOWN:
            take_keys()
            view.with_pad = False
        if self._over_look(event):
            return
        if event.type == pygame.MOUSEWHEEL:
            self._wheel(event.y)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._click(event.pos)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 3 and model.mode:
            model.do("back")

    def _click(self, at: tuple[int, int]) -> None:
        model, view = self.model, self.view
        hit = view.at(at)
        if model.mode == "try":
            model.do("back")
            return
        if model.mode and (hit is None or hit.command not in ("page",)):
            model.do("back")
        if hit is None:
            if view.track_at.collidepoint(at):
                self._click_track(at)
            return
        what, _, name = hit.command.partition(" ")
        if what == "page":
            model.go_to(str(hit.value))
        elif what == "row":
            model.index = int(hit.value)
            if model.row.kind in ("act", "button", "key", "gauge"):
                model.do("right" if model.row.kind == "gauge" else "choose")
        elif what == "step":
            model.index = abs(int(hit.value)) - 1
            model.do("right" if int(hit.value) > 0 else "left")
        elif what == "give":
            model.give(name, hit.value)
        elif what == "try":
            model.index = next(k for k, row in enumerate(model.rows) if row.name == "try")
            model.do("choose")
        else:
            model.do(hit.command)

    def _click_track(self, at: tuple[int, int]) -> None:
        """A corner of the large track: it is the only one, and once more it is not."""
        model, desk = self.model, self.model.desk
        scene = desk.scene(desk.value("play.track"))
        corner = track_picture.corner_at(self.view.pen, self.view.track_at, scene, at) if scene is not None else ""
        model.index = 1
        model.give("play.only_corner", None if not corner or corner == desk.value("play.only_corner") else corner)

    def _wheel(self, notches: int) -> None:
        hit = self.view.at(self.view.pointed)
        if hit is not None and hit.command in ("row", "step") and not self.model.mode:
            index = int(hit.value) if hit.command == "row" else abs(int(hit.value)) - 1
            if self.model.rows[index].kind in ("number", "choice", "local"):
                self.model.index = index
                self.do("right" if notches > 0 else "left")
                return
        self.do("up" if notches > 0 else "down")

    def _over_look(self, event: pygame.event.Event) -> bool:
        """Let the mouse arrange the gauges in the picture; True where the event was for them."""
        view, box = self.view, self.view.look_at
        if not box.w:
            view.look.composer.pointed = ""
            return False
        inside = box.collidepoint(view.pointed)
        if not inside and event.type != pygame.MOUSEBUTTONUP:
            view.look.composer.pointed = ""
            return False
        values = dict(event.dict)
        if event.type == pygame.MOUSEWHEEL or "pos" in values:
            x, y = values.get("pos", view.pointed)
            values["pos"] = round((x - box.left) * WINDOW.w / box.w), round((y - box.top) * WINDOW.h / box.h)
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 3:
            return True  # the list of gauges is a page here
        if self._arranging.event(pygame.event.Event(event.type, values), WINDOW):
            self.model.arrange(view.look.composer.arrangement)
        view.look.preview = view.look.composer.arrangement if self._arranging.is_dragging else None
        return True
