"""The game's own picture: a second engine follows the first one, request by request, and draws what it sees.

The same requests give the same race, to the last bit, with a picture or without. So nothing that is drawn, however slowly, can
delay a step, and an engine that cannot draw on this machine costs the player the picture alone.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from data.files.held import unlink
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.supertuxkart.engine_process import EngineProcess

LOG = "supertuxkart-picture.log"  # in the home
LOAD_S = 180.0  # s in which it must have loaded; the first time, the engine prepares its shaders
NO_PICTURE = (
    "SuperTuxKart cannot draw its picture here, so you see the road from above. For the picture it needs OpenGL 3.3, and the "
    f"game's data with all their images. What it printed is in {LOG} in the home folder. "
)


class Mirror:
    """Draws into ``path``. ``start``: starts the engine; ``notices``: where sentences for the player go."""

    def __init__(self, start: Callable[[], EngineProcess], path: Path, notices: list[str]) -> None:
        self.path, self._notices = path, notices
        self._requests: queue.SimpleQueue[tuple[object, ...] | None] = queue.SimpleQueue()
        self._start, self._closed, self._gone = start, False, False
        self._process: EngineProcess | None = None
        self._thread = threading.Thread(target=self._run, name="hitl-supertuxkart-picture", daemon=True)
        self._thread.start()

    def follow(self, *request: object) -> None:
        """Do what the engine that is driven was asked to do; waits for nothing."""
        if not self._gone:
            self._requests.put(request)

    def close(self) -> None:
        """End it, and take the picture away."""
        self._closed = True
        self._requests.put(None)
        if self._process is not None:
            self._process.close(wait_s=0.0)  # it holds nothing that would be lost
        self._thread.join(5.0)
        self._forget()

    def _run(self) -> None:
        try:
            self._process = process = self._start()
            process.leaving = lambda: self._closed
            process.answer(LOAD_S, "loading the track")
            waiting: list[tuple[object, ...]] = []
            while (request := self._requests.get()) is not None:
                if request[0] != "step":  # what came before a new beginning need not be driven any more
                    waiting.clear()
                waiting.append(request)
                if self._requests.empty():
                    for one in waiting:
                        process.ask(*one)
                    waiting.clear()
        except EnvironmentLost as error:
            self._gone = True
            if not self._closed:
                self._notices.append(f"{NO_PICTURE}({str(error).partition(';')[0]}.)")
                self._forget()
        finally:
            if self._closed and self._process is not None:  # it was closed while the engine was being started
                self._process.close(wait_s=0.0)
                self._forget()

    def _forget(self) -> None:
        """Take away the picture, which would stand still; the window shows the road again."""
        with contextlib.suppress(OSError):
            with self.path.open("r+b") as file:
                file.write(bytes(8))  # no picture: the window lets go of the file
            unlink(self.path)


def drawing_unseen(env: dict[str, str]) -> None:
    """Change the environment of an engine so that it draws without a window of its own, which would lie over ours."""
    env.pop("SDL_VIDEODRIVER", None)  # nothing can be drawn with a dummy
    if sys.platform == "linux":  # by EGL, with the graphics card where there is one; elsewhere the engine hides its window
        env["SDL_VIDEODRIVER"] = "offscreen"
