"""Pictures in observations: where they lie, and how the replay keeps them.

An observation with a picture is one vector, [numbers | picture]: the picture's newest frame last, row by row, brightness from 0
to 1, under the names ``pixel_<frame>_<row>_<column>``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from data.errors import UsageError
from trainer.config import TrainConfig

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
            f"The network 'cnn' looks at pictures, and these observations ({len(names)} numbers) hold "
            f"{'fewer than the ' + str(math.prod(image)) + ' pixels of image' if image else 'none'}: use network=mlp, or an "
            "environment that shows pictures."
        )
    return config.with_values(image=image)


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
