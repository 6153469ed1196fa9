"""What is collected, how targets are made, and faults that others found by hand: each beside its sound twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.records import Corner
from data.reward import RewardSettings
from tests.trainer.diagnosis.test_history import RECIPE, ROAD
from trainer.diagnosis.advice import BRING, MATHEMATICS, elsewhere
from trainer.diagnosis.case import Case
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.checks.history.collector_checks import end_places
from trainer.diagnosis.finding import Finding, Lacking
from trainer.diagnosis.history import History
from trainer.diagnosis.recipe import Recipe, from_tmrl
from trainer.diagnosis.run import diagnose
from trainer.tmrl.reader import TmrlConfig

N = 300
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(6, N))


def look(
    columns: dict[str, np.ndarray], recipe: Recipe | None = None, fault: str = "", road: object = None
) -> Finding | str | None:
    """The finding of that fault; else what it lacks; None where it is sound."""
    report = diagnose([Case(history=History(columns), recipe=recipe, road=road)])  # type: ignore[arg-type]
    found = {f.fault: f for f in report.findings} | {x.fault: x.needs for x in report.lacking}
    return found.get(fault)  # type: ignore[return-value]


def test_two_corners_and_the_finish_are_told_apart() -> None:
    ends = np.concatenate((np.full(40, 0.002), 0.31 + 0.003 * NOISE[0][:60], 0.74 + 0.003 * NOISE[1][:30], np.full(10, 1.0)))
    start, first, second = end_places(ends)
    assert (start.at, first.at, second.at) == (pytest.approx(0.002), pytest.approx(0.31, abs=0.01), pytest.approx(0.74, abs=0.01))
    assert (first.of_those, second.of_those) == (pytest.approx(0.6, abs=0.02), pytest.approx(0.75, abs=0.02))
    assert end_places(RNG.uniform(0, 1, 200)) == []


@pytest.mark.parametrize(("column", "unit"), [("episode/progress_pct", 100.0), ("progress", 1.0), ("run/race progress", 2000.0)])
def test_the_corner_from_any_history_and_its_name_where_there_is_a_map(column: str, unit: float) -> None:
    values = unit * RNG.permutation(np.concatenate((0.2 + 0.004 * NOISE[0][:120], RNG.uniform(0.3, 0.9, 60))))
    road = replace(ROAD, corners=(Corner("hairpin", 390.0, 430.0),))
    found = look({column: values, "episode/return": values}, fault="ends-in-one-place", road=road)
    assert isinstance(found, Finding)
    assert "hairpin" in found.sentence
    assert "at 20." in found.sentence
    assert found.data["places"][0]["share"] == pytest.approx(0.67, abs=0.03)
    learned = unit * np.concatenate((0.2 + 0.004 * NOISE[0][:120], np.full(80, 1.0)))  # where a beginner failed is over
    assert look({column: learned, "episode/return": learned}, fault="ends-in-one-place", road=road) is None


def test_a_collector_that_has_gone_silent() -> None:
    alive = {"return_train": 20 + NOISE[0], "episode_length_train": 200 + NOISE[1], "memory_len": 1000.0 + 50 * np.arange(N)}
    dead = {k: np.where(np.arange(N) < 200, v, v[199]) for k, v in alive.items()}
    assert look(alive, fault="collector-silent") is None
    found = look(dead, fault="collector-silent")
    assert isinstance(found, Finding)
    assert found.data["since"] == pytest.approx(200, abs=2)
    full = {**alive, "memory_len": np.minimum(alive["memory_len"], 9000)}  # a full memory stands still, too
    assert look(full, fault="collector-silent") is None


def test_a_trainer_that_waits() -> None:
    busy = {"round_time": 15 + 0.1 * NOISE[0], "idle_time": np.abs(NOISE[1])}
    assert look(busy, fault="learning-starved") is None
    assert isinstance(look({**busy, "idle_time": busy["round_time"] - 1}, fault="learning-starved"), Finding)


def test_batches_that_are_paid_otherwise_than_drives() -> None:
    run = {"debug/r": 0.2 + 0.01 * NOISE[0], "return_train": 60 + NOISE[1], "episode_length_train": 300 + NOISE[2]}
    assert look(run, fault="batch-unlike-drives") is None
    found = look({**run, "debug/r": 2.0 + 0.01 * NOISE[0]}, fault="batch-unlike-drives")
    assert isinstance(found, Finding)
    assert "10 times" in found.sentence


def targets(n: int, gamma: float, power: int, *, summed: bool) -> dict[str, np.ndarray]:
    """Targets of n steps whose next value counts gamma to that power; ``summed``: the reward's column holds the sum."""
    q, r = 20 + 5 * NOISE[0], 0.3 + 0.1 * NOISE[1]
    weight = 1.0 if summed else (1 - gamma**n) / (1 - gamma)
    return {"debug/backup": weight * r + gamma**power * q + 0.01 * NOISE[2], "debug/r": r, "debug/q_a1_targ": q}


