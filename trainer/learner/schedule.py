"""Learning rates over time."""

from __future__ import annotations

import math

from trainer.config import TrainConfig


def rate(config: TrainConfig, base: float, update: int) -> float:
    """Return the learning rate of ``update`` (from 1).

    ``cosine``: warm restarts (SGDR, Loshchilov and Hutter 2017), each period ``schedule_growth`` times the one before;
    ``linear``: straight down to ``schedule_min`` over ``schedule_period`` updates.
    """
    if not config.schedule:
        return base
    low = min(base, config.schedule_min)
    at, period = update - 1, config.schedule_period
    if config.schedule == "linear":
        return base + (low - base) * min(1.0, at / period)
    while at >= period:
        at -= period
        period *= max(1, config.schedule_growth)
        if config.schedule_growth <= 1:
            at %= period
    return low + (base - low) * 0.5 * (1 + math.cos(math.pi * at / period))
