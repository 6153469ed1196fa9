"""The recurrent network: a memory that is learned, kept while driving, and fails when it is cut."""

import numpy as np
import pytest
import torch

from tests.support.batches import ACT, OBS, TINY, numeric, random_episode
from trainer.config import BARE, TrainConfig
from trainer.diagnosis.live import few
from trainer.diagnosis.probe import look
from trainer.learner.flat import FlatParameters
from trainer.learner.tqc import TQC
from trainer.networks.actor_critic import Actor, Critics, remember
from trainer.networks.recurrent import whole_episode
from trainer.replay.batch import beside
from trainer.replay.from_arrays import finished_episode
from trainer.replay.replay import Replay

CONFIG = TINY.with_values(network="recurrent", sequence=4, burn_in=3, rnn_size=5, rnn_layers=2)

STEPS = 4
RECALL = BARE.with_values(
    network="recurrent", hidden=32, layers=1, rnn_size=32, sequence=3, burn_in=3, quantiles=5, drop_per_critic=1, batch_size=60,
    lr_actor=3e-3, lr_critic=6e-3, alpha=0.02, gamma=0.9, n_step=2, polyak=0.9, metrics_every=1000,
)  # fmt: skip
"""No sequence of three learned steps holds both the cue and the moment at which it is asked for."""
RECALLED = 190  # updates after which the cue is recalled


def recall_learner(updates: int, **changes: object) -> TQC:
    """Learn from random actions: the cue of the first step (plus or minus 1) must be the last action's sign."""
    config, rng = RECALL.with_values(**changes), np.random.default_rng(0)
    replay = Replay(2, 1, config)
    for i in range(1, 201):
        observation, action, reward = np.zeros((STEPS + 1, 2)), rng.uniform(-1, 1, (STEPS, 1)), np.zeros(STEPS)
        observation[0, 0], observation[STEPS - 1, 1] = rng.choice([-1.0, 1.0]), 1.0
        reward[-1] = action[-1, 0] * observation[0, 0]
        replay.add(finished_episode(i, observation, action, reward, terminated=True))
    learner, generator = TQC(2, 1, config), torch.Generator().manual_seed(0)
    for batch in replay.sample_many(updates, config.batch_size, generator):
        learner.update(batch)
    return learner


def recalled(learner: TQC, carried: bool = True) -> float:
    """The share of episodes in which the greedy actor does what the cue said."""
    right = 0
    for k in range(20):
        cue, rng, memory = float(k % 2 * 2 - 1), np.random.default_rng(k), remember(learner.actor)
        for t in range(STEPS):
            seen = torch.tensor([[cue * (t == 0), float(t == STEPS - 1)]])
            action = learner.actor.act(seen, memory=memory)
            if memory is not None and carried:
                memory.stepped(torch.tensor(rng.uniform(-1, 1, (1, 1)), dtype=torch.float32))  # whoever drove
        right += float(action) * cue > 0
    return right / 20


def test_it_recalls_a_cue_that_only_the_burn_in_holds() -> None:
    learner = recall_learner(RECALLED)
    assert recalled(learner) == 1.0
    assert recalled(learner, carried=False) == 0.5  # driven without its memory


def test_without_burn_in_the_same_cue_is_never_recalled() -> None:
    assert recalled(recall_learner(RECALLED, burn_in=0)) == 0.5
    assert recalled(recall_learner(RECALLED, network="mlp")) == 0.5


def replay_of(config: TrainConfig) -> Replay:
    replay = Replay(OBS, ACT, config)
    for i in range(1, 6):
        replay.add(random_episode(i, 20))
    return replay


