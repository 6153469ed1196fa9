"""Equal weights and batch, equal update: ours against sb3-contrib's TQC."""

import pytest
import torch

pytest.importorskip("sb3_contrib")

from benchmarks.sb3_twin import Fixed, actor_vector, copy_weights, critic_vector, theirs
from tests.support.batches import ACT, OBS, random_batch
from trainer.config import BARE
from trainer.learner.quantile import quantile_huber
from trainer.learner.tqc import TQC
from trainer.replay.batch import Batch

CONFIG = BARE.with_values(
    hidden=32, layer_norm_actor=False, layer_norm_critic=False, quantiles=7, drop_per_critic=2, alpha=0.1, lr_actor=1e-3
).with_values(lr_critic=1e-3, lr_alpha=1e-3, batch_size=64)


def close(ours: torch.Tensor, other: torch.Tensor) -> None:
    """To 1e-5 of the largest."""
    assert float((ours - other).abs().max() / other.abs().max()) < 1e-5


@pytest.mark.parametrize("learn_alpha", [False, True])
def test_loss_and_full_updates_agree(learn_alpha: bool) -> None:
    config = CONFIG.with_values(learn_alpha=learn_alpha)
    other = theirs(OBS, ACT, config)
    ours = TQC(OBS, ACT, config)
    copy_weights(ours, other)

    def noise(batch: Batch, times: int = 1) -> torch.Tensor:
        zeros, ones = torch.zeros(len(batch), ACT), torch.ones(len(batch), ACT)
        return torch.cat([torch.normal(zeros, ones) for _ in range(times)])

    ours._noise = noise  # type: ignore[method-assign]
    for step in range(3):
        batch = random_batch(step, 64)
        batch.discount[:10] = 0.0
        other.replay_buffer = Fixed(batch, config.gamma)  # type: ignore[assignment]
        start = ours.critic_flat.values.clone(), ours.actor_flat.values.clone()
        torch.manual_seed(step)
        other.train(1, 64)
        torch.manual_seed(step)
        ours.update(batch)
        close(ours.critic_flat.values, critic_vector(other.critic))
        close(ours.actor_flat.values, actor_vector(other))
        close(ours.target_flat.values, critic_vector(other.critic_target))
        if learn_alpha:
            close(ours.log_alpha, other.log_ent_coef.detach()[0])
        assert float((ours.critic_flat.values - start[0]).abs().max()) > 5e-4  # something moved
        assert float((ours.actor_flat.values - start[1]).abs().max()) > 5e-4


def test_critic_loss_is_theirs() -> None:
    from sb3_contrib.common.utils import quantile_huber_loss

    z, target = torch.randn(2, 16, 7), torch.randn(16, 10).sort(1).values
    ours = quantile_huber(z, target, (torch.arange(7) + 0.5) / 7)[0]
    other = quantile_huber_loss(z.transpose(0, 1), target.unsqueeze(1), sum_over_quantiles=False)
    assert ours is not None
    close(ours, other)
