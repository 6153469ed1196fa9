"""Faults made by really training with them, each beside the run without, as `hitl diagnose` and the trainer itself see them."""

from __future__ import annotations

import pytest
import torch
from planted_faults import detached, gamma_once, growing, policy_in_critic, same_seed

from tests.support.trained_runs import CONFIG, Clock, Run, faults, report, train
from trainer.diagnosis.live import LiveChecks


@pytest.fixture(scope="module")
def sound() -> Run:
    return train(240)


@pytest.fixture(scope="module")
def blind() -> Run:
    """A run whose critic was fed with the policy's action, and so ignores actions."""
    return train(config=CONFIG.with_values(lr_actor=1e-4), batch_fault=policy_in_critic)


def test_the_sound_run_has_nothing_above_a_note(sound: Run) -> None:
    found = report(*sound)
    assert faults(found) == []
    assert {"critic-ignores-actions", "uniform-policy", "twin-critics-identical", "discount-power"} <= {
        s.fault for s in found.sound
    }


def test_a_sound_learner_is_left_alone_and_not_disturbed(sound: Run) -> None:
    learner, rows, batch = sound
    before = {k: v.clone() for k, v in learner.tensors().items()}
    clock = Clock()
    checks = LiveChecks(CONFIG, every_s=0.0, clock=clock)
    for row in rows[::2]:
        clock.now += 100
        assert checks.look(learner, batch, row) == []
    assert checks.sentence == ""
    assert all(torch.equal(before[k], v) for k, v in learner.tensors().items())


def test_a_critic_fed_with_the_policys_action(blind: Run) -> None:
    assert faults(report(*blind))[0] == "critic-ignores-actions"


def test_the_critic_that_ignores_actions_is_told_once_and_stands(blind: Run) -> None:
    learner, rows, batch = blind
    clock = Clock()
    checks = LiveChecks(CONFIG, every_s=0.0, clock=clock)
    told = []
    for row in rows:
        clock.now += 100
        told += checks.look(learner, batch, row)
    assert [f.fault for f in told].count("critic-ignores-actions") == 1
    assert "critic-ignores-actions" in checks.standing
    assert checks.sentence


def test_an_actor_that_does_not_learn() -> None:
    assert "uniform-policy" in faults(report(*train(180, config=CONFIG.with_values(lr_actor=1e-12))))[:2]


def test_identical_twins() -> None:
    assert faults(report(*train(60, begin=same_seed))) == ["twin-critics-identical"]


def test_gamma_without_its_power() -> None:
    assert faults(report(*train(120, batch_fault=gamma_once)))[:1] == ["discount-power"]


def test_a_temperature_without_end() -> None:
    config = CONFIG.with_values(learn_alpha=True, lr_alpha=0.03, target_entropy=5.0)
    assert faults(report(*train(180, config=config)))[0] == "temperature-runaway"


def test_targets_at_the_clip() -> None:
    assert "targets-at-clip" in faults(report(*train(80, config=CONFIG.with_values(backup_clip=0.5))))


def test_gradients_cut_for_good() -> None:
    assert faults(report(*train(120, config=CONFIG.with_values(grad_clip_critic=1e-3)))) == ["gradients-clipped"]


def test_one_replay_whose_share_of_demos_falls() -> None:
    config = CONFIG.with_values(one_replay=True, demo_fraction=0.0)
    found = faults(report(*train(200, config=config, laps=30)))
    assert {"batch-composition", "demo-share-drift"} & set(found)


def test_a_loss_without_a_gradient() -> None:
    found = report(*train(110, config=CONFIG.with_values(alpha=1e-10), begin=detached))
    assert faults(found)[0] == "gradients-zero"


def test_entropy_with_the_wrong_sign_drives_all_actions_to_their_limits() -> None:
    found = report(*train(80, config=CONFIG.with_values(alpha=-0.3, lr_actor=1e-2)))
    assert "actions-saturated" in faults(found)[:2]


def test_a_discount_above_one_explodes() -> None:
    assert "exploded" in faults(report(*train(120, config=CONFIG.with_values(lr_critic=0.05), batch_fault=growing)))


def test_a_memory_that_pushes_the_laps_out() -> None:
    config = CONFIG.with_values(demo_fraction=0.0, capacity=400, batch_size=16)
    assert "demos-evicted" in faults(report(*train(150, config=config, laps=5, fifo=400), ours=False))
    wide = config.with_values(capacity=100_000)
    assert "demos-evicted" not in faults(report(*train(150, config=wide, laps=5, fifo=100_000), ours=False))


def test_fewer_updates_than_set() -> None:
    run = train(270, config=CONFIG.with_values(utd=2.0, batch_size=16), skill=lambda done: 1.0)
    steps = run[1][-1]["memory_len"] - run[1][0]["memory_len"]
    assert "update-ratio" in faults(report(*run, ratio=True))
    run[0].config = CONFIG.with_values(utd=260 / steps)  # the same run is sound when just that was asked for
    assert "update-ratio" not in faults(report(*run, ratio=True))


def test_q_rises_while_the_driving_gets_worse() -> None:
    one = CONFIG.with_values(critics=1, drop_per_critic=0, lr_critic=3e-4, gamma=0.99, batch_size=32)
    assert "q-return-apart" in faults(report(*train(240, config=one, skill=lambda done: 1 - done)))
    assert "q-return-apart" not in faults(report(*train(240, config=one, skill=lambda done: done)))
