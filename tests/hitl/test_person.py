"""The model of a person: late, intermittent, noisy, and good enough to help."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from hitl.drivers.human import scripted_human
from hitl.drivers.person import GOOD, PEOPLE, SKILLS, Person
from hitl.drivers.scripted import Rule, ScriptedDriver
from hitl.games.base import Start
from hitl.games.box2d import Box2DGame
from hitl.games.embedded_env import DrivingEnv
from hitl.road.track import load_track

STEADY = replace(GOOD, delay_spread_s=0.0, noise=0.0, tremor=0.0)


@cache
def track():
    return load_track("default")


def drive(person, seed=0):
    """Drive one episode; returns (why it ended, actions)."""
    env = DrivingEnv(track())
    _, info = env.reset(seed=seed)
    person.begin()
    actions = []
    while True:
        person.see(info["state"], info["place"])
        actions.append(person.act(info["state"], info["place"]))
        _, _, terminated, truncated, info = env.step(actions[-1])
        if terminated or truncated:
            return info["reason"], np.array(actions)


def pictures(count):
    """What is seen along a straight, one picture a step."""
    game = Box2DGame(track())
    game.restart(Start(s=2.0, speed=15.0))
    seen = []
    for _ in range(count):
        game.advance(0.05)
        state = game.state()
        seen.append((state, track().line.locate(state.x, state.y, 2.0)))
    return seen


def acted(person, seen):
    for one in seen:
        person.see(*one)
        action = person.act(*one)
    return action


@pytest.mark.parametrize("moved_by", [1.0, -2.0])
def test_what_has_just_happened_is_not_known_yet(moved_by):
    # A correction in each step, so that each picture could be answered at once: only the delay of the eye is in the way.
    traits = replace(STEADY, delay_s=0.2, corrections_hz=20.0)
    seen = pictures(12)
    jumped = [(replace(state, y=state.y + moved_by), place) for state, place in seen[-4:]]
    same = acted(Person(track(), traits, seed=3), seen)
    assert np.array_equal(same, acted(Person(track(), traits, seed=3), seen[:-3] + jumped[1:]))
    late = replace(traits, delay_s=0.1)
    assert not np.array_equal(
        acted(Person(track(), late, seed=3), seen), acted(Person(track(), late, seed=3), seen[:-3] + jumped[1:])
    )


def test_a_person_corrects_a_few_times_a_second():
    person = Person(track(), STEADY, seed=1)
    aims = []
    for one in pictures(20) * 10:
        person.see(*one)
        person.act(*one)
        aims.append(tuple(person._aim))
    changes = sum(a != b for a, b in zip(aims[1:], aims, strict=False))
    assert 2.0 <= changes / (len(aims) / 20.0) <= 4.5


def test_the_same_seed_is_the_same_person():
    first, second = (drive(Person(track(), PEOPLE["clumsy"], seed=5))[1] for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first[:50], drive(Person(track(), PEOPLE["clumsy"], seed=6))[1][:50])


@pytest.mark.parametrize("skill", ["keyboard", "taps"])
def test_keys_are_pressed_or_not(skill):
    _, actions = drive(Person(track(), PEOPLE[skill], seed=2))
    assert set(np.unique(actions)) <= {-1.0, 0.0, 1.0}
    assert len(np.unique(actions[:, 1])) >= 2


def test_the_good_one_drives_laps_and_the_clumsy_one_some_of_them():
    good = [drive(Person(track(), PEOPLE["good"], seed=1), seed)[0] for seed in range(5)]
    assert good.count("finish") == 5
    clumsy = Person(track(), PEOPLE["clumsy"], seed=1)
    ends = [drive(clumsy, seed)[0] for seed in range(12)]
    assert 1 <= ends.count("finish") <= 10


def test_one_takeover_in_five_of_the_wrong_one_forgets_the_brake():
    person = Person(track(), PEOPLE["wrong"], seed=4)
    wrong = []
    for _ in range(500):
        person.begin()
        wrong.append(person.forgets_brake)
    assert 0.14 < np.mean(wrong) < 0.26
    person.forgets_brake = True
    person._rest_s = 0.0
    fast = pictures(6)
    for state, place in fast:
        person.see(replace(state, vx=60.0, vy=0.0), place)
    assert person.act(*fast[-1])[0] >= 0.0


def test_deciding_to_help_takes_time():
    person, late = Person(track(), PEOPLE["good"], seed=1), Person(track(), PEOPLE["late"], seed=1)
    good_s, late_s = (np.array([p.decides_in() for _ in range(400)]) for p in (person, late))
    assert 0.25 < good_s.mean() < 0.35
    assert np.median(good_s) < good_s.mean()  # skewed to the right, as people's are
    assert late_s.mean() > good_s.mean() + 0.4


def test_every_skill_can_stand_in():
    for skill in SKILLS:
        helper = scripted_human(track(), skill, Rule(corners=frozenset({"hairpin"})), seed=1)
        assert isinstance(helper.driver, ScriptedDriver if skill == "expert" else Person)
    lazy = scripted_human(track(), "lazy", Rule(leave_m=8.0))
    assert lazy.rule is not None
    assert lazy.rule.rule.leave_m < 0
