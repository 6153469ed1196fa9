"""Learning from pictures: they are shifted at random, and the actor sees with the critics' encoder."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch

from data.tables.checkpoints import CheckpointRecord
from tests.support.batches import TINY, random_batch
from tests.trainer.networks.test_images import MOVING, NAMES, follower_of_blobs
from trainer.checkpoints.files import load_policy
from trainer.config import TrainConfig
from trainer.daemon.resume import begin
from trainer.daemon.wish import Wish
from trainer.learner.learner import Learner
from trainer.learner.make import make_learner
from trainer.networks.pictures import PictureEnsemble
from trainer.replay.batch import Batch
from trainer.replay.pixels import random_shift, shifted, with_image

IMAGE = (2, 6, 5)
NUMBERS = 3
SIZE = NUMBERS + 60
SHARED = TINY.with_values(
    bc_weight=3.0, network="cnn", image=IMAGE, cnn_filters=(3, 4), cnn_output=5, shared_encoder=True, image_shift=4,
    actor_average=0.5,
)  # fmt: skip


def picture_batch(seed: int = 0, rows: int = 32, size: int = SIZE) -> Batch:
    g = torch.Generator().manual_seed(seed)
    batch = random_batch(seed, rows=rows, human=torch.arange(rows) < rows // 2)
    seen, after = (torch.rand(rows, size, generator=g) for _ in range(2))
    pair = torch.cat((seen, batch.action), 1)
    return dataclasses.replace(batch, observation=seen, next_observation=after, pair=pair)


def encoders(learner: Learner) -> tuple[PictureEnsemble, PictureEnsemble]:
    actor, critics = learner.actor.body, learner.critics.body
    assert isinstance(actor, PictureEnsemble)
    assert isinstance(critics, PictureEnsemble)
    return actor, critics


class TestShift:
    def test_pictures_move_by_whole_pixels_in_all_directions_and_all_frames_alike(self) -> None:
        picture = torch.rand(400, 2, 42, 30)
        moved = random_shift(picture, 4, torch.Generator().manual_seed(0))
        assert (moved.shape, moved.dtype) == (picture.shape, picture.dtype)
        most, places = 2, set()  # 4 of 84 rows are 2 of 42
        padded = torch.nn.functional.pad(picture, (most,) * 4, mode="replicate")
        for k in range(len(picture)):
            at = [
                (down, right)
                for down in range(2 * most + 1)
                for right in range(2 * most + 1)
                if torch.equal(moved[k], padded[k, :, down : down + 42, right : right + 30])
            ]
            assert len(at) == 1
            places.update(at)
        assert len(places) == 25

    @pytest.mark.parametrize(("rows", "most"), [(84, 4), (64, 3), (24, 1), (6, 1)])
    def test_small_pictures_move_less_and_at_least_by_a_pixel(self, rows: int, most: int) -> None:
        picture = torch.arange(float(rows)).view(1, 1, rows, 1).expand(500, 1, rows, 3)
        moved = random_shift(picture, 4, torch.Generator().manual_seed(0))
        by = (moved[:, 0, rows // 2, 0] - rows // 2).unique()
        assert by.tolist() == list(range(-most, most + 1))

    def test_of_a_batch_the_pictures_alone_are_moved_those_after_apart_from_those_before(self) -> None:
        batch = picture_batch(rows=64)
        batch = dataclasses.replace(batch, next_observation=batch.observation)
        moved = shifted(batch, SHARED, torch.Generator().manual_seed(0))
        assert torch.equal(moved.pair, torch.cat((moved.observation, batch.action), 1))
        for seen in (moved.observation, moved.next_observation):
            assert torch.equal(seen[:, :NUMBERS], batch.observation[:, :NUMBERS])
            assert not torch.equal(seen, batch.observation)
        assert not torch.equal(moved.observation, moved.next_observation)
        assert torch.equal(batch.observation, picture_batch(rows=64).observation)  # the batch itself stays as it is

    def test_nothing_is_moved_where_it_is_off_or_there_is_no_picture(self) -> None:
        batch, generator = picture_batch(), torch.Generator()
        assert shifted(batch, SHARED.with_values(image_shift=0), generator) is batch
        assert shifted(batch, TrainConfig(), generator) is batch


class TestSharedEncoder:
    @pytest.mark.parametrize("learner", ["fast", "plain"])
    def test_the_actors_loss_gives_no_gradient_in_the_encoder(self, learner: str) -> None:
        made = make_learner(SIZE, 2, SHARED.with_values(learner=learner, weight_decay_actor=0.1))
        actor, critics = encoders(made)
        assert actor.sees_with(critics)
        before = [p.clone() for p in critics.encoder.parameters()]
        for seed in range(3):
            made.update(picture_batch(seed))
            assert all(p.grad is not None and not p.grad.any() for p in actor.encoder.parameters())
            assert any(p.grad is not None and p.grad.any() for p in actor.head.parameters())
            assert all(p.grad is not None and p.grad.any() for p in critics.encoder.parameters())
            assert actor.sees_with(critics)
        assert not any(map(torch.equal, before, critics.encoder.parameters()))

    def test_each_has_its_own_where_it_is_off(self) -> None:
        made = make_learner(SIZE, 2, SHARED.with_values(shared_encoder=False))
        made.update(picture_batch())
        actor, critics = encoders(made)
        assert not actor.sees_with(critics)
        assert all(p.grad is not None and p.grad.any() for p in actor.encoder.parameters())

    def test_a_run_goes_on_as_it_was_and_its_actor_drives_alone(self) -> None:
        first, second = (make_learner(SIZE, 2, SHARED.with_values(seed=seed)) for seed in (0, 1))
        for seed in range(2):
            first.update(picture_batch(seed))
        second.load({k: v.clone() for k, v in first.tensors().items()}, first.numbers())
        for learner in (first, second):
            learner.update(picture_batch(2))
        assert all(torch.equal(v, second.tensors()[k]) for k, v in first.tensors().items())
        assert not encoders(second)[0].trains_encoder

    def test_a_run_that_began_with_two_keeps_both(self) -> None:
        old = make_learner(SIZE, 2, SHARED.with_values(shared_encoder=False))
        old.update(picture_batch())
        new = make_learner(SIZE, 2, SHARED)
        new.load({k: v.clone() for k, v in old.tensors().items()}, old.numbers())
        actor, critics = encoders(new)
        new.update(picture_batch(1))
        assert actor.trains_encoder
        assert not actor.sees_with(critics)


def test_it_learns_from_pictures_that_move() -> None:
    assert with_image(TrainConfig(network="cnn"), NAMES).image_shift == 4  # it is on where nothing is set
    assert follower_of_blobs(True, MOVING.with_values(image_shift=4, shared_encoder=True)) >= 0.9


def test_a_picture_checkpoint_from_before_drives_and_learns_as_it_did() -> None:
    file = Path(__file__).parents[1] / "checkpoints" / "pictures-d712253.safetensors"
    actor, meta = load_policy(file)
    size = len(meta.observation_names)
    found = actor.act(torch.linspace(0, 1, 2 * size).view(2, -1))
    expected = torch.tensor([[-0.6626417636871338, 0.03854057565331459], [-0.6622285842895508, 0.054655272513628006]])
    torch.testing.assert_close(found, expected)
    sum_ = hashlib.sha256(file.read_bytes()).hexdigest()
    record = CheckpointRecord(1, file.name, sum_, 3, 24, "train", meta.config, None, False, "2026-11-23T00:00:00.000Z")
    said: list[str] = []
    for settings in ({}, {"preset": "hitl", "network": "cnn"}):
        start = begin(Wish.of(settings), [record], file.parent, said.append)
        assert start is not None
        assert start.learner.updates == 3
        start.learner.update(picture_batch(rows=8, size=size))
        actor_body, critics = encoders(start.learner)
        assert actor_body.trains_encoder
        assert not actor_body.sees_with(critics)
        assert start.learner.healthy()
