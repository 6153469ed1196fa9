"""Between our actions, around 0 in [-1, 1], and those of an environment, which has a range and a type of its own.

0 is rest. Where the environment's range has 0 inside or at an end, 0 is rest there, too: 1 is its upper and -1 its lower end. So
a pedal (0 to something) is released at 0 and below, as in TrackMania, and a brake that counts from -5 to 0 at 0 and above. Any
other range is spread evenly. Where there is no bound, 1 stands for one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DeviceError
from data.numbers import MOST


class ActionRange:
    """Turns our actions into those of ``space``, a Box of one axis, and back.

    Raises DeviceError for bounds between which there is nothing.
    """

    def __init__(self, space: Any) -> None:
        self._space = space
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        for k in np.flatnonzero(~(low <= high)):  # NaN is neither
            raise DeviceError(f"The range of its action number {k} is from {low[k]:g} to {high[k]:g}, so nothing lies in it.")
        # A bound such as the largest float says that there is none. One bound alone must not lie beyond the one that stands in.
        below, above = low >= -MOST, high <= MOST
        self.low = np.where(below, low, np.where(above, np.minimum(-1.0, high - 1.0), -1.0))
        self.high = np.where(above, high, np.where(below, np.maximum(1.0, low + 1.0), 1.0))
        """(A,) each, float64: what our -1 and 1 stand for."""
        self.stated: NDArray[np.bool_] = below & above
        """(A,) whether both are the environment's own bounds."""
        self.around: NDArray[np.bool_] = (self.low <= 0.0) & (self.high >= 0.0)
        """(A,) whether the range holds 0, so that our 0 is its 0."""
        self.one_way: NDArray[np.bool_] = self.around & ((self.low == 0.0) != (self.high == 0.0))
        """(A,) whether 0 is one of its ends, so that half of our numbers mean rest."""
        self.whole = bool(np.issubdtype(space.dtype, np.integer))
        """Whether the environment takes whole numbers alone."""

    def __len__(self) -> int:
        return len(self.low)

    def __call__(self, action: NDArray[np.float32]) -> NDArray[np.generic]:
        """Return the environment's action (A,) for one of ours (A,). It lies in the space, in its type, to the last bit."""
        a = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        around = np.where(a >= 0.0, a * self.high, -a * self.low)
        share = (a + 1.0) / 2.0
        spread = (1.0 - share) * self.low + share * self.high  # either end to the last bit
        given = np.where(self.around, around, spread) + 0.0  # no -0
        return self.typed(np.rint(given) if self.whole else given)

    def typed(self, given: NDArray[np.float64]) -> NDArray[np.generic]:
        """Return an action (A,) of the environment in its own type, and within its bounds to the last bit."""
        result: NDArray[np.generic] = np.clip(given.astype(self._space.dtype), self._space.low, self._space.high)
        return result

    def back(self, given: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return ours (n, A) for actions (n, A) of the environment; what lies beyond an end counts as that end."""
        x: NDArray[np.float64] = np.clip(np.asarray(given, np.float64), self.low, self.high)
        with np.errstate(divide="ignore", invalid="ignore"):
            around = np.where(x > 0, x / self.high, np.where(x < 0, -x / self.low, 0.0))
            spread = 2.0 * (x - self.low) / (self.high - self.low) - 1.0
        ours = np.where(self.around, around, spread)
        return np.clip(np.nan_to_num(ours), -1.0, 1.0).astype(np.float32)
