"""The model of a person: late, intermittent, noisy, and good enough to help."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from hitl.drivers.human import scripted_human
from hitl.drivers.person import GOOD, PEOPLE, SKILLS, Person
from hitl.drivers.scripted import HelpRule, ScriptedDriver
from hitl.games.base import Start
from hitl.games.box2d import Box2DGame
from hitl.games.driving_env import DrivingEnv
from hitl.home import Home
from hitl.road.track import load_track
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.task.driving_task import TaskSettings

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


@pytest.mark.parametrize("skill", ["expert", "good"])
def test_a_session_s_pace_is_as_if_the_driver_had_been_made_for_it(skill):
    """Limits, reactions and pauses are in seconds, so a session of 10 Hz counts half as many steps."""

    def made(hz):
        return scripted_human(track(), skill, HelpRule(corners=frozenset({"hairpin"})), limit_s=3.0, hz=hz)

    late, fitting = made(20.0), made(10.0)
    late.keep_time(10.0)
    for helper in (late, fitting):
        helper.rule._decides_in = lambda: 0.4
        helper.begin()
    assert late._steps_left == fitting._steps_left == 30
    assert late.rule._settle == fitting.rule._settle == 6
    assert late.rule._seen.maxlen == fitting.rule._seen.maxlen == 5
    assert late.driver._dt == fitting.driver._dt == 0.1
    if skill == "good":
        assert late.driver._intent._dt == 0.1
        assert (late.driver._seen.maxlen, late.driver._done.maxlen) == (11, 10)


def test_a_session_tells_its_pace(tmp_path):
    options = SessionOptions(task=TaskSettings(hz=10.0))
    with SessionSetup(Home(tmp_path), options, human=lambda t: scripted_human(t, "good", None, limit_s=3.0)) as rig:
        assert rig.human._steps_left == 30


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
    quick = replace(traits, delay_s=0.1)
    assert not np.array_equal(
        acted(Person(track(), quick, seed=3), seen), acted(Person(track(), quick, seed=3), seen[:-3] + jumped[1:])
    )


def looked_at(traits, count=12):
    """How many pictures ahead of the newest one the car was thought to be, at each correction along a straight."""
    person, seen, thought = Person(track(), replace(traits, corrections_hz=20.0), seed=3), pictures(count), []
    at = [state.x for state, _ in seen]

    def intent(state, place):
        now = person._seen[-1][0].x
        thought.append((state.x - now) / (at[-1] - at[-2]) if state.x > now else at.index(state.x) - at.index(now))
        return np.zeros(2, np.float32)

    person._intent.act = intent
    acted(person, seen)
    return thought


def test_a_person_thinks_ahead_to_when_the_hand_will_be_there():
    assert looked_at(replace(STEADY, extrapolates=0.0))[4:] == [-4] * 8  # 0.2 s ago
    assert looked_at(replace(STEADY, extrapolates=1.0))[-1] == pytest.approx(2, abs=0.5)  # 0.08 s for the hand, and some


def test_the_delay_is_not_always_the_same():
    spread = looked_at(replace(STEADY, extrapolates=0.0, delay_spread_s=0.08), 60)
    assert len(set(spread[20:])) >= 4
    assert np.mean(spread[20:]) == pytest.approx(-4, abs=1)


def test_the_last_movements_are_reckoned_with_when_the_wheel_was_taken_only_just_now():
    person, ((state, place),) = Person(track(), STEADY), pictures(1)
    person._done.extend([(0.0, 1.0)] * 3)
    assert person._expected(state, place, 4, 0.15) == person._expected(state, place, 3, 0.15)


def test_a_car_that_jumped_is_another_drive():
    person = Person(track(), STEADY)
    seen = pictures(8)
    for state, place in [*seen, (replace(seen[0][0], x=seen[0][0].x + 50.0), place_of(60.0))]:
        person.see(state, place)
    assert len(person._seen) == 1


def place_of(s):
    x, y, _ = track().line.at(s)
    return track().line.locate(x, y, s)


def test_hand_tremor_and_noise_are_as_large_as_they_say():
    seen = pictures(6)
    still = Person(track(), replace(STEADY, hand_s=0.0), seed=1)
    slow = Person(track(), replace(STEADY, hand_s=0.1), seed=1)
    for person in (still, slow):
        person.see(*seen[0])
    at_once, later = still.act(*seen[0]), slow.act(*seen[0])
    np.testing.assert_allclose(at_once, still._aim, atol=1e-6)
    np.testing.assert_allclose(later, slow._aim * (1 - np.exp(-0.5)), atol=1e-6)  # half a time constant
    shaking, noisy = Person(track(), replace(STEADY, tremor=0.1)), Person(track(), replace(STEADY, noise=0.5))
    exact, shakes, errors = Person(track(), STEADY), [], []
    for _ in range(300):
        for person in (shaking, noisy, exact):
            person.begin()
            person.see(*seen[0])
        shakes.append(shaking.act(*seen[0])[1] - exact.act(*seen[0])[1])
        noisy.act(*seen[0])
        errors.append(noisy._aim[1] / exact._aim[1] - 1.0)
    assert np.std(shakes) == pytest.approx(0.1, rel=0.2)
    assert np.std(errors) == pytest.approx(0.5, rel=0.2)


def corrections_per_s(traits):
    person, aims = Person(track(), traits, seed=1), []
    for one in pictures(20) * 10:
        person.see(*one)
        person.act(*one)
        aims.append(tuple(person._aim))
    return sum(a != b for a, b in zip(aims[1:], aims, strict=False)) / (len(aims) / 20.0)


def test_a_person_corrects_a_few_times_a_second_and_less_when_attention_lapses():
    assert 3.2 <= corrections_per_s(STEADY) <= 4.5
    assert 1.6 <= corrections_per_s(replace(STEADY, corrections_hz=2.0)) <= 2.4
    lapsing = replace(STEADY, lapses_per_min=240.0)  # one at each correction
    assert 1.0 <= corrections_per_s(lapsing) <= 1.7
    assert corrections_per_s(replace(lapsing, lapse_s=1.0)) < 1.0


def test_the_same_seed_is_the_same_person():
    first, second = (drive(Person(track(), PEOPLE["clumsy"], seed=5))[1] for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first[:50], drive(Person(track(), PEOPLE["clumsy"], seed=6))[1][:50])


@pytest.mark.parametrize("skill", ["keyboard", "taps"])
def test_keys_are_pressed_or_not(skill):
    _, actions = drive(Person(track(), PEOPLE[skill], seed=2))
    assert set(np.unique(actions)) <= {-1.0, 0.0, 1.0}
    assert len(np.unique(actions[:, 1])) >= 2


def presses(skill):
    """How long (s) each press of the steering keys lasted, hands going to and fro; a hundred looks a second."""
    person, down = Person(track(), PEOPLE[skill], seed=2, hz=100.0), []
    for k in range(400):
        person._clock_s += 0.01
        down.append(person._keys(np.array([0.0, 0.6 * np.sin(k / 4) + 0.3 * np.sin(k / 60)]))[1])
    ends = np.flatnonzero(np.diff(down, prepend=0.0))
    return [(b - a) / 100 for a, b in pairwise(ends) if down[a] != 0.0]


def test_a_held_key_stays_down_for_a_while_and_a_tap_does_not():
    assert min(presses("keyboard")) >= 0.08 - 1e-9
    assert min(presses("taps")) < 0.08


def test_the_good_one_drives_laps_and_the_clumsy_one_some_of_them():
    good = [drive(Person(track(), PEOPLE["good"], seed=1), seed)[0] for seed in range(5)]
    assert good.count("finish") == 5
    clumsy = Person(track(), PEOPLE["clumsy"], seed=1)
    finished: set[bool] = set()
    for seed in range(12):
        finished.add(drive(clumsy, seed)[0] == "finish")
        if len(finished) == 2:
            break
    assert finished == {True, False}


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
    slow = Person(track(), replace(GOOD, decision_tail_s=1.0), seed=1)
    assert np.mean([slow.decides_in() for _ in range(400)]) == pytest.approx(1.25, abs=0.2)


def test_every_skill_can_stand_in():
    for skill in SKILLS:
        helper = scripted_human(track(), skill, HelpRule(corners=frozenset({"hairpin"})), seed=1)
        assert isinstance(helper.driver, ScriptedDriver if skill == "expert" else Person)
    lazy = scripted_human(track(), "lazy", HelpRule(leave_m=8.0))
    assert lazy.rule is not None
    assert lazy.rule.rule.leave_m < 0
