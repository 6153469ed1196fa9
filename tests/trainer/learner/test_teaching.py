"""When ours has learned what another agent does, and when it does not come nearer to it."""

from types import SimpleNamespace

import pytest
import torch

from tests.support.batches import ACT, OBS, TINY
from trainer.daemon.wish import read_pairs
from trainer.learner import teaching
from trainer.learner.make import make_learner


@pytest.fixture
def taught():
    """A teaching, and how far the agent's actions are moved away from ours."""
    learner = make_learner(OBS, ACT, TINY.with_values(frozen_agent=True, frozen_teaches=True, frozen_bound=0.05))
    away, seen = SimpleNamespace(by=0.5, known=True), torch.zeros(8, OBS)
    replay = SimpleNamespace(
        demos=SimpleNamespace(gates=SimpleNamespace(everywhere=False)),
        held_out_drives=lambda: (seen, learner.newest.act(seen, True) + away.by) if away.known else None,
    )
    return teaching.Teaching(learner, replay), learner, away


def look(found, learner, updates):
    learner.updates += updates
    return found.try_to_end()


def test_it_says_once_that_it_comes_no_nearer(taught):
    found, learner, away = taught
    assert not look(found, learner, teaching.EVERY)
    assert found.stuck() is None
    away.by = 0.2
    assert not look(found, learner, teaching.NO_NEARER)  # a long time, but nearer
    assert found.stuck() is None
    assert not look(found, learner, teaching.NO_NEARER)
    text = found.stuck()
    assert "0.200 apart" in text
    assert found.stuck() is None


def test_what_it_says_then_helps(taught):
    found, learner, away = taught
    away.by = 0.121
    for _ in range(2):
        look(found, learner, teaching.NO_NEARER)
    commands = [part.split() for part in found.stuck().split("`") if part.startswith("hitl train --set ")]
    wider, in_places = (learner.config.with_values(**read_pairs([command[-1]])) for command in commands)
    assert not in_places.taught
    learner.config = wider
    assert look(found, learner, teaching.EVERY), "from now on ours drives"


def test_what_agrees_is_not_stuck(taught):
    found, learner, away = taught
    away.by = 0.01
    assert look(found, learner, 2 * teaching.NO_NEARER)
    assert found.stuck() is None


def test_it_says_once_that_it_cannot_know_how_near_it_is(taught):
    found, learner, away = taught
    away.known = False
    assert found.state == "known after five of its drives without help; at 0.05 apart ours drives"
    assert not look(found, learner, teaching.NO_NEARER - 1)
    assert found.stuck() is None
    look(found, learner, 1)
    text = found.stuck()
    assert "five of its drives without your help" in text
    assert "`hitl train --set frozen_teaches=false`" in text
    assert found.stuck() is None
    away.known = True
    look(found, learner, teaching.EVERY)
    assert found.state == "0.500 apart; at 0.05 apart ours drives"
    assert not look(found, learner, teaching.NO_NEARER)
    assert "0.500 apart" in found.stuck()


def test_a_run_that_goes_on_is_looked_at_before_it_learns_more(taught):
    first, learner, _ = taught
    assert not look(first, learner, 1000)
    assert first.apart == pytest.approx(0.5)
    again = teaching.Teaching(learner, first._replay)
    assert again.apart is None
    assert not again.try_to_end()
    assert again.apart == pytest.approx(0.5)
