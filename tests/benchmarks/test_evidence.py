"""The evidence in small: the finer clock, what a person pays, and a queue that goes on where it was cut off."""

import importlib
import json
import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from data.records import Corner
from hitl.demo.shipped import open_shipped
from hitl.drivers.person import PEOPLE, traits_of
from hitl.games.base import Start
from hitl.home import Home
from hitl.protocols import EpisodeResult
from hitl.road.track import load_track, shipped_tracks
from tests.support.places import BENCHMARKS as FOLDER

HAIRPIN = Corner("hairpin", 192.0, 247.0)


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == FOLDER:
            del sys.modules[name]


def test_the_first_pass_is_two_readings_in_a_row(bench):
    first_pass = bench("corner_clock").first_pass
    assert first_pass([0.0, 0.95, 0.5, 0.9, 1.0]) == 3
    assert first_pass([0.9]) is None
    assert first_pass([]) is None


def test_tries_begin_disturbed_and_moving_as_the_approach_did(bench):
    disturbed = bench("corner_clock").disturbed
    found = [disturbed(Start(s=100.0, speed=20.0, steer=0.1), np.random.default_rng(k)) for k in range(200)]
    assert {s.s for s in found} == {100.0}
    assert np.std([s.offset for s in found]) == pytest.approx(0.3, rel=0.2)
    assert np.mean([s.speed for s in found]) == pytest.approx(20.0, rel=0.01)
    assert len({s.speed for s in found}) == 200


def test_the_clock_tells_an_agent_that_fails_from_a_driver_that_passes(bench, tmp_path):
    torch.set_num_threads(1)
    clock_module = bench("corner_clock")
    home = Home(tmp_path / "home")
    open_shipped(home)
    clock = clock_module.CornerClock(load_track("default"), HAIRPIN, home.store_path, tries=4)

    class Rolling:
        """Lets the car roll: it never comes through the corner."""

        def act(self, seen, deterministic):
            return torch.zeros(len(seen), 2)

    assert clock.read(Rolling(), steps=50, attempts=1) == 0.0
    never = {"first_pass_steps": None, "first_pass_attempts": None, "corner_held": None, "corner_last": 0.0}
    assert clock.figures() == never
    clock.readings += [{"steps": 100, "attempts": 2, "share": 0.95}, {"steps": 150, "attempts": 3, "share": 1.0}]
    passed = {"first_pass_steps": 100, "first_pass_attempts": 2, "corner_held": None, "corner_last": 1.0}
    assert clock.figures() == passed, "what makes the pass is no part of what is held"
    clock.readings += [{"steps": 650, "attempts": 6, "share": 0.5}, {"steps": 1200, "attempts": 9, "share": 0.25}]
    assert clock.figures() == passed | {"corner_held": pytest.approx(0.375), "corner_last": 0.25}
    clock.close()
    few = clock_module.CornerClock(load_track("default"), HAIRPIN, home.store_path, tries=5, most=2)  # cars at once
    driven = []

    class Counting(Rolling):
        def act(self, seen, deterministic):
            driven.append(len(seen))
            return super().act(seen, deterministic)

    assert few.read(Counting(), steps=50, attempts=1) == 0.0
    assert max(driven) == 2
    assert driven[-1] == 1, "the fifth try is driven alone"
    few.close()
    with pytest.raises(ValueError, match="comes to nowhere"):
        clock_module.CornerClock(load_track("default"), Corner("nowhere", 10_000.0, 10_050.0), home.store_path)


def test_what_a_person_pays(bench):
    paid = bench("ceiling").Paid(human=0)
    far, near = EpisodeResult("drive", progress=300.0, human_steps=60, takeovers=1), EpisodeResult("drive", progress=100.0)
    paid.add(near, HAIRPIN, 100, 1.0)
    paid.add(far, HAIRPIN, 300, 2.0)
    paid.add(near, HAIRPIN, 400, 1.0)
    assert paid.figures(20.0) == {
        "human_seconds": 3.0, "takeovers": 1, "attempts": 1, "watched_seconds": 15.0, "called_seconds": 9.0,
        "machine_seconds": 4.0,
    }  # fmt: skip


def test_a_share_of_takeovers_goes_wrong_on_demand():
    assert traits_of("good@25").bad_takeovers == 0.25
    assert traits_of("good@0") == traits_of("good") == PEOPLE["good"]


