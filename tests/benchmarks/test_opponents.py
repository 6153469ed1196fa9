"""Each opponent learns a tiny problem that its rule must be able to learn."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.opponents import OPPONENTS, PVP, RLIF, Opponent
from data.records import SessionRecord
from tests.support.batches import ACT, OBS, random_batch, random_episode
from trainer.config import TrainConfig
from trainer.learner.tqc import TQC
from trainer.presets import PRESETS
from trainer.replay.batch import Batch
from trainer.replay.replay import Replay

SMALL: dict[str, Any] = {"hidden": 32, "batch_size": 64, "lr_actor": 3e-3, "lr_critic": 3e-3, "metrics_every": 10}
STALLED = PRESETS["hitl"].with_values(hidden=32)


def config_of(opponent: Opponent) -> TrainConfig:
    return PRESETS["hitl"].with_values(**opponent.settings).with_values(**SMALL)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RLIF, "WAIT", 20)
    monkeypatch.setattr(PVP, "WAIT", 20)


def forked(name: str) -> TQC:
    """The opponent's learner with a stalled run's networks in it."""
    stalled = TQC(OBS, ACT, STALLED)
    stalled.update(random_batch())
    learner = OPPONENTS[name].make(OBS, ACT, config_of(OPPONENTS[name]))
    learner.load(stalled.tensors(), stalled.numbers())
    return learner


def human(observation: Tensor) -> Tensor:
    """A known driver."""
    return torch.stack((observation[:, 0].tanh() * 0.8, -observation[:, 1].tanh() * 0.8), 1)


def driven(seed: int, rows: int = 64) -> Batch:
    """Half of the rows driven by the human, the other half by an agent that does something else."""
    batch = random_batch(seed, rows)
    batch.human = torch.arange(rows) % 2 == 0
    batch.takeover = batch.human.clone()
    batch.action[batch.human] = human(batch.observation)[batch.human]
    return batch


@pytest.mark.parametrize("name", OPPONENTS)
def test_begins_as_the_stalled_agent_drives(name: str) -> None:
    stalled = TQC(OBS, ACT, STALLED)
    stalled.update(random_batch())
    learner = OPPONENTS[name].make(OBS, ACT, config_of(OPPONENTS[name]))
    learner.load(stalled.tensors(), stalled.numbers())
    observation = random_batch(1).observation
    torch.testing.assert_close(learner.actor.act(observation), stalled.actor.act(observation))
    assert learner.average is None
    assert learner.updates == 0


@pytest.mark.parametrize("name", ["hg_dagger", "iwr"])
def test_cloning_drives_as_the_driver_does(name: str) -> None:
    learner = forked(name)
    for i in range(400):
        batch = random_batch(i, 64)
        batch.action[:] = human(batch.observation)
        learner.update(batch)
    test = random_batch(9999, 256).observation
    error = (learner.actor.act(test, deterministic=False) - human(test)).abs().mean()  # they drive without noise
    assert float(error) < 0.08


def test_rlpd_begins_with_the_value_that_the_stalled_critics_knew() -> None:
    stalled = TQC(OBS, ACT, STALLED)
    learner = forked("hil_serl")
    stalled.update(random_batch())
    pair = random_batch(1).pair
    was, now = stalled.critics(pair).mean((0, 2)), learner.critics(pair)
    assert now.shape == (10, 32, 1)
    assert float((now.mean((0, 2)) - was).abs().max()) < 0.25 * float(stalled.critics(pair).std()) + 0.05
    assert float(now.std(0).min()) > 0  # the members differ
    assert torch.equal(learner.targets(pair), now)


def test_rlpd_finds_the_mean_and_the_best_action() -> None:
    learner = forked("hil_serl")
    for i in range(250):
        batch = random_batch(i, 64)
        # The mean is the action, the median is not: an absolute or Huber loss would find another value.
        luck = (torch.rand(64, generator=torch.Generator().manual_seed(i)) < 0.2).float() * 10 - 2
        batch.reward, batch.discount = batch.action[:, 0] + luck, torch.zeros(64)
        learner.update(batch)
    test = random_batch(9999, 256)
    assert float((learner.critics(test.pair).mean((0, 2)) - test.action[:, 0]).mean().abs()) < 0.4
    assert float(learner.actor.act(test.observation)[:, 0].mean()) > 0.6


def test_rlif_avoids_what_makes_the_human_take_over() -> None:
    """A bandit: the human takes over after every action that steers to the left; the reward says the opposite."""
    learner = forked("rlif")
    for i in range(150):
        batch = random_batch(i, 64)
        batch.before_takeover = batch.action[:, 1] < 0
        batch.reward, batch.discount = -10 * batch.action[:, 1], torch.zeros(64)
        learner.update(batch)
    test = random_batch(9999, 256)
    assert float((learner.actor.act(test.observation)[:, 1] > 0).float().mean()) > 0.95
    left, right = (test.pair.clone() for _ in range(2))
    left[:, -1], right[:, -1] = -0.7, 0.7
    assert float(learner.critics(left).mean()) == pytest.approx(-1, abs=0.2)
    assert float(learner.critics(right).mean()) == pytest.approx(0, abs=0.2)


def test_pvp_prefers_the_humans_action() -> None:
    learner = forked("pvp")
    for i in range(400):
        batch = driven(i)
        batch.takeover[::4] = False  # laps, in which nobody proposed anything that is of use
        batch.proposed = torch.where(batch.takeover[:, None], learner.actor.act(batch.observation), 0.0)
        batch.reward += 100.0  # not looked at
        learner.update(batch)
    test = random_batch(9999, 256)
    o = test.observation
    theirs = learner.critics(torch.cat((o, human(o)), 1)).mean((0, 2))
    others = learner.critics(torch.cat((o, -human(o).sign()), 1)).mean((0, 2))
    assert float((theirs > others).float().mean()) > 0.9
    assert -1.5 < float(others.min()) <= float(theirs.max()) < 1.5
    before = (forked("pvp").actor.act(o) - human(o)).abs().mean()
    assert float((learner.actor.act(o) - human(o)).abs().mean()) < 0.6 * float(before)


def drawn(name: str) -> tuple[Replay, np.ndarray, np.ndarray]:
    """Return a replay with a lap (episode 1) and an episode with a takeover (2), and how often each kind of row was drawn."""
    opponent = OPPONENTS[name]
    replay = opponent.make_replay(OBS, ACT, config_of(opponent))
    replay.add(random_episode(1, 40, purpose="lap"))
    replay.add(random_episode(2, 40, driver=np.repeat([0, 1, 0], (20, 10, 10))))
    batch = replay.sample(8000, torch.Generator().manual_seed(0))
    kinds = [batch.human & ~batch.takeover, batch.takeover, ~batch.human]  # laps, takeovers, own steps
    share = np.array([float(k.float().mean()) for k in kinds])
    of_demos = np.array([float((k & batch.demo).float().mean()) for k in kinds])
    return replay, share, of_demos


@pytest.mark.parametrize(
    ("name", "share", "of_demos"),
    [
        ("hg_dagger", [0.8, 0.2, 0.0], [0.8, 0.2, 0.0]),  # 40 rows of the lap, 10 of the takeover
        ("iwr", [0.5 * 40 / 70, 0.5, 0.5 * 30 / 70], [0.0, 0.5, 0.0]),
        ("pvp", [0.4, 0.1, 0.5], [0.4, 0.1, 0.0]),
        ("hil_serl", [0.4, 0.1 + 0.5 * 10 / 40, 0.5 * 30 / 40], [0.4, 0.1, 0.0]),  # takeovers in both halves
        ("rlif", [0.4, 0.1 + 0.5 * 10 / 40, 0.5 * 30 / 40], [0.4, 0.1, 0.0]),
    ],
)
def test_rows_are_drawn_as_the_rule_says(name: str, share: list[float], of_demos: list[float]) -> None:
    _, found, demos = drawn(name)
    np.testing.assert_allclose(found, share, atol=0.025)
    np.testing.assert_allclose(demos, of_demos, atol=0.025)




def test_iwr_does_not_clone_the_stalled_runs_own_steps() -> None:
    opponent = OPPONENTS["iwr"]
    replay = opponent.make_replay(OBS, ACT, config_of(opponent))
    for id_, kind in ((0, "stall"), (1, "demo")):
        lap, drive = random_episode(10 * id_ + 1, 20, purpose="lap"), random_episode(10 * id_ + 2, 20)
        for new in (lap, drive):
            new.sessions[id_] = SessionRecord(id_, kind, "box2d", "default", 20.0, (), (), "", "ended")
            new.episodes = {k: dataclasses.replace(e, session_id=id_) for k, e in new.episodes.items()}
            replay.add(new)
    batch = replay.sample(2000, torch.Generator().manual_seed(0))
    assert set(batch.observation[:, 0].unique().tolist()) == {1.0, 11.0, 12.0}  # both laps, the newer drive


@pytest.mark.parametrize("name", ["rlif", "pvp"])
def test_an_actor_that_can_drive_waits_for_its_new_critics(name: str) -> None:
    learner = forked(name)
    before, critics = learner.actor_flat.values.clone(), learner.critic_flat.values.clone()
    for i in range(20):
        learner.update(driven(i))
    assert torch.equal(learner.actor_flat.values, before)
    assert not torch.equal(learner.critic_flat.values, critics)
    for i in range(2):
        learner.update(driven(i))
    assert not torch.equal(learner.actor_flat.values, before)
