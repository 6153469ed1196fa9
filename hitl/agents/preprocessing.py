"""What an agent is shown of an observation: normalised as it was in its training, with the observations before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Normalization:
    """Running statistics of Stable-Baselines3's ``VecNormalize``: ``(x - mean) / sqrt(var + epsilon)``, clipped."""

    mean: NDArray[np.float64]
    var: NDArray[np.float64]
    epsilon: float = 1e-8
    clip: float = 10.0

    def __call__(self, seen: Floats) -> Floats:
        """Return numbers (..., M) normalised."""
        scaled = (seen - self.mean) / np.sqrt(self.var + self.epsilon)
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)


class Preprocessing:
    """Observations (O,) of an episode, one after the other, as the network takes them: (``stack`` * O,), the newest last.

    Before an episode's first observation there are zeros (as in SB3's ``VecFrameStack``), or with ``repeat_first`` that
    observation again (as in Gymnasium's ``FrameStackObservation``). Statistics of one observation are applied before the
    stacking, those of a whole stack after it.
    """

    def __init__(
        self, size: int, stack: int = 1, normalization: Normalization | None = None, *, repeat_first: bool = False
    ) -> None:
        self.size, self.stack, self.normalization = size, stack, normalization
        self._after = normalization is not None and stack > 1 and len(normalization.mean) == size * stack
        self._repeat_first = repeat_first
        self.reset()

    def reset(self) -> None:
        """An episode begins."""
        self._frames: Floats | None = None

    def __call__(self, observation: Floats) -> Floats:
        """Return what is shown (I,) for the next observation (O,)."""
        if self.stack == 1:
            return self.many(observation)
        seen = self.normalization(observation) if self.normalization is not None and not self._after else observation
        if self._frames is None:
            self._frames = np.zeros((self.stack, self.size), np.float32)
            if self._repeat_first:
                self._frames[:] = seen
        self._frames[:-1] = self._frames[1:].copy()
        self._frames[-1] = seen
        stacked = self._frames.reshape(-1)
        return self.normalization(stacked) if self.normalization is not None and self._after else stacked.copy()

    def many(self, observations: Floats) -> Floats:
        """Return what is shown (..., I) for observations (..., O) that have nothing to do with each other; for a stack of one."""
        return self.normalization(observations) if self.normalization is not None else observations
