"""An environment without a road, whose drives earn what their last action asks for."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class PaysAtTheEnd(gymnasium.Env[np.ndarray, np.ndarray]):
    """It pays a hundred times its last action, from -1 to 1, and nothing before. What is seen is the step's number."""

    observation_space = spaces.Box(-100.0, 100.0, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, steps: int = 60) -> None:
        self.steps = steps

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.n = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.n += 1
        over = self.n == self.steps
        return np.full(1, self.n, np.float32), 100.0 * float(action[0]) if over else 0.0, over, False, {}
