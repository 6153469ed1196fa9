"""A game's own picture, as another process draws it into a file: the newest one, without either ever waiting."""

from __future__ import annotations

import contextlib
import mmap
import struct
from pathlib import Path

import pygame

_HEAD = struct.Struct("<QII")


class Picture:
    """Reads what a game draws. The file begins with the newest picture's number (0: none yet), its rows and columns, all
    little-endian; then come three pictures of RGB, of which number n lies in place n % 3."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes: mmap.mmap | None = None
        self._seen = 0
        self._surface: pygame.Surface | None = None

    @property
    def has_new(self) -> bool:
        """Whether there is one that was not returned yet."""
        return self._bytes is not None and _HEAD.unpack_from(self._bytes)[0] > self._seen

    def newest(self) -> pygame.Surface | None:
        """Return the newest picture; None while there is none."""
        if self._bytes is None and not self._open():
            return None
        assert self._bytes is not None
        for _ in range(3):
            number, rows, columns = _HEAD.unpack_from(self._bytes)
            size = rows * columns * 3
            if number == 0 or len(self._bytes) < _HEAD.size + 3 * size:
                self._surface, self._seen = None, 0
                if number:  # the file has grown since
                    self.close()
                break
            if number == self._seen:
                break
            at = _HEAD.size + number % 3 * size
            drawn = self._bytes[at : at + size]
            if _HEAD.unpack_from(self._bytes)[0] - number < 2:  # else it was written over meanwhile
                self._surface, self._seen = pygame.image.frombuffer(drawn, (columns, rows), "RGB"), number
                break
        return self._surface

    def _open(self) -> bool:
        with contextlib.suppress(OSError, ValueError), self._path.open("rb") as file:  # not there yet, or still empty
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._bytes is not None

    def close(self) -> None:
        """Let go of the file."""
        if self._bytes is not None:
            self._bytes.close()
        self._bytes, self._surface = None, None


def cover(surface: pygame.Surface, picture: pygame.Surface) -> None:
    """Fill a surface with a picture, cut off at two sides where its shape is another."""
    width, height = surface.get_size()
    scale = max(width / picture.get_width(), height / picture.get_height())
    shown = max(1, round(width / scale)), max(1, round(height / scale))
    cut = pygame.Rect(0, 0, min(picture.get_width(), shown[0]), min(picture.get_height(), shown[1]))
    cut.center = picture.get_rect().center
    pygame.transform.scale(picture.subsurface(cut).convert(surface), (width, height), surface)
