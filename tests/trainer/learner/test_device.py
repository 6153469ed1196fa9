"""What an update on another device must not do: make the processor wait for a number, or move data to and fro."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from tests.support.batches import ACT, OBS, TINY, random_batch, random_episode
from tests.support.operations import NeverWait
from tests.trainer.replay.test_replay import pieces, with_takeover
from trainer.config import BARE
from trainer.learner.products import onednn_is_better
from trainer.learner.quantile import quantile_huber
from trainer.learner.tqc import TQC
from trainer.presets import PRESETS
from trainer.replay.device_copy import DeviceCopy
from trainer.replay.replay import Replay


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the ways that are taken on a GPU, and no way to a tensor's values."""
    monkeypatch.setattr("trainer.learner.tqc.sort_rows", lambda x: x.sort(1).values)
    monkeypatch.setattr("trainer.learner.quantile.best_method", lambda z, targets: "pairs")

    onednn_is_better()  # asks the processor for numbers, once, and no GPU

    def wait(*args: object) -> None:
        raise AssertionError("a value is waited for")

    with monkeypatch.context() as patch:
        for name in ("item", "tolist", "numpy", "cpu", "__float__", "__int__", "__bool__", "__index__"):
            patch.setattr(torch.Tensor, name, wait)
        yield


OPTIONS = {
    **PRESETS,
    "everything": BARE.with_values(
        hidden=8, critics=4, target_critics=2, learn_alpha=True, bc_weight=1.0, bc_q_filter=True,
        iwr_weight=2.0, human_weight=2.0, grad_clip_actor=1.0, grad_clip_critic=1.0, backup_clip=5.0,
        weight_decay_actor=0.1, actor_average=0.9,
    ),
    "simba": BARE.with_values(hidden=8, network="simba"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_an_update_never_waits_for_the_device(name: str, elsewhere: None) -> None:
    config = OPTIONS[name].with_values(hidden=16, actor_every=1, metrics_every=2)  # with the detailed update, too
    learner = TQC(OBS, ACT, config)
    batches = [random_batch(i, human=torch.arange(32) < 16) for i in range(3)]
    with NeverWait():
        for batch in batches:
            learner.update(batch)


def test_the_watchman_is_awake(elsewhere: None) -> None:
    x = torch.ones(3)
    for wait in (lambda: float(x.sum()), lambda: bool(x[0] > 0), lambda: x.sum().item(), lambda: x[x > 0], lambda: x.nonzero()):
        with pytest.raises(AssertionError, match="wait"), NeverWait():
            wait()


def test_both_ways_give_the_same_gradient() -> None:
    z, y, tau = torch.randn(2, 32, 5), torch.randn(32, 8).sort(1).values, (torch.arange(5) + 0.5) / 5
    for one, other in zip(*(quantile_huber(z, y, tau, method=m) for m in ("stream", "prefix")), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_copy_on_the_device_gives_the_same_batches(frozen: bool) -> None:
    config = TINY.with_values(capacity=500, own_finishes=2, stalled_steps=8, frozen_agent=frozen)
    plain, copied = Replay(OBS, ACT, config), Replay(OBS, ACT, config)
    copied.table.device_copy = DeviceCopy(torch.device("cpu"))
    for i in range(1, 300):  # old episodes give way, their rows are used again
        new = with_takeover(i) if i % 7 == 0 else random_episode(i, terminated=i % 2 == 0)
        if i % 5 == 0:
            new.episodes[i] = dataclasses.replace(new.episodes[i], reason="finish")
        if i % 11 == 0:
            new.episodes[i] = dataclasses.replace(new.episodes[i], reason="stalled")
        for part in pieces(new, [i % 40]):
            plain.add(part)
            copied.add(part)
        if i % 25 and i > 5:
            continue
        g, h = torch.Generator().manual_seed(i), torch.Generator().manual_seed(i)
        for one, other in zip(plain.sample_many(2, 64, g), copied.sample_many(2, 64, h), strict=True):
            for part in dataclasses.fields(one):
                found, expected = getattr(one, part.name), getattr(other, part.name)
                assert found is expected is None or torch.equal(found, expected), part.name
    assert plain.demo_table.kinds["own"] == 80
    copied.sample(64)  # which brings over what has come since
    assert copied.table.device_copy.table.shape == plain.table.values.shape
