import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.reading.new_steps import NewSteps
from data.records import SessionRecord
from tests.support.batches import ACT, OBS, TINY, random_episode, with_takeover
from tests.support.examples import examples
from trainer.config import TrainConfig
from trainer.replay.replay import Replay

GAMMA, N = TINY.gamma, TINY.n_step


def pieces(new: NewSteps, cuts: list[int]) -> list[NewSteps]:
    """Split an episode's steps as a follower would bring them; the episode's end comes with the last piece."""
    n = len(new)
    edges = sorted({0, n, *[c % (n + 1) for c in cuts]})
    arrays = [f.name for f in dataclasses.fields(new) if isinstance(getattr(new, f.name), np.ndarray)]
    result = []
    for a, b in itertools.pairwise(edges):
        part = dataclasses.replace(new, **{name: getattr(new, name)[a:b] for name in arrays})
        if b < n:
            part.segments = {}
            part.episodes = {
                k: dataclasses.replace(e, end=None, length=0, last_observation=None) for k, e in new.episodes.items()
            }
        result.append(part)
    return result


def expected(new: NewSteps, episode: int, t: int, to_end: int = 0) -> tuple[float, float, np.ndarray] | None:
    """The n-step return of one step, written as slowly and plainly as possible; of an agent's last ``to_end``, to the end."""
    record = new.episodes[episode]
    rows = np.flatnonzero(new.episode_id == episode)
    n = len(rows)
    total, discount = 0.0, 1.0
    for k in range(max(N, to_end) if t >= n - to_end and not new.driver[rows[t]] else N):
        j = t + k
        last = j == n - 1
        ended = bool(new.terminated[rows[j]])
        if last and record.last_observation is None and not ended:
            return None if k == 0 else (total, discount, new.observation[rows[j]])
        total += discount * new.reward[rows[j]]
        discount *= GAMMA
        follower = record.last_observation if last else new.observation[rows[j + 1]]
        if follower is None:  # nothing was seen after the end, and nothing is bootstrapped there: any observation will do
            follower = new.observation[rows[j]]
        if new.terminated[rows[j]]:
            return total, 0.0, follower
        if last or new.driver[rows[j]] != new.driver[rows[j + 1]]:
            return total, discount, follower
    return total, discount, follower


