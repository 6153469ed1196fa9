"""Small sounds, made on the spot: what they mean is on the screen, too, so whoever cannot hear them misses nothing.

They are played on a thread of their own, so no tick waits for a sound card; where there is none, there is silence.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 44_100  # samples a second
NOTES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "help": ((660.0, 0.09), (880.0, 0.12)),
    "counted": ((523.0, 0.07), (784.0, 0.14)),
    "not_counted": ((392.0, 0.10), (262.0, 0.16)),
    "learned": ((523.0, 0.08), (659.0, 0.08), (784.0, 0.08), (1047.0, 0.20)),
    "enough": ((440.0, 0.14), (349.0, 0.22)),
    "call": ((880.0, 0.12), (0.0, 0.05), (880.0, 0.12), (0.0, 0.05), (1175.0, 0.25)),
    "tick": ((587.0, 0.06),),
    "go": ((1175.0, 0.18),),
}
"""Each sound: (Hz, seconds) one after the other; 0 Hz is a pause."""
SOFT_S = 0.008  # s in which a note rises and falls, so that it does not click


def wave(name: str, volume: float = 0.5) -> NDArray[np.int16]:
    """Return a sound as samples (n,), at most ``volume`` (0 to 1) of what can be played loudest."""
    return np.concatenate([_note(hz, seconds, volume) for hz, seconds in NOTES[name]])


def _note(hz: float, seconds: float, volume: float) -> NDArray[np.int16]:
    t = np.arange(round(seconds * RATE)) / RATE
    edge = np.minimum(1.0, np.minimum(t, t[::-1]) / SOFT_S)
    tone = (np.sin(2 * np.pi * hz * t) + 0.25 * np.sin(4 * np.pi * hz * t)) / 1.25
    return np.round(32767 * volume * edge * tone).astype(np.int16)


class Sounds:
    """Plays sounds inside its ``with`` block; ``play`` returns at once. ``problem``: why nothing is heard."""

    def __init__(self, on: bool = True, volume: float = 0.5) -> None:
        self._volume, self.problem = volume, ""
        self.played = 0
        """How many sounds were given to the sound card so far."""
        self._asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if on and volume > 0.0:
            self._thread = threading.Thread(target=self._run, name="sounds", daemon=True)

    def play(self, name: str) -> None:
        """Play a sound of `NOTES`; "" is none."""
        if name and self._thread is not None:
            self._asked.put(name)

    def _run(self) -> None:
        mixer: Any = None
        made: dict[str, Any] = {}
        while (name := self._asked.get()) is not None:
            if self.problem:
                continue
            try:
                if mixer is None:
                    import pygame.mixer

                    mixer = pygame.mixer
                    mixer.init(RATE, -16, 1, 512, allowedchanges=0)  # the samples are as we make them
                if name not in made:
                    made[name] = mixer.Sound(buffer=wave(name, self._volume).tobytes())
                made[name].play()
                self.played += 1
            except Exception as error:  # whatever the sound card says: driving goes on in silence
                self.problem = str(error) or type(error).__name__
        if mixer is not None:
            with contextlib.suppress(Exception):
                mixer.quit()

    def __enter__(self) -> Sounds:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join(3.0)
