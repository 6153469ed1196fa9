"""The benchmark of the demo: what is set for its trainer is in the home that it drives in."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from hitl.home import Home
from hitl.settings import load
from tests.support.places import BENCHMARKS


def test_a_setting_reaches_the_demos_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("demo")
    seen: list[Any] = []

    def driven(home: Home, *_: Any, **__: Any) -> Any:
        seen.append(load(home, "train").train)
        raise StopIteration

    monkeypatch.setattr("hitl.demo.run.run_headless", driven)
    with pytest.raises(StopIteration):
        benchmark.demo(benchmark.Job("good", 0, "default", own=False, settings=("q_weight = 0", 'network = "mlp"')), tmp_path)
    assert seen == [{"q_weight": 0.0, "network": "mlp"}]
