"""A process that keeps the game's own pictures around takeovers: ``python -m takeover_ui.clips.capture PICTURE FOLDER``.

It looks at the file that the game draws into, some times a second at the lowest priority, and remembers the last seconds. On its
standard input come lines, each a letter and a name: ``T NAME`` (a takeover begins), ``E NAME`` (it has ended). Of each takeover
the pictures lie in ``FOLDER/NAME`` afterwards, from ``BEFORE_S`` before it to ``AFTER_S`` after it. It ends with its input.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections import deque
from pathlib import Path

import pygame

from takeover_ui.clips.game_pictures import frame_name
from takeover_ui.window.picture import Picture

BEFORE_S, AFTER_S = 2.5, 1.5  # as of the other films of takeovers
FPS = 12.5
MOST_S = 60.0  # of one takeover
WIDEST = 640  # pixels


class Keeper:
    """Keeps pictures; ``look`` is called ``FPS`` times a second with the moment (s) and the newest picture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: deque[tuple[float, pygame.Surface]] = deque()
        self._name = ""
        self._began = self._until = 0.0

    def begin(self, name: str, now: float) -> None:
        """A takeover begins: what was seen in the last seconds belongs to it."""
        self._name, self._began, self._until = name, now, now + MOST_S
        with contextlib.suppress(OSError):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        for moment, picture in self._before:
            self._save(moment, picture)

    def end(self, name: str, now: float) -> None:
        """It has ended; some seconds more are kept."""
        if name == self._name:
            self._until = min(self._until, now + AFTER_S)

    def look(self, now: float, picture: pygame.Surface | None) -> None:
        """Take in what is drawn now."""
        if picture is None:
            return
        scale = min(1.0, WIDEST / picture.get_width())
        small = pygame.transform.smoothscale_by(picture, scale) if scale < 1.0 else picture.copy()
        self._before.append((now, small))
        while now - self._before[0][0] > BEFORE_S:
            self._before.popleft()
        if self._name and now <= self._until:
            self._save(now, small)

    def _save(self, moment: float, picture: pygame.Surface) -> None:
        name = frame_name(max(0, round(1000 * (moment - self._began + BEFORE_S))))
        with contextlib.suppress(OSError, pygame.error):  # a full disk costs the reviewer a picture, and the player nothing
            pygame.image.save(picture, self._folder / self._name / name)


def _lowest_priority() -> None:
    with contextlib.suppress(Exception):
        if sys.platform == "win32":
            import psutil

            psutil.Process().nice(psutil.IDLE_PRIORITY_CLASS)
        else:
            os.nice(19)


def main(picture: Path, folder: Path) -> None:
    """Look until the input ends, and some seconds longer."""
    _lowest_priority()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    drawn, keeper, over = Picture(picture), Keeper(folder), False
    due = time.monotonic()
    while not over:
        due = max(due + 1 / FPS, time.monotonic())
        with contextlib.suppress(queue.Empty):
            while not over:
                line = lines.get(timeout=max(0.0, due - time.monotonic()))
                letter, _, name = line.strip().partition(" ")
                over = not line
                if letter == "T":
                    keeper.begin(name, time.monotonic())
                elif letter == "E":
                    keeper.end(name, time.monotonic())
        keeper.look(time.monotonic(), drawn.newest() if drawn.has_new or drawn.newest() is not None else None)
    drawn.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
