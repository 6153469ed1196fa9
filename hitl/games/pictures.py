"""What an environment shows, as one vector: [numbers | picture], the picture grey, small and with the frames before it.

The picture's numbers are brightness from 0 to 1 in steps of 1/255, under the names ``pixel_<frame>_<row>_<column>``, oldest frame
first; that is the form in which the trainer looks for pictures.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from data.errors import DeviceError, UsageError, shown
from data.words import number_of
from hitl.settings import PictureSettings


def pixel_names(frames: int, rows: int, columns: int) -> tuple[str, ...]:
    """Return the names of a picture's numbers."""
    return tuple(f"pixel_{k}_{r}_{c}" for k in range(frames) for r in range(rows) for c in range(columns))


class Misfit(UsageError, ValueError):  # noqa: N818 (it says what it is)
    """What an environment returned differs from its space, or from Gymnasium's form; the text is a sentence."""


class SpaceSight:
    """Turns observations of a space into vectors of ``size`` numbers called ``names``. Raises DeviceError for one that cannot.

    The space is a picture (uint8, two or three axes), numbers, or a dictionary or tuple of these, with one picture at most seen
    as such.
    """

    def __init__(self, space: spaces.Space[Any], settings: PictureSettings | None = None) -> None:
        self.settings = settings or PictureSettings()
        parts: dict[Any, spaces.Space[Any]] = {None: space}
        if isinstance(space, spaces.Dict):
            parts = dict(space.spaces)
        elif isinstance(space, spaces.Tuple):
            parts = dict(enumerate(space.spaces))
        self._picture = next((key for key, part in parts.items() if _is_picture(part)), self)
        self._picture_space: Any = parts.get(self._picture)
        self._numbers = {key: part for key, part in parts.items() if key is not self._picture}
        if not all(part.is_np_flattenable for part in self._numbers.values()):
            raise DeviceError("Its observations have no fixed size, so they cannot be learned from.")
        count = sum(spaces.flatdim(part) for part in self._numbers.values())
        s = self.settings
        self.image: tuple[int, ...] = (s.frames, s.rows, s.columns) if self._picture is not self else ()
        """Frames, rows and columns of the picture; empty where there is none."""
        pixels = pixel_names(*self.image) if self.image else ()
        self.names = (*(f"observation_{k}" for k in range(count)), *pixels)
        self.size = len(self.names)
        self._frames: deque[NDArray[np.float32]] = deque(maxlen=s.frames)

    def begin(self) -> None:
        """An episode begins: there is no earlier picture."""
        self._frames.clear()

    def __call__(self, observation: Any) -> NDArray[np.float32]:
        """Return (size,) float32. Raises Misfit when the observation is not what its space says."""
        seen = [_flat(key, part, _part(observation, key)) for key, part in self._numbers.items()]
        if self.image:
            picture = np.asarray(_part(observation, self._picture))
            wanted = self._picture_space
            if picture.shape != wanted.shape or picture.dtype.kind not in "iu":
                raise Misfit(
                    f"Its space has pictures of whole numbers and shape {wanted.shape}, and it shows {picture.dtype} of shape "
                    f"{picture.shape}."
                )
            self._frames.append(grey(picture, *self.image[1:]))
            while len(self._frames) < self.image[0]:
                self._frames.append(self._frames[-1])
            seen += [frame.ravel() for frame in self._frames]
        return np.concatenate(seen)


def _part(observation: Any, key: Any) -> Any:
    if key is None:
        return observation
    try:
        return observation[key]
    except (KeyError, IndexError, TypeError):
        raise Misfit(f"Its observation has no part '{key}', which its space has.") from None


def _flat(key: Any, space: spaces.Space[Any], value: Any) -> NDArray[np.float32]:
    """Return a part as (n,) float32, of whatever type of numbers it is."""
    what = "Its observation" if key is None else f"The part '{key}' of its observation"
    try:
        if isinstance(space, spaces.Box):
            value = np.asarray(value)
            if value.shape != space.shape:
                raise Misfit(f"{what} has shape {value.shape}, and its space {space.shape}.")
        with np.errstate(over="ignore"):  # too large for 32 bits is infinite, and judged as such
            flat = np.asarray(spaces.flatten(space, value), np.float32).ravel()
    except (TypeError, IndexError, KeyError, AttributeError) as error:
        raise Misfit(f"{what} is not of its space ({shown(error, 100)}).") from error
    if flat.size != spaces.flatdim(space):
        raise Misfit(f"{what} has {number_of(flat.size, 'number')}, and its space {spaces.flatdim(space)}.")
    return flat


def _is_picture(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) in (2, 3)


def grey(picture: NDArray[Any], rows: int, columns: int) -> NDArray[np.float32]:
    """Return (rows, columns) brightness of a uint8 picture: the mean over the pixels that each point stands for."""
    light = picture.astype(np.float32)
    if light.ndim == 3:
        light = light.mean(axis=2 if light.shape[2] in (1, 3, 4) else 0)
    for axis, side in enumerate((rows, columns)):
        edges = np.linspace(0, light.shape[axis], side + 1).astype(int)[:-1]
        counts = np.diff(np.append(edges, light.shape[axis])).clip(1)
        light = np.add.reduceat(light, edges, axis=axis) / np.expand_dims(counts, 1 - axis)
    return (np.rint(light) / 255.0).astype(np.float32)
