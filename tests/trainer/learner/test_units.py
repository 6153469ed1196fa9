"""Games that pay, or see, in other units are learned alike."""

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batches import ACT, OBS, TINY, random_batch
from trainer.checkpoints.files import load, save
from trainer.checkpoints.meta import CheckpointMeta
from trainer.config import TrainConfig
from trainer.diagnosis import probe
from trainer.learner.make import make_learner
from trainer.learner.tqc import TQC
from trainer.networks.units import LIMIT, WRONG, ObservationUnits
from trainer.replay.batch import Batch, beside

SCALED = TINY.with_values(scale_rewards=True, learn_alpha=True, bc_weight=1.0, actor_average=0.9, metrics_every=2, lr_critic=1e-2)
SIGHT = TINY.with_values(scale_observations=True, actor_average=0.9)


def paying(seed: int, factor: float) -> Batch:
    batch = random_batch(seed, human=torch.arange(32) < 8, cloned=torch.arange(32) < 8)
    return dataclasses.replace(batch, reward=batch.reward * factor)


REACH = TINY.times()
"""Of the returns in these batches: three steps."""


def seeing(seed: int, factor: float, offset: float) -> Batch:
    batch = random_batch(seed)
    batch = dataclasses.replace(batch, discount=torch.full_like(batch.discount, REACH.gamma**REACH.n_step))
    assert isinstance(batch.observation, torch.Tensor)
    assert isinstance(batch.next_observation, torch.Tensor)
    now, then = batch.observation * factor + offset, batch.next_observation * factor + offset
    return dataclasses.replace(batch, observation=now, next_observation=then, pair=beside(now, batch.action))


@pytest.mark.parametrize("power", [-10, 10])
@pytest.mark.parametrize("n_step", [1, 3])
def test_rewards_a_thousand_times_as_large_or_small_give_the_same_agent_to_the_bit(power: int, n_step: int) -> None:
    usual, other = (TQC(OBS, ACT, SCALED.with_values(n_step=n_step)) for _ in range(2))
    for seed in range(8):
        usual.update(paying(seed, n_step * 0.75))
        other.update(paying(seed, n_step * 0.75 * 2.0**power))
    for name, value in usual.tensors().items():
        assert torch.equal(value, other.tensors()[name]), name
    assert float(other.rewards.value) == float(usual.rewards.value) * 2.0**power
    for name, ratio in (("debug/q1", 2.0**power), ("debug/r_std", 2.0**power), ("debug/a_0", 1.0)):
        assert other.metrics()[name] == pytest.approx(usual.metrics()[name] * ratio)


