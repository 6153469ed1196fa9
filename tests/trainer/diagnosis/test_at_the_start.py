"""A car that never sets off earns nothing: that is what is found, and nothing is read off numbers that are all but 0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.store import Store
from tests.support.daemon_runs import drive
from tests.trainer.diagnosis.test_history import RECIPE
from trainer.diagnosis.case import Case
from trainer.diagnosis.checks.drives import place_checks, start_checks
from trainer.diagnosis.drives import Drives, from_store
from trainer.diagnosis.finding import CheckResult, Finding, Lacking, Sound
from trainer.diagnosis.history import History
from trainer.diagnosis.probe import Probe
from trainer.diagnosis.run import diagnose

N = 60
RNG = np.random.default_rng(0)
Q = 0.001 * (1 + 0.3 * RNG.normal(size=N))


@pytest.fixture
def drives(tmp_path: Path) -> Drives:
    drive(tmp_path / "store.sqlite", 100, 6, takeover=False)
    with Store(tmp_path / "store.sqlite") as store:
        found = from_store(store)
    assert found is not None
    return found


def fails(drives: Drives, farthest: tuple[float, ...]) -> Drives:
    """The drives with these ends, each a failure."""
    ended = [replace(e, reason="stalled", human_steps=0, farthest=f) for e, f in zip(drives.episodes, farthest, strict=True)]
    return replace(drives, episodes=ended)


def one(outcomes: list[CheckResult]) -> CheckResult:
    (found,) = outcomes
    return found


def test_a_car_that_never_sets_off_is_a_finding_from_five_drives_on(drives: Drives) -> None:
    found = one(start_checks.sets_off(Case(drives=fails(drives, (1e-5,) * 6))))
    assert isinstance(found, Finding)
    assert "never sets off: all of its newest drives" in found.sentence
    assert "`hitl play --lap`" in found.advice
    assert any("(median)" in text for text in found.evidence)
    some = one(start_checks.sets_off(Case(drives=fails(drives, (1e-5,) * 5 + (80.0,)))))
    assert isinstance(some, Finding)
    assert "hardly sets off: most" in some.sentence
    assert isinstance(one(start_checks.sets_off(Case(drives=fails(drives, (80.0,) * 6)))), Sound)


def test_what_fails_at_the_start_is_no_place_that_the_agent_drives_up_to(drives: Drives) -> None:
    ends = tuple(e for k in range(6) for e in (2.0, 25.0 + k))
    many = fails(replace(drives, episodes=[*drives.episodes, *drives.episodes]), ends)
    assert isinstance(one(start_checks.sets_off(Case(drives=many))), Finding)
    assert isinstance(one(place_checks.one_corner(Case(drives=many))), Lacking)
    some = fails(replace(drives, episodes=[*drives.episodes, *drives.episodes]), (2.0, *(300.0 + k for k in range(11))))
    found = one(place_checks.one_corner(Case(drives=replace(some, corners=()))))
    assert isinstance(found, Finding)
    assert found.sentence.startswith("The agent drives well up to 300 m and fails between there and 310 m")


def test_without_a_road_the_speed_tells_and_without_both_nothing_is_said(drives: Drives) -> None:
    lost = fails(drives, (0.0,) * 6)
    fast = replace(lost, speed=np.full(len(lost), 20.0))
    assert isinstance(one(start_checks.sets_off(Case(drives=fast))), Sound)
    stands = replace(lost, speed=np.full(len(lost), 0.01))
    assert isinstance(one(start_checks.sets_off(Case(drives=stands))), Finding)
    assert isinstance(one(start_checks.sets_off(Case(drives=replace(lost, speed=np.zeros(len(lost)))))), Lacking)


def test_the_start_is_no_corner(drives: Drives) -> None:
    many = replace(drives, episodes=fails(drives, (1e-5,) * 6).episodes * 2)
    assert isinstance(one(place_checks.one_corner(Case(drives=many))), Lacking)


def test_a_car_that_drives_and_is_paid_nothing_is_a_finding(drives: Drives) -> None:
    moving, still = np.full(len(drives), 20.0), np.full(len(drives), 0.01)
    unpaid = replace(drives, reward=np.zeros(len(drives)), speed=moving)
    assert isinstance(one(start_checks.paid(Case(drives=unpaid))), Finding)
    assert isinstance(one(start_checks.paid(Case(drives=replace(unpaid, speed=still)))), Lacking)
    assert isinstance(one(start_checks.paid(Case(drives=replace(unpaid, reward=np.full(len(drives), 0.1))))), Sound)


def unpaid(**more: np.ndarray) -> History:
    """Our trainer's metrics of an agent that earns exactly 0: Q is noise near 0, and targets are lifted to what was earned."""
    zero = np.zeros(N)
    columns = {
        "updates": 50.0 * np.arange(1, N + 1), "debug/r": zero, "debug/r_std": zero, "debug/backup": 1e-9 * Q,
        "debug/q_a1_targ": -Q, "debug/q_a1_targ_std": 10 * Q, "debug/q1": Q, "debug/q2": 2 * Q, "debug/q1_std": Q,
        "debug/q_a1": Q, "debug/alpha": zero, "return_train": zero, "memory_len": np.full(N, 729.0),
        "sampling_duration": np.full(N, 5e-4), "debug/critic_grad_norm": zero, "debug/actor_grad_norm": zero,
    }  # fmt: skip
    return History(columns | more, ours=True)


