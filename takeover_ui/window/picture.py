"""A game's own picture, as another process draws it into a file: the newest one, without either ever waiting."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from pathlib import Path

import numpy as np
import pygame
from numpy.typing import NDArray

from data.files.held import unlink
from data.files.left_behind import remove_left_behind
from takeover_ui import theme

_HEAD = struct.Struct("<QII")


class Picture:
    """Reads what a game draws. The file begins with the newest picture's number (0: none yet), its rows and columns, all
    little-endian; then come three pictures of RGB, of which number n lies in place n % 3."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes: mmap.mmap | None = None
        self._seen = 0
        self._taken_away = False  # until there is one again, the file is not held
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
                self._surface = None
                if number or self._seen:  # it has grown; or who drew takes it away, which Windows forbids while it is mapped
                    self._taken_away = not number
                    self.close()
                self._seen = 0
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
            if self._taken_away and not any(file.read(8)):
                return False
            self._taken_away = False
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._bytes is not None

    def close(self) -> None:
        """Let go of the file."""
        if self._bytes is not None:
            self._bytes.close()
        self._bytes, self._surface = None, None


class PictureFile:
    """Writes what a game in this process draws, for a `Picture` in another one."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path, self._number = path, 0
        self._shape: tuple[int, int] = (0, 0)
        self._bytes: mmap.mmap | None = None
        path.write_bytes(b"")

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Make a picture the newest one; (rows, columns, 3), of any size. Raises OSError."""
        rows, columns, _ = picture.shape
        size = rows * columns * 3
        if self._bytes is None or self._shape != (rows, columns):
            self._shape = rows, columns
            if self._bytes is not None:
                self._bytes.close()
            with self._path.open("r+b") as file:  # it never shrinks: the window has mapped it
                file.truncate(max(self._path.stat().st_size, _HEAD.size + 3 * size))
                self._bytes = mmap.mmap(file.fileno(), 0)
        number = self._number + 1
        at = _HEAD.size + number % 3 * size
        self._bytes[at : at + size] = picture.tobytes()
        self._bytes[: _HEAD.size] = _HEAD.pack(number, rows, columns)
        self._number = number

    def clear(self) -> None:
        """Say that there is no picture, until the next one comes."""
        if self._bytes is not None:
            self._bytes[: _HEAD.size] = bytes(_HEAD.size)

    def close(self) -> None:
        """Say that there is no picture any more, and let go of the file."""
        self.clear()
        if self._bytes is not None:
            self._bytes.close()
        self._bytes = None


def picture_path(folder: Path) -> Path:
    """Return a new file for a picture, and remove those that sessions which have ended left behind."""
    remove_left_behind(folder, "picture-")
    path = folder / f"picture-{os.getpid()}"
    with contextlib.suppress(OSError):  # on Windows, of a session in this process whose window is still open
        unlink(path)
    return path


def cover(surface: pygame.Surface, picture: pygame.Surface) -> None:
    """Fill a surface with a picture, cut off at two sides where its shape is another."""
    width, height = surface.get_size()
    scale = max(width / picture.get_width(), height / picture.get_height())
    shown = max(1, round(width / scale)), max(1, round(height / scale))
    cut = pygame.Rect(0, 0, min(picture.get_width(), shown[0]), min(picture.get_height(), shown[1]))
    cut.center = picture.get_rect().center
    pygame.transform.scale(picture.subsurface(cut).convert(surface), (width, height), surface)


def contain(surface: pygame.Surface, picture: pygame.Surface) -> None:
    """Show a whole picture as large as a surface allows, at its top: what is said to the player stands at the bottom."""
    width, height = surface.get_size()
    scale = min(width / picture.get_width(), height / picture.get_height())
    shown = pygame.Rect(0, 0, max(1, round(picture.get_width() * scale)), max(1, round(picture.get_height() * scale)))
    shown.midtop = surface.get_rect().midtop
    surface.fill(theme.GROUND)
    surface.blit(pygame.transform.smoothscale(picture.convert(surface), shown.size), shown)
