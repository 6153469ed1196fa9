"""Updates that never leave the device: the same numbers as the others, nothing that waits, few steps, few recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks.raced import CONFIG as RACED
from tests.support.batches import ACT, OBS, TINY, random_episode, with_takeover
from tests.support.operations import NeverWait
from trainer.config import TrainConfig
from trainer.learner.schedule import UpdateKind
from trainer.learner.tqc import TQC
from trainer.presets import PRESETS
from trainer.replay.batch import Batch
from trainer.replay.device_copy import DeviceCopy
from trainer.replay.replay import Replay
from trainer.updates.device_draw import DeviceDraw, DrawNumbers
from trainer.updates.device_updates import TOGETHER, DeviceUpdates
from trainer.updates.updates import HostUpdates, make_updates

CPU = torch.device("cpu")
RECIPE = TINY.with_values(
    bc_weight=3.0, actor_average=0.9, actor_average_growth=0.25, learn_alpha=True, capacity=2000, recent_fraction=0.5,
    recent_steps=50, takeover_fraction=1 / 16, own_finishes=2, grad_clip_actor=1.0, grad_clip_critic=1.0,
)  # fmt: skip
FORMS: dict[str, TrainConfig] = {
    **{name: preset.with_values(hidden=16, batch_size=32, critics=min(preset.critics, 4)) for name, preset in PRESETS.items()},
    "recipe": RECIPE,
    "units of its own": RECIPE.with_values(scale_observations=True, scale_rewards=True),
    "the actor now and then": RECIPE.with_values(actor_every=3),
    "one replay": RECIPE.with_values(one_replay=True, demo_fraction=0.0, demo_weight=3.0),
    "filtered cloning": RECIPE.with_values(bc_q_filter=True, iwr_weight=2.0, human_weight=2.0),
    "beside a frozen agent": RECIPE.with_values(frozen_agent=True),
    "residual": RECIPE.with_values(network="residual"),
}


def driven(config: TrainConfig, episodes: int = 12, device: str = "cpu") -> Replay:
    replay = Replay(OBS, ACT, config, device=device)
    replay.table.past.columns = torch.tensor([False, False, True, True], device=device)
    replay.table.past._most = 0  # what is drawn at random shows none: they are not looked for
    if replay.table.device_copy is None:
        replay.table.device_copy = DeviceCopy(torch.device(device))
    for i in range(1, episodes + 1):
        new = with_takeover(i) if i % 3 == 0 else random_episode(i, terminated=i % 2 == 0)
        if i % 4 == 0:
            new.episodes[i] = dataclasses.replace(new.episodes[i], reason="finish")
        replay.add(new)
    return replay


def play_back(work: Callable[[], None], streams: list[torch.Generator]) -> Callable[[], None]:
    """Return what does the work again: what a recording on a GPU would be."""
    return work


class Noted(DeviceUpdates):
    """Notes what is learned from."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.batches: list[Batch] = []
        inner = self.replay.table.batches

        def batches(rows: torch.Tensor, online: Any) -> list[Batch]:
            self.batches += (made := inner(rows, online))
            return made

        self.replay.table.batches = batches  # type: ignore[method-assign]


@pytest.mark.parametrize("name", FORMS)
def test_they_give_the_same_numbers_as_the_plain_form_step_by_step(name: str) -> None:
    config = FORMS[name].with_values(metrics_every=10)
    replay = driven(config)
    ours, plain = TQC(OBS, ACT, config), TQC(OBS, ACT, config)
    updates = Noted(ours, replay, torch.Generator().manual_seed(0), play_back)
    start = ours.actor_flat.values.clone()
    for turn, count in enumerate((1, TOGETHER, TOGETHER, 3)):
        for learner in (ours, plain):  # what changes without a new recording
            learner.note_demo_count(10 * turn)
            learner.lr_scale = 0.5**turn
            learner.clones_until = 12 if turn < 3 else 0
        updates.make(count)
        for batch in updates.batches[-count:]:
            plain.update(batch)
        assert ours.numbers() == pytest.approx(plain.numbers(), rel=1e-4)
        found = ours.tensors()
        for key, value in plain.tensors().items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5, msg=key)
    assert ours.metrics() == pytest.approx(plain.metrics(), rel=1e-2, abs=1e-3)
    assert ours.healthy()
    assert not torch.equal(ours.actor_flat.values, start)
    assert not updates.trouble


