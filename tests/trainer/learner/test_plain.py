"""The plain learner, by autograd, is the oracle: the gradients written by hand must agree with it, update by update."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from data.errors import UsageError
from tests.support.batches import ACT, OBS, TINY, random_batch
from tests.support.daemon_runs import SMALL, drive, state, train
from trainer.config import TrainConfig
from trainer.learner.learner import Learner
from trainer.learner.make import make_learner
from trainer.learner.plain import PlainTQC
from trainer.learner.tqc import TQC
from trainer.presets import PRESETS
from trainer.replay.batch import Batch, Moments, Sequences, beside

CLONED = TINY.with_values(bc_weight=3.0)
SETTINGS: dict[str, TrainConfig] = {
    **{name: preset.with_values(hidden=16, critics=min(preset.critics, 4), actor_every=1) for name, preset in PRESETS.items()},
    "plain TQC": TINY,
    "one critic": TINY.with_values(critics=1),
    "five critics": TINY.with_values(critics=5),
    "one layer": TINY.with_values(layers=1),
    "no LayerNorm": TINY.with_values(layer_norm_actor=False, layer_norm_critic=False),
    "nothing dropped": TINY.with_values(drop_per_critic=0),
    "dropped from the pool": TINY.with_values(drop_pool=3),
    "two of four target critics": TINY.with_values(critics=4, target_critics=2),
    "squared error": TINY.with_values(critic_loss="mse", quantiles=1, drop_per_critic=0),
    "clipped targets": TINY.with_values(backup_clip=0.5),
    "clipped gradients": TINY.with_values(grad_clip_actor=1e-3, grad_clip_critic=1e-3),
    "temperature learned": TINY.with_values(learn_alpha=True, alpha=0.3, lr_alpha=1e-2),
    "target entropy": TINY.with_values(learn_alpha=True, alpha=0.3, target_entropy=1.0, lr_alpha=1e-2),
    "narrow": TINY.with_values(log_std_max=0.0),
    "narrower than it wants": TINY.with_values(log_std_max=-0.2, alpha=-1.0),
    "human rows weigh more": TINY.with_values(human_weight=3.0),
    "cloning": CLONED,
    "cloning of takeovers": CLONED.with_values(iwr_weight=4.0),
    "laps before the first drive": CLONED.with_values(q_warmup_updates=4, q_after_laps=0.5, alpha=0.3),
    "filtered cloning": CLONED.with_values(bc_q_filter=True),
    "past actions hidden": CLONED.with_values(past_action_dropout=0.5, learn_alpha=True),
    "units of its own": CLONED.with_values(scale_observations=True, scale_rewards=True, learn_alpha=True, n_step=2),
    "the actor now and then": CLONED.with_values(actor_every=2, learn_alpha=True),
    "beside a frozen agent": CLONED.with_values(frozen_agent=True),
    "taught by a frozen agent": CLONED.with_values(frozen_agent=True, frozen_teaches=True),
    "everywhere, once it was taught": CLONED.with_values(
        frozen_agent=True, frozen_teaches=True, scale_rewards=True, q_warmup_updates=4, q_after_laps=0.5
    ),
    "averaged actor": TINY.with_values(actor_average=0.5, actor_average_growth=0.5),
    "slow targets": TINY.with_values(polyak=0.9),
    "Adam with other betas": TINY.with_values(betas_actor=(0.5, 0.9), betas_critic=(0.8, 0.8)),
    "AdamW": TINY.with_values(weight_decay_actor=0.1),
    "residual": CLONED.with_values(network="residual"),
    "simba": CLONED.with_values(network="simba", critics=3, target_critics=2),
    "recurrent": CLONED.with_values(network="recurrent", rnn_size=6, rnn_layers=2, burn_in=3, sequence=8),
    "pictures": CLONED.with_values(
        network="cnn", image=(1, 4, 4), cnn_filters=(3,), cnn_output=5, image_shift=4, shared_encoder=True, actor_average=0.5
    ),
    "cnn": CLONED.with_values(network="cnn", image=(1, 4, 4), cnn_filters=(3,), cnn_output=5),
}  # fmt: skip
"""Every setting that changes a loss, a gradient or a step."""


def batch_for(config: TrainConfig, seed: int) -> Batch:
    """Half of the rows are the human's, a quarter are takeovers, some end their episode."""
    g, rows = torch.Generator().manual_seed(seed), torch.arange(32)
    answer = 1.8 * torch.rand(32, ACT, generator=g) - 0.9
    batch = random_batch(seed, human=rows < 16, takeover=rows < 8, cloned=rows < 12, answer=answer)
    batch.discount[::5] = 0.0
    batch.past_actions = torch.arange(OBS) >= OBS - ACT if config.network != "cnn" else torch.arange(OBS + 16) == 1
    if config.frozen_agent:
        batch.helped, batch.next_helped = torch.rand(2, 32, generator=g) < 0.5
        batch.next_action = 1.8 * torch.rand(32, ACT, generator=g) - 0.9
    if config.taught:
        batch.return_bound = torch.where(torch.rand(32, generator=g) < 0.5, torch.randn(32, generator=g), -torch.inf)
    if config.network == "cnn":
        seen, after = torch.rand(32, OBS + 16, generator=g), torch.rand(32, OBS + 16, generator=g)
        return dataclasses.replace(batch, observation=seen, next_observation=after, pair=beside(seen, batch.action))
    if config.network != "recurrent":
        return batch
    past, steps = torch.randn(3, 4, OBS + ACT, generator=g), torch.randn(9, 4, OBS + ACT, generator=g)
    sequences, flat = Sequences(past, torch.tensor([3, 1, 0, 2]), steps), steps.view(36, -1)[:, :OBS]
    now, then = Moments(sequences, rows, flat[:32]), Moments(sequences, rows + 4, flat[4:])
    return dataclasses.replace(batch, observation=now, next_observation=then, pair=beside(now, batch.action))


