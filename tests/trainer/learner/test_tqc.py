import dataclasses

import pytest
import torch

from data.errors import UsageError
from tests.support.batches import ACT, OBS, TINY, numeric, random_batch
from trainer.learner.learner import Learner
from trainer.learner.plain import PlainTQC
from trainer.learner.tqc import TQC
from trainer.presets import PRESETS


def test_the_critic_learns_from_the_executed_action() -> None:
    batch = random_batch()
    other = random_batch(1)
    for learner_batch, same in (
        (dataclasses.replace(batch, proposed=other.proposed), True),  # what the agent would have done enters nothing
        (dataclasses.replace(batch, pair=torch.cat((batch.observation, other.action), 1), action=other.action), False),
    ):
        a, b = TQC(OBS, ACT, TINY), TQC(OBS, ACT, TINY)
        a.update(batch)
        b.update(learner_batch)
        assert torch.equal(a.critic_flat.values, b.critic_flat.values) is same


def test_critic_finds_the_value_of_the_executed_action() -> None:
    """A bandit whose reward is the first action: Q must follow the action that was executed, not the policy's."""
    config = TINY.with_values(lr_critic=5e-3, lr_actor=5e-3, alpha=0.0, hidden=32)
    learner = TQC(OBS, ACT, config)
    for i in range(120):
        batch = random_batch(i, 64)
        batch.reward, batch.discount = batch.action[:, 0].clone(), torch.zeros(64)
        learner.update(batch)
    test = random_batch(9999, 256)
    with torch.no_grad():
        q = learner.critics(test.pair).mean((0, 2))
        assert float((q - test.action[:, 0]).abs().mean()) < 0.1
        assert float(learner.actor.act(test.observation)[:, 0].mean()) > 0.8


def test_target_by_hand() -> None:
    config = TINY.with_values(drop_pool=3, alpha=0.2, backup_clip=2.0)
    learner = TQC(OBS, ACT, config)
    batch = random_batch()
    batch.discount[::2] = 0.0
    noise = torch.randn((32, ACT), generator=torch.Generator().manual_seed(config.seed + 1))
    with torch.no_grad():
        following = learner.actor.sample(batch.next_observation, noise)
        action, log_density = following.action, following.log_density
        z = learner.targets(torch.cat((batch.next_observation, action), 1))
        pool = torch.cat((z[0], z[1]), 1).sort(1).values[:, :7]
        expected = batch.reward[:, None] + batch.discount[:, None] * (pool - 0.2 * log_density[:, None])
    torch.testing.assert_close(learner.target(batch, 0.2), expected.clamp(-2, 2))
    assert float((expected.abs() > 2).float().mean()) > 0  # the clip had something to do


def test_redq_takes_a_random_subset() -> None:
    config = TINY.with_values(critics=5, target_critics=2)
    learner = TQC(OBS, ACT, config)
    batch = random_batch()
    assert learner.target(batch, 0.0).shape == (32, 2 * 5 - 2)
    seen = {float(learner.target(batch, 0.0).mean()) for _ in range(4)}
    assert len(seen) > 1


def test_learned_temperature_goes_where_the_entropy_is_wrong() -> None:
    for target, direction in ((50.0, 1), (-50.0, -1)):
        config = TINY.with_values(learn_alpha=True, alpha=0.1, target_entropy=target, lr_alpha=1e-2)
        learner = TQC(OBS, ACT, config)
        before = float(learner.log_alpha)
        for i in range(5):
            learner.update(random_batch(i))
        assert (float(learner.log_alpha) - before) * direction > 0.01


def test_cloning_pulls_towards_human_rows_only() -> None:
    config = TINY.with_values(bc_weight=10.0, lr_actor=5e-3, alpha=0.0)
    learner = TQC(OBS, ACT, config)
    human = torch.zeros(64, dtype=torch.bool)
    human[:32] = True

    def batch(i: int):
        b = random_batch(i, 64, human=human)
        b.pair[:32, OBS:] = 0.7
        b.pair[32:, OBS:] = -0.7
        b.observation[:32, 0], b.observation[32:, 0] = 1.0, -1.0
        b.reward, b.discount = torch.ones(64), torch.zeros(64)
        return b

    for i in range(80):
        learner.update(batch(i))
    greedy = learner.actor.act(batch(999).observation)
    assert float((greedy[:32] - 0.7).abs().mean()) < 0.1
    assert float((greedy[32:] + 0.7).abs().mean()) > 0.4


def test_the_q_filter_switches_cloning_off() -> None:
    batch = random_batch(human=torch.ones(32, dtype=torch.bool))
    filtered = TQC(OBS, ACT, TINY.with_values(bc_weight=5.0, bc_q_filter=True))
    head = filtered.actor.head(batch.observation)
    z = filtered.critics(batch.pair)
    assert float(filtered._cloning(batch, head, z + 100.0)[0]) == 0.0  # the agent is better everywhere
    unfiltered = (head[:, :ACT].tanh() - batch.action).square().mean()
    torch.testing.assert_close(filtered._cloning(batch, head, z - 100.0)[0], unfiltered)