@settings(max_examples=examples(40), deadline=None)
@given(
    drivers=st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=25), min_size=1, max_size=6),
    terminated=st.booleans(),
    known_end=st.booleans(),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    stalled=st.integers(0, 12),
)
def test_no_wrong_successor_and_exact_returns(
    drivers: list[list[int]], terminated: bool, known_end: bool, cuts: list[int], stalled: int
) -> None:
    replay = Replay(OBS, ACT, TINY.with_values(stalled_steps=stalled))
    to_end = stalled if terminated else 0
    news = {}
    for i, driver in enumerate(drivers, 1):
        new = random_episode(i, len(driver), driver=np.array(driver, np.uint8), terminated=terminated)
        new.episodes[i] = dataclasses.replace(new.episodes[i], reason="stalled")
        if not known_end:
            new.episodes[i] = dataclasses.replace(new.episodes[i], last_observation=None)
        news[i] = new
    queues = [pieces(u, cuts) for u in news.values()]
    while any(queues):  # episodes of several writers come mixed
        for queue in queues:
            if queue:
                replay.add(queue.pop(0))
    usable = {(e, t) for e, u in news.items() for t in range(len(u)) if expected(u, e, t) is not None}
    human = {(e, t) for e, t in usable if drivers[e - 1][t]}
    assert replay.online_rows == len(usable)
    assert replay.demo_rows == len(human)
    if not usable:
        with pytest.raises(ValueError, match="nothing to draw"):
            replay.sample(4)
        return
    g = torch.Generator().manual_seed(1)
    batch = replay.sample(256, g)
    drawn = [(int(e), int(t)) for e, t in batch.observation[:, :2].tolist()]
    assert set(itertools.compress(drawn, batch.demo)) <= human
    assert set(drawn) <= usable
    wanted = {(e, t): expected(news[e], e, t, to_end) for e, t in set(drawn)}
    reward, discount, follower = (np.array(part) for part in zip(*(wanted[key] for key in drawn), strict=True))
    np.testing.assert_allclose(batch.reward, reward, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(batch.discount, discount, rtol=1e-5)
    np.testing.assert_allclose(batch.next_observation, follower, rtol=1e-6)
    np.testing.assert_allclose(batch.action, np.array([news[e].executed[t] for e, t in drawn]))
    np.testing.assert_allclose(batch.proposed, np.array([news[e].proposed[t] for e, t in drawn]))
    assert batch.human.tolist() == [bool(drivers[e - 1][t]) for e, t in drawn]
    if human:
        assert int(batch.demo.sum()) == min(128, int(TINY.demo_copies * len(human)))
    else:
        assert not batch.demo.any()


def test_returns_span_the_same_time_at_every_rate() -> None:
    """Also where games of two rates lie in one store."""
    config = TrainConfig(takeover_min_s=0.0)
    replay = Replay(OBS, ACT, config)
    rates = {1: 20.0, 2: 60.0, 3: 10.0}
    news = []
    for id_, hz in rates.items():
        new = random_episode(id_)
        new.episodes[id_] = dataclasses.replace(new.episodes[id_], session_id=id_)
        new.sessions[id_] = SessionRecord(id_, "play", "box2d", "default", hz, (), (), "", "ended")
        news.append(pieces(new, [20]))
    for new in [part for parts in zip(*news, strict=True) for part in parts]:  # all three are driven at once
        replay.add(new)
    assert replay.rates == set(rates.values())
    batch = replay.sample(512, torch.Generator().manual_seed(1))
    for id_, steps in ((1, 3), (2, 9), (3, 2)):
        gamma = config.times(rates[id_]).gamma
        inside = (batch.observation[:, 0] == id_) & (batch.observation[:, 1] < 40 - steps)
        assert inside.any()
        np.testing.assert_allclose(batch.discount[inside], gamma**steps, rtol=1e-6)
        np.testing.assert_allclose(batch.next_observation[inside, 1], batch.observation[inside, 1] + steps)


@settings(max_examples=examples(60), deadline=None)
@given(
    driver=st.lists(st.integers(0, 1), min_size=1, max_size=25),
    bad=st.sets(st.integers(0, 24)),
    terminated=st.booleans(),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    recurrent=st.booleans(),
)
def test_nothing_crosses_a_step_that_was_left_out(
    driver: list[int], bad: set[int], terminated: bool, cuts: list[int], recurrent: bool
) -> None:
    """Neither a transition, nor an n-step return, nor a sequence, wherever in the episode it lies: also at its very end."""
    n = len(driver)
    replay = Replay(OBS, ACT, TINY.with_values(network="recurrent", sequence=4, burn_in=2) if recurrent else TINY)
    new = random_episode(1, n, driver=np.array(driver, np.uint8), terminated=terminated)
    for part in pieces(new, cuts):
        good = np.array([int(t) not in bad for t in part.t], bool)
        part.unusable = {1: part.t[~good].tolist()} if not good.all() else {}
        arrays = [f.name for f in dataclasses.fields(part) if isinstance(getattr(part, f.name), np.ndarray)]
        replay.add(dataclasses.replace(part, **{name: getattr(part, name)[good] for name in arrays}))
    known = {t for t in range(n) if t not in bad and (t == n - 1 or t + 1 not in bad)}
    table = replay.table
    rows = replay.online.rows
    assert {int(t) for t in table.t[rows]} == known
    for row in rows.tolist():
        t, follower = int(table.t[row]), int(table.next[row])
        k = int(table.array[follower, 1]) if not recurrent else None  # observations tell (episode, t)
        if k is not None:
            assert t < k <= min(n, t + N)
            assert not bad & set(range(t, min(k, n - 1) + 1)) or (k == n and not bad & set(range(t, n)))
            total = sum(GAMMA**i * new.reward[t + i] for i in range(k - t))
            assert float(table.array[row, table.columns.reward]) == pytest.approx(total, rel=1e-4, abs=1e-4)
    if replay.chains is not None:
        for row in rows.tolist():
            around = replay.chains.around(np.array([row]), 6, 6)[:, 0]
            times = [int(table.t[r]) for r in around if r >= 0 and replay.chains.step[r]]
            assert times == list(range(times[0], times[0] + len(times)))


def test_every_mini_batch_is_half_and_half_and_an_early_batch_all_online() -> None:
    replay = Replay(OBS, ACT, TINY)
    replay.add(random_episode(1))
    assert not replay.sample(32).demo.any()
    replay.add(with_takeover(2))
    for batch in replay.sample_many(5, 32):
        assert int(batch.demo.sum()) == 16
        assert bool(batch.human[batch.demo].all())
    assert replay.fractions()["demo"] == pytest.approx(80 / (32 * 6))


def test_takeovers_are_not_drowned_by_laps() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(takeover_priority=4.0))
    replay.add(random_episode(1, 400, purpose="lap"))
    replay.add(with_takeover(2, 40, 0, 40))
    batch = replay.sample_many(1, 20_000, torch.Generator().manual_seed(0))[0]
    demo = batch.observation[batch.demo, 0]
    # 4 x 40 against 1 x 400 by weight times length
    share = float((demo == 2).float().mean())
    assert share == pytest.approx(160 / 560, abs=0.06)  # demo_copies holds the demo part to 1760 rows
    assert replay.online_rows == 40  # laps are no online steps
    assert replay.online_steps == 40


