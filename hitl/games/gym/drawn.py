"""A Gymnasium environment's own picture, for our window: drawn after each step (``rgb_array``), into a file that the window maps.

It is drawn on the environment's own thread once the step's answer is out, so a picture never delays the action it belongs to. One
that takes long (a 3D game without a graphics card) is not drawn at each step, for the next step waits for it.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
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
    """Draws into ``path``, at most half of the time. Where that fails it is told, once; nothing is shown until it works again.

    ``instead``: a sentence on what gives the game a window of its own; empty where it has none.
    """

    def __init__(self, path: Path, instead: str = "") -> None:
        self.path, self._instead, self._notices = path, instead, list[str]()
        self._file: PictureFile | None = None
        self._closed = self._failed = False
        self._due = 0.0  # s, on ``time.perf_counter``

    def __call__(self, render: Callable[[], Any]) -> None:
        """Have the environment draw what it stands at; ``render``: its own.

        Never raises: a picture is no reason to lose an episode.
        """
        if self._closed or (began := time.perf_counter()) < self._due:
            return
        try:
            picture = rgb(render())
            if self._file is None:
                from takeover_ui.window.picture import PictureFile

                self._file = PictureFile(self.path)
            self._file.add(picture)
        except Exception as error:  # whatever its drawing raises
            if self._file is not None:
                self._file.clear()
            if not self._failed:
                text = f"The game cannot draw its picture for this window ({brief(error)}). {self._instead}"
                self._notices.append(text.rstrip())
            self._failed = True
        now = time.perf_counter()
        self._due = now + (now - began)

    def told(self) -> tuple[str, ...]:
        """Return the sentences that were not told yet."""
        said, self._notices = tuple(self._notices), []
        return said

    def close(self) -> None:
        """Take the picture away; the window no longer shows it."""
        self._closed = True
        if self._file is not None:
            self._file.close()
        with contextlib.suppress(OSError):
            unlink(self.path)  # on Windows once the window has seen that there is none, and let go


@contextlib.contextmanager
def pygame_stays(*, window: bool) -> Iterator[None]:
    """Keep pygame as it is while an environment is closed: Gymnasium's games end all of it, and pads are read with it here.

    ``window``: the environment had one of its own, which has to go.
    """
    pygame: Any = sys.modules.get("pygame")
    if pygame is None:
        yield
        return
    kept = [(pygame, pygame.quit)] if window else [(pygame, pygame.quit), (pygame.display, pygame.display.quit)]
    try:
        for module, _ in kept:
            module.quit = lambda: None
        yield
    finally:
        for module, end in kept:
            module.quit = end


def rgb(picture: Any) -> NDArray[np.uint8]:
    """Return a picture as (rows, columns, 3) uint8: colours or grey, in bytes or from 0 to 1.

    A list is of one moment seen by several cameras, which stand beside each other. (What was drawn since the last call is
    Gymnasium's ``rgb_array_list``, a mode that is not asked for.) Raises TypeError for what is no picture.
    """
    if not isinstance(picture, list | tuple) or not picture:
        return _one(picture)
    seen = [_one(camera) for camera in picture]
    beside = np.zeros((max(len(each) for each in seen), sum(each.shape[1] for each in seen), 3), np.uint8)
    if beside.shape[1] > _MOST:
        raise TypeError(f"what its render returned is no picture: {len(seen)} of them, {beside.shape[1]} columns together")
    left = 0
    for each in seen:
        beside[: len(each), left : left + each.shape[1]] = each
        left += each.shape[1]
    return beside


def _one(picture: Any) -> NDArray[np.uint8]:
    array = np.asarray(picture)
    if array.ndim == 2:
        array = array[..., None]
    shaped = array.ndim == 3 and array.shape[2] in (1, 3, 4) and 0 < min(array.shape) <= max(array.shape) <= _MOST
    if not shaped or array.dtype.kind not in "buif":
        what = type(picture).__name__ if array.dtype == object or array.ndim == 0 else f"{array.dtype} of shape {array.shape}"
        raise TypeError(f"what its render returned is no picture: {what}")
    if array.dtype != np.uint8:
        array = np.nan_to_num(array.astype(np.float32))
        array = (255.0 * array if array.max() <= 1.0 else array).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array[..., :3])