@torch.no_grad()
def test_a_cloned_row_counts_as_much_beside_few_others_as_in_a_full_demo_half() -> None:
    def pull(cloned: int, iwr: float = 1.0) -> float:
        learner = TQC(OBS, ACT, TINY.with_values(bc_weight=1.0, iwr_weight=iwr))
        rows = torch.arange(256) < cloned
        batch = random_batch(rows=256, human=rows, takeover=rows)
        head = learner.actor.head(batch.observation)
        _, slope = learner._cloning(batch, head, None)
        error = head[:, :ACT].tanh() - batch.action
        alone = error * (1 - head[:, :ACT].tanh() ** 2) * (2.0 / ACT)
        return float((slope[0, :ACT] / alone[0]).mean())

    full = pull(128)
    assert full == pytest.approx(1 / 128)  # a plain mean over them
    for few in (1, 6, 64, 127):
        assert pull(few) == pytest.approx(full)
        assert pull(few, iwr=5.0) == pytest.approx(full)  # weights among the cloned move force, and add none
    assert pull(256) == pytest.approx(1 / 256)


@torch.no_grad()
def test_cloning_loss_and_its_derivative() -> None:
    human = torch.arange(32) < 8
    batch = random_batch(human=human, takeover=torch.arange(32) < 3)
    learner = TQC(OBS, ACT, TINY.with_values(bc_weight=1.0, iwr_weight=2.0))
    head = learner.actor.head(batch.observation).double().contiguous()
    z = learner.critics(batch.pair)
    weight = torch.tensor([2.0] * 3 + [1.0] * 5) / 11 * (8 / 16)  # half as many as fill the demo half
    each = (head[:8, :ACT].tanh() - batch.action[:8]).square().mean(1)
    value, slope = learner._cloning(batch, head, z)
    torch.testing.assert_close(value, (each * weight).sum(), check_dtype=False)
    expected = numeric(lambda: learner._cloning(batch, head, z)[0], head)
    torch.testing.assert_close(slope, expected[:, :ACT], rtol=1e-4, atol=1e-6)


def test_state_goes_on_bit_for_bit() -> None:
    config = TINY.with_values(learn_alpha=True, target_critics=1)
    a, b = TQC(OBS, ACT, config), TQC(OBS, ACT, config.with_values(seed=5))
    for i in range(7):
        a.update(random_batch(i))
    b.load({k: v.clone() for k, v in a.tensors().items()}, a.numbers())
    for i in range(7, 12):
        a.update(random_batch(i))
        b.update(random_batch(i))
    for name, value in a.tensors().items():
        assert torch.equal(value, b.tensors()[name]), name


def test_actor_every() -> None:
    learner = TQC(OBS, ACT, TINY.with_values(actor_every=3))
    before = learner.actor_flat.values.clone()
    learner.update(random_batch(0))
    learner.update(random_batch(1))
    assert torch.equal(before, learner.actor_flat.values)
    learner.update(random_batch(2))
    assert not torch.equal(before, learner.actor_flat.values)


def test_metrics_carry_the_recipe_names() -> None:
    learner = TQC(OBS, ACT, TINY)
    learner.update(random_batch())
    names = set(learner.metrics())
    recipe = (
        "debug/q_a1",
        "debug/q1",
        "debug/q2",
        "debug/backup",
        "debug/q_a1_targ",
        "debug/q1_std",
        "losses/loss_actor",
        "losses/loss_critic",
        "debug/demo_fraction_in_batch",
        "debug/r",
        "debug/r_std",
        "debug/critic_grad_norm",
        "debug/actor_grad_norm",
        "debug/a_0",
        "debug/a1_0",
        "debug/a2_1_std",
        "debug/log_pi",
        "debug/logp_a2",
        "lrs/actor_lr",
        "lrs/critic_lr",
    )
    for name in recipe:
        assert name in names, name
    assert learner.healthy()
    learner.critic_flat.values[3] = float("nan")
    assert not learner.healthy()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_an_explosion_is_told_in_the_unit_of_the_reward(scale: float) -> None:
    learner = TQC(OBS, ACT, TINY.with_values(layers=1, alpha=0.01))
    batch = random_batch()
    learner.update(dataclasses.replace(batch, reward=torch.full((32,), scale)))
    for earned in (1.0, -1.0):  # for ever, and the best there is
        learner.newest_q.fill_(earned * scale / (1 - TINY.gamma))
        assert learner.healthy()
        learner.newest_q.fill_(earned * scale * 1e6)
        assert not learner.healthy()
        learner.forget_metrics()
        assert not learner.healthy(), "what is shown of it is another matter"
    again = TQC(OBS, ACT, TINY.with_values(layers=1, alpha=0.01))
    again.load(learner.tensors(), learner.numbers())
    assert again.explodes_at() == learner.explodes_at()
    again.newest_q.fill_(scale * 1e6)
    again.load(learner.tensors(), learner.numbers())
    assert again.healthy(), "that was of other weights"


