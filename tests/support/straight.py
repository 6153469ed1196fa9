"""An agent of somebody's own: half of the gas, and straight on."""

import numpy as np


def drive(observation: np.ndarray) -> list[float]:
    return [0.5, 0.0]


def slowly(observation: np.ndarray) -> list[float]:
    return [0.25, 0.0]
