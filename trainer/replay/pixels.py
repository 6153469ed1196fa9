"""Pictures in observations: where they lie, and how the replay keeps them.

An observation with a picture is one vector, [numbers | picture]: the picture's newest frame last, row by row, brightness from 0
to 1, under the names ``pixel_<frame>_<row>_<column>``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from data.errors import UsageError
from data.words import number_of
from trainer.config import TrainConfig
from trainer.replay.batch import Batch, beside

_PIXEL = re.compile(r"pixel_(\d+)_(\d+)_(\d+)$")


def image_of(names: Sequence[str]) -> tuple[int, ...]:
    """Return (frames, rows, columns) of the picture at the end of observations with these names, () when there is none."""
    last = _PIXEL.match(names[-1]) if names else None
    if last is None:
        return ()
    image = tuple(int(k) + 1 for k in last.groups())
    start = len(names) - math.prod(image)
    return image if start >= 0 and names[start] == "pixel_0_0_0" else ()


def with_image(config: TrainConfig, names: Sequence[str]) -> TrainConfig:
    """Return the settings with the place of the picture filled in, for the network that looks at one.

    Raises UsageError when the observations hold none, or a smaller one than was set.
    """
    if config.network != "cnn":
        return config
    image = config.image or image_of(names)
    if not image or math.prod(image) > len(names):
        raise UsageError(
            f"The network 'cnn' looks at pictures, and these observations ({number_of(len(names), 'number')}) hold "
            f"{'fewer than the ' + str(math.prod(image)) + ' pixels of image' if image else 'none'}: use network=mlp, or an "
            "environment that shows pictures."
        )
    return config.with_values(image=image)


def shifted(batch: Batch, config: TrainConfig, generator: torch.Generator) -> Batch:
    """Return the batch as the network for pictures learns from it: each picture moved at random (``image_shift``)."""
    if config.network != "cnn" or not config.image_shift:
        return batch
    seen = []
    for observation in (batch.observation, batch.next_observation):
        assert isinstance(observation, Tensor)
        start = observation.shape[1] - math.prod(config.image)
        picture = random_shift(observation[:, start:].reshape(-1, *config.image), config.image_shift, generator)
        seen.append(torch.cat((observation[:, :start], picture.flatten(1)), 1))
    return replace(batch, pair=beside(seen[0], batch.action), observation=seen[0], next_observation=seen[1])


def random_shift(picture: Tensor, of_84: int, generator: torch.Generator) -> Tensor:
    """Return pictures (B, frames, rows, columns), each moved by whole pixels in both directions, all its frames alike.

    They are padded by repeating their edges, and cropped at a random place (DrQ, Kostrikov, Yarats and Fergus 2020, sec. 3.1,
    where it is 4 of 84 rows; ``of_84``: so many, and at least one whole pixel).
    """
    count, _, rows, columns = picture.shape
    most = max(1, round(of_84 * rows / 84))
    padded = torch.nn.functional.pad(picture, (most, most, most, most), mode="replicate")
    crops = padded.unfold(2, rows, 1).unfold(3, columns, 1)  # (B, frames, down, right, rows, columns), without a copy
    at = torch.randint(2 * most + 1, (2, count), generator=generator, device=picture.device)
    return crops[torch.arange(count, device=picture.device), :, at[0], at[1]]


class Pixels:
    """Pictures as one byte a pixel: a quarter of the memory, and exactly what an 8-bit camera gave."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rows = torch.zeros((0, size), dtype=torch.uint8)

    def allocate(self, rows: int) -> None:
        """Make room for so many rows."""
        old, self._rows = self._rows, torch.zeros((rows, self.size), dtype=torch.uint8)
        self._rows[: len(old)] = old

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Keep brightness (n, size) from 0 to 1, to the nearest 255th."""
        self._rows.numpy()[rows] = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)

    def read(self, rows: Tensor, device: torch.device) -> Tensor:
        """Return brightness (n, size) as float32 on ``device``."""
        return self._rows.index_select(0, rows).to(device, non_blocking=True).float().div_(255.0)
