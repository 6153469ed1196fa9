"""Faults made by really training with them, each beside the run without."""

from __future__ import annotations

import pytest
import torch

from tests.trainer.diagnosis.helpers import CONFIG, faults, report, train
from trainer.batch import Batch
from trainer.diagnosis.finding import Report
from trainer.tqc import TQC


@pytest.fixture(scope="module")
def sound() -> Report:
    return report(*train())


def policy_in_critic(learner: TQC, batch: Batch) -> None:
    batch.pair = torch.cat((batch.observation, learner.actor.act(batch.observation, False, learner.generator)), 1)


def gamma_once(learner: TQC, batch: Batch) -> None:
    batch.discount = torch.where(batch.discount > 0, learner.config.gamma, 0.0)


@torch.no_grad()
def same_twins(learner: TQC) -> None:
    for network in (learner.critics, learner.targets):
        for value in network.parameters():
            value[1] = value[0]


def test_the_sound_run_has_nothing_above_a_note(sound: Report) -> None:
    assert faults(sound) == []
    assert {"critic-ignores-actions", "uniform-policy", "twin-critics-identical", "discount-power"} <= {
        s.fault for s in sound.sound
    }


def test_a_critic_fed_with_the_policys_action(sound: Report) -> None:
    found = report(*train(config=CONFIG.with_values(lr_actor=1e-4), batch_fault=policy_in_critic))
    assert faults(found)[0] == "critic-ignores-actions"


def test_an_actor_that_does_not_learn() -> None:
    assert "uniform-policy" in faults(report(*train(config=CONFIG.with_values(lr_actor=1e-12))))[:2]


def test_identical_twins() -> None:
    assert faults(report(*train(300, after=same_twins))) == ["twin-critics-identical"]


def test_gamma_without_its_power() -> None:
    assert faults(report(*train(400, batch_fault=gamma_once)))[:1] == ["discount-power"]


def test_a_temperature_without_end() -> None:
    config = CONFIG.with_values(learn_alpha=True, lr_alpha=0.03, target_entropy=5.0)
    assert faults(report(*train(400, config=config)))[0] == "temperature-runaway"


def test_targets_at_the_clip() -> None:
    assert "targets-at-clip" in faults(report(*train(400, config=CONFIG.with_values(backup_clip=0.5))))


def test_gradients_cut_for_good() -> None:
    assert faults(report(*train(400, config=CONFIG.with_values(grad_clip_critic=1e-3)))) == ["gradients-clipped"]


def test_one_replay_whose_share_of_demos_falls() -> None:
    config = CONFIG.with_values(one_replay=True, demo_fraction=0.0)
    found = faults(report(*train(500, config=config, laps=30)))
    assert {"batch-composition", "demo-share-drift"} & set(found)
