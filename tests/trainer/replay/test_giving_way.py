"""What stays in the replay and what gives way: old episodes, demos, the agent's best finishes."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.reading.new_steps import NewSteps
from tests.support.batches import ACT, OBS, TINY, random_episode, with_takeover
from trainer.replay.halves.demos import OwnDrives
from trainer.replay.replay import Replay


def test_old_online_episodes_give_way_and_demos_stay() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(capacity=1000))
    replay.add(with_takeover(1))
    for i in range(2, 600):
        replay.add(random_episode(i, 40))
    assert replay.demo_rows == 10
    assert len(replay.table) < 20_000
    assert replay.online_steps == 599 * 40
    batch = replay.sample(4096, torch.Generator().manual_seed(0))
    seen = set(batch.observation[:, 0].int().tolist())
    assert 599 in seen
    assert 1 in seen
    assert 3 not in seen


def test_a_week_in_which_each_episode_has_a_takeover_stays_within_the_capacity() -> None:
    """Old episodes give way even when there are demos in them: of these only the demos stay, with what follows each."""
    replay = Replay(OBS, ACT, TINY.with_values(capacity=2000))
    for i in range(1, 400):
        replay.add(with_takeover(i))
    assert replay.demo_rows == 399 * 10
    assert len(replay.table) < 2000 + 399 * 14 + 3000
    drawn = replay.sample(8192, torch.Generator().manual_seed(0))
    online, demo = ~drawn.demo, drawn.demo
    assert set(drawn.observation[online, 0].int().tolist()) <= set(range(330, 400))
    assert len(set(drawn.observation[demo, 0].int().tolist())) > 380
    assert drawn.human[demo].all()
    # What follows is what really followed, in the same episode.
    assert torch.equal(drawn.next_observation[:, 0], drawn.observation[:, 0])
    ahead = drawn.next_observation[:, 1] - drawn.observation[:, 1]
    assert ((ahead >= 1) & (ahead <= TINY.n_step)).all()
    for kept in (1, 200):  # a label of an old one still finds its rows
        record = next(s for s in replay.demos.segments.values() if s.episode_id == kept)
        new = NewSteps.empty(OBS, ACT)
        new.segments[record.id] = dataclasses.replace(record, trim_start=3, trim_stop=1)
        replay.add(new)
    assert replay.demo_rows == 399 * 10 - 8
    new = NewSteps.empty(OBS, ACT)
    new.segments[record.id] = dataclasses.replace(record, verdict="bad")
    replay.add(new)
    assert replay.demo_rows == 398 * 10 - 4


def test_the_best_unaided_finishes_are_demos_that_are_cloned() -> None:
    def finished(id_: int, level: float, **how):
        new = random_episode(id_, **how)
        new.reward[:] = level
        new.episodes[id_] = dataclasses.replace(new.episodes[id_], reason="finish")
        return new

    driver = np.zeros(40, np.uint8)
    driver[5:8] = 1
    replay = Replay(OBS, ACT, TINY.with_values(own_finishes=2, lap_priority=2.0, demo_fraction=0.5))
    replay.add(random_episode(1, purpose="lap"))
    for new in (finished(2, 1.0), finished(3, 3.0), finished(4, 9.0, driver=driver), finished(5, 2.0)):
        replay.add(new)
    replay.add(random_episode(6))  # ends off the road
    replay.add(finished(7, 5.0, purpose="evaluation"))
    assert replay.demo_table.kinds["own"] == 80
    assert replay.human_rows == 40 + 3
    batch = replay.sample(4000, torch.Generator().manual_seed(0))
    from_own = batch.demo & ~batch.human
    assert set(batch.observation[from_own, 0].tolist()) == {3.0, 5.0}
    for id_, cloned in ((1, True), (2, False), (3, True), (5, True), (6, False)):
        of_it = batch.observation[:, 0] == id_
        assert bool((batch.cloned[of_it] == cloned).all()), id_
    assert torch.equal(batch.cloned[batch.observation[:, 0] == 4], batch.human[batch.observation[:, 0] == 4])
    shares = [int((batch.demo & (batch.observation[:, 0] == id_)).sum()) for id_ in (3, 5, 1)]
    assert shares[2] / shares[0] == pytest.approx(2.0, rel=0.2)
    assert shares[1] / shares[0] == pytest.approx(1.0, rel=0.2)


def test_until_the_first_finish_the_drives_that_came_farthest_are_held_on_to_but_for_their_end() -> None:
    def drive(id_: int, level: float, until: int, reason: str = "stalled", **how):
        new = random_episode(id_, 200, **how)
        new.reward[:] = -0.01
        new.reward[:until] = level
        new.episodes[id_] = dataclasses.replace(new.episodes[id_], reason=reason)
        return new

    driver = np.zeros(200, np.uint8)
    driver[5:8] = 1
    replay = Replay(OBS, ACT, TINY.with_values(own_finishes=2, own_prefixes=2, demo_fraction=0.5))
    for new in (
        drive(1, 1.0, 100), drive(2, 1.0, 120), drive(3, 1.0, 180), drive(4, 1.0, 190, driver=driver),
        drive(5, 1.0, 50), drive(6, 1.0, 190, purpose="evaluation"),
    ):  # fmt: skip
        replay.add(new)
    held = replay.table.seen(replay.draw_rows(1, 0, 4000, torch.Generator().manual_seed(0))[0])
    for id_, earned in ((2, 120), (3, 180)):  # the steps from the first to three seconds before the last that earned
        assert held[held[:, 0] == id_, 1].max() == earned - 1 - 60 - 1
    assert set(held[:, 0].tolist()) == {2.0, 3.0, 4.0}
    assert (held[held[:, 0] == 4, 1] < 8).all()  # what the human drove
    replay.add(drive(7, 1.0, 200, "finish"))
    held = replay.table.seen(replay.draw_rows(1, 0, 4000, torch.Generator().manual_seed(0))[0])
    assert set(held[:, 0].tolist()) == {4.0, 7.0}
    replay.add(drive(8, 1.0, 195))
    held = replay.table.seen(replay.draw_rows(1, 0, 4000, torch.Generator().manual_seed(0))[0])
    assert set(held[:, 0].tolist()) == {4.0, 7.0}


def test_own_finishes_stay_while_they_are_among_the_best_and_then_give_way() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(own_finishes=1, capacity=400))
    for id_ in range(1, 400):
        new = random_episode(id_)
        if id_ in (1, 200):
            new.reward[:] = float(id_)
            new.episodes[id_] = dataclasses.replace(new.episodes[id_], reason="finish")
        replay.add(new)
        if id_ == 150:
            drawn = replay.draw_rows(1, 0, 4000, torch.Generator().manual_seed(0))
            assert set(drawn.unique().tolist()) == set(replay._episodes[1].rows.tolist())
    assert replay.demo_table.kinds == {"own": 40}
    drawn = replay.table.seen(replay.draw_rows(1, 0, 200, torch.Generator().manual_seed(0))[0])
    assert set(drawn[:, 0].tolist()) == {200.0}
    assert 1 not in replay._episodes
    assert len(replay.table) < 2 * 16_384


@given(st.permutations(range(12)), st.integers(1, 5), st.sampled_from(["best", "newest"]))
def test_the_finishes_kept_do_not_depend_on_the_order_in_which_they_came(order: list[int], count: int, kept: str) -> None:
    best = OwnDrives(count, kept)
    for id_ in [*order, *order]:
        best.offer(id_, float(id_ // 2), "here" if id_ % 3 else "there")
    for track in ("here", "there"):
        of_it = [id_ for id_ in range(12) if ("here" if id_ % 3 else "there") == track]
        wanted = sorted(of_it, key=lambda id_: (-(id_ // 2), id_) if kept == "best" else -id_)[:count]
        assert [id_ for id_ in best if id_ in of_it] == wanted


def test_an_end_stays_learned_from_when_what_was_seen_after_it_has_given_way() -> None:
    config = TINY.with_values(capacity=100, demo_fraction=0.5)
    replay = Replay(OBS, ACT, config)
    new = with_takeover(1, 40, 30, 40)
    new.episodes[1] = dataclasses.replace(new.episodes[1], last_observation=None)
    replay.add(new)
    for id_ in range(2, 120):
        replay.add(random_episode(id_))
    assert replay.demo_rows == 10
    batch = replay.sample(64, torch.Generator().manual_seed(0))
    ends = batch.demo & (batch.observation[:, 1] >= 40 - TINY.n_step)
    assert ends.any()
    assert not batch.discount[ends].any()
