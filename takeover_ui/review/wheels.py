"""Wheels and plain joysticks in the review: those whose buttons SDL cannot name, so that only their numbers are known."""

from __future__ import annotations

import contextlib

import pygame
from pygame._sdl2 import controller

BUTTONS = ("good", "bad", "next_open", "star", "slower", "faster", "undo", "play", "menu")
"""What they do, from button0 on, as on a pad whose buttons have the usual order."""
_IN_MENU = {0: "choose", 1: "back", BUTTONS.index("menu"): "back"}
_HAT = {(0, 1): "previous", (0, -1): "next", (-1, 0): "step_back", (1, 0): "step_on"}
EVENTS = (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP, pygame.JOYHATMOTION, pygame.JOYDEVICEADDED, pygame.JOYDEVICEREMOVED)


class Wheels:
    """Those that are plugged in, and what their buttons mean. Make it once SDL's controllers are started."""

    def __init__(self) -> None:
        pygame.joystick.init()
        self._open: dict[int, pygame.joystick.JoystickType] = {}
        self._held: set[tuple[int, int]] = set()
        for index in range(pygame.joystick.get_count()):
            self._plug(index)

    def _plug(self, index: int) -> None:
        with contextlib.suppress(pygame.error):  # unplugged again
            if not controller.is_controller(index):
                wheel = pygame.joystick.Joystick(index)
                self._open[wheel.get_instance_id()] = wheel

    def command(self, event: pygame.event.Event, *, in_menu: bool) -> str:
        """Take in one of ``EVENTS``; returns the command that it means, "" for none."""
        if event.type == pygame.JOYDEVICEADDED:
            self._plug(event.device_index)
        elif event.type == pygame.JOYDEVICEREMOVED:
            self._open.pop(event.instance_id, None)
            self._held = {pressed for pressed in self._held if pressed[0] != event.instance_id}
        elif event.instance_id not in self._open:  # a pad's: SDL names those itself
            return ""
        elif event.type == pygame.JOYHATMOTION:
            found = _HAT.get(event.value, "")
            return found if not in_menu or found in ("previous", "next") else ""
        elif event.type == pygame.JOYBUTTONUP:
            self._held.discard((event.instance_id, event.button))
        elif (pressed := (event.instance_id, event.button)) not in self._held:
            self._held.add(pressed)
            if in_menu:
                return _IN_MENU.get(event.button, "")
            return BUTTONS[event.button] if event.button < len(BUTTONS) else ""
        return ""

    def close(self) -> None:
        """Let go of them."""
        for wheel in self._open.values():
            wheel.quit()
        self._open.clear()
