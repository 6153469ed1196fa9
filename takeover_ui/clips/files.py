"""Clips as files: GIF by Pillow, MP4 by PyAV. Both are drawn frame by frame, so that a window stays alive meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pygame

from data.errors import StoreError, UsageError
from data.extras import install
from data.files import held


class Drawable(Protocol):
    """What can be written as a film: `takeover_ui.clips.clip.Clip`, or pictures of a game."""

    size: tuple[int, int]
    """Pixels, both even."""

    @property
    def seconds(self) -> float:
        """How long it is."""

    def frames(self, fps: float) -> int:
        """Return how many frames it has."""

    def draw(self, seconds: float) -> pygame.Surface:
        """Return the picture at a moment, in seconds from the beginning."""


class Form(NamedTuple):
    """What holds for one kind of file."""

    fps: Fraction
    most_s: float
    """The longest clip, s: a GIF is held in memory as a whole, and large."""
    widest: int
    """Pixels."""


FORMS = {".gif": Form(Fraction(25, 2), 30.0, 960), ".mp4": Form(Fraction(25), 120.0, 1920)}
"""By the end of a file's name. A GIF counts in hundredths of a second: 8 of them are a frame."""
NARROWEST = 240


def check(path: Path, clip: Drawable) -> None:
    """Raise UsageError for a clip that is too large for a file of this kind, or whose package is missing."""
    form = FORMS[path.suffix.lower()]
    if clip.seconds > form.most_s:
        raise UsageError(
            f"That clip is {clip.seconds:.0f} s long, and a {_kind(path)} may have {form.most_s:.0f} s: use --seconds."
        )
    _package(path)


def can_write(suffix: str) -> bool:
    """Tell whether the package for files of this kind is installed."""
    try:
        _package(Path(f"clip{suffix}"))
    except UsageError:
        return False
    return True


def _kind(path: Path) -> str:
    return path.suffix[1:].upper()


def _package(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".gif":
            import PIL.Image

            return PIL.Image
        import av
    except ImportError:
        name = "Pillow" if path.suffix.lower() == ".gif" else "PyAV"
        raise UsageError(f"Clips as {_kind(path)} need the package {name}, which is not installed: {install('clips')}.") from None
    return av


def write(path: Path, clip: Drawable) -> Generator[float, None, None]:
    """Write a clip while it is iterated over, yielding the share (0 to 1) that is done; the file is there, whole, at the end.

    Raises UsageError as ``check`` does, StoreError where the file cannot be written.
    """
    check(path, clip)
    fps = FORMS[path.suffix.lower()].fps
    count = clip.frames(float(fps))
    new = path.with_name(f"{path.stem}.new{path.suffix}")
    moments = [k / float(fps) for k in range(count)]
    write_frames = _write_gif if path.suffix.lower() == ".gif" else _write_mp4
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(write_frames(new, clip, moments, fps)) as written:
            for number, _ in enumerate(written, 1):
                yield number / count
        held.replace(new, path)
    except OSError as error:
        said = f"The clip '{path.name}' cannot be written {held.why(error, 'check the disk and the folder')}."
        raise StoreError(said) from error
    finally:
        with contextlib.suppress(OSError):
            held.unlink(new)


def _write_gif(path: Path, clip: Drawable, moments: list[float], fps: Fraction) -> Generator[None, None, None]:
    image = _package(path)

    def picture(seconds: float) -> Any:
        return image.frombytes("RGB", clip.size, pygame.image.tobytes(clip.draw(seconds), "RGB"))

    # All frames have the colours of these three, so that only what moves is stored again.
    width, height = clip.size
    together = image.new("RGB", (width, 3 * height))
    for number, seconds in enumerate((moments[0], moments[-1] / 2, moments[-1])):
        together.paste(picture(seconds), (0, number * height))
    colours, drawn = together.quantize(255), []
    for seconds in moments:
        drawn.append(picture(seconds).quantize(palette=colours, dither=image.Dither.NONE))
        yield
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=round(1000 / fps), loop=0)


def _write_mp4(path: Path, clip: Drawable, moments: list[float], fps: Fraction) -> Generator[None, None, None]:
    av = _package(path)
    # The index goes to the front, so that a browser plays it while it loads.
    with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height = clip.size
        stream.pix_fmt = "yuv420p"
        for seconds in moments:
            drawn = clip.draw(seconds)
            raw = np.frombuffer(pygame.image.tobytes(drawn, "RGB"), np.uint8)  # in a tenth of the time of surfarray
            pixels = raw.reshape(drawn.height, drawn.width, 3)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            yield
        film.mux(stream.encode(None))
