"""Small things that several tests of the trainer need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from data.reading.new_steps import NewSteps
from trainer.config import BARE
from trainer.replay.batch import Batch
from trainer.replay.from_arrays import finished_episode

TINY = BARE.with_values(
    hidden=16, layers=2, quantiles=5, drop_per_critic=1, batch_size=32, metrics_every=10, takeover_min_s=0.0, takeover_held_s=0.0
)
"""Every takeover counts, however short: what random drivers do."""
OBS, ACT = 4, 2


def random_batch(seed: int = 0, rows: int = 32, **changes: torch.Tensor) -> Batch:
    g = torch.Generator().manual_seed(seed)
    pair = torch.randn(rows, OBS + ACT, generator=g)
    pair[:, OBS:] = torch.rand(rows, ACT, generator=g) * 1.8 - 0.9
    none = torch.zeros(rows, dtype=torch.bool)
    values = {
        "pair": pair,
        "observation": pair[:, :OBS],
        "action": pair[:, OBS:],
        "proposed": torch.rand(rows, ACT, generator=g) * 2 - 1,
        "reward": torch.randn(rows, generator=g),
        "discount": torch.full((rows,), 0.99),
        "next_observation": torch.randn(rows, OBS, generator=g),
        "human": none,
        "takeover": none,
        "before_takeover": none,
        "cloned": changes.get("human", none),
        "demo": none,
        "answer": pair[:, OBS:],
    }
    return Batch(**{**values, **changes})


def random_episode(id_: int, n: int = 40, seed: int = 0, **kwargs: object):
    rng = np.random.default_rng(seed * 1000 + id_)
    observation = rng.normal(size=(n + 1, OBS))
    observation[:, 0] = id_  # so that a row tells where it came from
    observation[:, 1] = np.arange(n + 1)
    kwargs.setdefault("terminated", True)
    return finished_episode(id_, observation, rng.uniform(-1, 1, (n, ACT)), rng.normal(size=n), **kwargs)


def numeric(f: Callable[[], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The derivative of a number by x, by central differences (double precision)."""
    result = torch.zeros_like(x)
    for i in range(x.numel()):
        old = float(x.view(-1)[i])
        values = []
        for step in (1e-6, -1e-6):
            x.view(-1)[i] = old + step
            values.append(f())
        x.view(-1)[i] = old
        result.view(-1)[i] = (values[0] - values[1]) / 2e-6
    return result


def with_takeover(id_: int, n: int = 40, start: int = 10, stop: int = 20, **kwargs: object) -> NewSteps:
    """Return an episode (see ``random_episode``) in which the human drives from ``start`` to before ``stop``."""
    driver = np.zeros(n, np.uint8)
    driver[start:stop] = 1
    return random_episode(id_, n, driver=driver, **kwargs)