def test_gradients_reach_the_learned_steps_and_stop_at_the_burn_in() -> None:
    torch.manual_seed(0)
    critics = Critics(OBS, ACT, CONFIG.with_values(hidden=6, layers=1, rnn_size=3)).double()
    flat = FlatParameters(critics)
    batch = replay_of(CONFIG).sample(8, torch.Generator().manual_seed(0))
    pair = batch.pair
    for part in (pair.sequences, pair):
        for name in part.__slots__:
            value = getattr(part, name)
            if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
                setattr(part, name, value.double())
    state = critics.body.warm(pair.sequences)
    assert int(pair.sequences.lengths.max()) == CONFIG.burn_in
    g = torch.randn(2, 8, CONFIG.quantiles, dtype=torch.float64)

    def number() -> torch.Tensor:
        """The burn-in's state is given: nothing is learned through it."""
        with torch.no_grad():
            out, _ = critics.body.encoder(pair.sequences.steps, state)
            features = out.reshape(-1, 3)[pair.index]
            return (critics.body.head(torch.cat((pair.observation, features, pair.action), 1)) * g).sum()

    tape = critics.run(pair)
    g_pair = tape.back(g, inputs=True)
    torch.testing.assert_close(flat.gradient, numeric(number, flat.values), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(g_pair, numeric(number, pair.action), rtol=1e-5, atol=1e-7)
    flat.zero()
    critics.run(pair).back(g, inputs=True, parameters=False)
    assert float(flat.gradient.abs().sum()) == 0


@torch.no_grad()
def test_driving_and_learning_see_the_same() -> None:
    """What the policy remembers step by step is what a sequence from the episode's beginning comes to."""
    config = CONFIG.with_values(burn_in=30)  # longer than the episodes: nothing is cut off
    torch.manual_seed(0)
    actor, critics = Actor(OBS, ACT, config), Critics(OBS, ACT, config)
    new = random_episode(1, 20)
    seen, did = torch.from_numpy(new.observation), torch.from_numpy(new.executed)
    for network, action in ((actor, None), (critics, did)):
        memory = remember(network)
        assert memory is not None
        driven = []
        for t in range(20):
            beside_it = None if action is None else action[t : t + 1]
            first = memory.look(seen[t : t + 1], beside_it)
            torch.testing.assert_close(memory.look(seen[t : t + 1], beside_it), first)  # a pause: nothing moves on
            driven.append(first)
            memory.stepped(did[t : t + 1])
        episode = whole_episode(seen, did)
        torch.testing.assert_close(
            torch.cat(driven, 1), network.body(episode if action is None else beside(episode, action))
        )
        replay = Replay(OBS, ACT, config)
        replay.add(new)
        batch = replay.sample(12)
        sight = batch.observation if action is None else batch.pair
        out = network.body(sight)
        for i in range(12):
            torch.testing.assert_close(out[:, i], driven[int(sight.observation[i, 1])][:, 0])


def test_the_trainer_looks_at_its_own_recurrent_learner() -> None:
    learner = TQC(OBS, ACT, CONFIG)
    batch = replay_of(CONFIG).sample(32, torch.Generator().manual_seed(0))
    part = few(batch, 8)
    assert len(part) == 8
    torch.testing.assert_close(learner.critics(part.pair), learner.critics(batch.pair)[:, ::4])
    found = look(learner, part)
    assert found.rows == 8
    assert np.isfinite(found.spread)


def test_memoryless_networks_remember_nothing() -> None:
    assert remember(Actor(OBS, ACT, TINY)) is None


@pytest.mark.parametrize("layers", [1, 2])
def test_every_parameter_of_the_recurrent_network_learns(layers: int) -> None:
    config = CONFIG.with_values(rnn_layers=layers, actor_average=0.9, learn_alpha=True, bc_weight=1.0, bc_q_filter=True)
    learner = TQC(OBS, ACT, config)
    before = learner.actor_flat.values.clone(), learner.critic_flat.values.clone(), learner.target_flat.values.clone()
    for batch in replay_of(config).sample_many(3, 32, torch.Generator().manual_seed(0)):
        learner.update(batch)
    after = learner.actor_flat.values, learner.critic_flat.values, learner.target_flat.values
    for old, new in zip(before, after, strict=True):
        assert float((old != new).float().mean()) > 0.85  # the targets' move is lost to rounding here and there
    assert learner.healthy()
    assert learner.metrics()["debug/q1"] != 0
