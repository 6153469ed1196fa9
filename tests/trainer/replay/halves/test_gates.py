"""Beside a frozen agent this one drives around the human's takeovers, and nowhere else."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.records import HUMAN
from tests.support.batches import ACT, OBS, TINY, with_takeover
from tests.trainer.replay.test_replay import pieces
from trainer.learner.teaching import Teaching
from trainer.learner.tqc import TQC
from trainer.replay.replay import Replay
from trainer.updates.update_budget import LapsFirst, UpdateBudget

CONFIG = TINY.with_values(frozen_agent=True, frozen_before_s=0.2, frozen_after_s=0.1, bc_weight=1.0, n_step=1)


def driven(id_, start, stop, *, from_m=0.0, by_m=2.0, **changes):
    """An episode of forty steps, two metres each, with a takeover."""
    new = with_takeover(id_, 40, start, stop)
    new = dataclasses.replace(new, progress=(from_m + by_m * np.arange(40)).astype(np.float32))
    for number, segment in new.segments.items():
        new.segments[number] = dataclasses.replace(segment, **changes)
    return new


def marked(replay):
    """Where the human helped and what is cloned, by episode and step."""
    table, found = replay.table, {}
    flags = [table.columns.helped, table.columns.cloned]
    for id_, episode in replay._episodes.items():
        for row in episode.rows:
            found[id_, int(table.t[row])] = tuple(map(bool, table.array[row, flags]))
    return found


def test_a_zone_reaches_from_before_a_takeover_to_after_it_in_every_drive():
    replay = Replay(OBS, ACT, CONFIG)
    replay.add(driven(1, 39, 40, verdict="bad"))  # no takeover that counts
    assert replay.demos.gates.zones == {}
    assert {helped for helped, _ in marked(replay).values()} == {False}
    assert all(cloned for (_, t), (_, cloned) in marked(replay).items() if t < 39), "the frozen agent is copied everywhere"
    replay.add(driven(2, 10, 20))
    (zone,) = replay.demos.gates.zones[""]
    assert zone == (12.0, 42.0)  # four steps before the tenth, two after the nineteenth
    for (id_, t), (helped, cloned) in marked(replay).items():
        assert helped == (6 <= t <= 21)
        human = id_ == 2 and 10 <= t < 20
        bad = (id_, t) == (1, 39)
        assert cloned == (human or not (helped or bad))


def test_takeovers_of_one_place_are_one_zone_and_of_two_places_two():
    replay = Replay(OBS, ACT, CONFIG)
    replay.add(driven(1, 10, 20))
    replay.add(driven(2, 14, 24))
    replay.add(driven(3, 10, 20, from_m=1000.0))
    assert replay.demos.gates.zones[""] == [(12.0, 50.0), (1012.0, 1042.0)]
    numbers = [n for n, s in replay.demos.segments.items() if s.episode_id == 2]
    segment = dataclasses.replace(replay.demos.segments[numbers[0]], verdict="bad")
    new = driven(4, 39, 40, verdict="bad")
    new.segments[segment.id] = segment
    replay.add(new)
    assert replay.demos.gates.zones[""] == [(12.0, 42.0), (1012.0, 1042.0)]


def test_what_follows_a_takeover_makes_its_zone_longer_when_it_comes():
    whole = driven(1, 10, 20)
    live, later = Replay(OBS, ACT, CONFIG), Replay(OBS, ACT, CONFIG)
    later.add(whole)
    first, second = pieces(whole, [20])
    live.add(dataclasses.replace(first, segments=whole.segments))  # it ends with the takeover
    assert live.demos.gates.zones[""] == [(12.0, 38.0)]
    live.add(second)
    assert live.demos.gates.zones == later.demos.gates.zones == {"": [(12.0, 42.0)]}
    assert marked(live) == marked(later)


def test_a_takeover_that_begins_its_episode_reaches_back_all_the_same():
    replay = Replay(OBS, ACT, CONFIG)
    replay.add(driven(1, 0, 10, from_m=50.0))
    assert replay.demos.gates.zones[""] == [(42.0, 72.0)]  # four steps of two metres before it


def test_of_an_old_drive_what_is_around_its_takeover_stays():
    config = CONFIG.with_values(capacity=200)
    replay = Replay(OBS, ACT, config)
    replay.add(driven(1, 10, 20))
    for id_ in range(2, 40):
        replay.add(driven(id_, 0, 1, from_m=500.0))
    assert replay.demos.gates.zones[""][0] == (12.0, 42.0)
    table = replay.table
    assert {6, 9, 20, 21} <= {int(t) for t in table.t[replay._episodes[1].rows]}


UNKNOWN = pytest.mark.parametrize("no_metres", [{"by_m": np.nan}, {"by_m": 0.0, "roadless": True}], ids=["not a number", "0"])
"""What stands where there is no road: nothing in arrays of one's own, and 0 in what is recorded of a Gymnasium game."""


