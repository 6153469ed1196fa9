"""The network for pictures, and how pictures lie in observations and in the replay."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from data.errors import UsageError
from tests.support.batches import TINY, numeric
from trainer.config import BARE, TrainConfig
from trainer.learner.flat import FlatParameters
from trainer.learner.tqc import TQC
from trainer.networks import pictures
from trainer.networks.actor_critic import Actor, Critics
from trainer.replay.from_arrays import finished_episode
from trainer.replay.pixels import image_of, with_image
from trainer.replay.replay import Replay

SIDE = 9
NAMES = ("speed", *(f"pixel_{k}_{r}_{c}" for k in range(2) for r in range(SIDE) for c in range(SIDE)))
MOVING = BARE.with_values(
    network="cnn", cnn_filters=(4, 8), cnn_output=16, hidden=32, layers=1, quantiles=5, drop_per_critic=1, batch_size=64,
    lr_actor=4e-3, lr_critic=5e-3, alpha=0.1, n_step=1, metrics_every=1000,
)  # fmt: skip


def moving_blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return observations (n, 1 + 2 * 9 * 9) of a blob in two frames, and the way it goes, left (-1) or right (1)."""
    rng = np.random.default_rng(seed)
    frames, way = np.zeros((count, 2, SIDE, SIDE)), rng.choice([-1, 1], count)
    rows, columns = rng.integers(0, SIDE - 1, count), rng.integers(1, SIDE - 2, count)
    for k in range(2):
        for dr in (0, 1):
            for dc in (0, 1):
                frames[np.arange(count), k, rows + dr, columns + dc - (1 - k) * way] = rng.integers(128, 256, count) / 255.0
    return np.concatenate((rng.normal(size=(count, 1)), frames.reshape(count, -1)), 1).astype(np.float32), way


def follower_of_blobs(both_frames: bool, settings: TrainConfig = MOVING) -> float:
    """Train on random actions to go where the blob goes; return the share of new pictures in which the actor does."""
    config = with_image(settings, NAMES)
    observation, way = moving_blobs(800, 0)
    if not both_frames:
        observation[:, 1:82] = observation[:, 82:]
    rng, replay = np.random.default_rng(1), Replay(len(NAMES), 1, config)
    for i in range(800):
        action = rng.uniform(-1, 1, (1, 1))
        pair = observation[[i, (i + 1) % 800]]
        replay.add(finished_episode(i + 1, pair, action, action[:, 0] * way[i], terminated=True))
    learner, generator = TQC(len(NAMES), 1, config), torch.Generator().manual_seed(0)
    for batch in replay.sample_many(250, config.batch_size, generator):
        learner.update(batch)
    observation, way = moving_blobs(200, 2)
    if not both_frames:
        observation[:, 1:82] = observation[:, 82:]
    action = learner.actor.act(torch.from_numpy(observation)).numpy()[:, 0]
    return float((np.sign(action) == way).mean())


def test_it_sees_where_a_blob_moves_from_two_frames_and_not_from_one() -> None:
    assert follower_of_blobs(True) >= 0.9
    assert follower_of_blobs(False) <= 0.65


def test_gradients_of_the_network_for_pictures() -> None:
    torch.manual_seed(0)
    config = TINY.with_values(network="cnn", image=(2, 3, 4), cnn_filters=(2, 3), cnn_output=4, hidden=5, layers=1)
    critics = Critics(3 + 24, 2, config).double()
    flat = FlatParameters(critics)
    pair = torch.rand(3, 3 + 24 + 2, dtype=torch.float64)
    tape = critics.run(pair)
    g = torch.randn_like(tape.out)
    g_action = tape.back(g, inputs=True)
    assert g_action is not None
    torch.testing.assert_close(
        flat.gradient, numeric(lambda: (critics(pair) * g).sum(), flat.values), rtol=1e-5, atol=1e-7
    )
    torch.testing.assert_close(
        g_action, numeric(lambda: (critics(pair) * g).sum(), pair)[:, -2:], rtol=1e-5, atol=1e-7
    )
    slope = critics.run(pair).slope(0.5, slice(-2, None))
    torch.testing.assert_close(
        slope, numeric(lambda: critics(pair).sum() * 0.5, pair)[:, -2:], rtol=1e-5, atol=1e-7
    )
    torch.testing.assert_close(critics(pair, members=torch.tensor([1])), critics(pair)[1:])