@pytest.mark.parametrize("gamma", [0.9, 0.9925])
@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("summed", [False, True])
def test_steps_and_discount_are_read_off_the_targets(n: int, gamma: float, summed: bool) -> None:
    recipe = replace(RECIPE, gamma=gamma, n_step=n)
    assert look(targets(n, gamma, n, summed=summed), recipe, "discount-power") is None
    assert look(targets(n, gamma, n, summed=summed), None, "discount-power") is None
    if n == 1:
        return
    wrong = look(targets(n, gamma, 1, summed=False), recipe, "discount-power")
    assert isinstance(wrong, Finding)
    assert wrong.rank == ("fault" if gamma > 0.95 or n == 3 else wrong.rank)
    unused = look(targets(1, gamma, 1, summed=True), recipe, "discount-power")
    assert isinstance(unused, Finding)
    assert f"N_STEPS {n} is not in force" in unused.sentence
    assert "of 1 step" in unused.sentence


def test_a_right_discount_is_no_fault_however_odd_the_weight_of_the_reward_comes_out() -> None:
    """Where reward and next value go together, as ends of episodes make them, the fit cannot part them."""
    odd = targets(3, 0.9925, 3, summed=True)
    odd["debug/backup"] = odd["debug/backup"] - 0.36 * odd["debug/r"]
    said = look(odd, replace(RECIPE, gamma=0.9925, n_step=3), "discount-power")
    assert isinstance(said, str), "it lacks something, and is no finding"


def test_a_discount_above_one_is_found_without_a_recipe() -> None:
    assert isinstance(look(targets(1, 1.02, 1, summed=True), None, "discount-power"), Finding)


def test_figures_that_are_no_numbers_are_never_sound() -> None:
    nothing = np.full(N, np.nan)
    columns = {f"debug/{c}": nothing.copy() for c in ("q1", "q2", "q_a1", "r", "critic_grad_norm", "actor_grad_norm")}
    for values in columns.values():
        values[0] = 1.0
    report = diagnose([Case(history=History({**columns, "return_train": np.arange(N) + NOISE[0]}), recipe=RECIPE)])
    assert not [s.text for s in report.sound if "nan" in s.text]
    assert report.answer != "sound"


def test_a_file_that_begins_in_the_middle_does_not_say_what_the_run_has_learned() -> None:
    uniform = {
        "debug/a1_0": 0.01 * NOISE[0], "debug/a1_0_std": 0.577 + 0.001 * NOISE[1], "debug/log_pi": -0.69 + 0.001 * NOISE[2],
    }  # fmt: skip
    whole = look({"_step": np.arange(N) * 1.0, **uniform}, fault="uniform-policy")
    part = look({"_step": 5000.0 + np.arange(N), **uniform}, fault="uniform-policy")
    assert isinstance(whole, Finding)
    assert "from all updates" in whole.sentence
    assert isinstance(part, Finding)
    assert "begins at step 5,000" in part.sentence
    assert History({"_step": 400.0 * (1 + np.arange(N))}).begins_at == 0  # Stable-Baselines3's first row
    on = {"updates": 7_500.0 + 2_000.0 * np.arange(12)}  # from a checkpoint of 7,500 updates, with rows far apart
    assert (History(on, ours=True).begins_at, History(on).begins_at) == (7_500.0, 0.0)
    assert History({"updates": 2_000.0 * (1 + np.arange(12))}, ours=True).begins_at == 0


