"""Past actions in observations: found from what was driven, and hidden from an actor that would only go on with them."""

from __future__ import annotations

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
from trainer.replay.past_actions import LEAST, MOST, PastActions, with_past_of_others
from trainer.replay.replay import Replay

CPU = torch.device("cpu")


def named(past: PastActions) -> list[int]:
    return [] if past.columns is None else past.columns.nonzero()[:, 0].tolist()


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 2**32 - 1), lag=st.integers(1, 4), live=st.booleans(), held=st.booleans())
def test_past_actions_are_found_whatever_else_is_seen(seed: int, lag: int, live: bool, held: bool) -> None:
    rng = np.random.default_rng(seed)
    steps = 1500
    action = rng.uniform(-1, 1, (steps, 2)).astype(np.float32)
    if held:  # hands hold still for a while
        action = np.repeat(action[: steps // 3], 3, 0)
    before = np.concatenate((np.zeros((lag, 2), np.float32), action[:-lag]))
    seen = rng.uniform(-1, 1, (steps, 7)).astype(np.float32)
    seen[:, 2] = before[:, 1]
    seen[:, 4], seen[:, 5] = before[:, 0].clip(0), (-before[:, 0]).clip(0)  # accelerator and brake
    seen[:, 6] = 0.5
    seen[:, 0] = 0.9 * before[:, 0] + 0.1 * rng.uniform(-1, 1, steps)  # only follows it
    past = PastActions(7, 2, CPU)
    size = 20 if live else steps  # as it comes from a running session, second by second
    for k in range(0, steps, size):
        past.note(seen[k : k + size], action[k : k + size])
    assert named(past) == [2, 4, 5]


def test_a_constant_is_no_past_action_and_nothing_is_looked_for_for_ever() -> None:
    past = PastActions(3, 1, CPU)
    still = np.ones((MOST, 1), np.float32)
    past.note(np.ones((MOST, 3), np.float32), still)
    assert past.columns is None
    moving = np.random.default_rng(0).uniform(-1, 1, (400, 1)).astype(np.float32)
    past.note(np.repeat(np.append(moving[:1], moving[:-1], 0), 3, 1), moving)
    assert past.columns is None


def test_a_few_changes_prove_nothing() -> None:
    past = PastActions(1, 1, CPU)
    rare = np.zeros((MOST, 1), np.float32)
    rare[: LEAST // 2, 0] = np.linspace(0.1, 1.0, LEAST // 2)
    past.note(np.append(rare[:1], rare[:-1], 0), rare)
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
        past.note(np.stack(seen), np.stack(done))
        steps += len(seen)
    env.close()
    assert [names[k] for k in named(past)] == ["gas", "brake", "pending_gas_brake", "pending_steer"]


def test_a_picture_is_none() -> None:
    past, rng = PastActions(2 + 16, 1, CPU, picture=16), np.random.default_rng(0)
    action = rng.uniform(-1, 1, (700, 1)).astype(np.float32)
    past.note(np.concatenate((rng.uniform(size=(700, 1)), np.append(action[:1], action[:-1], 0)), 1), action)
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
