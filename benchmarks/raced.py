"""What is raced: networks, sizes and losses that other libraries have as well."""

from __future__ import annotations

from trainer.config import BARE

OBSERVATIONS, ACTIONS = 24, 2
CONFIG = BARE.with_values(
    hidden=256,
    layers=2,
    layer_norm_actor=False,
    layer_norm_critic=False,
    critics=2,
    quantiles=25,
    n_step=1,
    learn_alpha=True,
    alpha=0.1,
    metrics_every=1_000_000,
)
