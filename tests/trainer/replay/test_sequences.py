"""What recurrent networks are given: sequences that really happened, and nothing else."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.reading.new_steps import NewSteps
from tests.support.batches import ACT, OBS, TINY, random_episode
from tests.support.examples import examples
from tests.trainer.replay.test_replay import expected, pieces, with_takeover
from trainer.replay.batch import Batch, Moments
from trainer.replay.replay import Replay

CONFIG = TINY.with_values(network="recurrent", sequence=4, burn_in=3, batch_size=32)


def past(sight: Moments, i: int) -> np.ndarray:
    """All that a network sees up to the i-th moment: (steps, O + A)."""
    s = sight.sequences
    t, k = divmod(int(sight.index[i]), s.steps.shape[1])
    return torch.cat((s.burn_in[: int(s.lengths[k]), k], s.steps[: t + 1, k])).numpy()


def check(batch: Batch, news: dict[int, NewSteps]) -> None:
    """Every moment's past is what happened, step by step, and so is what followed."""
    for i in range(len(batch)):
        for sight in (batch.observation, batch.next_observation):
            seen = past(sight, i)
            episode, times = int(seen[-1, 0]), seen[:, 1].astype(int)
            np.testing.assert_array_equal(sight.observation[i], seen[-1, :OBS])
            assert set(seen[:, 0]) == {episode}
            np.testing.assert_array_equal(np.diff(times), 1)
            new = news[episode]
            known = {int(t): k for k, t in enumerate(new.t)}
            for row, t in zip(seen, times, strict=True):
                before = new.executed[known[t - 1]] if t - 1 in known else np.zeros(ACT)
                np.testing.assert_array_equal(row[OBS:], before)
        np.testing.assert_array_equal(batch.pair.action[i], batch.action[i])


@settings(max_examples=examples(15), deadline=None)
@given(
    drivers=st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=25), min_size=1, max_size=6),
    terminated=st.booleans(),
    known_end=st.booleans(),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_every_step_has_its_own_past_and_its_own_return(
    drivers: list[list[int]], terminated: bool, known_end: bool, cuts: list[int]
) -> None:
    replay, news = Replay(OBS, ACT, CONFIG), {}
    for i, driver in enumerate(drivers, 1):
        new = random_episode(i, len(driver), driver=np.array(driver, np.uint8), terminated=terminated)
        if not known_end:
            new.episodes[i] = dataclasses.replace(new.episodes[i], last_observation=None)
        news[i] = new
    queues = [pieces(u, cuts) for u in news.values()]
    while any(queues):
        for queue in queues:
            if queue:
                replay.add(queue.pop(0))
    if not len(replay):
        with pytest.raises(ValueError, match="nothing to draw"):
            replay.sample(32)
        return
    batch = replay.sample(32, torch.Generator().manual_seed(1))
    assert len(batch) == 32
    check(batch, news)
    for i in range(len(batch)):
        e, t = int(batch.observation.observation[i, 0]), int(batch.observation.observation[i, 1])
        reward, discount, follower = expected(news[e], e, t)  # type: ignore[misc]
        assert float(batch.reward[i]) == pytest.approx(reward, rel=1e-5, abs=1e-5)
        assert float(batch.discount[i]) == pytest.approx(discount, rel=1e-5)
        np.testing.assert_allclose(batch.next_observation.observation[i], follower, rtol=1e-6)
        np.testing.assert_allclose(batch.action[i], news[e].executed[t])
        seen, learned = past(batch.observation, i), int(batch.observation.index[i]) // 8
        assert len(seen) == min(t + 1, learned + 1 + CONFIG.burn_in)  # all that there is, as far as it is to be seen


