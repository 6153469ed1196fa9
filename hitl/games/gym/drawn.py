"""A Gymnasium environment's own picture, for our window: drawn after each step (``rgb_array``), into a file that the window maps.

It is drawn on the environment's own thread once the step's answer is out, so a picture never delays the action it belongs to. One
that takes long (a 3D game without a graphics card) is not drawn at each step, for the next step waits for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.files.held import unlink
from hitl.games.hang_guard import brief

if TYPE_CHECKING:
    from takeover_ui.window.picture import PictureFile

_MOST = 4096  # rows or columns


class Drawn:
    """Draws into ``path``, at most half of the time. Where that fails, it is told once, and nothing is drawn any more.

    ``instead``: a sentence on what gives the game a window of its own.
    """

    def __init__(self, path: Path, instead: str) -> None:
        self.path, self._instead, self._notices = path, instead, list[str]()
        self._file: PictureFile | None = None
        self._gone = False
        self._due = 0.0  # s, on ``time.perf_counter``

    def __call__(self, render: Callable[[], Any]) -> None:
        """Have the environment draw what it stands at; ``render``: its own.

        Never raises: a picture is no reason to lose an episode.
        """
        if self._gone or (began := time.perf_counter()) < self._due:
            return
        try:
            picture = rgb(render())
            now = time.perf_counter()
            self._due = now + (now - began)
            if self._file is None:
                from takeover_ui.window.picture import PictureFile

                self._file = PictureFile(self.path)
            self._file.add(picture)
        except Exception as error:  # whatever its drawing raises
            self.close()
            self._notices.append(f"The game cannot draw its picture for this window ({brief(error)}). {self._instead}")

    def told(self) -> tuple[str, ...]:
        """Return the sentences that were not told yet."""
        said, self._notices = tuple(self._notices), []
        return said

    def close(self) -> None:
        """Take the picture away; the window no longer shows it."""
        self._gone = True
        if self._file is not None:
            self._file.close()
        with contextlib.suppress(OSError):
            unlink(self.path)  # on Windows only once the window is closed


def rgb(picture: Any) -> NDArray[np.uint8]:
    """Return a picture as (rows, columns, 3) uint8. Raises TypeError for what is none."""
    array = np.asarray(picture)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    fits = array.ndim == 3 and array.shape[2] in (3, 4) and 0 < min(array.shape) <= max(array.shape) <= _MOST
    if array.dtype != np.uint8 or not fits:
        kind = type(picture).__name__ if array.dtype == object else f"an array of {array.dtype} and shape {array.shape}"
        raise TypeError(f"its render returns no picture but {kind}")
    return np.ascontiguousarray(array[..., :3])