def test_nothing_is_read_off_a_run_that_was_never_paid() -> None:
    recipe = replace(RECIPE, gamma=0.9925, n_step=3, alpha=0.0, backup_clip=None)
    report = diagnose([Case(history=unpaid(), recipe=recipe)])
    assert [f.fault for f in report.findings if f.rank != "note"] == []
    lacking = {x.fault: x.needs for x in report.lacking}
    assert "every reward so far is 0" in lacking["discount-power"]
    assert "returns that change" in lacking["return-held"]
    assert not any("nan" in text for text in (*lacking.values(), *(s.text for s in report.sound)))


def test_q_on_both_sides_of_0_gives_no_discount() -> None:
    """Paid a little: the mean of Q lies within a tenth of its deviation, so its ratio to anything is chance."""
    history = unpaid(**{"debug/r": np.full(N, 1e-4)})
    report = diagnose([Case(history=history, recipe=replace(RECIPE, gamma=0.9925, n_step=3, backup_clip=None))])
    assert "discount-power" not in {f.fault for f in report.findings}


def test_a_critic_that_was_never_paid_is_not_said_to_be_blind() -> None:
    blind = Probe(rows=512, updates=2000, spread=0.001, gain=0.0, twins=3.7, saturated=0.0)
    assert "critic-ignores-actions" in {f.fault for f in diagnose([Case(probe=blind)]).findings}
    report = diagnose([Case(probe=replace(blind, paid=False))])
    assert report.findings == ()
    assert any("more than Q varies" in s.text for s in report.sound)


def test_two_episodes_that_earn_nothing_are_two() -> None:
    """Only a value other than 0 that stands, with the length of its episode, is one that is held."""
    values = np.where(np.arange(N) % 4 == 0, RNG.normal(size=N), 0.0)
    report = diagnose([Case(history=History({"return_train": values, "episode_length_train": 80 + RNG.normal(size=N)}))])
    assert "return-held" not in {f.fault for f in report.findings}
    held = np.repeat(RNG.normal(size=N // 4), 4)
    report = diagnose([Case(history=History({"return_train": held, "episode_length_train": np.round(100 + held, 3)}))])
    assert "return-held" in {f.fault for f in report.findings}


def test_what_a_standing_car_sees_is_not_clipped(drives: Drives) -> None:
    from trainer.diagnosis.checks.drives import state_checks

    n = len(drives)
    speed = np.where(np.arange(n) < 0.2 * n, 0.0, RNG.uniform(5, 50, n))
    seen = drives.observation.copy()
    seen[:, 0] = speed / 60
    case = Case(drives=replace(drives, observation=seen, speed=speed))
    assert isinstance(one(state_checks.clipped(case)), Sound)
    seen[:, 0] = np.minimum(seen[:, 0], 0.4)
    assert isinstance(one(state_checks.clipped(case)), Finding)
