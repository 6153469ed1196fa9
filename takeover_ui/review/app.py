"""The review's window: keys, pad and mouse in, frames out."""

from __future__ import annotations

import time
from typing import Any

import pygame
from pygame._sdl2 import controller

from takeover_ui.review.model import ReviewModel
from takeover_ui.review.view import Hit, ReviewView
from takeover_ui.review.wheels import EVENTS, Wheels
from takeover_ui.theme import Pen
from takeover_ui.view import Scene
from takeover_ui.window.screen import SHORTCUT, large_enough, open_plain, take_keys

KEYS = {
    pygame.K_UP: "previous", pygame.K_DOWN: "next", pygame.K_HOME: "first", pygame.K_END: "last", pygame.K_n: "next_open",
    pygame.K_g: "good", pygame.K_b: "bad", pygame.K_s: "star", pygame.K_x: "unreviewed",
    pygame.K_a: "wrecked_bad", pygame.K_z: "undo", pygame.K_u: "undo",
    pygame.K_SPACE: "play", pygame.K_MINUS: "slower", pygame.K_KP_MINUS: "slower", pygame.K_PLUS: "faster",
    pygame.K_EQUALS: "faster", pygame.K_KP_PLUS: "faster", pygame.K_LEFT: "step_back", pygame.K_RIGHT: "step_on",
    pygame.K_LEFTBRACKET: "start_out", pygame.K_RIGHTBRACKET: "start_in", pygame.K_COMMA: "stop_in", pygame.K_PERIOD: "stop_out",
    pygame.K_PAGEUP: "more", pygame.K_PAGEDOWN: "less", pygame.K_t: "tag", pygame.K_m: "note", pygame.K_c: "corner",
    pygame.K_v: "verdict", pygame.K_o: "sort", pygame.K_e: "clip", pygame.K_w: "together", pygame.K_TAB: "menu",
    pygame.K_RETURN: "choose", pygame.K_KP_ENTER: "choose", pygame.K_ESCAPE: "quit",
}  # fmt: skip
BUTTONS = {
    pygame.CONTROLLER_BUTTON_DPAD_UP: "previous", pygame.CONTROLLER_BUTTON_DPAD_DOWN: "next", pygame.CONTROLLER_BUTTON_A: "good",
    pygame.CONTROLLER_BUTTON_B: "bad", pygame.CONTROLLER_BUTTON_Y: "star", pygame.CONTROLLER_BUTTON_X: "next_open",
    pygame.CONTROLLER_BUTTON_START: "play", pygame.CONTROLLER_BUTTON_BACK: "undo",
    pygame.CONTROLLER_BUTTON_LEFTSHOULDER: "slower", pygame.CONTROLLER_BUTTON_RIGHTSHOULDER: "faster",
    pygame.CONTROLLER_BUTTON_DPAD_LEFT: "step_back", pygame.CONTROLLER_BUTTON_DPAD_RIGHT: "step_on",
    pygame.CONTROLLER_BUTTON_LEFTSTICK: "menu",
}  # fmt: skip
_PULLED = 12_000  # of 32,767: a trigger that counts as pulled
_MENU_BUTTONS = {
    pygame.CONTROLLER_BUTTON_A: "choose", pygame.CONTROLLER_BUTTON_B: "back", pygame.CONTROLLER_BUTTON_LEFTSTICK: "back",
}  # fmt: skip
_TRIM_START = {pygame.CONTROLLER_BUTTON_DPAD_LEFT: "start_out", pygame.CONTROLLER_BUTTON_DPAD_RIGHT: "start_in"}
_TRIM_STOP = {pygame.CONTROLLER_BUTTON_DPAD_LEFT: "stop_in", pygame.CONTROLLER_BUTTON_DPAD_RIGHT: "stop_out"}
_SHIFTED = {pygame.K_LEFT: "start_out", pygame.K_RIGHT: "start_in"}
_WITH_CTRL = {pygame.K_LEFT: "stop_in", pygame.K_RIGHT: "stop_out", pygame.K_z: "undo"}
_REPEATING = frozenset(("previous", "next", "step_back", "step_on", "start_in", "start_out", "stop_in", "stop_out"))