def test_verdicts_trims_and_outcomes_take_effect() -> None:
    replay = Replay(OBS, ACT, TINY)
    new = with_takeover(1)
    replay.add(new)
    assert replay.demo_rows == 10
    (segment,) = new.segments.values()

    def relabel(**values: object) -> int:
        change = NewSteps.empty(OBS, ACT)
        change.segments[segment.id] = dataclasses.replace(segment, **values)
        replay.add(change)
        return replay.demo_rows

    assert relabel(verdict="bad") == 0
    assert relabel(trim_start=2, trim_stop=3) == 5
    assert relabel(outcome="failed") == 0
    assert relabel(outcome="failed", verdict="star") == 10
    assert relabel(closed=False, stop=segment.start) == 0
    assert relabel(priority=0.0) == 0
    assert relabel() == 10


def test_handover_cost_and_the_moment_before() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(handover_cost=5.0, n_step=1, demo_fraction=0.0))
    new = with_takeover(1)
    replay.add(new)
    batch = replay.sample(2000, torch.Generator().manual_seed(0))
    at = batch.observation[:, 1] == 9
    assert bool(at.any())
    assert bool((batch.before_takeover == at).all())
    assert float(batch.reward[at][0]) == pytest.approx(float(new.reward[9]) - 5.0)
    other = batch.observation[:, 1] == 30
    assert float(batch.reward[other][0]) == pytest.approx(float(new.reward[30]))


@pytest.mark.parametrize("cuts", [[], [5, 9, 10, 11, 19, 21, 25, 33]])
def test_the_moments_before_a_takeover_can_be_left_out(cuts: list[int]) -> None:
    replay = Replay(OBS, ACT, TINY.with_values(skip_before_takeover_s=0.2, demo_fraction=0.0))  # 4 steps at 20 Hz
    for part in pieces(with_takeover(1), cuts):
        replay.add(part)
    batch = replay.sample(4000, torch.Generator().manual_seed(0))
    assert set(batch.observation[:, 1].int().tolist()) == set(range(40)) - {6, 7, 8, 9}


def test_one_replay_weighs_demos_by_their_number() -> None:
    config = TINY.with_values(one_replay=True, demo_fraction=0.0, demo_weight=3.0)
    replay = Replay(OBS, ACT, config)
    replay.add(random_episode(1, 100, purpose="lap"))
    replay.add(random_episode(2, 300))
    drawn = [int(b.demo.sum()) for b in replay.sample_many(1, 1000, torch.Generator().manual_seed(0))]
    assert drawn[0] == pytest.approx(500, abs=1)  # the weight has hardly fallen yet


def test_evaluations_are_not_learned_from() -> None:
    replay = Replay(OBS, ACT, TINY)
    replay.add(random_episode(1, purpose="evaluation"))
    assert (replay.online_rows, replay.online_steps) == (0, 0)


def test_failed_takeovers_are_demos_when_asked_but_for_their_end() -> None:
    for wanted, cut, rows in ((False, 0.0, 0), (True, 0.0, 10), (True, 0.2, 6), (True, 0.25, 5), (True, 3.0, 5)):
        replay = Replay(OBS, ACT, TINY.with_values(failed_takeovers=wanted, failed_cut_s=cut))
        new = with_takeover(1)
        new.segments = {k: dataclasses.replace(s, outcome="failed") for k, s in new.segments.items()}
        replay.add(new)
        assert replay.demo_rows == rows
        assert sorted(replay.table.t[replay.demo_table.slots].tolist()) == list(range(10, 10 + rows))


def test_takeovers_may_be_kept_out_of_the_online_half() -> None:
    for both in (False, True):
        replay = Replay(OBS, ACT, TINY.with_values(takeovers_online=both))
        replay.add(with_takeover(1))
        assert replay.online_rows == (40 if both else 30)
        assert replay.demo_rows == 10
        assert replay.online_steps == 40  # the update ratio counts all that was driven
        batch = replay.sample(512, torch.Generator().manual_seed(0))
        assert bool(batch.human[~batch.demo].any()) == both