def test_the_plan_is_of_arms_tracks_and_hands_that_exist(bench):
    evidence = bench("evidence")
    plan = tomllib.loads(evidence.PLAN.read_text(encoding="utf-8"))
    for j in evidence.jobs_of(plan["question"]):
        assert j.arm in evidence.ARMS
        assert j.skill == "expert" or traits_of(j.skill)
        assert (evidence.ROOT / j.track).is_file() if j.track.endswith(".toml") else j.track in shipped_tracks()
    assert set(plan["seen"]) <= {Path(track).stem for q in plan["question"] for track in q["tracks"]}


def test_ratios_are_of_agents_that_did_both(bench):
    def of(name, track, seed, first, skill="good"):
        return {
            "name": name, "track": track, "seed": seed, "skill": skill, "first_pass_attempts": first, "attempts": 80
        }  # fmt: skip

    results = [of("takeover", t, s, 10) for t in ("default", "esses") for s in (0, 1)]
    results += [of("laps", t, s, 20) for t in ("default", "esses") for s in (0, 1)]
    results += [of("continue", "default", 0, None), of("laps", "default", 7, 1), of("takeover", "default", 0, 5, "late")]
    found = bench("evidence").ratios(results, "good")
    assert set(found) == {("laps", "good"), ("continue", "good"), ("takeover", "late")}
    agents, laps = found["laps", "good"]
    assert (agents, laps.middle, laps.low, laps.high) == (4, *[pytest.approx(2.0)] * 3)
    assert found["continue", "good"][1].middle == pytest.approx(8.0)  # never passed: all of its attempts count
    assert found["takeover", "late"][1].middle == pytest.approx(0.5)


def test_driven_steps_are_those_until_the_pass_with_the_laps_driven_by_hand_before(bench):
    evidence = bench("evidence")
    passed = {"first_pass_steps": 300, "clock": [{"steps": 900}], "lap_steps": 400}
    assert evidence.driven(passed) == 700
    assert evidence.driven(passed | {"first_pass_steps": None}) == 1300
    del passed["lap_steps"]
    assert evidence.driven(passed) == 300


def test_a_track_with_one_agent_has_its_part_in_the_interval(bench):
    estimate = bench("ceiling_numbers").estimate
    alone = estimate([[1.0, 2.0], [3.0]])
    assert 1.0 <= alone.low < alone.middle < alone.high <= 3.0
    assert estimate([[1.0], [3.0]]).high == 3.0, "two such tracks are drawn from together"
    assert np.isnan(estimate([[2.0]]).low)


def test_seed_by_seed_so_that_what_is_there_is_balanced(bench):
    evidence = bench("evidence")
    q = {"name": "q", "tracks": ["default", "esses"], "arms": ["no_help", "takeover"], "skills": ["good", "late"], "seeds": 2}
    q |= {"steps": 9, "hold": 1}
    jobs = list(evidence.jobs_of([q]))
    assert [j.seed for j in jobs] == [0] * 6 + [1] * 6
    assert len({j.file for j in jobs}) == 12
    assert sum(j.arm == "no_help" for j in jobs) == 4  # nobody helps there, whoever could
    assert len(list(evidence.jobs_of([q], seeds=1))) == 6


def test_a_queue_goes_on_where_it_was_cut_off(bench, tmp_path, monkeypatch, capsys):
    evidence = bench("evidence")
    home = Home(tmp_path / "stalled" / "default-0")
    open_shipped(home)
    (home.root / "stalled.json").write_text(json.dumps({"corner": ["hairpin", 192.0, 247.0], "steps": 0}))
    (tmp_path / "runs").mkdir()
    job = evidence.Job("q", "default", 0, "no_help", "good", 60, 0)
    few = {"utd": 0.02, "batch_size": 32}
    arm = evidence.ARMS["no_help"]
    monkeypatch.setitem(evidence.ARMS, "no_help", type(arm)(arm.text, settings={**arm.settings, **few}))
    monkeypatch.setattr("hitl.road.line.DRIVES", 2)  # that judge it
    monkeypatch.setattr("corner_clock.TRIES", 2)
    assert evidence.work((tmp_path, job, 0.0)) == ""  # the time is over
    assert "default-0 no_help" in evidence.work((tmp_path, job, float("inf")))
    question = {"name": "q", "text": "Does it?"}
    other = evidence.Job("q", "default", 1, "no_help", "good", 60, 0)
    question["skills"] = ["good"]
    figures = evidence.show(tmp_path, [question], [job, other], ["default"])
    assert (figures["q"]["runs"], figures["q"]["left"]) == (1, 1)
    told = capsys.readouterr().out
    assert "Does it? — tracks looked at" in told
    assert f"1 of 2 runs are not done, the first: {other.file}" in told
    shutil.rmtree(tmp_path / "stalled")