class ReviewApp:
    """Feeds events to a model. It owns the window while it runs."""

    def __init__(self, model: ReviewModel, scene: Scene, size: tuple[int, int] | None = None) -> None:
        self.surface = open_plain("hitl review", size)
        pygame.key.set_repeat(300, 40)
        self.model, self.view = model, ReviewView(scene)
        pygame.event.clear()  # what was pressed before there was a window was not meant for it
        # A live session polls its pads and blocks these; SDL makes the second kind out of the first.
        pygame.event.set_allowed([pygame.JOYAXISMOTION, pygame.CONTROLLERAXISMOTION])
        controller.init()
        self._pads: dict[int, Any] = {}
        for index in range(controller.get_count()):
            self._plug(index)
        self._wheels = Wheels()
        pygame.event.pump()  # now they say what is held already, which is not meant for it either
        pygame.event.clear((pygame.CONTROLLERBUTTONDOWN, pygame.JOYBUTTONDOWN, pygame.JOYHATMOTION))
        self._triggers = [0, 0]
        self._held: set[tuple[int, int]] = set()
        self._down: set[int] = set()  # keys: one that is held repeats, and only some commands may
        self._dragged = ""
        self._opener = 0  # the key that opened a field for text, while it is held: its letter is not meant for the field
        pygame.key.stop_text_input()

    def _plug(self, index: int) -> None:
        if controller.is_controller(index):
            pad = controller.Controller(index)
            self._pads[pad.as_joystick().get_instance_id()] = pad
            self.view.hand = "pad"

    def run(self) -> None:
        """Run until the player ends it."""
        clock, last = pygame.time.Clock(), time.perf_counter()
        while not self.model.over:
            self.events()
            now = time.perf_counter()
            self.model.tick(now - last)
            last = now
            self.draw()
            clock.tick(60 if self.model.playing or self._dragged else 30)

    def draw(self) -> None:
        """Draw a frame and show it."""
        if (surface := large_enough()) is not None:
            self.view.draw(surface, self.model)
            pygame.display.flip()

    def close(self) -> None:
        """Close the window."""
        for pad in self._pads.values():
            pad.quit()
        self._wheels.close()
        controller.quit()
        pygame.display.quit()

    def events(self) -> None:
        """Take in everything that was pressed."""
        for event in pygame.event.get():
            self.event(event)

    def event(self, event: pygame.event.Event) -> None:
        """Take in one event. Letters are text only while a field is open, so what opens it is not in it."""
        had_field = self._has_field
        self._take(event)
        if self._has_field and not had_field:
            self._opener = event.key if event.type == pygame.KEYDOWN else 0
            pygame.key.start_text_input()
        elif had_field and not self._has_field:
            pygame.key.stop_text_input()

    @property
    def _has_field(self) -> bool:
        """Whether letters are text now."""
        return self.model.menu is not None and self.model.menu.kind != "menu"

    def _take(self, event: pygame.event.Event) -> None:
        if event.type == pygame.QUIT:
            self.model.menu = None
            self.model.do("quit")
        elif event.type == pygame.KEYDOWN:
            self.view.hand = "keys"
            again = event.key in self._down
            self._down.add(event.key)
            if event.key != self._opener:
                self._opener = 0  # a quick hand presses the next letter before it lets go of the first
            self._key(event, again)
        elif event.type == pygame.KEYUP:
            self._down.discard(event.key)
            if event.key == self._opener:
                self._opener = 0
        elif event.type == pygame.TEXTINPUT:
            if not self._opener:
                self.model.type(event.text)
        elif event.type == pygame.CONTROLLERBUTTONDOWN:
            self.view.hand = "pad"
            pressed = (event.instance_id, event.button)
            # SDL reports the presses of pads that others have opened, and twice those of a pad that was opened twice.
            if event.instance_id in self._pads and pressed not in self._held:
                self._held.add(pressed)
                self._button(event.button)
        elif event.type == pygame.CONTROLLERBUTTONUP:
            self._held.discard((event.instance_id, event.button))
        elif event.type == pygame.CONTROLLERAXISMOTION:
            for number, axis in enumerate((pygame.CONTROLLER_AXIS_TRIGGERLEFT, pygame.CONTROLLER_AXIS_TRIGGERRIGHT)):
                if event.axis == axis:
                    self._triggers[number] = event.value
        elif event.type == pygame.CONTROLLERDEVICEADDED:
            self._plug(event.device_index)
        elif event.type == pygame.CONTROLLERDEVICEREMOVED:
            if self._pads.pop(event.instance_id, None) is not None:
                self._held.clear()
                self._triggers = [0, 0]
        elif event.type in EVENTS:
            if command := self._wheels.command(event, in_menu=self.model.menu is not None):
                self.view.hand = "wheel"
                self.model.do(command)
        elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEMOTION, pygame.MOUSEBUTTONUP, pygame.MOUSEWHEEL):
            self._mouse(event)

    def _key(self, event: pygame.event.Event, again: bool) -> None:
        menu = self.model.menu
        if self._has_field and event.key == pygame.K_BACKSPACE:
            self.model.type("\b")
            return
        command = KEYS.get(event.key, "")
        mod = getattr(event, "mod", 0)
        if mod & pygame.KMOD_SHIFT:  # every keyboard has these, and not every one a key that writes [
            command = _SHIFTED.get(event.key, command)
        if mod & SHORTCUT and command not in _SHIFTED.values():  # Ctrl+S saves elsewhere: here it gives no star
            command = _WITH_CTRL.get(event.key, "") if mod & pygame.KMOD_CTRL else ""
        if again and command not in _REPEATING:
            return
        if menu is not None:
            command = {"quit": "back", "menu": "back"}.get(command, command)
            if command not in ("previous", "next", "choose", "back"):
                return
        if command:
            self.model.do(command)

    def _button(self, button: int) -> None:
        if self.model.menu is not None:
            command = _MENU_BUTTONS.get(button) or BUTTONS.get(button, "")
            if command in ("previous", "next", "choose", "back"):
                self.model.do(command)
            return
        trim = _TRIM_START if self._triggers[0] > _PULLED else _TRIM_STOP if self._triggers[1] > _PULLED else {}
        if command := trim.get(button) or BUTTONS.get(button, ""):
            self.model.do(command)

    def _mouse(self, event: pygame.event.Event) -> None:
        model, timeline = self.model, self.view.timeline
        if event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEWHEEL):
            self.view.hand = "keys"
        if event.type == pygame.MOUSEBUTTONDOWN:
            take_keys()
        if event.type == pygame.MOUSEWHEEL:
            model.do("previous" if event.y > 0 else "next")
        elif event.type == pygame.MOUSEBUTTONUP:
            self._dragged = ""
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            hits = [h for h in self.view.hits if h.rect.collidepoint(event.pos)]
            if model.menu is not None:
                self._press_menu([h for h in hits if h.command == "choose"])
            elif hits:
                model.pick(hits[-1].row) if hits[-1].row >= 0 else model.do(hits[-1].command)
            elif model.detail is not None and timeline.area.inflate(20, 0).collidepoint(event.pos):
                self._dragged = self._grabbed(event.pos)
                self._drag(event.pos[0])
        elif event.type == pygame.MOUSEMOTION and self._dragged:
            self._drag(event.pos[0])

    def _press_menu(self, hits: list[Hit]) -> None:
        if self.model.menu is not None and hits:
            self.model.menu.index = hits[-1].row
            self.model.do("choose")
        else:
            self.model.do("back")

    def _grabbed(self, at: tuple[int, int]) -> str:
        detail = self.model.detail
        assert detail is not None
        surface = pygame.display.get_surface() or self.surface
        pen = Pen(surface, min(surface.get_width() / 1280, surface.get_height() / 720))
        start, stop = self.view.timeline.handles(pen, detail, self.model.trim)
        if start.inflate(10, 0).collidepoint(at):
            return "start"
        return "stop" if stop.inflate(10, 0).collidepoint(at) else "seek"

    def _drag(self, x: int) -> None:
        model, detail = self.model, self.model.detail
        if detail is None or not len(detail.drive):
            return
        step = self.view.timeline.step_at(x)
        t = round(step) + int(detail.drive.t[0])
        if self._dragged == "start":
            model.set_trim(start=t - detail.segment.start)
        elif self._dragged == "stop":
            model.set_trim(stop=detail.segment.stop - 1 - t)
        model.seek(step)
