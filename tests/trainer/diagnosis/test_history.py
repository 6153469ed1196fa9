"""Checks on figures that no short training shows: courses of a long run, each beside its sound twin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from data.reward import RewardSettings
from tests.support.places import ROOT
from trainer.diagnosis.case import Case, RoadFacts
from trainer.diagnosis.catalogue import FAULTS
from trainer.diagnosis.finding import Diagnosis, Finding
from trainer.diagnosis.history import History
from trainer.diagnosis.recipe import Recipe, from_tmrl
from trainer.diagnosis.run import diagnose
from trainer.tmrl.reader import TmrlConfig

N = 200
TIME = np.linspace(0, 1, N)
NOISE = np.random.default_rng(0).normal(size=N)
ROAD = RoadFacts("road", 2000.0, 1.0, top_speed=28.0, braking_m=40.0, braking_from=28.0, corner_seconds={"corner 1": 5.0})
RECIPE = Recipe(gamma=0.9925, n_step=3, memory_size=1e5, utd=6.0, updates_per_row=300, lookahead_m=60.0)


def found(columns: Mapping[str, np.ndarray], recipe: Recipe | None = RECIPE) -> set[str]:
    return {f.fault for f in diagnose([Case(history=History(dict(columns)), recipe=recipe)]).findings}


def faults_of(case: Case) -> set[str]:
    return {f.fault for f in diagnose([case]).findings}


def of(recipe: Recipe, road: RoadFacts = ROAD) -> set[str]:
    return {f.fault for f in diagnose([Case(recipe=recipe, road=road)]).findings} - {"time-unpaid"}  # a note on any such reward


def from_values(values: object) -> Recipe:
    return from_tmrl(TmrlConfig(values))


def test_q_rises_while_returns_fall() -> None:
    bad = {"debug/q_a1": 5 + 20 * TIME, "return_train": 60 - 40 * TIME + NOISE}
    good = {"debug/q_a1": 5 + 20 * TIME, "return_train": 20 + 40 * TIME + NOISE}
    assert "q-return-apart" in found(bad)
    assert "q-return-apart" in found({**bad, "return_test": np.where(TIME < 0.5, 60.0, 20.0)})  # too few to judge by
    assert "q-return-apart" not in found(good)
    assert "q-return-apart" not in found({"debug/q_a1": 5 + 20 * TIME, "return_train": 40 + 5 * NOISE})


def test_update_ratio() -> None:
    assert "update-ratio" in found({"memory_len": 1e3 + N * 300 * TIME})  # one update per sample, six set
    assert "update-ratio" not in found({"memory_len": 1e3 + N * 50 * TIME})
    assert "update-ratio" not in found({"memory_len": 1e3 + N * 300 * TIME}, recipe=None)


@pytest.mark.parametrize(
    ("owed", "wrong"), [((0, 0.0), True), ((6_000, 180.0), False), ((6_000, 0.0), False), ((6_000, 1e4), True)]
)
def test_a_trainer_that_catches_up_after_a_session_is_not_slow(owed: tuple[int, float], wrong: bool) -> None:
    recipe = replace(RECIPE, utd=2.0, utd_exact=True)
    behind = History({"memory_len": 1e3 + 5e3 * TIME, "updates": 3e3 * TIME})
    assert ("update-ratio" in faults_of(Case(behind, recipe, owed=owed))) is wrong


def test_a_trainer_that_has_caught_up_has_not_done_too_much() -> None:
    recipe = replace(RECIPE, utd=2.0, utd_exact=True)
    late = np.clip(TIME - 0.5, 0, 1)  # it was started late: most rows are of what had been driven before
    caught_up = History({"memory_len": 1e4 + 4e3 * late, "updates": 2.8e4 * TIME})
    assert "update-ratio" not in faults_of(Case(caught_up, recipe))
    assert "update-ratio" in faults_of(Case(History({**caught_up.columns, "updates": 2e5 * TIME}), recipe))


def test_sampling_that_slows() -> None:
    assert "sampling-slows" in found({"sampling_duration": 0.016 + 3 * TIME, "memory_len": 1e6 * TIME})
    assert "sampling-slows" not in found({"sampling_duration": 0.001 + 0 * TIME, "memory_len": 1e6 * TIME})


def test_q_beyond_what_can_be_earned() -> None:
    rewards = {"debug/r": 0.5 + 0.01 * NOISE, "debug/r_std": 0.1 + 0 * TIME}
    assert "exploded" in found({**rewards, "debug/q1": 10 ** (5 * TIME)})
    assert "exploded" not in found({**rewards, "debug/q1": 30 * TIME})
    for unit in (1e-3, 1e3):
        paid = {"debug/r": unit * rewards["debug/r"], "debug/r_std": unit * rewards["debug/r_std"]}
        assert "exploded" not in found({**paid, "debug/q1": unit * 100 * TIME})  # half of it, each step, for ever
        assert "exploded" in found({**paid, "debug/q1": unit * 10 ** (5 * TIME)})
    # What the entropy pays is in the unit of rewards in the trainer's column, and in the one that it learns in in the setting.
    nothing_paid = {"debug/r": 0 * TIME, "debug/q1": 0.5 * TIME}
    assert "exploded" in found({**nothing_paid, "debug/alpha": 1e-5 + 0 * TIME})
    assert "exploded" not in found({**nothing_paid, "debug/alpha": 1e-3 + 0 * TIME})


def test_held_returns_and_missing_evaluation() -> None:
    held = {"return_train": np.repeat(NOISE[::4], 4), "return_test": 0 * TIME, "debug/q1": TIME}
    assert {"return-held", "evaluation-missing"} <= found(held)
    assert not {"return-held", "evaluation-missing"} & found({**held, "return_train": NOISE, "return_test": NOISE})


@pytest.mark.parametrize("gamma", [0.9, 0.96])
def test_a_horizon_shorter_than_the_corner(gamma: float) -> None:
    assert "horizon-short" in of(replace(RECIPE, gamma=gamma))
    assert "horizon-short" not in of(RECIPE)


def test_reward_terms() -> None:
    sound = RewardSettings(end_of_track=5.0)
    assert of(replace(RECIPE, reward=sound)) == set()
    assert of(replace(RECIPE, reward=replace(sound, constant_penalty=0.5))) == {"reward-dominated"}
    assert of(replace(RECIPE, reward=replace(sound, reckless_factor=0.01, max_stray=10.0))) == {"term-never-paid"}
    assert "crawl-optimum" in of(replace(RECIPE, reward=replace(sound, speed_bonus=0.0008)))
    joined = replace(sound, speed_bonus=0.0008, speed_min=30.0, speed_medium=30.0)  # no second slope below the first
    assert "crawl-optimum" not in of(replace(RECIPE, reward=replace(joined, speed_medium=40.0)))
    assert "finish-unpaid" in of(replace(RECIPE, reward=sound), replace(ROAD, artefact_m=600.0, artefact_points=1800))


def test_settings_that_contradict_each_other() -> None:
    values = {
        "MODEL": {},
        "ALG": {"GAMMA": 0.99},
        "ENV": {"END_OF_TRACK_REWARD": 5, "REWARD_CONFIG": {"END_OF_TRACK": 100}},
    }
    assert "settings-ignored" in of(from_values(values))
    values["ENV"]["REWARD_CONFIG"] = {"END_OF_TRACK": 5}  # type: ignore[index]
    assert "settings-ignored" not in of(from_values(values))


def test_layouts_of_a_config() -> None:
    flat = from_values({"ALG": {}, "ENV": {}, "TRAINING_STEPS_PER_ROUND": 123})
    nested = from_values({"MODEL": {"TRAINING_STEPS_PER_ROUND": 123}, "ALG": {"N_STEPS": 3}, "ENV": {}})
    later = from_values({"MODEL": {}, "ALG": {}, "ENV": {}, "REWARD_CONFIG": {"MAX_STRAY": 33}})
    assert flat.updates_per_row == nested.updates_per_row == 123
    assert nested.n_step == 3
    assert later.reward is not None
    assert later.reward.max_stray == 33


def test_missing_columns_are_asked_for_and_not_judged() -> None:
    report = diagnose([Case(history=History({"debug/q1": TIME}))])
    assert not report.findings
    assert "twin-critics-identical" in {x.fault for x in report.lacking}


def test_every_fault_has_its_section() -> None:
    text = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (\S+)$", text, re.M)) == sorted(FAULTS)


def test_ends_that_a_foreign_run_hardly_shows() -> None:
    run = {"debug/d": 0.002 + 0 * TIME, "episode_length_train": 400 + 50 * NOISE}
    assert "terminal-dropped" not in found(run)
    few = {**run, "debug/d": 0.0002 + 0 * TIME}
    report = diagnose([Case(history=History(few))])
    finding = next(f for f in report.findings if f.fault == "terminal-dropped")
    assert finding.sure <= 0.5  # a time limit would look the same
    assert finding.rank == "warning"


def test_evidence_of_one_fault_from_two_sides_is_told_together() -> None:
    one = Finding("a", ("settings",), 0.9, fault="demos-stale")
    other = Finding("b", ("rewards",), 0.5, fault="demos-stale")
    assert [f.evidence for f in Diagnosis.of([other, one]).findings] == [("settings", "rewards")]


@pytest.mark.parametrize("drift", [0.0, 0.4])
def test_a_policy_that_has_not_moved_since_the_first_row_has_learned_nothing(drift: float) -> None:
    """Random weights need not draw as a uniform policy does; a policy that learns moves away from them, whatever they are."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 80)
    columns = {"updates": np.arange(80.0)}
    for name, value in (("a1_0", -0.2), ("a1_1", -0.1), ("a1_0_std", 0.5), ("a1_1_std", 0.83), ("log_pi", 0.0)):
        columns[f"debug/{name}"] = value + drift * time + 0.05 * rng.normal(size=80)
    for ours in (True, False):
        found = {f.fault for f in diagnose([Case(history=History(dict(columns), ours=ours))]).findings}
        assert ("uniform-policy" in found) == (ours and not drift), "others may write their first row after much learning"


@pytest.mark.parametrize(
    ("ours", "from_to", "drifts"), [(True, (0.1, 0.5), False), (True, (0.5, 0.1), True), (False, (0.1, 0.5), True)]
)
def test_a_share_of_demos_that_grows_to_its_half_is_no_drift_in_our_trainer(
    ours: bool, from_to: tuple[float, float], drifts: bool
) -> None:
    columns = {"debug/demo_fraction_in_batch": np.linspace(*from_to, 200)}
    found = {f.fault for f in diagnose([Case(history=History(columns, "metrics", ours))]).findings}
    assert ("demo-share-drift" in found) is drifts


def test_a_run_that_begins_with_laps_has_not_changed_its_mix() -> None:
    """Until the first drive whole batches are of demos; what is earned changes with the first drive as well."""
    share = np.array([1.0] * 60 + [0.5] * 60)
    columns = {"debug/demo_fraction_in_batch": share, "debug/r": share + 0.01 * np.random.default_rng(0).normal(size=120)}
    for ours in (True, False):
        found = {f.fault for f in diagnose([Case(history=History(dict(columns), "metrics", ours))]).findings}
        assert bool({"demo-share-drift", "batch-composition"} & found) is not ours
