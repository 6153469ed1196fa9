import time
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from data.errors import UsageError
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.games.base import Start
from hitl.games.box2d import Box2DGame
from hitl.games.driving_env import DrivingEnv
from hitl.road.track import load_track, shipped_tracks
from hitl.task.driving_task import TaskSettings
from hitl.timing.clocks import PacedClock
from tests.support.places import REFERENCE


def drive(env, seed, noise=0.0, steps=10_000, start=None):
    driver, rng = ScriptedDriver(env.track, seed=seed), np.random.default_rng(seed)
    observation, info = env.reset(seed=seed, options={"start": start} if start else None)
    rows, total = [observation], 0.0
    for _ in range(steps):
        action = driver.act(info["state"], info["place"]) + rng.normal(0, noise, 2)
        observation, reward, terminated, truncated, info = env.step(action.astype(np.float32))
        rows.append(observation)
        total += reward
        if terminated or truncated:
            break
    return np.array(rows), total, info


def test_gymnasiums_own_checker_is_content():
    check_env(DrivingEnv(), skip_render_check=True)


def test_same_seed_and_actions_give_the_same_trajectory():
    first, _, _ = drive(DrivingEnv(), seed=3, noise=0.3, steps=250)
    env = DrivingEnv()
    drive(env, seed=8, steps=60)  # what was driven before must not matter
    second, _, _ = drive(env, seed=3, noise=0.3, steps=250)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", shipped_tracks())
def test_the_scripted_driver_finishes_with_noise_in_its_hands(name):
    env = DrivingEnv(name)
    ends = [drive(env, seed, noise=0.05)[2]["reason"] for seed in range(6)]
    assert ends == ["finish"] * 6


def test_a_lap_is_paid_about_what_its_length_says_and_the_finish_bonus_once():
    env = DrivingEnv()
    rows, total, _ = drive(env, seed=0)
    assert 0.85 * env.track.line.length / 3 < total - 5 < env.track.line.length / 3
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() < 4  # scaled to the order of one


def test_observation_and_names_agree_and_end_with_the_pending_action():
    env = DrivingEnv()
    env.reset(seed=0)
    observation, *_ = env.step(np.array([0.25, -0.5], np.float32))
    assert observation.shape == (env.task.observer.size + 2,) == env.observation_space.shape
    np.testing.assert_array_equal(observation[-2:], np.array([0.25, -0.5], np.float32))
    beyond = env.step(np.array([3.0, -2.0], np.float32))[0]
    np.testing.assert_array_equal(beyond[-2:], [1.0, -1.0])


def test_an_action_acts_one_step_after_it_was_decided():
    moved = []
    for first in (0.0, 1.0):
        env = DrivingEnv()
        env.reset(seed=0)
        one, *_ = env.step(np.array([first, 0], np.float32))
        two, *_ = env.step(np.zeros(2, np.float32))
        moved.append((one[0], two[0]))
    assert moved[0][0] == moved[1][0]  # the step that it was handed to still ran on the action before
    assert moved[1][1] > moved[0][1] + 0.001


def test_driving_off_the_road_ends_the_episode_and_standing_still_too():
    env = DrivingEnv()
    env.reset(seed=0)
    for _ in range(200):
        *_, terminated, truncated, info = env.step(np.array([1.0, 1.0], np.float32))
        if terminated:
            break
    assert terminated
    assert not truncated
    assert info["reason"] == "off_road"
    env.reset(seed=0)
    for _ in range(200):
        *_, terminated, truncated, info = env.step(np.zeros(2, np.float32))
        if terminated:
            break
    assert info["reason"] == "stalled"
    assert env.task.reward.steps <= 60


def test_a_strict_one_makes_no_step_that_belongs_to_no_episode():
    env, still = DrivingEnv(settings=TaskSettings(max_seconds=0.1)), np.zeros(2, np.float32)
    env.strict = True
    with pytest.raises(UsageError, match="No episode has begun: call reset first"):
        env.step(still)
    for _ in range(2):
        env.reset(seed=0)
        while not env.step(still)[3]:
            pass
        with pytest.raises(UsageError, match="The episode is over: call reset first"):
            env.step(still)
    env.close()
    for use in (env.reset, lambda: env.step(still)):
        with pytest.raises(UsageError, match="closed: make a new one"):
            use()


