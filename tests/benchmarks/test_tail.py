"""The tail's benchmark: a rough game that is the same twice, and an agent that goes on in it."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from hitl.games import registry
from hitl.games.base import Start
from hitl.games.box2d import Box2DGame
from hitl.road.track import load_track
from tests.support.places import BENCHMARKS


@pytest.fixture
def tail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module("tail")
    for name in set(sys.modules) - before:  # `common` and its like are names that others use too
        if getattr(sys.modules[name], "__file__", None) and Path(str(sys.modules[name].__file__)).parent == BENCHMARKS:
            del sys.modules[name]
    registry.GAMES.pop("rough", None)
    registry.COPIES.pop("rough", None)


def drive(game: Box2DGame, start: Start, steps: int = 60) -> list[tuple[float, float]]:
    """Return where the car is in each step under half gas."""
    game.restart(start)
    places = []
    for _ in range(steps):
        game.send(np.array([0.5, 0.0], np.float32))
        game.advance(0.05)
        state = game.state()
        places.append((state.x, state.y))
    return places


def test_the_same_start_brings_the_same_disturbances_and_another_start_others(tail: Any) -> None:
    rough = tail.rough_game.RoughGame(load_track("default"))
    first = drive(rough, Start(s=1.0, offset=0.25))
    assert drive(rough, Start(s=1.0, offset=0.25)) == first
    assert drive(Box2DGame(load_track("default")), Start(s=1.0, offset=0.25)) != first
    moved = np.array(drive(rough, Start(s=1.0, offset=0.26))) - np.array(first)
    calm = Box2DGame(load_track("default"))
    beside = np.array(drive(calm, Start(s=1.0, offset=0.26))) - np.array(drive(calm, Start(s=1.0, offset=0.25)))
    assert np.abs(moved - beside).max() > 0.05


def test_a_forced_incident_pulls_the_wheel_at_once_and_only_in_that_run(tail: Any) -> None:
    rough = tail.rough_game.RoughGame(load_track("default"))
    start = Start(s=1.0, offset=0.25, speed=15.0)
    quiet = drive(rough, start, steps=20)
    rough.pulled_at_once = True
    pulled = drive(rough, start, steps=20)
    apart = [math.dist(a, b) for a, b in zip(quiet, pulled, strict=True)]
    assert max(apart[:3]) < 0.2 < 0.5 < max(apart)
    assert drive(rough, start, steps=20) == quiet


def test_nearly_all_means_from_some_look_on_in_every_one(tail: Any) -> None:
    looks = [{"steps": 1000 * k, "finished": n, "lap_s": 20.0, "p95": 1.02} for k, n in enumerate((90, 99, 98, 99, 100))]
    found = tail.figures_of(looks, looks[0])
    assert found["nearly_all_since"] == 3000
    assert found["least"] == 98
    assert found["finished_later"] == 99.5
    looks[-1]["finished"] = 98
    assert tail.figures_of(looks, looks[0])["nearly_all_since"] is None


def made(tail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home of an agent that has seen one lap; what it is measured by is made short."""
    monkeypatch.setattr(tail, "LAPS", 1)
    monkeypatch.setattr(tail, "DRIVES", 2)
    monkeypatch.setattr(tail, "FEW", 0)
    monkeypatch.setattr(tail, "MANY", 2)
    monkeypatch.setattr(tail, "EVERY", 80)
    monkeypatch.setattr("hitl.trials.copies.ATTEMPTS", 2)  # trials are tested elsewhere
    folder = tmp_path / "default-0"
    found = tail.make(folder, "default", "good", 0)
    assert found is not None
    assert json.loads((folder / "tail.json").read_text())["finished"] == found["finished"]
    return folder


def test_an_agent_goes_on_with_help_and_forced_incidents(tail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tail, tmp_path, monkeypatch)
    alone = tail.run((folder, "default", "good", "no_help", 0, 100))
    helped = tail.run((folder, "default", "good", "incidents", 0, 100))
    assert alone["human_s"] == 0
    assert alone["curve"][0]["steps"] == 0
    assert alone["curve"][-1]["steps"] >= 100
    assert alone["curve"][0]["finished"] == helped["curve"][0]["finished"]  # both begin from the same weights
    assert helped["human_s"] > 0


def test_a_start_anywhere_is_on_the_road_and_leaves_room_ahead(tail: Any) -> None:
    track, rng = load_track("default"), np.random.default_rng(0)
    starts = [tail.start_anywhere(SimpleNamespace(track=track), rng) for _ in range(200)]
    for start in starts:
        assert abs(start.offset) < track.half_width_at(start.s)
        assert start.s + tail.AHEAD_M <= track.line.length
    assert max(s.turn for s in starts) > 0.5
    assert min(s.turn for s in starts) < -0.5
    assert min(s.speed for s in starts) < 1.0


def test_an_agent_goes_on_from_starts_anywhere(tail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Mock(wraps=tail.start_anywhere)
    monkeypatch.setattr(tail, "start_anywhere", begin)
    folder = made(tail, tmp_path, monkeypatch)
    alone = tail.run((folder, "default", "good", "anywhere", 0, 200))
    assert alone["human_s"] == 0
    begin.assert_called()