def test_a_game_that_begins_to_pay_more_keeps_what_its_critics_know() -> None:
    still = SCALED.with_values(n_step=1, metrics_every=10, lr_critic=0.0, lr_actor=0.0, lr_alpha=0.0)
    learner, batch = TQC(OBS, ACT, still), paying(0, 1.0)
    for seed in range(1, 10):
        learner.update(paying(seed, 1.0))
    before, alpha = learner.critics(batch.pair).clone(), learner.log_alpha.exp()
    assert float(learner.rewards.value) == 1.0
    learner.update(paying(10, 100.0))
    unit = float(learner.rewards.value)
    assert unit in (16.0, 32.0)
    torch.testing.assert_close(learner.critics(batch.pair) * unit, before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(learner.log_alpha.exp() * unit, alpha)


@pytest.mark.parametrize("network", ["mlp", "residual", "simba"])
def test_the_last_layer_of_every_network_carries_the_unit(network: str) -> None:
    learner, batch = TQC(OBS, ACT, SCALED.with_values(network=network)), paying(0, 1.0)
    learner.rewards.known, before = torch.tensor(True), learner.critics(batch.pair).clone()
    with torch.no_grad():
        learner._scale_values(learner.rewards.change(torch.tensor(8.0)))
    torch.testing.assert_close(learner.critics(batch.pair) * 8.0, before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_game_that_pays_nothing_yet_changes_nothing_and_then_finds_its_unit(factor: float) -> None:
    learner, batch = TQC(OBS, ACT, SCALED), paying(0, 1.0)
    for seed in range(4):
        learner.update(paying(seed, 0.0))
    assert float(learner.rewards.value) == 1.0
    for seed in range(4):
        learner.update(paying(seed, factor))
    assert learner.healthy()
    assert 0.05 < float(learner.rewards.value) / factor < 2.0
    assert float(learner.critics(batch.pair).abs().max()) < 10.0, "guesses are no numbers of the unit"


def test_a_critic_explains_its_own_targets_in_any_unit() -> None:
    usual, other = (TQC(OBS, ACT, SCALED) for _ in range(2))
    for seed in range(40):
        usual.update(paying(seed, 1.0))
        other.update(paying(seed, 1024.0))
    asked, same = (probe.look(learner, paying(1, by)) for learner, by in ((usual, 1.0), (other, 1024.0)))
    assert asked == same


@pytest.mark.parametrize("wrong", [0.0, -2.0, float("nan"), float("inf")])
def test_a_unit_that_is_none_is_refused(wrong: float) -> None:
    learner = TQC(OBS, ACT, SCALED)
    with pytest.raises(ValueError, match="no unit"):
        learner.load(learner.tensors(), learner.numbers() | {"reward_unit": wrong})


def test_units_are_left_and_taken_up_again_without_a_change_of_what_is_known() -> None:
    with_units, batch = TQC(OBS, ACT, SCALED), paying(0, 1.0)
    for seed in range(6):
        with_units.update(paying(seed, 100.0))
    unit = float(with_units.rewards.value)
    assert unit > 8.0
    without = TQC(OBS, ACT, SCALED.with_values(scale_rewards=False))
    without.load(with_units.tensors(), with_units.numbers())
    torch.testing.assert_close(without.critics(batch.pair), with_units.critics(batch.pair) * unit, rtol=1e-3, atol=1e-3)
    assert float(without.rewards.value) == 1.0
    without.update(paying(7, 100.0))
    again = TQC(OBS, ACT, SCALED)
    again.load(without.tensors(), without.numbers())
    before = again.critics(batch.pair)
    factor = again.rewards.note(paying(8, 100.0), 1.0, SCALED.times(), may_change=True)
    assert factor is not None
    again._scale_values(factor)
    assert float(again.rewards.value) > 8.0, "by what is paid now, however many updates were done before"
    torch.testing.assert_close(again.critics(batch.pair) * again.rewards.value, before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["fast", "plain"])
@pytest.mark.parametrize(("factor", "offset"), [(1024.0, 0.0), (2.0**-10, 0.0), (1.0, 64.0), (1.0, 0.0)])
def test_observations_of_any_unit_give_the_same_agent(kind: str, factor: float, offset: float) -> None:
    usual, other = make_learner(OBS, ACT, TINY.with_values(learner=kind)), make_learner(OBS, ACT, SIGHT.with_values(learner=kind))
    for seed in range(6):
        usual.update(seeing(seed, 1.0, 0.0))
        other.update(seeing(seed, factor, offset))
    wide, batch = seeing(9, factor, offset), seeing(9, 1.0, 0.0)
    if offset:  # what is subtracted is the mean, and not the offset itself
        assert other.actor.units is not None
        assert other.actor.units.zero.tolist() == pytest.approx([offset] * OBS, abs=1.0)
    else:
        torch.testing.assert_close(usual.actor_flat.values, other.actor_flat.values)
        torch.testing.assert_close(usual.critics(batch.pair), other.critics(wide.pair))
        torch.testing.assert_close(usual.actor.act(batch.observation), other.actor.act(wide.observation))


@given(st.lists(st.integers(2, 20), min_size=1, max_size=6), st.floats(-100, 100), st.floats(0.01, 100))
def test_what_comes_to_the_networks_is_about_one(sizes: list[int], mean: float, spread: float) -> None:
    g, units = torch.Generator().manual_seed(len(sizes)), ObservationUnits(2)
    seen = [torch.randn(20, 2, generator=g, dtype=torch.float64) * spread + mean for _ in sizes]
    for part in seen:
        units.note(part.float())
    everything = torch.cat(seen)
    torch.testing.assert_close(units.mean.double(), everything.mean(0), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(units.variance.double(), everything.var(0, unbiased=False), rtol=1e-2, atol=1e-4)
    scaled = units(everything.float())
    assert bool((scaled.std(0) <= 1.1 * WRONG).all())
    assert bool((scaled.std(0) >= 0.9 / WRONG).all())
    assert bool((scaled.mean(0).abs() <= 2 * WRONG * WRONG).all())


def test_a_number_that_never_changes_stays_small_and_one_that_jumps_is_bounded() -> None:
    units = ObservationUnits(3)
    units.note(torch.tensor([[700.0, -1.0, 0.5], [700.0, 1.0, 0.5]]))
    assert units(torch.tensor([[700.0, 0.0, 0.5]])).tolist() == [[0.0, 0.0, 0.5]]
    assert units(torch.tensor([[701.0, -1e6, 0.5, 3.0]])).tolist() == [[1.0, -LIMIT, 0.5, 3.0]], "actions stay as they are"


def test_a_unit_stays_until_it_is_wrong_by_far() -> None:
    units, now = ObservationUnits(1), []
    for size in [1.0] * 20 + [3.0] * 20 + [100.0] * 40:
        units.note(torch.tensor([[-size], [size]]))
        now.append(float(units.unit))
    assert now[:40] == [1.0] * 40
    assert len(set(now)) <= 4, "and then changes in steps"
    assert now[-1] >= 16.0


def test_an_actor_alone_drives_with_the_units_of_its_checkpoint(tmp_path: Path) -> None:
    learner = make_learner(OBS, ACT, SIGHT.with_values(scale_rewards=True))
    for seed in range(4):
        learner.update(dataclasses.replace(seeing(seed, 1000.0, 5.0), reward=torch.full((32,), 384.0)))
    assert learner.average is not None
    names = tuple(f"o{i}" for i in range(OBS)), tuple(f"a{i}" for i in range(ACT))
    name, _ = save(tmp_path, learner, CheckpointMeta.of(learner, *names, "train"))
    tensors, meta = load(tmp_path / name)
    other = make_learner(OBS, ACT, TrainConfig.from_dict(meta.config))
    other.load(tensors, meta.numbers)
    seen = seeing(9, 1000.0, 5.0).observation
    for mine, its in ((learner.actor, other.actor), (learner.average, other.average)):
        assert its is not None
        assert torch.equal(mine.act(seen), its.act(seen))
    assert float(other.rewards.value) == 128.0
    assert other.targets.units is other.critics.units is other.actor.units
    for one in (learner, other):
        one.update(seeing(10, 1000.0, 5.0))
    assert torch.equal(learner.actor_flat.values, other.actor_flat.values)


@pytest.mark.parametrize("network", ["recurrent", "cnn"])
def test_networks_that_take_no_plain_vectors_go_without(network: str) -> None:
    config = SIGHT.with_values(network=network, image=(1, 2, 2) if network == "cnn" else ())
    assert make_learner(OBS + 4, ACT, config).actor.units is None


@pytest.mark.parametrize("n_step", [1, 2, 5])
def test_the_unit_of_rewards_is_a_steps_however_far_returns_reach(n_step: int) -> None:
    learner = make_learner(OBS, ACT, TINY.with_values(scale_rewards=True))  # it is not told how fast the game is
    gamma = learner.config.times().gamma
    batch = random_batch(1)
    ended = torch.arange(len(batch.reward)) % 4 == 0
    discount = torch.where(ended, 0.0, gamma**n_step)
    learner.update(dataclasses.replace(batch, reward=torch.full_like(batch.reward, 64.0 * n_step), discount=discount))
    assert float(learner.rewards.value) == 64.0