@UNKNOWN
def test_without_progress_all_is_one_zone_once_there_was_help(no_metres):
    replay = Replay(OBS, ACT, CONFIG)
    replay.add(driven(1, 39, 40, **no_metres))
    replay.add(driven(2, 10, 20, **no_metres))
    assert replay.demos.gates.zones[""] == [(-math.inf, math.inf)]
    assert all(helped for helped, _ in marked(replay).values())


def test_batches_say_where_it_drives_and_what_was_done_next():
    replay = Replay(OBS, ACT, CONFIG)
    replay.add(driven(1, 10, 20))
    for batch in replay.sample_many(2, 64, torch.Generator().manual_seed(0)):
        t = batch.observation[:, 1].int()
        assert torch.equal(batch.helped, (t >= 6) & (t <= 21))
        ends = batch.discount == 0
        assert torch.equal(batch.next_helped[~ends], ((t + 1 >= 6) & (t + 1 <= 21))[~ends])
        table = replay.table
        rows = {int(table.t[row]): row for row in replay._episodes[1].rows}
        for now, action, ended in zip(t.tolist(), batch.next_action, ends, strict=True):
            if not ended:
                assert torch.equal(action, table.executed(torch.tensor([rows[now + 1]]))[0])
    plain = Replay(OBS, ACT, TINY)
    plain.add(driven(1, 10, 20))
    assert plain.sample(8).helped is None


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30), st.integers(2, 9)), min_size=1, max_size=6))
def test_zones_are_apart_and_hold_every_takeover(takeovers):
    replay = Replay(OBS, ACT, CONFIG)
    for id_, (metre, start, length) in enumerate(takeovers, 1):
        replay.add(driven(id_, start, start + length, from_m=float(metre)))
    zones = replay.demos.gates.zones[""]
    assert all(low <= high for low, high in zones)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(zones))
    table = replay.table
    for episode in replay._episodes.values():
        human = episode.rows[table.driver[episode.rows] == HUMAN]
        assert (table.array[human, table.columns.helped] == 1).all()


@pytest.mark.parametrize("config", [TINY, CONFIG])
def test_old_rows_give_way_with_a_frozen_agent_too(config):
    replay = Replay(OBS, ACT, config.with_values(capacity=300))
    for id_ in range(1, 30):
        replay.add(driven(id_, 10, 20) if id_ % 5 == 0 else driven(id_, 0, 1))
    assert replay.sample(32, torch.Generator().manual_seed(0)).reward.isfinite().all()


# An agent that teaches

TAUGHT = CONFIG.with_values(frozen_teaches=True)


def lesson(seen, executed):
    """What the agent that teaches would do, known by the step's number (the observation's second)."""
    return np.stack((seen[:, 1] / 100, np.full(len(seen), -0.25)), 1).astype(np.float32)


def taught():
    return Replay(OBS, ACT, TAUGHT, teacher=lesson)


def unhelped(id_, **changes):
    """A drive of the agent alone."""
    new = driven(id_, 39, 40, **changes)
    new.driver[:] = 0
    new.segments.clear()
    return new