def test_the_place_of_the_picture_is_in_the_names() -> None:
    assert image_of(NAMES) == (2, SIDE, SIDE)
    assert image_of(NAMES[1:]) == (2, SIDE, SIDE)
    assert image_of(NAMES[2:]) == image_of(NAMES[:1]) == image_of(()) == ()
    assert with_image(MOVING, NAMES).image == (2, SIDE, SIDE)
    assert with_image(TINY, NAMES).image == ()
    with pytest.raises(UsageError, match="hold none: use network=mlp"):
        with_image(MOVING, ("a", "b"))
    with pytest.raises(UsageError, match="fewer than the 300 pixels"):
        with_image(MOVING.with_values(image=(3, 10, 10)), NAMES)
    with pytest.raises(UsageError, match="end with a picture"):
        Actor(3, 1, MOVING)
    with pytest.raises(UsageError, match="three numbers"):
        TrainConfig(network="cnn", image=(3, 10))


def test_the_replay_keeps_bytes_and_gives_back_what_was_seen() -> None:
    replay = Replay(len(NAMES), 1, with_image(MOVING, NAMES))
    observation, _ = moving_blobs(31, 0)
    action = np.linspace(-1, 1, 30)[:, None]
    replay.add(finished_episode(1, observation, action, np.zeros(30), terminated=False))
    assert replay.table.pixels is not None
    assert replay.table.pixels._rows.dtype == torch.uint8
    batch = replay.sample(64, torch.Generator().manual_seed(0))
    at = np.rint((batch.action[:, 0].numpy() + 1) * 14.5).astype(int)
    np.testing.assert_allclose(batch.observation, observation[at], atol=1e-7)
    np.testing.assert_allclose(batch.next_observation, observation[at + 1], atol=1e-7)
    np.testing.assert_array_equal(batch.pair[:, :-1], batch.observation)
    np.testing.assert_array_equal(batch.pair[:, -1:], batch.action)


def test_a_frozen_effnet_that_is_not_there_is_named_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    pictures._effnet.cache_clear()
    with pytest.raises(UsageError, match="needs the package torchvision, which is not available here"):
        Actor(len(NAMES), 1, replace(with_image(MOVING, NAMES), frozen_effnet=True))


def test_a_frozen_effnet_is_neither_trained_nor_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    class Net(torch.nn.Module):  # stands for torchvision's, with as many features
        def __init__(self) -> None:
            super().__init__()
            self.features = torch.nn.Conv2d(3, 1280, 3, stride=4)

    net = Net()
    models = types.SimpleNamespace(efficientnet_b0=lambda weights: net)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    pictures._effnet.cache_clear()
    before = net.features.weight.clone()
    try:
        config = replace(with_image(MOVING, NAMES), frozen_effnet=True, batch_size=4)
        learner = TQC(len(NAMES), 1, config)
        embedded = learner.actor.body.encoder.layers[0].weight.clone()
        replay, (observation, _) = Replay(len(NAMES), 1, config), moving_blobs(11, 0)
        replay.add(finished_episode(1, observation, np.zeros((10, 1)), np.ones(10), terminated=True))
        for batch in replay.sample_many(2, 4, torch.Generator().manual_seed(0)):
            learner.update(batch)
    finally:
        pictures._effnet.cache_clear()
    assert torch.equal(net.features.weight, before)
    assert not torch.equal(learner.actor.body.encoder.layers[0].weight, embedded)
    assert sum(v.numel() for k, v in learner.tensors().items() if "encoder" in k) < 4 * 2 * 1280 * 32