@pytest.mark.parametrize("kind", [TQC, PlainTQC])
def test_the_newest_q_is_that_of_the_last_detailed_update(kind: type[Learner]) -> None:
    learner = kind(OBS, ACT, TINY)
    for i in range(TINY.metrics_every + 2):
        learner.update(random_batch(i))
    assert float(learner.newest_q) == pytest.approx(learner.metrics()["debug/q1"])
    assert float(learner.newest_q) != 0.0


@pytest.mark.parametrize(("scale", "discount", "healthy"), [(s, d, d < 1) for s in (1e-3, 1.0, 1e3) for d in (0.9, 1e3)])
def test_a_real_explosion_is_caught_in_any_unit(scale: float, discount: float, healthy: bool) -> None:
    learner = TQC(OBS, ACT, TINY.with_values(lr_critic=1.0, polyak=0.0, layer_norm_critic=False))
    for k in range(100 if healthy else 400):
        batch = random_batch(k % 20)
        learner.update(dataclasses.replace(batch, reward=batch.reward * scale, discount=torch.full((32,), discount)))
        if not learner.healthy():
            break
    assert learner.healthy() == healthy


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_learns_without_trouble(preset: str) -> None:
    config = PRESETS[preset].with_values(batch_size=32)
    learner = TQC(OBS, ACT, config)
    before = learner.actor_flat.values.clone()
    for i in range(config.actor_every):
        learner.update(random_batch(i, human=torch.arange(32) < 16))
    assert learner.healthy()
    assert not torch.equal(before, learner.actor_flat.values)
    pool = (config.target_critics or config.critics) * config.quantiles
    assert learner.target(random_batch(), 0.0).shape == (32, pool - config.dropped)


def test_the_averaged_actor_is_the_mean_of_the_last_ones() -> None:
    learner = TQC(OBS, ACT, TINY.with_values(actor_average=0.5))
    expected = learner.actor_flat.values.clone()
    for i in range(3):
        learner.update(random_batch(i))
        expected = 0.5 * expected + 0.5 * learner.actor_flat.values
    assert learner.average_flat is not None
    torch.testing.assert_close(learner.average_flat.values, expected)


def test_squared_error_is_for_critics_of_one_quantile() -> None:
    with pytest.raises(UsageError, match="one quantile"):
        TINY.with_values(critic_loss="mse")
    with pytest.raises(UsageError, match="must be mse or quantile_huber"):
        TINY.with_values(critic_loss="mae")


def test_the_average_follows_closely_after_new_demos_and_holds_more_firmly_later() -> None:
    learner = TQC(OBS, ACT, TINY.with_values(actor_average=0.5, actor_average_growth=0.25, actor_average_most=0.9))
    kept = []
    for rows in [10] * 12 + [9, 10, 30, 30]:
        learner.note_demo_count(rows)
        kept.append(learner.actor_average)
        learner.updates += 5
    assert kept[:3] == [0.5, 0.5, 0.6]  # a span of 0, 1.25 and 2.5 updates
    assert kept[11] == 0.9
    assert kept[12] == 0.9, "a demo that was thrown out is no help"
    assert kept[14:] == [0.5, 0.5]
    other = TQC(OBS, ACT, learner.config)
    other.load(learner.tensors(), learner.numbers())
    assert (other.helped_at, other.human_rows_known) == (learner.helped_at, 30)


def test_what_laps_showed_comes_first_and_the_critics_gain_their_say_with_own_drives() -> None:
    learner = TQC(OBS, ACT, TINY.with_values(bc_weight=1.0, q_warmup_updates=4, q_after_laps=0.8))
    assert learner.q_weight == 1.0, "without laps there is nothing to hold"
    learner.clones_until, says = 3, []
    for i in range(8):
        before = learner.actor_flat.values.clone()
        learner.update(random_batch(i))  # nothing in it is to be cloned
        says.append(learner.q_weight)
        assert torch.equal(before, learner.actor_flat.values) == (says[-1] == 0.0)
    assert says == pytest.approx([0.0, 0.0, 0.0, 0.2, 0.4, 0.6, 0.8, 0.8])
    other = TQC(OBS, ACT, learner.config)
    other.load(learner.tensors(), learner.numbers())
    assert other.clones_until == 3
    other.load(learner.tensors(), {k: v for k, v in learner.numbers().items() if k != "clones_until"})
    assert other.q_weight == 1.0, "a checkpoint of before is as it was"
