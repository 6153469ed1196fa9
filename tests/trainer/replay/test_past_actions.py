"""Past actions in observations: found from what was driven, and hidden from an actor that would only go on with them."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.games.driving_env import DrivingEnv
from hitl.road.known_tracks import load_track
from tests.support.batches import ACT, OBS, TINY, random_batch
from tests.support.examples import examples
from trainer.learner.make import make_learner
from trainer.replay.batch import Moments, Sequences
from trainer.replay.from_arrays import finished_episode
from trainer.replay.past_actions import LEAST, MOST, REACH, PastActions, with_past_of_others
from trainer.replay.replay import Replay

CPU = torch.device("cpu")


def named(past: PastActions) -> list[int]:
    return [] if past.columns is None else past.columns.nonzero()[:, 0].tolist()


def look(past: PastActions, seen: np.ndarray, action: np.ndarray, size: int | None = None) -> None:
    """Give the steps of an episode, so many at a time, as a running session brings them: with the steps before."""
    t = np.arange(len(action))
    for k in range(0, len(action), size or len(action)):
        part = slice(max(0, k - REACH), k + (size or len(action)))
        past.note(seen[part], action[part], t[part], k - part.start)


def before(action: np.ndarray, lag: int) -> np.ndarray:
    return np.concatenate((np.zeros((lag, action.shape[1]), np.float32), action[:-lag]))


@settings(max_examples=examples(20))
@given(
    seed=st.integers(0, 2**32 - 1), lag=st.integers(1, 8), size=st.sampled_from([None, 1, 4, 20]), held=st.sampled_from([1, 3, 9])
)  # fmt: skip
def test_past_actions_are_found_whatever_else_is_seen(seed: int, lag: int, size: int | None, held: int) -> None:
    rng = np.random.default_rng(seed)
    action = np.repeat(rng.uniform(-1, 1, (2000 // held, 2)).astype(np.float32), held, 0)  # hands hold still for a while
    shown, steps = before(action, lag), len(action)
    seen = rng.uniform(-1, 1, (steps, 7)).astype(np.float32)
    seen[:, 2] = shown[:, 1]
    seen[:, 4], seen[:, 5] = shown[:, 0].clip(0), (-shown[:, 0]).clip(0)  # accelerator and brake
    seen[:, 6] = 0.5
    seen[:, 0] = 0.9 * shown[:, 0] + 0.1 * rng.uniform(-1, 1, steps)  # only follows it
    past = PastActions(7, 2, CPU)
    look(past, seen, action, size)
    assert named(past) == [2, 4, 5]


@pytest.mark.parametrize("held", [1, 5])
def test_they_are_found_in_the_units_of_a_game(held: int) -> None:
    rng = np.random.default_rng(0)
    action = np.repeat(rng.uniform(-1, 1, (3000 // held, 2)).astype(np.float32), held, 0)
    shown, steps = before(action, 3), len(action)
    seen = 100.0 * rng.uniform(-1, 1, (steps, 6)).astype(np.float32)
    seen[:, 1] = np.round(-450.0 * shown[:, 0])  # a wheel in degrees
    seen[:, 2] = np.round(127.5 + 127.5 * shown[:, 1])  # a byte
    seen[:, 3] = np.round(255.0 * shown[:, 1].clip(0))  # a pedal
    seen[:, 4] = -450.0 * np.tanh(shown[:, 0]) + seen[:, 5]  # no more than a part of it
    past = PastActions(6, 2, CPU)
    look(past, seen, action, 50)
    assert named(past) == [1, 2, 3]


@pytest.mark.parametrize("held", [2, 8])
def test_what_is_done_now_or_next_is_no_past_action_of_who_holds_keys(held: int) -> None:
    rng = np.random.default_rng(0)
    action = np.repeat(rng.choice([-1.0, 0.0, 1.0], (6000 // held, 1)).astype(np.float32), held, 0)
    following = np.append(action[1:], action[-1:], 0)
    charge = np.zeros_like(action)
    for k in range(1, len(action)):
        charge[k] = np.clip(charge[k - 1] + 0.5 * action[k - 1], -1, 1)
    past = PastActions(4, 1, CPU)
    look(past, np.concatenate((action, following, charge, before(action, 1)), 1), action)
    assert named(past) == [3]


def test_laps_without_them_do_not_hide_them_for_good() -> None:
    rng, past = np.random.default_rng(0), PastActions(2, 1, CPU)
    action = rng.uniform(-1, 1, (MOST, 1)).astype(np.float32)
    shown = before(action, 1)
    shown[:3000] = 0.0
    look(past, np.concatenate((shown, rng.normal(size=(MOST, 1))), 1).astype(np.float32), action)
    assert named(past) == [0]


def test_it_is_the_same_however_finely_the_steps_come() -> None:
    """Else a run that was interrupted would go on otherwise than one that was not."""
    config, found = TINY.with_values(capacity=4000), []
    for size in (7, 400):
        replay, rng = Replay(OBS, ACT, config), np.random.default_rng(0)
        known = []
        for k in range(1, 6):
            action = np.repeat(rng.uniform(-1, 1, (40, ACT)), 9, 0).astype(np.float32)
            seen = np.concatenate((rng.normal(size=(361, 2)), np.append(np.zeros((1, 2)), action, 0)), 1).astype(np.float32)
            whole = finished_episode(k, seen, action, np.ones(360), terminated=True)
            for start in range(0, 360, size):
                stop = min(360, start + size)
                part = slice(start, stop)
                values = {f.name: getattr(whole, f.name) for f in fields(whole)}
                steps = {name: value[part] for name, value in values.items() if isinstance(value, np.ndarray)}
                records = {} if stop < 360 else {"episodes": whole.episodes, "segments": whole.segments}
                replay.add(replace(whole, **{"episodes": {}, "segments": {}, **steps, **records}))
            known.append(named(replay.table.past))
        found.append((known, replay.table.past._followed.tolist()))
    assert found[0] == found[1]
    assert found[0][0][-1] == [2, 3]


def test_a_gap_is_not_looked_across() -> None:
    rng, past = np.random.default_rng(0), PastActions(1, 1, CPU)
    action = rng.uniform(-1, 1, (4000, 1)).astype(np.float32)
    past.note(before(action, 1), action, 2 * np.arange(4000))  # every second step is missing
    assert past.columns is None


def test_a_constant_is_no_past_action_and_nothing_is_looked_for_for_ever() -> None:
    past = PastActions(3, 1, CPU)
    look(past, np.ones((MOST, 3), np.float32), np.ones((MOST, 1), np.float32))
    assert past.columns is None
    assert not past.looks
    moving = np.random.default_rng(0).uniform(-1, 1, (400, 1)).astype(np.float32)
    look(past, np.repeat(before(moving, 1), 3, 1), moving)
    assert past.columns is None


def test_a_few_changes_prove_nothing() -> None:
    past = PastActions(1, 1, CPU)
    rare = np.zeros((MOST, 1), np.float32)
    rare[: LEAST // 2, 0] = np.linspace(0.1, 1.0, LEAST // 2)
    look(past, before(rare, 1), rare)
    assert past.columns is None


def test_in_our_game_they_are_the_pedals_and_what_is_about_to_act() -> None:
    env, rng = DrivingEnv(load_track("default")), np.random.default_rng(0)
    names = env.observation_names
    past, steps = PastActions(len(names), 2, CPU), 0
    while past.columns is None and steps < 2000:
        observation, _ = env.reset(seed=steps)
        seen, done, over, action = [], [], False, np.zeros(2, np.float32)
        while not over:
            action = np.clip(action + rng.normal(0, 0.2, 2), -1, 1).astype(np.float32)  # as hands move
            seen.append(observation)
            done.append(action)
            observation, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated or len(seen) == 200
        look(past, np.stack(seen), np.stack(done))
        steps += len(seen)
    env.close()
    assert [names[k] for k in named(past)] == ["gas", "brake", "pending_gas_brake", "pending_steer"]


def test_a_picture_is_none() -> None:
    past, rng = PastActions(2 + 16, 1, CPU, picture=16), np.random.default_rng(0)
    action = rng.uniform(-1, 1, (700, 1)).astype(np.float32)
    look(past, np.concatenate((rng.uniform(size=(700, 1)), before(action, 1)), 1), action)
    assert past.columns is not None
    assert past.columns.tolist() == [False, True] + [False] * 16


def test_the_actor_alone_is_shown_another_past_in_the_humans_rows_alone() -> None:
    rows = torch.arange(2000)
    columns = torch.tensor([False, True, False, True])
    batch = random_batch(0, 2000, human=rows < 1000, cloned=rows % 2 == 0)
    batch.past_actions = columns
    there = batch.observation.clone()
    found = with_past_of_others(batch, 0.5, torch.Generator().manual_seed(0))
    assert found.shown is not None
    assert isinstance(found.observation, torch.Tensor)
    assert torch.equal(found.observation, there)
    assert torch.equal(found.pair, batch.pair)
    changed = (found.shown != there).any(1)
    assert not changed[~(batch.human & batch.cloned)].any()
    assert 0.4 < float(changed[batch.human & batch.cloned].float().mean()) < 0.6
    assert torch.equal(found.shown[:, ~columns], there[:, ~columns])
    pairs = {tuple(row) for row in there[:, columns].tolist()}
    assert {tuple(row) for row in found.shown[changed][:, columns].tolist()} <= pairs  # those of one other row


def test_a_network_with_a_memory_is_shown_another_past_in_whole_sequences() -> None:
    g, count, length = torch.Generator().manual_seed(0), 400, 5
    burn_in, steps = (torch.randn(n, count, OBS + ACT, generator=g) for n in (3, length))
    sequences = Sequences(burn_in, torch.full((count,), 3), steps)
    index = torch.arange(length * count)
    rows = index % count  # the sequence of each row
    batch = random_batch(0, length * count, human=rows < 200, cloned=rows % 2 == 0)
    batch.observation = Moments(sequences, index, steps.view(-1, OBS + ACT)[:, :OBS])
    batch.past_actions = torch.tensor([False, True, False, False])
    shown = with_past_of_others(batch, 0.5, torch.Generator().manual_seed(0)).shown
    assert isinstance(shown, Moments)
    columns = torch.tensor([False, True, False, False, True, True])  # and the action before, which each step comes with
    for found, there in ((shown.sequences.steps, steps), (shown.sequences.burn_in, burn_in)):
        assert torch.equal(found[..., ~columns], there[..., ~columns])
        changed = (found != there)[..., columns].any(2)
        assert torch.equal(changed.any(0), changed.all(0))
        helped = torch.arange(count) % 2 * 2 + torch.arange(count) // 200 == 0
        assert not changed[:, ~helped].any()
        assert 0.35 < float(changed[0, helped].float().mean()) < 0.65
    assert torch.equal(shown.observation, shown.sequences.steps.view(-1, OBS + ACT)[:, :OBS])
    batch.past_actions = None
    shown = with_past_of_others(batch, 0.5, torch.Generator().manual_seed(0)).shown
    assert isinstance(shown, Moments)
    assert torch.equal(shown.observation, batch.observation.observation)  # the action before is hidden all the same
    assert not torch.equal(shown.sequences.steps, steps)


@pytest.mark.parametrize(("share", "columns"), [(0.0, torch.ones(OBS, dtype=torch.bool)), (0.5, None)])
def test_otherwise_nothing_changes_and_nothing_is_drawn(share: float, columns: torch.Tensor | None) -> None:
    batch, generator = random_batch(0), torch.Generator().manual_seed(0)
    batch.past_actions = columns
    state = generator.get_state()
    assert with_past_of_others(batch, share, generator) is batch
    assert torch.equal(generator.get_state(), state)


def braking_human(share: float) -> float:
    """Clone a human who drives to the middle of the road and brakes from there; return the pedal of one who still drives on.

    What is seen is as games with a delay show it: the place, noise, and the action before.
    """
    config = TINY.with_values(hidden=32, bc_weight=10.0, q_weight=0.0, batch_size=64, lr_actor=1e-3, past_action_dropout=share)
    rng, n = np.random.default_rng(1), 40
    replay = Replay(OBS, ACT, config)
    for k in range(1, 31):
        place = np.linspace(0, 1, n + 1) + rng.uniform(0, 0.02)
        action = np.where(place[:-1, None] < 0.5, 0.9, -0.9) + rng.uniform(-0.05, 0.05, (n, ACT))
        seen = np.column_stack((place, rng.normal(size=n + 1), np.concatenate((action[:1], action))))
        replay.add(finished_episode(k, seen, action, np.ones(n), purpose="lap", terminated=True))
    learner, generator = make_learner(OBS, ACT, config), torch.Generator().manual_seed(0)
    for _ in range(400):
        learner.update(replay.sample(config.batch_size, generator))
    late = np.array([[0.7, 0.0, 0.9, 0.9], [0.8, 0.0, 0.9, 0.9], [0.7, 0.0, -0.9, -0.9]], np.float32)
    pedal = learner.act(late)[:, 0]
    assert pedal[2] < -0.7  # both go on braking, as the human did
    return float(pedal[:2].max())


def test_who_clones_a_human_begins_to_brake_and_does_not_only_go_on_with_it() -> None:
    assert braking_human(0.5) < -0.4
    assert braking_human(0.0) > -0.2