def test_half_of_the_sequences_hold_a_demo_step_and_the_ends_of_episodes_are_learned() -> None:
    replay = Replay(OBS, ACT, CONFIG)
    news = {1: random_episode(1), 2: with_takeover(2)}
    replay.add(news[1])
    assert not replay.sample(32).demo.any()
    replay.add(news[2])
    seen: dict[int, int] = {}
    for batch in replay.sample_many(100, 32, torch.Generator().manual_seed(0)):
        assert int(batch.demo.sum()) == 16
        rows = batch.observation.observation
        assert set(rows[batch.demo, 0].tolist()) == {2.0}
        assert {t // 4 for t in rows[batch.demo, 1].int().tolist()} & {2, 3, 4}
        for t in rows[~batch.demo & (rows[:, 0] == 1), 1].int().tolist():
            seen[t] = seen.get(t, 0) + 1
    middle = np.mean([seen[t] for t in range(8, 32)])
    assert min(seen[0], seen[39]) > 0.4 * middle  # drawn by its last step, the end would have a quarter
    assert replay.fractions()["demo"] == pytest.approx(100 * 16 / (101 * 32))


def test_few_demo_steps_are_not_worn_out_and_the_one_replay_keeps_its_share() -> None:
    replay = Replay(OBS, ACT, CONFIG.with_values(demo_copies=1.0))
    replay.add(with_takeover(1, 40, 10, 15))
    assert int(replay.sample(32).demo.sum()) == 4  # one sequence of four steps, for five demo steps
    one = CONFIG.with_values(one_replay=True, demo_fraction=0.0, batch_size=8)
    replay = Replay(OBS, ACT, one)
    replay.add(random_episode(1, 190))
    replay.add(random_episode(2, 10, purpose="lap"))
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        assert len(replay.sample(8, generator)) == 8
    assert replay.fractions()["demo"] == pytest.approx(0.05, abs=0.025)


def test_steps_that_may_not_be_drawn_are_seen_but_not_learned_from() -> None:
    replay = Replay(OBS, ACT, CONFIG.with_values(skip_before_takeover_s=0.2))
    new = with_takeover(1)
    lap = random_episode(2, purpose="lap")
    lap.segments = {2000: dataclasses.replace(lap.segments[2000], trim_start=10)}
    evaluation = random_episode(3, purpose="evaluation")
    news = {1: new, 2: lap, 3: evaluation}
    for u in news.values():
        replay.add(u)
    learned: set[tuple[int, int]] = set()
    remembered: set[tuple[int, int]] = set()
    for batch in replay.sample_many(30, 32, torch.Generator().manual_seed(0)):
        check(batch, news)
        learned |= {(int(e), int(t)) for e, t in batch.observation.observation[:, :2]}
        remembered |= {(int(e), int(t)) for i in range(len(batch)) for e, t in past(batch.observation, i)[:, :2]}
    assert learned == {(1, t) for t in range(40) if t not in (6, 7, 8, 9)} | {(2, t) for t in range(10, 40)}
    assert remembered >= {(1, 7), (2, 8)}  # they belong to the past of what is learned


def test_no_sequence_crosses_a_gap() -> None:
    new = random_episode(1)
    kept = np.flatnonzero((new.t < 10) | (new.t >= 15))
    names = [f.name for f in dataclasses.fields(new) if isinstance(getattr(new, f.name), np.ndarray)]
    new = dataclasses.replace(new, **{name: getattr(new, name)[kept] for name in names})
    new.episodes[1] = dataclasses.replace(new.episodes[1], length=len(kept))
    for parts in (pieces(new, []), pieces(new, [8, 10, 20])):
        replay = Replay(OBS, ACT, CONFIG)
        for part in parts:
            replay.add(part)
        batch = replay.sample_many(1, 300, torch.Generator().manual_seed(0))[0]
        check(batch, {1: new})
        assert 15 in batch.observation.observation[:, 1]


def test_rows_that_are_used_again_have_forgotten_whom_they_stood_beside() -> None:
    replay = Replay(OBS, ACT, CONFIG.with_values(capacity=300))
    news = {i: random_episode(i, 30 + i % 7) for i in range(1, 200)}
    for new in news.values():
        replay.add(new)
    for batch in replay.sample_many(20, 32, torch.Generator().manual_seed(0)):
        check(batch, news)
