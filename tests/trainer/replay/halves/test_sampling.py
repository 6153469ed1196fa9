"""The share of takeovers in a batch: by arithmetic, and by drawing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.batches import ACT, OBS, TINY, random_episode
from tests.support.examples import examples
from trainer.config import TrainConfig
from trainer.presets import PRESETS
from trainer.replay.halves.sampling import DemoTable, balanced, demo_count, takeover_floor
from trainer.replay.replay import Replay

HZ = 20
HITL = PRESETS["hitl"]


def table(lap_seconds: list[float], takeover_seconds: list[float], config: TrainConfig = HITL) -> DemoTable:
    """Demos of these lengths; rows of takeovers lie below a million."""
    parts, first = [], {"lap": 1_000_000, "takeover": 0}
    weights = {"lap": config.lap_priority, "takeover": config.takeover_priority}
    for kind, lengths in (("lap", lap_seconds), ("takeover", takeover_seconds)):
        for seconds in lengths:
            count = round(seconds * HZ)
            parts.append((kind, weights[kind], np.arange(first[kind], first[kind] + count)))
            first[kind] += count
    made = DemoTable()
    made.rebuild(parts)
    return made


def draws(demos: DemoTable, batches: int = 400, batch: int = 256, config: TrainConfig = HITL) -> np.ndarray:
    """Return (batches, demo rows of a batch) rows."""
    count = demo_count(config, 10_000, demos.rows, batch)
    floor = takeover_floor(config, demos.kinds.get("takeover", 0), count, batch)
    return demos.draw((batches, count), torch.Generator().manual_seed(0), floor).numpy()


@given(
    rows=st.dictionaries(st.sampled_from(["lap", "finish", "takeover"]), st.integers(1, 100_000), min_size=1),
    weights=st.lists(st.floats(0.01, 100.0), min_size=3, max_size=3),
    least=st.floats(0.0, 0.5),
)
def test_no_kind_drowns_another(rows: dict[str, int], weights: list[float], least: float) -> None:
    parts = [(kind, weight, np.arange(count)) for (kind, count), weight in zip(rows.items(), weights, strict=False)]
    after = {kind: weight * len(r) for kind, weight, r in balanced(parts, least)}
    before = {kind: weight * len(r) for kind, weight, r in parts}
    assert after.get("takeover") == before.get("takeover")
    whole = {kind: mass for kind, mass in after.items() if kind != "takeover"}
    if len(whole) == 2:
        assert min(whole.values()) >= least * sum(whole.values()) * (1 - 1e-9)
        if min(before[kind] for kind in whole) >= least * sum(before[kind] for kind in whole):
            assert after == before, "what has its share is left as it is"
    else:
        assert after == before


def test_ten_finishes_are_drawn_beside_two_hundred_laps() -> None:
    demos = DemoTable()
    parts = [("lap", 1.0, np.arange(300) + 300 * k) for k in range(200)]
    parts += [("finish", 1.0, np.arange(300) + 1_000_000 + 300 * k) for k in range(10)]
    demos.rebuild(balanced(parts, HITL.kind_fraction))
    share = (draws(demos) >= 1_000_000).mean()
    assert share == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("laps", "takeovers", "floor"),
    [([10.0], [], 8), ([], [10.0], 8), ([10.0], [10.0], 0), ([10.0], [10.0], 8), ([600.0], [1.0], 8), ([1.0], [600.0], 64)],
)
def test_the_share_of_takeovers_is_their_weight_or_the_floor(laps: list[float], takeovers: list[float], floor: int) -> None:
    demos, count = table(laps, takeovers), 64
    rows = demos.draw((4000, count), torch.Generator().manual_seed(0), floor) < 1_000_000
    weight = HITL.takeover_priority * sum(takeovers)
    by_weight = weight / (weight + HITL.lap_priority * sum(laps))
    assert float(rows.double().mean()) == pytest.approx(max(by_weight, floor / count if takeovers else 0.0), abs=0.005)
    if laps and takeovers:
        assert bool(rows[:, :floor].all())


def test_without_a_floor_twenty_laps_of_two_minutes_drown_a_takeover() -> None:
    demos, none = table([120.0] * 20, [3.0]), HITL.with_values(takeover_fraction=0.0)
    rows = draws(demos, config=none) < 1_000_000
    assert rows.sum(1).mean() == pytest.approx(128 * 2 * 60 / (20 * 2400 + 2 * 60), rel=0.3)  # a third of a row


@settings(max_examples=examples(30), deadline=None)
@given(
    laps=st.lists(st.floats(5.0, 600.0), min_size=1, max_size=40),
    takeovers=st.lists(st.floats(0.2, 10.0), min_size=1, max_size=8),
    batch=st.sampled_from([64, 256, 512]),
)
def test_every_batch_holds_its_share_of_takeovers(laps: list[float], takeovers: list[float], batch: int) -> None:
    demos = table(laps, takeovers)
    steps = demos.kinds["takeover"]
    rows = draws(demos, batches=20, batch=batch)
    share = (rows < 1_000_000).sum(1)
    assert rows.shape[1] == batch // 2
    assert share.min() >= min(batch // 16, steps)
    weights = np.array([HITL.lap_priority * demos.kinds["lap"], HITL.takeover_priority * steps])
    natural = batch / 2 * weights[1] / weights.sum()
    room = 5 * np.sqrt(batch / 2 / 4 / 20) + 0.02 * batch
    assert share.mean() == pytest.approx(max(natural, min(batch // 16, steps)), abs=room)


def test_a_batch_of_256_holds_sixteen_rows_beside_laps_of_hours() -> None:
    share = (draws(table([600.0] * 100, [3.0])) < 1_000_000).sum(1)
    assert share.min() == 16
    assert share.mean() == pytest.approx(16, abs=0.2)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0])
def test_a_short_takeover_is_not_drawn_in_many_copies(seconds: float) -> None:
    rows = draws(table([120.0] * 20, [seconds]))
    steps = round(seconds * HZ)
    copies = np.array([np.bincount(r[r < 1_000_000], minlength=steps) for r in rows])
    assert copies.mean() <= 1.01
    assert copies.max() <= 8  # by chance, in one of hundreds of batches


def test_where_takeovers_weigh_enough_nothing_changes_on_average() -> None:
    demos = table([15.0, 15.0], [6.0] * 3)  # two laps of 15 s, 18 s of takeover
    natural = 128 * 2 * 360 / (600 + 2 * 360)
    for fraction in (0.0, 1 / 16):
        rows = draws(demos, batches=1000, config=HITL.with_values(takeover_fraction=fraction))
        assert (rows < 1_000_000).sum(1).mean() == pytest.approx(natural, rel=0.02)
        assert len(np.unique(rows[rows < 1_000_000])) == 360  # every step of them
        assert len(np.unique(rows[rows >= 1_000_000])) == 600


def test_takeovers_that_do_not_count_have_no_share() -> None:
    replay = Replay(OBS, ACT, TINY)
    replay.add(random_episode(1, 400, purpose="lap"))
    new = random_episode(2, 40, driver=np.r_[np.zeros(10, np.uint8), np.ones(30, np.uint8)])
    (id_,) = new.segments
    new.segments[id_] = dataclasses.replace(new.segments[id_], verdict="bad")
    replay.add(new)
    batch = replay.sample(256, torch.Generator().manual_seed(0))
    assert set(batch.observation[batch.demo, 0].tolist()) == {1.0}


def test_sequences_hold_their_share_too() -> None:
    config = TINY.with_values(takeover_fraction=1 / 16, network="recurrent", rnn_size=8, sequence=20, burn_in=0, batch_size=256)
    replay = Replay(OBS, ACT, config)
    for id_ in range(1, 21):
        replay.add(random_episode(id_, 2400, purpose="lap"))
    replay.add(random_episode(21, 400, driver=np.r_[np.zeros(200, np.uint8), np.ones(60, np.uint8), np.zeros(140, np.uint8)]))
    for batch in replay.sample_many(30, 256, torch.Generator().manual_seed(0)):
        seen = batch.observation.observation[batch.demo]
        mine = (seen[:, 0] == 21) & (seen[:, 1] >= 200) & (seen[:, 1] < 260)
        assert bool((seen[:, 0] == 21).any())
        assert int(mine.sum()) >= 1


def test_one_replay_and_the_published_rule_are_as_they_were() -> None:
    assert PRESETS["rlpd"].takeover_fraction == 0.0
    assert takeover_floor(HITL, 0, 128, 256) == 0
    assert takeover_floor(HITL, 60, 0, 256) == 0
    assert takeover_floor(HITL, 5, 128, 256) == 5
    assert takeover_floor(HITL, 60, 128, 512) == 32
    assert takeover_floor(HITL, 60, 6, 12, length=20) == 1


def test_the_replay_keeps_the_shares_of_kinds() -> None:
    config = TINY.with_values(own_finishes=1, kind_fraction=0.25, takeover_fraction=0.0)
    replay = Replay(OBS, ACT, config)
    for k in range(40):
        replay.add(random_episode(k, 50, purpose="lap"))
    finish = random_episode(100, 50)
    finish.episodes[100] = dataclasses.replace(finish.episodes[100], reason="finish")
    replay.add(finish)
    rows = replay.draw_rows(200, 0, 64, torch.Generator().manual_seed(0)).numpy()
    assert (replay.table.driver[rows] != 1).mean() == pytest.approx(0.25, abs=0.02)


def test_a_failed_takeover_shows_nothing_of_the_time_in_which_the_car_stood() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(failed_takeovers=True, failed_cut_s=0.5))
    driver = np.zeros(100, np.uint8)
    driver[20:] = 1
    new = random_episode(1, 100, driver=driver)
    new.episodes[1] = dataclasses.replace(new.episodes[1], reason="stalled", stood=30)
    (number,) = new.segments
    new.segments[number] = dataclasses.replace(new.segments[number], outcome="failed", hz=20.0)
    replay.add(new)
    t = replay.table.t[replay.demo_table.slots.numpy()]
    assert (t.min(), t.max()) == (20, 100 - 30 - 10 - 1)


def test_what_was_kept_is_counted_with_the_laps() -> None:
    lap, kept, finishes = ("lap", 1.0, np.arange(100)), ("kept", 1.0, np.arange(20)), ("finish", 1.0, np.arange(2000))
    weights = {kind: weight for kind, weight, _ in balanced([lap, kept, finishes], 0.25)}
    assert weights["lap"] * 120 / (weights["lap"] * 120 + weights["finish"] * 2000) == pytest.approx(0.25)
    alone = {kind: weight for kind, weight, _ in balanced([lap, finishes], 0.25)}
    assert alone["lap"] * 100 / (alone["lap"] * 100 + alone["finish"] * 2000) == pytest.approx(0.25)