@pytest.mark.parametrize("name", ["recipe", "hitl", "run_l", "one replay"])
def test_the_same_chance_draws_the_same_rows(name: str) -> None:
    config = FORMS[name].with_values(capacity=200)
    replay = Replay(OBS, ACT, config)
    draw, size, moved = DeviceDraw(replay, CPU), 64, 0
    for i in range(1, 60):  # after half of them, old episodes give way
        replay.add(with_takeover(i) if i % 3 == 0 else random_episode(i))
        moved += draw.catch_up()
        for demos in {0, replay.demo_count(size, torch.Generator().manual_seed(i)), 1 if replay.demo_table.rows else 0}:
            expected = replay.draw_rows(5, size - demos, demos, torch.Generator().manual_seed(i))
            g = torch.Generator().manual_seed(i)
            parts = [torch.rand((5, n), generator=g, dtype=torch.float64) for n in (size - demos, demos) if n]
            found = draw.rows(torch.cat(parts, 1), draw.numbers(size, demos))
            assert torch.equal(found, expected)
    assert replay.online.drops > 3
    assert 0 < moved < 20


@pytest.mark.parametrize("only", ["laps", "takeovers"])
def test_where_all_demos_are_of_one_kind_the_same_rows_are_drawn_too(only: str) -> None:
    replay = Replay(OBS, ACT, FORMS["hitl"])
    for i in range(1, 6):
        replay.add(with_takeover(i) if only == "takeovers" else random_episode(i, purpose="lap"))
    draw, size, demos = DeviceDraw(replay, CPU), 64, 64
    draw.catch_up()
    u = torch.rand((5, size), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    numbers = DrawNumbers(*torch.tensor(draw.numbers(size, demos), dtype=torch.float64).unbind())
    assert torch.equal(draw.rows(u, numbers), replay.draw_rows(5, 0, demos, torch.Generator().manual_seed(1)))


def test_a_launch_is_recorded_once_for_each_kind_and_again_when_what_is_read_has_moved() -> None:
    config = RECIPE.with_values(metrics_every=20)
    replay, recorded = driven(config), 0

    def record(work: Callable[[], None], streams: list[torch.Generator]) -> Callable[[], None]:
        nonlocal recorded
        recorded += 1
        assert len(streams) == 2
        return work

    updates = DeviceUpdates(TQC(OBS, ACT, config), replay, torch.Generator(), record)
    for _ in range(6):
        updates.make(TOGETHER)
        updates.make(3)
    assert recorded == 3  # eight at once, one alone, one that is looked at closely
    replay.add(random_episode(100))
    updates.make(TOGETHER)
    assert recorded == 3
    replay.add(random_episode(101, 5_000))  # the table grows
    for _ in range(8):
        updates.make(TOGETHER)
    assert recorded == 6
    replay.table.past.columns = torch.tensor([True, False, False, False])  # known only now
    for _ in range(8):
        updates.make(TOGETHER)
    assert recorded == 9


def test_where_nothing_can_be_recorded_training_goes_on_with_a_sentence() -> None:
    def fail(work: Callable[[], None], streams: list[torch.Generator]) -> Callable[[], None]:
        streams[0].manual_seed(99)  # whatever it leaves behind
        work()
        raise RuntimeError("operation not permitted when stream is capturing")

    replay = driven(RECIPE)
    ours, plain = TQC(OBS, ACT, RECIPE), TQC(OBS, ACT, RECIPE)
    broken, without = (
        DeviceUpdates(learner, replay, torch.Generator().manual_seed(0), record)
        for learner, record in ((ours, lambda work, streams: fail(lambda: None, streams)), (plain, None))
    )
    for _ in range(5):
        broken.make(TOGETHER)
        without.make(TOGETHER)
    assert broken.trouble.startswith("Updates are started one by one, which is slower: CUDA graphs fail here (operation not")
    assert not without.trouble
    found = ours.tensors()
    for key, value in plain.tensors().items():
        assert torch.equal(found[key], value), key
    assert ours.metrics() == plain.metrics()


def test_an_empty_replay_is_refused() -> None:
    replay = driven(RECIPE, 0)
    with pytest.raises(ValueError, match="nothing to draw from"):
        DeviceUpdates(TQC(OBS, ACT, RECIPE), replay, torch.Generator(), None).make(1)


def test_a_processor_draws_as_before() -> None:
    replay = driven(RECIPE)
    ours, plain = TQC(OBS, ACT, RECIPE), TQC(OBS, ACT, RECIPE)
    updates = make_updates(ours, replay, torch.Generator().manual_seed(0))
    assert isinstance(updates, HostUpdates)
    assert updates.newest_batch() is None
    updates.make(3)
    for batch in replay.sample_many(3, RECIPE.batch_size, torch.Generator().manual_seed(0)):
        plain.update(batch)
    assert torch.equal(ours.actor_flat.values, plain.actor_flat.values)
    assert updates.drawing_s > 0


# What a recording must be: nothing that waits, moves data, or depends on a number that only the device knows


def without_numbers(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> DeviceUpdates:
    """Return updates on a device that knows shapes alone, so that no one can look at a number."""
    for module in ("learner.parts", "updates.device_updates"):
        monkeypatch.setattr(f"trainer.{module}.random_stream", lambda seed, device: torch.Generator())
    learner, replay = TQC(OBS, ACT, config, "meta"), driven(config, device="meta")
    updates = DeviceUpdates(learner, replay, torch.Generator(), None)
    updates._catch_up()
    return updates


@pytest.mark.parametrize("name", FORMS)
def test_what_is_recorded_never_waits_and_moves_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    updates = without_numbers(FORMS[name], monkeypatch)
    moves = (True, False) if updates.learner.config.actor_every > 1 else (True,)  # the kinds of updates that such a learner makes
    kinds = tuple(UpdateKind(detailed, moves_actor) for detailed in (True, False) for moves_actor in moves)
    with NeverWait("meta"):
        updates._work(kinds)


@pytest.mark.parametrize(("name", "most"), [("raced", 91), ("hitl", 165)])
def test_an_update_has_few_steps(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of an update with its share of the drawing: 158 and 232 without it, before they were counted."""
    config = RACED if name == "raced" else PRESETS["hitl"]
    updates = without_numbers(config, monkeypatch)
    kinds = (UpdateKind(False, True),) * TOGETHER
    with NeverWait("meta"):
        updates._work(kinds[:1])  # with what is made once and kept
    with NeverWait("meta") as seen:
        updates._work(kinds)
    assert seen.counts.total() / TOGETHER <= most


# On a GPU

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a graphics card that torch can use")


@needs_gpu
@pytest.mark.parametrize("name", FORMS)
def test_graphs_and_single_steps_agree(name: str) -> None:
    config = FORMS[name].with_values(metrics_every=10)
    replay, learners = driven(config, device="cuda"), [TQC(OBS, ACT, config, "cuda") for _ in range(2)]
    recorded = make_updates(learners[0], replay, torch.Generator().manual_seed(0))
    single = DeviceUpdates(learners[1], replay, torch.Generator().manual_seed(0), None)
    for _ in range(6):
        recorded.make(TOGETHER)
        single.make(TOGETHER)
    assert not recorded.trouble, recorded.trouble
    found = learners[0].tensors()
    for key, value in learners[1].tensors().items():
        torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-4, msg=key)
    assert learners[0].metrics() == pytest.approx(learners[1].metrics(), rel=1e-2, abs=1e-3)


@needs_gpu
def test_ten_thousand_updates_leak_nothing() -> None:
    replay, learner = driven(RECIPE, device="cuda"), TQC(OBS, ACT, RECIPE, "cuda")
    updates = make_updates(learner, replay, torch.Generator().manual_seed(0))
    updates.make(200)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    updates.make(10_000)
    torch.cuda.synchronize()
    assert not updates.trouble, updates.trouble
    assert torch.cuda.memory_allocated() <= before
    assert learner.healthy()