def test_the_agent_that_teaches_is_cloned_wherever_the_human_did_not_help():
    replay = taught()
    replay.add(driven(1, 10, 20))
    table, rows = replay.table, replay._episodes[1].rows
    t, human = table.t[rows], table.driver[rows] == HUMAN
    answer, cloned = table.array[rows, table.columns.answer], table.array[rows, table.columns.cloned] > 0.5
    inside = (t >= 6) & (t <= 21)
    assert np.array_equal(cloned, (human | ~inside) & (table.next[rows] >= 0))
    assert np.array_equal(answer[cloned & ~inside], lesson(table.array[rows], None)[cloned & ~inside])
    assert np.array_equal(answer[human], table.array[rows, table.columns.action][human])
    number = next(iter(replay.demos.segments))
    new = driven(2, 39, 40, verdict="bad")
    new.segments[number] = dataclasses.replace(replay.demos.segments[number], verdict="bad")
    replay.add(new)
    answer, cloned = table.array[rows, table.columns.answer], table.array[rows, table.columns.cloned] > 0.5
    assert np.array_equal(answer[cloned], lesson(table.array[rows], None)[cloned]), "a bad takeover is no answer"
    assert cloned.sum() == len(rows) - (table.next[rows] < 0).sum()


def test_it_is_asked_once_a_drive_is_over_and_about_all_of_it():
    asked = []
    replay = Replay(OBS, ACT, TAUGHT, teacher=lambda seen, did: asked.append(len(seen)) or lesson(seen, did))
    first, second = pieces(driven(1, 39, 40, verdict="bad"), [20])
    replay.add(first)
    assert asked == []
    assert not any(cloned for _, cloned in marked(replay).values())
    replay.add(second)
    replay.add(driven(2, 10, 20))
    assert asked == [40, 40]


def test_of_five_of_its_drives_one_is_not_learned_from():
    replay = taught()
    for id_ in range(1, 11):
        replay.add(unhelped(id_))
    cloned = {id_ for (id_, _), (_, yes) in marked(replay).items() if yes}
    assert cloned == {1, 2, 3, 4, 6, 7, 8, 9}
    seen, theirs = replay.held_out_drives()
    assert len(seen) == 80
    assert np.array_equal(theirs.numpy(), lesson(seen.numpy(), None))


def test_a_game_of_gymnasium_that_tells_metres_has_zones():
    replay = Replay(OBS, ACT, CONFIG)
    replay.add(driven(1, 10, 20, roadless=True))
    assert replay.demos.gates.zones[""] == [(12.0, 42.0)]


@UNKNOWN
@pytest.mark.parametrize("help_comes", [0, 3, 7], ids=["first", "between", "last"])
def test_without_a_road_it_is_cloned_in_all_that_the_human_did_not_drive(help_comes, no_metres):
    replay = taught()
    for id_ in range(1, 8):
        if id_ == help_comes + 1:
            replay.add(driven(20, 10, 20, **no_metres))
        replay.add(unhelped(id_, **no_metres))
    if help_comes == 7:
        replay.add(driven(20, 10, 20, **no_metres))
    table = replay.table
    for (id_, t), (found, cloned) in marked(replay).items():
        helped = id_ == 20 and 10 <= t < 20
        assert found == helped
        assert cloned == (id_ != 5), (id_, t)
    rows = replay._episodes[20].rows
    t, answer = table.t[rows], table.array[rows, table.columns.answer]
    theirs = lesson(table.array[rows], None)
    human = (t >= 10) & (t < 20)
    assert np.array_equal(answer[~human], theirs[~human])
    assert np.array_equal(answer[human], table.array[rows, table.columns.action][human])
    seen, _ = replay.held_out_drives()
    assert len(seen) == 40, "how near ours is to it is known all the same"
    number = next(iter(replay.demos.segments))
    new = unhelped(30, **no_metres)
    new.segments[number] = dataclasses.replace(replay.demos.segments[number], verdict="bad")
    replay.add(new)
    assert not any(helped for helped, _ in marked(replay).values())
    assert np.array_equal(table.array[rows, table.columns.answer], theirs), "a bad takeover is no answer"


def test_of_one_that_only_drives_where_it_was_helped_the_other_drives_have_to_do():
    replay = taught()
    replay.add(driven(20, 0, 10))
    for id_ in range(1, 5):
        replay.add(unhelped(id_, by_m=0.0))  # it stands at the start
    assert replay.held_out_drives() is None
    replay.add(unhelped(5, by_m=0.0))
    seen, theirs = replay.held_out_drives()
    assert sorted(seen[:, 1].int().tolist()) == list(range(12, 40)), "behind the takeover and its zone"
    assert np.array_equal(theirs.numpy(), lesson(seen.numpy(), None))


