"""The ceiling benchmark in small: it evaluates as a session does, an arm forks a stalled home, all arms can be set."""

import dataclasses
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from data.records import Corner
from hitl.demo.shipped import open_shipped
from hitl.drivers.scripted import HelpRule
from hitl.games.base import VehicleState
from hitl.games.box2d import Box2DGame
from hitl.home import Home
from hitl.road.line import Place
from hitl.road.track import load_track
from hitl.session.lockstep import Lockstep
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.batches import ACT, OBS, random_batch
from tests.support.laps import drive_laps
from tests.support.places import BENCHMARKS as FOLDER
from trainer.learner.make import make_learner
from trainer.presets import PRESETS

HAIRPIN = {"corner": ["hairpin", 192.0, 247.0], "steps": 0}


@pytest.fixture
def ceiling(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    module = importlib.import_module("ceiling")
    yield module
    for name in set(sys.modules) - before:  # `common` and its like are names that others use too
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == FOLDER:
            del sys.modules[name]


@pytest.fixture
def stalled(tmp_path):
    home = Home(tmp_path / "stalled")
    open_shipped(home)
    drive_laps(home)
    return home


def test_its_evaluation_is_the_sessions_own(ceiling, stalled):
    torch.set_num_threads(1)
    init = next(stalled.checkpoints.glob("*.safetensors"))
    with Lockstep(stalled, SessionOptions(kind="demo"), PRESETS["hitl"], init=init) as lockstep:
        expected = lockstep.rig.evaluate(3, 5000)
        found = ceiling.SoloDrives(lockstep.rig.track, 3)(lockstep.policy.actor, 5000)
    assert [r.reason for r in found] == [r.reason for r in expected]
    assert [r.steps for r in found] == [r.steps for r in expected]
    assert [r.total for r in found] == pytest.approx([r.total for r in expected], rel=1e-3)


def test_a_long_lap_is_driven_fewer_times(ceiling, tmp_path):
    """In a game whose copies are processes of their own, few are open, and the corner's clock is read more rarely."""
    make, most, rarer = ceiling.copies_in("box2d", Home(tmp_path))
    assert (most, rarer) == (20, 1)
    judge = ceiling._Judge(load_track("default"), Corner(*HAIRPIN["corner"]), 20.0, make, most)
    assert judge.episodes == 20
    judge.close()
    assert ceiling.copies_in("supertuxkart", Home(tmp_path))[1:] == (2, ceiling.RARER)
    lava, car = Corner("lava", 967.0, 1041.0), lambda _: Box2DGame(load_track("default"))
    long = ceiling._Judge(load_track("fortmagma"), lava, 20.0, car, 2)
    assert (long.episodes, len(long._drive.envs)) == (10, 2)
    long.close()


@pytest.fixture
def short(ceiling, monkeypatch):
    """Few and small updates, which are enough to learn something, few episodes to judge them by, and no trials."""
    few = {"utd": 0.1, "batch_size": 32}
    arms = {
        name: dataclasses.replace(arm, settings={**arm.settings, **few}, proves=False) for name, arm in ceiling.ARMS.items()
    }
    monkeypatch.setattr(ceiling, "ARMS", arms)
    stalls, goes_on = ceiling.LEARNERS["run_l"]
    monkeypatch.setitem(ceiling.LEARNERS, "run_l", (stalls, goes_on | few))
    monkeypatch.setattr(ceiling, "EVALUATE_EVERY", 200)
    monkeypatch.setattr("hitl.road.line.DRIVES", 2)  # that judge it
    monkeypatch.setattr(ceiling, "TRIES", 2)
    monkeypatch.setitem(ceiling.COPIES, "box2d", dataclasses.replace(ceiling.COPIES["box2d"], most=2))  # cars at once


@pytest.mark.usefixtures("short")
def test_an_arm_goes_on_from_a_copy_of_the_stalled_home(ceiling, stalled):
    before = stalled.store_path.read_bytes()
    found = {
        name: ceiling.run(stalled.root, "default", name, 0, 200, 0, HAIRPIN) for name in ("continue", "takeover")
    }
    assert stalled.store_path.read_bytes() == before
    assert found["continue"]["human_seconds"] == 0
    assert 0 < found["takeover"]["human_seconds"] <= 40
    for result in found.values():
        assert result["curve"][0]["passes"] == 0  # it begins at the stall
        assert result["curve"][-1]["steps"] >= 200
        assert 10 < result["human_lap_seconds"] < 30
    figures = ceiling.summary(list(found.values()), 200)
    assert set(figures["arms"]) == {"continue", "takeover"}
    ceiling.show(figures, 200)


@pytest.mark.usefixtures("short")
def test_an_arm_whose_agent_asks_for_help(ceiling, stalled, monkeypatch):
    with SessionSetup(stalled, SessionOptions(kind="stall")) as rig:
        for seed in range(6):
            rig.session.episode("drive", seed=seed)  # it fails at the corner in every one, and so it asks there
    monkeypatch.setattr("helping.PER_MINUTE", 20.0)
    result = ceiling.run(stalled.root, "default", "on_request", 0, 200, 0, HAIRPIN)
    assert 0 < result["human_seconds"] <= 40


def test_help_goes_where_the_last_try_alone_ended(ceiling):
    track, one, two = load_track("default"), Corner("one", 60.0, 90.0), Corner("two", 200.0, 240.0)
    rig = SimpleNamespace(track=track, corners=(one, two), task=SimpleNamespace(settings=SimpleNamespace(hz=20.0)))
    rule = sys.modules["helping"].WhereItFails(rig, one, lambda: 0.05)
    state = VehicleState(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def helped(until_m: float) -> list[int]:
        """Drive an episode up to a place; return the first and the last metre at which the wheel was asked for."""
        rule.begin()
        held = [s for s in range(round(until_m) + 1) if rule.requests_control(state, Place(s, 0.0, 0.0))]
        return held[:1] + held[-1:]

    first, last = helped(150)
    assert 30 < first < 60 < 90 <= last < 115
    assert helped(210) == []  # it tries alone, and fails at another corner
    assert helped(150) == []  # who is ready there waits for the next try where this one ends before
    first, last = helped(300)
    assert 170 < first < 200 < 240 <= last < 265
    assert helped(140) == []  # and then where no corner is near
    first, last = helped(300)
    assert 80 < first < 140 < last < 200
    assert helped(track.line.length) == []
    assert helped(track.line.length) == []  # what it finishes alone is not helped again

    rule = sys.modules["helping"].WhereItFails(rig, two, lambda: 0.05)
    state = dataclasses.replace(state, vx=20.0)
    first, _ = helped(220)
    assert helped(220) == []
    assert helped(300)[0] == first - 20  # after help that failed, a second earlier


def test_where_it_stands_before_the_corner_it_is_driven_on_from_there(ceiling):
    track, corner = load_track("default"), Corner("one", 60.0, 90.0)
    wanted = HelpRule(corners=frozenset({"one"}), danger=False, patient=True)
    rule = sys.modules["helping"].Rescues(track, wanted, 20.0, (corner,), lambda: 0.1)
    drives, stands = (VehicleState(0.0, 0.0, 0.0, 0.0, 0.0, v, 0.0, 0.0, 0.0, 0.0, 0.0) for v in (15.0, 0.5))

    def helped(*steps: tuple[VehicleState, float]) -> list[int]:
        rule.begin()
        return [k for k, (state, s) in enumerate(steps) if rule.requests_control(state, Place(s, 0.0, 0.0))]

    passes = [(drives, s) for s in range(10, 120)]
    assert helped(*passes), "first it helps"
    assert helped(*passes) == [], "then the agent tries"
    assert helped(*passes[:45], *[(stands, 55.0)] * 9, *passes[45:]) == [], "it hesitates"
    far = [(stands, 15.0)] * 40
    first, *_, last = helped(*far, *passes[:45], *[(stands, 55.0)] * 20, *passes[45:])
    assert 40 + 45 + 10 < first < 40 + 45 + 20
    assert last > 40 + 45 + 20 + 30, "until the corner is behind"


def test_every_arm_is_of_settings_that_exist(ceiling):
    for arm in ceiling.ARMS.values():
        PRESETS["hitl"].with_values(**arm.settings)


@pytest.mark.parametrize("name", ["awac", "ibrl", "td3_bc"])
def test_another_loss_of_the_actor_finds_the_best_action(ceiling, name):
    """One step, paid by how near an action comes to what is best there; what is in the batch is chance."""
    rule = ceiling.OFFLINE_RL[name]
    small = {"hidden": 32, "lr_actor": 3e-3, "lr_critic": 3e-3, "alpha": 0.0, "actor_average": None, "log_std_max": -1.0}
    small |= {"critics": 2, "quantiles": 5, "drop_per_critic": 0}
    learner = rule.make(OBS, ACT, PRESETS["hitl"].with_values(**rule.settings).with_values(**small))

    def best(seen):
        return torch.stack((seen[:, 0].tanh() * 0.6, -seen[:, 1].tanh() * 0.6), 1)

    def off(batch):
        return float((learner.newest.act(batch.observation) - best(batch.observation)).abs().mean())

    g = torch.Generator().manual_seed(0)
    before = off(random_batch(999))
    for k in range(150):
        batch = random_batch(k, 128)
        batch.action.copy_(2 * torch.rand(batch.action.shape, generator=g) - 1)
        batch.reward.copy_(-4 * (batch.action - best(batch.observation)).square().sum(1))
        batch.discount.zero_()
        batch.cloned.zero_()
        learner.update(batch)
    assert off(random_batch(999)) < 0.6 * before


def batch_of_a_takeover(seed, *, human, agent):
    """One action of the human and another that the agent proposed, whatever is seen."""
    batch = random_batch(seed, 64)
    batch.action.copy_(torch.tensor(human))
    batch.proposed.copy_(torch.tensor(agent))
    for flag in (batch.cloned, batch.human, batch.takeover):
        flag.fill_(True)
    return batch


def actor_after(ceiling, name, updates, batches):
    """Return what the actor of an arm does after updates of cloning alone."""
    small = {"hidden": 16, "quantiles": 5, "lr_actor": 3e-3, "actor_average": None, "q_weight": 0.0}
    make = ceiling.LABEL_RULES[name].make if name else make_learner
    learner = make(OBS, ACT, PRESETS["hitl"].with_values(**small))
    for k in range(updates):
        learner.update(batches(k))
    return learner.newest.act(random_batch(999).observation).mean(0)


def test_a_preference_pushes_away_from_what_the_agent_proposed(ceiling):
    of = lambda k: batch_of_a_takeover(k, human=[0.3, 0.0], agent=[-0.3, 0.0])  # noqa: E731
    plain, pushed = actor_after(ceiling, "", 60, of), actor_after(ceiling, "preference", 60, of)
    assert pushed[0] > plain[0] + 0.05
    assert abs(pushed[1]) < 0.1


def test_a_step_that_no_other_confirms_is_trusted_less(ceiling):
    def batches(k):
        batch = batch_of_a_takeover(k, human=[0.5, 0.5], agent=[0.0, 0.0])
        batch.action[:12] = torch.tensor([-0.9, -0.9])  # wherever it was
        return batch

    plain, trusting = actor_after(ceiling, "", 60, batches), actor_after(ceiling, "trust", 60, batches)
    assert trusting.mean() > plain.mean() + 0.1
    assert trusting.numpy() == pytest.approx([0.5, 0.5], abs=0.12)