def pair_of(config: TrainConfig) -> tuple[TQC, PlainTQC]:
    size = OBS + (16 if config.network == "cnn" else 0)
    return TQC(size, ACT, config), PlainTQC(size, ACT, config)


def gradients(learner: Learner) -> tuple[torch.Tensor, ...]:
    return learner.actor_flat.gradient, learner.critic_flat.gradient, learner.alpha_flat.gradient


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", SETTINGS)
def test_losses_gradients_and_parameters_agree(name: str) -> None:
    config = SETTINGS[name].with_values(metrics_every=1, lr_actor=3e-3, lr_critic=3e-3)
    fast, plain = pair_of(config)
    fast.clones_until = plain.clones_until = 2 if "laps" in name else 0
    fast.drives_everywhere = plain.drives_everywhere = "everywhere" in name
    start = fast.actor_flat.values.clone(), fast.critic_flat.values.clone()
    for seed in range(6):
        batch = batch_for(config, seed)
        fast.update(batch)
        plain.update(batch)
        for ours, expected in zip(gradients(fast), gradients(plain), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-11)
        found, wanted = fast.metrics(), plain.metrics()
        if not config.bc_weight:
            del found["bc/loss"], wanted["bc/loss"]
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-10)
    of_fast = fast.tensors()
    for key, value in plain.tensors().items():
        torch.testing.assert_close(of_fast[key], value, rtol=1e-6, atol=1e-9, msg=key)
    for now, then in zip((fast.actor_flat.values, fast.critic_flat.values), start, strict=True):
        assert float((now - then).abs().max()) > 1e-6  # something moved


@pytest.mark.parametrize("name", ["hitl", "rlpd", "run_l", "recurrent"])
def test_they_agree_in_single_precision_too(name: str) -> None:
    fast, plain = pair_of(SETTINGS[name])
    for seed in range(6):
        batch = batch_for(fast.config, seed)
        fast.update(batch)
        plain.update(batch)
        for ours, expected in zip(gradients(fast), gradients(plain), strict=True):
            assert float((ours - expected).norm()) <= 1e-4 * float(expected.norm())
    for ours, expected in ((fast.actor_flat, plain.actor_flat), (fast.critic_flat, plain.critic_flat)):
        torch.testing.assert_close(ours.values, expected.values, rtol=1e-3, atol=1e-4)