def test_a_share_of_the_online_half_comes_from_the_newest_steps() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(recent_fraction=0.25, recent_steps=40))
    for id_ in range(1, 6):
        replay.add(random_episode(id_))
    newest = [
        int((b.observation[:, 0] == 5).sum()) for b in replay.sample_many(50, 200, torch.Generator().manual_seed(0))
    ]
    assert sum(newest) / 50 == pytest.approx(50 + 150 / 5, rel=0.05)
    assert min(newest) >= 50


def test_some_drives_are_newest_however_long_they_are() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(recent_fraction=1.0, recent_steps=40, recent_drives=2, n_step=1))
    for id_, steps in enumerate((300, 10, 200, 90), 1):
        replay.add(random_episode(id_, steps))
    replay.add(random_episode(5, 50, purpose="lap"))
    (batch,) = replay.sample_many(1, 2000, torch.Generator().manual_seed(0))
    online = batch.observation[~batch.demo, 0]
    assert sorted(set(online.tolist())) == [3.0, 4.0]
    assert float((online == 3).float().mean()) == pytest.approx(200 / 290, abs=0.1)
    replay.add(random_episode(6, 20))
    replay.add(random_episode(7, 10))
    assert replay._newest_steps() == 40, "never fewer"


def test_returns_may_run_on_over_a_change_of_driver() -> None:
    new = with_takeover(1)  # the human drives from step 10 on
    for stops, reward in (
        (True, new.reward[9]),
        (False, new.reward[9] + GAMMA * new.reward[10] + GAMMA**2 * new.reward[11]),
    ):
        replay = Replay(OBS, ACT, TINY.with_values(stop_at_driver_change=stops, demo_fraction=0.0))
        replay.add(new)
        batch = replay.sample(2000, torch.Generator().manual_seed(0))
        at = batch.observation[:, 1] == 9
        assert float(batch.reward[at][0]) == pytest.approx(float(reward), rel=1e-5)


def test_only_where_the_car_stood_do_returns_go_on_to_the_end() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(stalled_steps=10, demo_fraction=0.0))
    ends = (("stalled", None), ("off_road", None), ("finish", None), ("stalled", 40), ("stalled", 5), ("stalled", 0))
    for id_, (reason, stood) in enumerate(ends, 1):
        new = random_episode(id_)
        new.episodes[id_] = dataclasses.replace(new.episodes[id_], reason=reason, stood=stood)
        replay.add(new)
    batch = replay.sample(8000, torch.Generator().manual_seed(0))
    final = batch.discount == 0
    for id_, first in ((1, 30), (2, 40 - N), (3, 40 - N), (4, 30), (5, 35), (6, 40 - N)):
        of_it = batch.observation[:, 0] == id_
        assert set(batch.observation[of_it & final, 1].tolist()) == set(range(first, 40))


def test_an_end_that_was_called_stalled_but_truncated_is_bootstrapped_as_ever() -> None:
    replay = Replay(OBS, ACT, TINY.with_values(stalled_steps=10, demo_fraction=0.0))
    new = random_episode(1, terminated=False)
    new.episodes[1] = dataclasses.replace(new.episodes[1], reason="stalled")
    replay.add(new)
    batch = replay.sample(2000, torch.Generator().manual_seed(0))
    assert float(batch.discount.min()) == pytest.approx(GAMMA**N)


def test_what_was_seen_at_an_end_does_not_follow_a_step_of_the_middle() -> None:
    new = random_episode(1)  # 40 steps were driven; of a pruned episode only a stretch is stored
    names = [f.name for f in dataclasses.fields(new) if isinstance(getattr(new, f.name), np.ndarray)]
    new = dataclasses.replace(new, **{name: getattr(new, name)[10:20] for name in names})
    new.episodes[1] = dataclasses.replace(new.episodes[1], length=10, driven=40)
    replay = Replay(OBS, ACT, TINY.with_values(demo_fraction=0.0))
    replay.add(new)
    batch = replay.sample(1000, torch.Generator().manual_seed(0))
    assert set(batch.observation[:, 1].tolist()) == set(range(10, 19))  # what followed step 19 is not known
    assert float(batch.next_observation[:, 1].max()) == 19


def test_an_episode_of_another_layout_that_is_still_driven_does_no_harm() -> None:
    replay = Replay(OBS, ACT, TINY)
    other = random_episode(7)
    record = dataclasses.replace(other.episodes[7], last_observation=np.zeros(OBS + 3, np.float32))
    new = NewSteps.empty(OBS, ACT)  # its steps were left out before
    new.episodes, new.sessions = {7: record}, other.sessions
    replay.add(new)
    replay.add(random_episode(8))
    assert replay.online_rows == 40
