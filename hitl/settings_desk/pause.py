"""The settings window of a session that is paused: a process of its own, and what the session does with what is set there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from data.errors import HitlError
from hitl.drivers.human import HumanSide, pad_map, persons_pad
from hitl.home import Home
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import FIXED, KeyboardPad
from hitl.pads.sdl import SdlPad
from hitl.processes import command, environment
from hitl.settings import Settings, load
from hitl.settings_desk.changes import stamp
from hitl.settings_desk.files import overlay_path, pads_path, settings_path
from hitl.settings_desk.pad_desk import pad_kind
from takeover_ui.settings.pad_names import label
from takeover_ui.window.window import Window

_LOOK_S = 0.5  # between two looks at the files


def names_of(human: HumanSide | None, meaning: str, keys: bool = True) -> str:
    """Return what has a meaning of `FIXED`, by the names that the player's devices have for it; ``keys``: they are heard."""
    names = [key.upper() for key in FIXED[meaning] if keys]
    pads = [part for part in getattr(persons_pad(human), "parts", ()) if isinstance(part, SdlPad) and part.device is not None]
    if (made := pad_map(human)) is not None and pads and (device := pads[0].device) is not None:
        kind = pad_kind(device.key, controller=device.controller is not None)
        names += [label(kind, source) for source in made.buttons.get(meaning, ())]
    return " / ".join(names)


class PauseSettings:
    """Opens the window, and says when something was changed. ``over``: what the session was started with, by section."""

    def __init__(self, home: Home, window: Window, over: Mapping[str, Mapping[str, Any]]) -> None:
        self.home, self.window = home, window
        self.over = {section: {k: v for k, v in row.items() if v is not None} for section, row in over.items()}
        self._child: subprocess.Popen[bytes] | None = None
        self._seen = self._stamp()
        self._looked = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the window is there."""
        return self._child is not None and self._child.poll() is None

    def tick(self, human: HumanSide | None, *, paused: bool, asked: bool) -> Settings | None:
        """Open the window while the session is paused and the player asks for it; close it when the session goes on.

        Returns the settings where they have changed. While the window is open, the session does not hear the pad: it is for
        the window. The keys are for the one that has the focus.
        """
        if asked and paused and not self.is_open:
            self._open()
        elif self._child is not None and not paused:
            self.close()
            self._back()
        if isinstance(pad := persons_pad(human), EitherPad):
            heard_anyway = pad.parts if self.window.options.keys_anywhere else pad.parts[:-1]  # the keys are the last
            pad.resting = heard_anyway if self.is_open else ()
        now = time.monotonic()
        if self._child is None or now - self._looked < _LOOK_S:
            return None
        self._looked = now
        if not self.is_open:
            self.close()
            self._back()
        return self._changed(human)

    def close(self) -> None:
        """Close the window, where it is open."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(3)
            except subprocess.TimeoutExpired:
                child.kill()
        if child.stdin is not None:
            child.stdin.close()

    def keys(self, human: HumanSide | None) -> str:
        """Return what opens the window, by the names that the player's devices have for it."""
        return names_of(human, "settings", keys=self.window.hears_keys)

    def _open(self) -> None:
        words = [f"{section}.{name}={value}" for section, row in self.over.items() for name, value in row.items()
                 if isinstance(value, str)]  # fmt: skip
        said = [part for word in words for part in ("--over", word)]
        surroundings = environment()
        if surroundings.get("SDL_VIDEODRIVER") == "dummy":  # it shows no window
            del surroundings["SDL_VIDEODRIVER"]
        line = command("hitl", "settings", "--home", os.fspath(self.home.root), "--in-session", *said)
        # It ends with this pipe, however this process ends; unbuffered, since nothing is written.
        self._child = subprocess.Popen(line, env=surroundings, stdin=subprocess.PIPE, bufsize=0)
        self.window.step_aside(True)  # an overlay is above all others, and would cover what is to be clicked on

    def _back(self) -> None:
        """Go on with the session's own window."""
        self.window.step_aside(False)
        self.window.to_front()  # not every system gives the keyboard back to it

    def _changed(self, human: HumanSide | None) -> Settings | None:
        now = self._stamp()
        if now == self._seen:
            return None
        self._seen = now
        try:
            settings = load(self.home, "overlay", "pad", "keys", "takeover", "help", over=self.over)
        except HitlError as error:
            self.window.toast(str(error), "warning")
            return None
        pad = persons_pad(human)
        for part in getattr(pad, "parts", (pad,)):
            if isinstance(part, SdlPad):
                part.use_tables(settings.devices)
            elif isinstance(part, KeyboardPad):
                part.meanings = settings.keys.meanings
        return settings

    def _stamp(self) -> object:
        return stamp((settings_path(self.home), pads_path(self.home), overlay_path(self.home)))