def test_the_time_limit_truncates():
    env = DrivingEnv(settings=TaskSettings(max_seconds=1.0))
    env.reset(seed=0)
    steps = [env.step(np.array([0.3, 0], np.float32)) for _ in range(20)]
    ends = [(terminated, truncated, info["reason"]) for _, _, terminated, truncated, info in steps]
    assert ends == [(False, False, None)] * 19 + [(False, True, "time_limit")]


@pytest.mark.parametrize("s", [0.0, 60.0, 150.0, 190.0])
def test_a_start_with_speed_rolls_on_along_the_road(s):
    game = Box2DGame(load_track("default"))
    game.restart(Start(s=s, speed=15.0))
    before = game.state()
    game.advance(0.05)
    after = game.state()
    assert before.speed == pytest.approx(15.0, rel=1e-3)
    assert after.speed == pytest.approx(15.0, rel=0.02)
    assert np.hypot(after.x - before.x, after.y - before.y) == pytest.approx(0.75, rel=0.05)
    assert abs(after.yaw_rate) < 0.1


def test_the_rule_takes_over_before_the_corner_late_and_lets_go_behind_it():
    env = DrivingEnv()
    corner = env.track.corner("hairpin")
    rule = TakeoverRule(env.track, HelpRule(corners=frozenset({"hairpin"}), danger=False))
    driver = ScriptedDriver(env.track)
    _, info = env.reset(seed=1)
    held = []
    while True:
        if rule.requests_control(info["state"], info["place"]):
            held.append(info["progress"])
        *_, terminated, truncated, info = env.step(driver.act(info["state"], info["place"]))
        if terminated or truncated:
            break
    assert info["reason"] == "finish"
    assert corner.from_m - 25 < held[0] < corner.from_m  # 0.2 s after the sign for it
    assert corner.to_m < held[-1] < corner.to_m + 40
    assert not rule.holding


@pytest.mark.realtime
def test_real_time_gives_the_same_numbers_at_twenty_hertz():
    track = load_track("default")
    plan = [np.array([0.8, 0.02 * k], np.float32) for k in range(12)]
    lockstep = DrivingEnv(track)
    first, _ = lockstep.reset(options={"start": Start()})
    expected = [first, *(lockstep.step(a)[0] for a in plan)]
    env, clock, sent = DrivingEnv(track), PacedClock(20.0), []
    first, _ = env.reset(options={"start": Start()})
    seen = [first]
    for action in plan:
        clock.wait_for_send()
        clock.sending()
        sent.append(time.perf_counter())
        seen.append(env.step(action)[0])
    np.testing.assert_array_equal(np.array(seen), np.array(expected))
    assert sent[-1] - sent[0] == pytest.approx(11 * 0.05, abs=0.04)


def test_the_game_is_fast_enough_to_learn_in():
    env = DrivingEnv()
    driver = ScriptedDriver(env.track)
    _, info = env.reset(seed=0)
    actions = []
    for _ in range(200):
        actions.append(driver.act(info["state"], info["place"]))
        info = env.step(actions[-1])[4]
    rates = []
    for _ in range(5):
        env.reset(seed=0)
        began = time.thread_time()  # the test's own share of the processor, whatever else runs
        for action in actions:
            env.step(action)
        rates.append(len(actions) / (time.thread_time() - began))
    assert max(rates) > 1500  # 3,000 and more on a quiet machine; benchmarks/game.py has the figure


def test_the_rule_saves_a_car_on_its_way_off_the_road():
    env, saved = DrivingEnv(), 0
    rule, driver = TakeoverRule(env.track, HelpRule()), ScriptedDriver(env.track)
    for seed in range(10):
        _, info = env.reset(seed=seed)
        rule.begin()
        taken = done = False
        while not done and not (taken and not rule.holding):
            held = rule.requests_control(info["state"], info["place"])
            if held and not taken:
                taken = True
                driver.begin()
            action = driver.act(info["state"], info["place"]) if held else np.array([0.35, 0.0], np.float32)
            *_, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        saved += taken and not done
    assert saved >= 7


