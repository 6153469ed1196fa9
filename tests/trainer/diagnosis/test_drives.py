"""Checks on recorded drives: real driving of the embedded game, and the same with one thing made wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planted import Plan, make
from data.store import Store
from hitl.diagnosing import BOUNDED, of_home
from hitl.scripted import Skill
from trainer.diagnosis.case import Case
from trainer.diagnosis.drives import Drives, from_store
from trainer.diagnosis.run import diagnose


def drives_of(root: Path) -> Drives:
    with Store.open(root / "store.sqlite", create=False) as store:
        drives = from_store(store.conn, BOUNDED)
    assert drives is not None
    return drives


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Drives:
    plan = Plan(drives=8, evaluations=10)
    plan.config = plan.config.with_values(utd=0.004, batch_size=16)  # the driving is what is looked at here
    return drives_of(make(tmp_path_factory.mktemp("sound"), plan, seed=5))


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan(drives=12, evaluations=0, skill=Skill(corner_grip=60.0, braking=40.0))
    plan.config = plan.config.with_values(utd=0.004, batch_size=16)
    return make(tmp_path_factory.mktemp("failing"), plan, seed=5)


def names(drives: Drives) -> list[str]:
    return [f.fault for f in diagnose([Case(drives=drives)]).above_notes]


def test_sound_drives(sound: Drives) -> None:
    found = diagnose([Case(drives=sound)])
    assert not found.above_notes
    looked = {s.fault for s in found.sound}
    assert {
        "observation-constant", "observation-clipped", "actions-saturated", "demo-units", "demos-stale", "evaluation-missing",
        "weights-swapped", "finish-unpaid", "failures-in-one-corner", "far-below-human",
    } <= looked  # fmt: skip


def laps(drives: Drives, values: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    result = values.copy()
    result[drives.demo] = change(values[drives.demo])
    return result


def test_an_observation_that_stands_still(sound: Drives) -> None:
    seen = sound.observation.copy()
    seen[:, 2] = 0.5
    assert names(replace(sound, observation=seen)) == ["observation-constant"]


def test_a_clipped_observation(sound: Drives) -> None:
    seen = sound.observation.copy()
    seen[:, 0] = np.minimum(seen[:, 0], np.quantile(seen[:, 0], 0.6))
    assert names(replace(sound, observation=seen)) == ["observation-clipped"]


def test_full_lock_and_full_pedal(sound: Drives) -> None:
    assert names(replace(sound, proposed=np.sign(sound.proposed + 1e-6))) == ["actions-saturated"]


@pytest.mark.parametrize("factor", [(1.0, -1.0), (1.0, 0.1), (0.1, 1.0), (180.0, 1.0)])
def test_demos_in_other_units(sound: Drives, factor: tuple[float, float]) -> None:
    executed = laps(sound, sound.executed, lambda a: a * np.array(factor, np.float32))
    assert names(replace(sound, executed=executed)) == ["demo-units"]


def test_demos_paid_by_other_rules(sound: Drives) -> None:
    assert names(replace(sound, reward=laps(sound, sound.reward, lambda r: 0.5 * r))) == ["demos-stale"]
    now = {**sound.reward_settings, "progress": 2 * sound.reward_settings["progress"]}
    assert names(replace(sound, reward_settings=now)) == ["demos-stale"]
    assert names(replace(sound, repaid=((50.0, 310.0), (60.0, 330.0)))) == ["demos-stale"]
    assert names(replace(sound, repaid=((300.0, 310.0), (320.0, 330.0)))) == []


def test_demos_seen_by_other_rules(sound: Drives) -> None:
    wider = laps(sound, sound.observation, lambda o: np.hstack([o[:, :11], 2 * o[:, 11:]]))
    assert names(replace(sound, observation=wider))[0] == "demos-stale"
    assert names(replace(sound, other_layouts=((81, 900),))) == ["demos-stale"]


def test_evaluation_missing_and_noisy(sound: Drives) -> None:
    none = [e for e in sound.episodes if e.purpose != "evaluation"]
    assert names(replace(sound, episodes=none)) == ["evaluation-missing"]
    some = [replace(e, checkpoint=i // 2) if e.purpose == "evaluation" else e for i, e in enumerate(sound.episodes)]
    assert names(replace(sound, episodes=some)) == ["evaluation-noisy"]


def test_weights_swapped_in_mid_episode(sound: Drives) -> None:
    assert names(replace(sound, checkpoint=sound.t // 100)) == ["weights-swapped"]


def test_a_finish_that_is_not_paid(sound: Drives) -> None:
    paid = np.minimum(sound.reward, 1.0)
    assert "finish-unpaid" in names(replace(sound, reward=paid))


def test_all_failures_in_one_corner(failing: Path) -> None:
    case = of_home(failing)
    assert case.drives is not None
    found = diagnose([Case(drives=case.drives)])
    one = next(f for f in found.findings if f.fault == "failures-in-one-corner")
    assert "hairpin" in one.sentence
    assert "█" in one.picture
    poor = [replace(e, total=0.4 * e.total) if e.purpose == "drive" else e for e in case.drives.episodes]
    found = diagnose([Case(drives=replace(case.drives, episodes=poor))])
    assert "far-below-human" in [f.fault for f in found.findings]


def test_demos_that_never_reach_the_place(failing: Path) -> None:
    drives = of_home(failing).drives
    assert drives is not None
    short = replace(drives, demo=drives.demo & (drives.progress < 60))
    found = diagnose([Case(drives=short)])
    assert next(f for f in found.findings if f.fault == "demos-uncovered").sentence.startswith("No demo")
    # A person who drives from the very states that fail covers them.
    own = replace(drives, demo=np.ones(len(drives), bool))
    assert "demos-uncovered" not in names(own)