def test_a_spread_beyond_its_bound_comes_back_in_alike() -> None:
    """The one gradient that is not a plain clamp's: some spreads lie above the bound, and some of them are led back."""
    config = TINY.with_values(log_std_max=-1.0, alpha=0.0, lr_actor=1e-2)
    fast, plain = pair_of(config)
    for learner in (fast, plain):
        list(learner.actor.parameters())[-1].data[..., ACT:] = -0.9  # of the log spread
    for seed in range(40):
        batch = batch_for(config, seed)
        head = plain.actor.head(batch.observation)[:, ACT:]
        if not seed:
            assert float((head > config.log_std_max).float().mean()) > 0.2
        fast.update(batch)
        plain.update(batch)
        torch.testing.assert_close(fast.actor_flat.gradient, plain.actor_flat.gradient, rtol=1e-3, atol=1e-5)


def test_the_plain_learner_learns() -> None:
    """A bandit whose reward is the first action: Q follows the executed action, and the actor follows Q."""
    learner = PlainTQC(OBS, ACT, TINY.with_values(lr_critic=5e-3, lr_actor=5e-3, alpha=0.0, hidden=32))
    for i in range(120):
        batch = random_batch(i, 64)
        batch.reward, batch.discount = batch.action[:, 0].clone(), torch.zeros(64)
        learner.update(batch)
    test = random_batch(9999, 256)
    q = learner.critics(test.pair).mean((0, 2))
    assert float((q - test.action[:, 0]).abs().mean()) < 0.1
    assert float(learner.actor.act(test.observation)[:, 0].mean()) > 0.8


def test_a_run_goes_on_with_either_learner(tmp_path: Path) -> None:
    """The trainer begins with one, is stopped, and goes on with the other: as if nothing had changed."""
    ends = []
    for kinds in (("fast", "fast"), ("plain", "fast"), ("fast", "plain")):
        root = tmp_path / "-".join(kinds)
        root.mkdir()
        drive(root / "store.sqlite", 50, 3)
        for kind, cut in zip(kinds, (20, None), strict=True):
            daemon = train(root, cut, SMALL.with_values(learner=kind, bc_weight=3.0, actor_average=0.99, utd=0.5))
        assert type(daemon.training.learner) is {"fast": TQC, "plain": PlainTQC}[kinds[1]]
        ends.append(state(daemon))
    for other in ends[1:]:
        for key in ("actor.", "critics.", "targets.", "average."):
            for name in (n for n in ends[0] if n.startswith(key)):
                torch.testing.assert_close(other[name], ends[0][name], rtol=1e-3, atol=1e-4, msg=name)


def test_learners_by_name() -> None:
    assert type(make_learner(OBS, ACT, TINY)) is TQC
    assert type(make_learner(OBS, ACT, TINY.with_values(learner="plain"))) is PlainTQC
    with pytest.raises(UsageError, match="learner must be fast or plain"):
        TINY.with_values(learner="slow")


@pytest.mark.parametrize("kind", [TQC, PlainTQC])
def test_targets_are_at_least_what_was_earned_once(kind: type[Learner]) -> None:
    config = CLONED.with_values(frozen_agent=True, frozen_teaches=True)
    learner, batch = kind(OBS, ACT, config), batch_for(config, 0)
    batch.return_bound = torch.full((32,), -torch.inf)
    generator = learner.generator.get_state()
    before = learner.target(batch, 0.1)
    batch.return_bound[:16] = 50.0
    learner.generator.set_state(generator)
    after = learner.target(batch, 0.1)
    assert torch.equal(after[16:], before[16:])
    torch.testing.assert_close(after[:16].mean(1), batch.return_bound[:16])
    torch.testing.assert_close(after[:16].std(1), before[:16].std(1), atol=1e-4, rtol=1e-4)
