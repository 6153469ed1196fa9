"""A game's own pictures of one takeover as a clip: what `takeover_ui.clips.capture` kept of it."""

from __future__ import annotations

from pathlib import Path

import pygame

SUFFIX = ".jpg"


def frame_name(milliseconds: int) -> str:
    """Return the file's name of a picture by its moment, so that the names lie in order."""
    return f"{milliseconds:09d}{SUFFIX}"


class GamePictures:
    """Pictures in a folder, each called by its moment. It has what `takeover_ui.clips.files.write` asks of a clip."""

    def __init__(self, folder: Path) -> None:
        self._files = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
        self._at = [int(path.stem) / 1000 for path in self._files]
        self.size = (2, 2)
        if self._files:
            width, height = pygame.image.load(self._files[0]).get_size()
            self.size = width // 2 * 2, height // 2 * 2  # as films need it

    @property
    def seconds(self) -> float:
        """How long it is; 0 where there is nothing."""
        return self._at[-1] - self._at[0] if len(self._at) > 1 else 0.0

    def frames(self, fps: float) -> int:
        """Return how many frames it has."""
        return max(1, int(self.seconds * fps))

    def draw(self, seconds: float) -> pygame.Surface:
        """Return the picture at a moment, in seconds from the beginning."""
        at = self._at[0] + seconds
        newest = max((k for k, moment in enumerate(self._at) if moment <= at + 1e-6), default=0)
        picture = pygame.image.load(self._files[newest])
        surface = pygame.Surface(self.size)
        surface.blit(picture, (0, 0))
        return surface
