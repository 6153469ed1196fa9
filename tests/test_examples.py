"""Every example is run, headless, with a function or a scripted driver in the player's place."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from data.errors import NoStoreError
from data.records import HUMAN
from hitl import Store
from hitl.drivers.human import ScriptedHuman, scripted_human
from hitl.road.track import load_track
from tests.support.places import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def example(name: str) -> Any:
    """Return an example as a module."""
    if "sb3" in name:
        pytest.importorskip("stable_baselines3")
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def driver() -> ScriptedHuman:
    """Drives all the time."""
    return scripted_human(load_track("default"), "good", None)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `train_from_a_script` leaves behind."""
    folder = tmp_path_factory.mktemp("examples") / "home"
    results = example("train_from_a_script").main(driver(), folder, 2, False, warmup_steps=100, batch_size=32, hidden=16, utd=0.1)
    assert [r.purpose for r in results] == ["evaluation"] * 5
    return folder


def test_each_is_short_is_listed_and_is_run_here() -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    here = Path(__file__).read_text(encoding="utf-8")
    assert len(EXAMPLES) == 7
    for path in EXAMPLES:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 40, path.name
        assert f"`{path.name}`" in page
        assert f'example("{path.stem}")' in here


def test_training_from_a_script(home: Path) -> None:
    with Store(home) as store:
        newest = store.latest_checkpoint()
        assert newest is not None
        assert newest.updates > 50
        assert len(store.takeovers()) == 2
        assert [e.purpose for e in store.episodes()] == ["drive"] * 2 + ["evaluation"] * 5


def test_the_keyboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def left(seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        return np.ones(1, np.float32) if seen[0] < 0.0 else None

    example("keyboard_takeover").main(left, tmp_path, 120, "Pendulum-v1", None)
    with Store(tmp_path) as store:
        assert len(capsys.readouterr().out.splitlines()) == len(store.takeovers()) > 0


def test_an_sb3_agent_is_helped_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = {"learning_starts": 60, "batch_size": 16, "train_freq": 40, "gradient_steps": 2, "buffer_size": 1000}
    example("help_sb3_at_its_corner").main(driver(), tmp_path, 100, 420, False, **small)
    said = capsys.readouterr().out
    assert "with help:" in said
    with Store(tmp_path) as store:
        (episode, *_) = store.episodes()
        assert episode.reason == "finish"
        assert len(store.takeovers()) == 2  # the lap, and what was begun after it


def test_a_real_time_interface(tmp_path: Path) -> None:
    def hold(seen: Any, info: dict[str, Any]) -> np.ndarray | None:
        return -0.5 * seen[0][1:] if abs(seen[0][0]) < 0.9 else None

    fast = {"time_step_duration": 0.004, "start_obs_capture": 0.004, "time_step_timeout_factor": 1e6}
    example("rtgym_interface").main(hold, tmp_path, 60, **fast)
    with Store(tmp_path) as store:
        assert any((store.steps(e)["driver"] == HUMAN).any() for e in store.episodes())


def test_a_loop_of_ones_own_learns_from_both_halves(tmp_path: Path) -> None:
    actor = example("cleanrl_style_ddpg").main(driver(), tmp_path, steps=480, overlay=False)
    assert all(bool(p.isfinite().all()) for p in actor.parameters())
    with Store(tmp_path) as store:
        assert store.episodes()[0].reason == "finish"


def test_cloning_from_a_data_loader(home: Path) -> None:
    _, error = example("dataset_cloning").main(home, 150, 64)
    assert error < 0.02


def test_takeovers_are_plotted(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    example("takeovers_as_arrays").main(home, file=tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000
    assert "steers" in capsys.readouterr().out
    with pytest.raises(NoStoreError):  # what only reads makes nothing
        example("takeovers_as_arrays").main(tmp_path / "no-home")
    assert not (tmp_path / "no-home").exists()