def test_a_patient_helper_lets_the_agent_try_and_helps_again_only_after_a_failure():
    env = DrivingEnv()
    _, info = env.reset(seed=0)
    corner = env.track.corner("hairpin")
    state, line = info["state"], env.track.line
    rule = TakeoverRule(env.track, HelpRule(corners=frozenset({"hairpin"}), danger=False, patient=True))

    def episode(reaches):
        rule.begin()
        held = [rule.requests_control(state, line.locate_anywhere(*line.at(s)[:2])) for s in np.arange(1.0, reaches, 1.0)]
        return any(held)

    failed, passed = corner.from_m + 20, corner.to_m + 20
    assert [episode(end) for end in (passed, failed, passed, passed, passed, failed, passed)] == [
        True,  # the first time it helps
        False,  # then the agent tries, and fails
        True,  # so it is helped
        False,  # tries again, and passes
        False,  # so it is left alone
        False,  # until it fails
        True,
    ]
    short = corner.from_m - 40  # the car is lost long before the corner
    assert [episode(end) for end in (failed, short, passed)] == [False, False, True]
    assert [episode(end) for end in (failed, short, short, passed)] == [False, False, False, True]


def test_a_helper_who_goes_on_helps_where_a_try_ended_behind_the_corner():
    env = DrivingEnv()
    _, info = env.reset(seed=0)
    corner, state, line = env.track.corner("hairpin"), info["state"], env.track.line
    wanted = HelpRule(corners=frozenset({"hairpin"}), danger=False, patient=True, onward=True)
    rule = TakeoverRule(env.track, wanted, decides_in=lambda: 0.05)

    def taken_at(reaches):
        rule.begin()
        way = np.arange(1.0, reaches, 1.0)
        return next((s for s in way if rule.requests_control(state, line.locate_anywhere(*line.at(s)[:2]))), None)

    behind, finish, at_corner = corner.to_m + 60, line.length, pytest.approx(corner.from_m - 25, abs=2.5)
    assert taken_at(finish) == at_corner
    assert taken_at(behind) is None, "the agent's try: it passes the corner"
    assert taken_at(finish) == pytest.approx(behind - 15 - 25, abs=2.5), "helped where that try ended"
    assert taken_at(corner.from_m + 20) is None, "the next try fails in the corner"
    assert taken_at(finish) == at_corner
    assert taken_at(finish) is None
    assert taken_at(finish) is None, "nothing is left to help with"


def test_after_help_that_failed_it_takes_the_wheel_a_second_earlier():
    env = DrivingEnv()
    _, info = env.reset(seed=0)
    corner, line = env.track.corner("hairpin"), env.track.line
    rule = TakeoverRule(
        env.track, HelpRule(corners=frozenset({"hairpin"}), danger=False, patient=True), decides_in=lambda: 0.05
    )
    fast = replace(info["state"], vx=30.0, vy=0.0)

    def taken_at(reaches):
        rule.begin()
        way = np.arange(1.0, reaches, 1.0)
        held = [s for s in way if rule.requests_control(fast, line.locate_anywhere(*line.at(s)[:2]))]
        return held[0] if held else None

    failed, passed = corner.from_m + 20, corner.to_m + 20
    first = taken_at(failed)
    assert first == pytest.approx(corner.from_m - 25, abs=2.5)
    assert taken_at(failed) is None, "the agent's try"
    assert taken_at(failed) == pytest.approx(first - 30, abs=1.5)
    assert taken_at(failed) is None
    assert taken_at(passed) == pytest.approx(first - 60, abs=1.5)
    assert taken_at(failed) is None
    assert taken_at(passed) == pytest.approx(first - 60, abs=1.5), "as early as it was right"


@pytest.mark.skipif(not REFERENCE.exists(), reason="the recorded reference data is not on this machine")
def test_the_scripted_driver_finishes_a_real_map():
    env = DrivingEnv(load_track(REFERENCE / "maps" / "reward_test-3.pkl"))
    rows, _, info = drive(env, seed=0, noise=0.05)
    assert info["reason"] == "finish"
    assert len(rows) > 1000
