"""How a return goes: runs that stand, that have fallen, that still rise; under whatever name it is logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hitl.commands.diagnose import main
from tests.trainer.diagnosis.test_history import RECIPE
from trainer.diagnosis.case import Case
from trainer.diagnosis.finding import Diagnosis, Finding
from trainer.diagnosis.history import History
from trainer.diagnosis.run import diagnose

N = 600
TIME = np.arange(N) / N
Make = Callable[[np.random.Generator], np.ndarray]


def noise(rng: np.random.Generator, size: float) -> np.ndarray:
    return size * rng.normal(size=N)


RISES: dict[str, Make] = {
    "evenly": lambda rng: 20 + 40 * TIME + noise(rng, 10),
    "in much noise": lambda rng: 20 + 40 * TIME + noise(rng, 20),
    "ever more slowly": lambda rng: 20 + 40 * np.log1p(9 * TIME) / np.log(10) + noise(rng, 10),
    "late": lambda rng: 20 + 200 * np.maximum(0, TIME - 0.8) + noise(rng, 6),
    "in steps": lambda rng: 20 + 15 * np.floor(4 * TIME) + noise(rng, 6),
    "with a dip": lambda rng: 20 + 40 * TIME - 20 * ((TIME > 0.4) & (TIME < 0.5)) + noise(rng, 8),
}
STANDS: dict[str, Make] = {
    "half of the run": lambda rng: 20 + 40 * np.minimum(1, 2 * TIME) + noise(rng, 8),
    "in much noise": lambda rng: 20 + 40 * np.minimum(1, 2.5 * TIME) + noise(rng, 20),
    "from the first row on": lambda rng: 20 + noise(rng, 5),
    "to the last digit": lambda rng: np.minimum(60, 20 + 80 * TIME),
    "below zero": lambda rng: -200 + 150 * np.minimum(1, 2.2 * TIME) + noise(rng, 6),
}
FALLS: dict[str, Make] = {
    "at once": lambda rng: 20 + 40 * np.minimum(1, 3 * TIME) - 35 * (TIME > 0.7) + noise(rng, 8),
    "slowly": lambda rng: 20 + 40 * np.minimum(1, 3 * TIME) - 30 * np.clip(4 * TIME - 2.4, 0, 1) + noise(rng, 10),
    "from where it began": lambda rng: 60 - 40 * (TIME > 0.5) + noise(rng, 8),
    "below zero": lambda rng: -100 + 90 * np.minimum(1, 3 * TIME) - 80 * (TIME > 0.7) + noise(rng, 8),
}


def held(values: np.ndarray) -> np.ndarray:
    """An evaluation each tenth row, which stands until the next."""
    return np.repeat(values[::10], 10)[:N]


def look(column: str, values: np.ndarray) -> Diagnosis:
    return diagnose([Case(history=History({column: values}))])


def names(report: Diagnosis) -> set[str]:
    return {f.fault for f in report.findings if f.fault.startswith("return-") and f.fault != "return-held"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", [np.asarray, held])
def test_runs_that_rise_stand_and_fall_are_told_apart(seed: int, form: Callable[[np.ndarray], np.ndarray]) -> None:
    column = "return_test" if form is held else "return_train"
    for kinds, wanted in ((RISES, set()), (STANDS, {"return-plateau"}), (FALLS, {"return-collapsed"})):
        for name, make in kinds.items():
            if form is held and name in ("in much noise", "ever more slowly"):
                continue  # sixty such evaluations show neither
            assert names(look(column, form(make(np.random.default_rng(seed))))) == wanted, name


def test_level_and_beginning_are_told() -> None:
    values = 20 + 40 * np.minimum(1, 3 * TIME) + noise(np.random.default_rng(0), 4)
    (finding,) = (f for f in look("return_train", values).findings if f.fault == "return-plateau")
    assert finding.data["level"] == pytest.approx(60, abs=1)
    assert finding.data["since"] == pytest.approx(200, abs=35)
    assert "about 60" in finding.sentence or "about 59" in finding.sentence
    assert finding.rank == "warning"


@pytest.mark.parametrize(
    "column",
    ["return_train", "return_test", "worker/return", "rollout/ep_rew_mean", "eval/mean_reward", "charts/episodic_return"],
)
def test_the_return_is_known_by_the_names_that_others_give_it(column: str) -> None:
    assert names(look(column, STANDS["half of the run"](np.random.default_rng(0)))) == {"return-plateau"}


def test_few_values_are_no_plateau_and_none_are_asked_for() -> None:
    flat = 20 + noise(np.random.default_rng(0), 3)
    for count in (20, 100):
        few = look("return_train", flat[:count])
        assert not names(few)
        assert few.answer == "could not tell"
        assert any("longer history" in needs for needs, _ in few.needs)
    assert "eight" in look("return_train", flat[:5]).needs[0][0]
    assert "return_test" in look("debug/q1", flat).needs[0][0]
    settings_alone = diagnose([Case(recipe=RECIPE)])
    assert settings_alone.answer == "could not tell"
    assert "--wandb" in settings_alone.needs[0][0]


def test_a_constant_return_is_said_to_be_constant_and_not_too_short() -> None:
    report = look("rollout/ep_rew_mean", np.full(N, 5.0))
    assert report.answer == "could not tell"
    needs, faults = report.needs[0]
    assert faults == ("return-collapsed", "return-plateau")
    assert "rollout/ep_rew_mean is 5 in all 600 rows" in needs, "in the file's own words"
    assert not any(word in needs for word in ("too few", "longer"))


def test_episodes_that_all_earn_the_same_stand_at_that() -> None:
    report = diagnose([Case(history=History({"r": np.full(N, 5.0), "l": np.full(N, 243.0), "t": 12.0 * np.arange(N)}))])
    assert report.findings[0].fault == "return-plateau"
    assert "stood at about 5 from the first" in report.findings[0].sentence


@pytest.mark.parametrize("column", ["debug/alpha", "entropy_coef", "train/ent_coef", "Alpha", "log_alpha"])
def test_a_temperature_is_known_by_the_names_that_others_give_it(column: str) -> None:
    grows = np.geomspace(0.05, 54, N)
    values = np.log(grows) if column.startswith("log") else grows
    columns = {column: values, "loss_entropy_coef": -TIME, "losses/loss_alpha": -TIME}
    (finding,) = diagnose([Case(history=History(columns))]).findings
    assert finding.fault == "temperature-runaway"
    settled = {**columns, column: np.log(0.2 + 0 * TIME) if column.startswith("log") else 0.2 + 0 * TIME}
    assert not diagnose([Case(history=History(settled))]).findings


def test_a_temperature_that_stands_far_above_the_reward() -> None:
    jumped = {"debug/alpha": np.where(TIME < 0.2, 0.05, 40.0), "debug/r_std": 0.1 + 0 * TIME}

    def found(reward: float) -> list[Finding]:
        return list(diagnose([Case(history=History({**jumped, "debug/r": reward + 0 * TIME}))]).findings)

    assert [f.fault for f in found(0.5)] == ["temperature-runaway"]
    assert not found(1000.0)  # where that is what a step is paid, it is none too large


@pytest.mark.parametrize(("grows", "found"), [(1e12, True), (1e3, False)])
def test_a_loss_that_explodes_where_q_is_not_logged(grows: float, found: bool) -> None:
    columns = {"train/critic_loss": 0.1 * np.geomspace(1, grows, N), "return_train": RISES["evenly"](np.random.default_rng(0))}
    report = diagnose([Case(history=History(columns))])
    assert [f.fault for f in report.above_notes] == (["exploded"] if found else [])


def test_what_was_not_seen_is_not_called_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.jsonl"
    rng = np.random.default_rng(0)
    rows = [{"debug/q1": 1 + 0.1 * rng.normal(), "debug/q2": 1 + 0.1 * rng.normal(), "debug/q1_std": 1.0} for _ in range(100)]
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    assert main(["--wandb", str(path)]) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "Nothing was found that keeps this run from learning" not in said
    assert "a column with the return" in said
    rows = [{**row, "return_train": 10 + k + rng.normal()} for k, row in enumerate(rows)]
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    assert main(["--wandb", str(path)]) == 0
    assert "Nothing was found that keeps this run from learning" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("column", "value"), [("entropy_coef", np.inf), ("loss_critic", np.nan), ("debug/q1", np.nan)])
def test_what_ends_in_no_numbers_is_never_called_sound(column, value):
    rows = np.arange(600)
    values = np.where(rows <= 500, 0.05 * 1.002**rows, value)
    found = diagnose([Case(history=History({column: values, "return_train": 10 + np.random.default_rng(0).random(600)}))])
    assert "exploded" in {f.fault for f in found.findings}
    assert "exploded" not in {s.fault for s in found.sound}
    assert not any("nan" in s.text for s in found.sound)


def test_training_drives_that_shine_do_not_make_up_for_evaluations_that_fall() -> None:
    rng = np.random.default_rng(0)
    up = 20 + 60 * TIME + noise(rng, 5)
    fallen = held(np.where(TIME < 0.5, 247 * np.minimum(1, 3 * TIME), 247 - 488 * (TIME - 0.5)) + noise(rng, 4))
    report = diagnose([Case(history=History({"return_train": up, "return_test": fallen}))])
    assert report.answer == "found"
    assert {"return-collapsed"} <= {f.fault for f in report.findings}
    a_little = held(100 + 60 * np.minimum(1, 3 * TIME) - 14 * (TIME > 0.7) + noise(rng, 3))
    report = diagnose([Case(history=History({"return_train": up, "return_test": a_little}))])
    assert report.answer != "sound"
    assert "return-collapsed" not in {s.fault for s in report.sound}


@pytest.mark.parametrize("rows", [12, 400])
def test_of_a_return_that_never_changes_it_is_said_that_it_is_the_same_and_not_that_it_is_too_short(rows: int) -> None:
    said = " ".join(needs for needs, _ in look("return_train", np.full(rows, 42.0)).needs)
    assert f"return_train is 42 in all {rows} rows" in said
    assert "too few" not in said