def test_a_finish_that_is_held_out_is_not_cloned_either():
    replay = Replay(OBS, ACT, TAUGHT.with_values(own_finishes=10), teacher=lesson)
    for id_ in range(1, 6):
        new = unhelped(id_)
        for number, record in new.episodes.items():
            new.episodes[number] = dataclasses.replace(record, reason="finish")
        replay.add(new)
    assert 5 in replay.demos.finishes
    assert {id_ for (id_, _), (_, yes) in marked(replay).items() if yes} == {1, 2, 3, 4}


def test_it_drives_everywhere_or_nowhere():
    replay = taught()
    replay.add(driven(1, 10, 20))
    gates = replay.demos.gates
    assert gates.driven("") == []
    gates.everywhere = True
    assert gates.driven("") == [(-math.inf, math.inf)]
    assert gates.zones[""] == [(12.0, 42.0)], "where the human helped is known all the same"


def test_a_run_that_went_back_to_before_it_was_taught_does_not_drive():
    replay, learner = taught(), TQC(OBS, ACT, TAUGHT)
    teaching = Teaching(learner, replay)
    learner.drive_everywhere()
    assert not teaching.try_to_end()
    assert replay.demos.gates.driven("") == [(-math.inf, math.inf)]
    learner.drives_everywhere = False
    assert not teaching.try_to_end()
    assert replay.demos.gates.driven("") == []


@pytest.mark.parametrize("version", ["this", "earlier"])
def test_a_lap_does_not_silence_what_drives_everywhere(version):
    """Neither at once, nor where the run goes on from the checkpoint of that moment, nor in a run that begins with it."""
    replay, learner = taught(), TQC(OBS, ACT, TAUGHT)
    learner.updates = 500
    learner.drive_everywhere()
    assert learner.q_weight == 0.0, "from now on it grows"
    learner.clone_first(100)
    budget = UpdateBudget(1.0, lap_utd=0.5)
    assert not LapsFirst(learner, replay, budget).active
    learner.updates = 500 + TAUGHT.q_warmup_updates // 2
    grown = TAUGHT.q_after_laps / 2
    assert learner.q_weight == pytest.approx(grown)
    numbers = learner.numbers() | {"updates": 500}
    if version == "earlier":
        del numbers["q_grows_from"]
        numbers["clones_until"] = 500
    again = TQC(OBS, ACT, TAUGHT)
    again.load(learner.tensors(), numbers)
    again.drives_everywhere = False  # as in a run with another agent that begins with it
    again.clone_first(100)
    assert not LapsFirst(again, replay, budget).active
    again.updates = learner.updates
    assert again.q_weight == pytest.approx(grown), "it means what it meant"


def test_laps_that_are_learned_from_are_over_once_it_drives():
    learner = TQC(OBS, ACT, TAUGHT)
    learner.clone_first(300)
    learner.updates = 200
    learner.drive_everywhere()
    assert (learner.clones_until, learner.q_weight) == (200, 0.0)
    learner.clone_first(100)
    assert learner.clones_until == 200, "it has driven"


def test_what_was_earned_is_kept_with_each_step_of_a_drive_that_ended():
    replay = taught()
    ended, cut_off = driven(1, 10, 20), driven(2, 10, 20)
    ended.terminated[-1], ended.truncated[-1] = True, False
    cut_off.terminated[-1], cut_off.truncated[-1] = False, True
    replay.add(ended)
    replay.add(cut_off)
    table, gamma = replay.table, TAUGHT.times(20.0).gamma
    rows = replay._episodes[1].rows
    expected = [sum(gamma**k * r for k, r in enumerate(ended.reward[t:])) for t in range(40)]
    assert np.allclose(table.array[rows, table.columns.return_bound], expected, rtol=1e-5)
    assert (table.array[replay._episodes[2].rows, table.columns.return_bound] == -np.inf).all()
    batch = replay.sample(64, torch.Generator().manual_seed(0))
    assert set(torch.isfinite(batch.return_bound).tolist()) == {True, False}