def test_a_gap_that_is_too_small_to_tell_is_said_to_be() -> None:
    run = {"debug/q1": 10 + NOISE[0], "debug/q2": 10 + NOISE[0], "debug/q1_std": 10 + 0 * NOISE[0], "debug/q_a1": 10.1 + NOISE[0],
           "debug/a_0": 0.5 + 0 * NOISE[0], "debug/a_0_std": 0.3 + 0 * NOISE[0], "debug/a1_0": 0 * NOISE[0],
           "debug/a1_0_std": 0.577 + 0 * NOISE[0]}  # fmt: skip
    told = look(run, fault="critic-ignores-actions")
    assert isinstance(told, str)
    assert "1.0% of Q's deviation" in told
    blind = look({**run, "debug/q_a1": run["debug/q1"] + 0.001}, fault="critic-ignores-actions")
    assert isinstance(blind, Finding)


def config(**reward: object) -> Recipe:
    env = {"CRASH_PENALTY": reward.pop("CRASH_PENALTY", 0), "CRASH_COOLDOWN": reward.pop("CRASH_COOLDOWN", 0)}
    return from_tmrl(TmrlConfig({"__VERSION__": "0.6.0", "ALG": {"NUMBER_OF_POINTS": 10, "SPEED_BONUS": 0.0008,
                                                            "SPEED_MIN_THRESHOLD": 30, "SPEED_MEDIUM_THRESHOLD": 20},
                                 "MODEL": {}, "ENV": {**env, "REWARD_CONFIG": reward}}))  # fmt: skip


def of_settings(recipe: Recipe) -> dict[str, Finding | Lacking]:
    report = diagnose([Case(recipe=recipe, road=ROAD)])
    return {o.fault: o for o in (*report.lacking, *report.findings)}


def test_a_look_ahead_in_shares_of_the_track_counts() -> None:
    short = of_settings(config())["lookahead-short"]
    assert isinstance(short, Finding)
    assert "lookahead-short" not in of_settings(config(TRACK_LOOK_AHEAD_PCT=5, TRACK_POINT_SPACING_M=2.5))  # 100 m
    assert isinstance(of_settings(config(TRACK_LOOK_AHEAD_PCT=0.5, TRACK_POINT_SPACING_M=2.5))["lookahead-short"], Finding)


def test_terms_that_are_not_known_silence_the_checks_of_the_reward() -> None:
    silenced = {"crawl-optimum", "term-never-paid", "reward-dominated", "time-unpaid", "finish-unpaid"}
    strange = of_settings(config(PROJECTED_VELOCITY_SCALE=0.5))
    assert not [f for f in silenced if isinstance(strange.get(f), Finding)]
    lacking = strange["crawl-optimum"]
    assert isinstance(lacking, Lacking)
    assert "PROJECTED_VELOCITY_SCALE" in lacking.needs
    assert isinstance(of_settings(config(PROJECTED_VELOCITY_SCALE=0))["crawl-optimum"], Finding)


def test_a_penalty_with_a_hidden_cooldown() -> None:
    assert isinstance(of_settings(config(CRASH_PENALTY=2, CRASH_COOLDOWN=40))["penalty-cooldown"], Finding)
    assert "penalty-cooldown" not in of_settings(config(CRASH_PENALTY=2))


def test_a_reward_that_does_not_see_time() -> None:
    slow = replace(RECIPE, reward=RewardSettings(), gamma=0.9999)
    found = of_settings(slow)["time-unpaid"]
    assert isinstance(found, Finding)
    assert found.rank == "warning"
    assert of_settings(replace(slow, gamma=0.99))["time-unpaid"].rank == "note"  # type: ignore[union-attr]
    assert "time-unpaid" not in of_settings(replace(slow, reward=RewardSettings(constant_penalty=0.05)))
    steps = 740 + 120 * RNG.uniform(size=N)
    laps = {"episode/finished": np.ones(N), "episode/steps": steps, "episode/return": 321 + 0.1 * NOISE[0]}
    assert isinstance(look(laps, fault="time-unpaid"), Finding)
    assert look({**laps, "episode/return": 400 - 0.2 * steps}, fault="time-unpaid") is None


def test_each_reader_gets_advice_of_their_own() -> None:
    ours, theirs = (Finding("x", (), 1.0, fault="critic-ignores-actions", foreign=foreign) for foreign in (False, True))
    assert ours.advice == FAULTS["critic-ignores-actions"].fix
    assert BRING in theirs.advice
    assert theirs.mathematics.startswith("L = ")
    assert set(MATHEMATICS) <= set(FAULTS)
    assert [fault for fault in FAULTS if elsewhere(fault)]
    player = Finding("x", (), 1.0, fault="evaluation-missing", foreign=True)
    assert not player.players  # another trainer's user drives nothing here
