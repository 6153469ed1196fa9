"""From a first drive of somebody's own agent to ours taking over where the human did: by the commands that are typed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest

from data.errors import CheckpointError
from data.store import Store
from hitl.agents.beside import BesidePolicy, beside_policy
from hitl.agents.export.sb3 import distill
from hitl.agents.opening import open_agent
from hitl.cli import main
from hitl.home import Home
from hitl.screens.session_screen import SessionScreen
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import AgentSettings
from tests.hitl.screens.test_session_screen import Shown
from tests.support.daemon_runs import train
from trainer.checkpoints.files import load
from trainer.presets import PRESETS

AGENT = "tests.support.straight:drive"
WANTED = AgentSettings(use=AGENT)
SMALL = PRESETS["hitl"].with_values(hidden=16, batch_size=16, utd=0.05, warmup_steps=20)


def play(home, *more):
    return main(["play", "--home", str(home.root), "--headless", "--agent", AGENT, *more])


@pytest.fixture(scope="module")
def first_helped(tmp_path_factory):
    """A home in which the agent was helped, and in which was trained."""
    home = Home(tmp_path_factory.mktemp("helped") / "home")
    assert play(home, "--pad", "scripted", "--skill", "expert", "--episodes", "2") == 0
    train(home.root, None, SMALL)
    return home


@pytest.fixture
def helped(first_helped, tmp_path):
    """A copy of it."""
    home = Home(tmp_path / "home")
    shutil.copytree(first_helped.root, home.root)
    return home


@pytest.fixture(scope="module")
def first_alone(tmp_path_factory):
    """A home in which no other agent drove, and in which was trained."""
    home = Home(tmp_path_factory.mktemp("alone") / "home")
    assert main(["play", "--home", str(home.root), "--headless", "--pad", "scripted", "--episodes", "1"]) == 0
    train(home.root, None, SMALL)
    return home


@pytest.fixture
def alone(first_alone, tmp_path):
    """A copy of it."""
    home = Home(tmp_path / "alone")
    shutil.copytree(first_alone.root, home.root)
    return home


def newest_steps(home):
    with sqlite3.connect(home.store_path) as db:
        return db.execute(
            "SELECT progress, proposed, driver, checkpoint_id FROM steps WHERE episode_id = (SELECT max(id) FROM episodes)"
        ).fetchall()


def test_ours_takes_over_around_the_takeovers_and_nowhere_else(helped, capsys):
    with Store(helped.store_path, read_only=True) as store:
        newest = store.checkpoints()[0]
    _, meta = load(helped.checkpoints / newest.name)
    assert meta.config["frozen_agent"]
    ((track, zones),) = meta.zones.items()
    assert track == "default"
    assert zones
    capsys.readouterr()
    assert play(helped, "--pad", "none", "--episodes", "1") == 0
    assert "at random" not in capsys.readouterr().out
    steps = newest_steps(helped)
    own = {bool(any(low <= progress <= high for low, high in zones)) for progress, *_ in steps}
    assert own == {True, False}
    for progress, proposed, _, checkpoint in steps:
        inside = any(low <= progress <= high for low, high in zones)
        same = np.array_equal(np.frombuffer(proposed, np.float32), np.array([0.5, 0.0], np.float32))
        assert same != inside, progress
        assert checkpoint == newest.id
    assert play(helped, "--pad", "none", "--episodes", "1", "--agent-alone") == 0
    actions = {proposed for _, proposed, *_ in newest_steps(helped)}
    assert actions == {np.array([0.5, 0.0], np.float32).tobytes()}


def test_the_overlay_says_who_drives(helped):
    shown = Shown()
    screen = SessionScreen(shown)
    with SessionSetup(helped, SessionOptions(), policy=beside_policy(WANTED, helped), watch=screen) as rig:
        screen.begin(rig, SimpleNamespace(newest=None))
        rig.session.episode(seed=0)
        low, high = rig.policy.zones[0]
    said = {(view.who, view.agent, view.corrected) for view in shown.views}
    assert {("agent", AGENT, False), ("agent", "", True)} <= said
    for view in shown.views:
        assert not (view.agent and view.corrected)
        if view.corrected:
            assert low - 5 <= view.progress <= high + 5


def test_what_an_evaluation_was_of_is_said(helped, capsys):
    assert main(["eval", "--home", str(helped.root), "--agent", AGENT, "--episodes", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    with Store(helped.store_path, read_only=True) as store:
        name = store.checkpoints()[0].name
    assert said["checkpoint"] == f"{AGENT}, with {name} where it was helped"


def test_neither_drives_without_the_other(helped, alone, capsys):
    assert main(["play", "--home", str(helped.root), "--headless", "--pad", "none", "--episodes", "1"]) == 0
    assert "name that agent with --agent" in " ".join(capsys.readouterr().out.split())
    with SessionSetup(helped, SessionOptions()) as rig, pytest.raises(CheckpointError, match="cannot drive alone"):
        rig.policy.pin("latest")
    with SessionSetup(alone, SessionOptions(), policy=beside_policy(WANTED, alone)) as rig:
        assert isinstance(rig.policy, BesidePolicy)
        rig.policy.begin_episode()
        assert "has learned to drive alone" in rig.policy.problem
        assert rig.policy.name == AGENT


def test_it_does_not_go_out_as_a_program_beside_python_of_ones_own(helped, tmp_path, capsys):
    assert main(["export", "agent", str(tmp_path / "ours.pt"), "--home", str(helped.root), "--agent", AGENT]) == 2
    assert "cannot be one program with ours" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "ours.pt").exists()


def test_back_in_its_archive_it_does_ours_where_that_drives_and_its_own_elsewhere(archives, tmp_path, monkeypatch):
    monkeypatch.setattr("hitl.agents.export.sb3.STEPS", 600)
    archive, home = archives.folder / "ddpg.zip", Home(tmp_path / "home").create()
    agent = open_agent(AgentSettings(use=str(archive)), home, ("a", "b", "c"), ("x",))
    rng = np.random.default_rng(0)
    episodes = [(rng.uniform(-1, 1, (60, 3)).astype(np.float32), np.arange(60) < 30) for _ in range(20)]
    for seen, inside in episodes:
        seen[:, 0] = np.where(inside, 1.0, -1.0)  # so that the network can tell
    distill(agent, archive, episodes, lambda seen: np.full((len(seen), 1), -0.6, np.float32), tmp_path / "better.zip")
    better = open_agent(AgentSettings(use=str(tmp_path / "better.zip")), home, ("a", "b", "c"), ("x",))
    seen, inside = episodes[0]
    done, own = better.act_many(seen), agent.act_many(seen)
    assert np.abs(done[inside] + 0.6).mean() < 0.1
    assert np.abs(done[~inside] - own[~inside]).mean() < 0.1
    assert np.abs(own[inside] + 0.6).mean() > 0.3


def test_it_goes_on_beside_the_agent_whatever_preset_is_named(helped):
    play(helped, "--pad", "none", "--episodes", "1")
    train(helped.root, None, SMALL)  # a whole configuration, as of a named preset, which says nothing of an agent
    with Store(helped.store_path, read_only=True) as store:
        newest, *_ = store.checkpoints()
    _, meta = load(helped.checkpoints / newest.name)
    assert meta.config["frozen_agent"]
    assert meta.zones["default"]


def test_a_script_that_goes_on_keeps_the_zones_and_no_script_drives_it_alone(helped):
    from hitl import SymmetricReplay, evaluate, open_env

    with Store(helped.store_path, read_only=True) as store:
        before = load(helped.checkpoints / store.checkpoints()[0].name)[1]
    with SymmetricReplay(helped.store_path, resume=True) as replay:
        file = replay.save(replay.learner())
    _, meta = load(file)
    assert meta.zones == before.zones
    with pytest.raises(CheckpointError, match="cannot drive alone"):
        evaluate(file, open_env("box2d"), episodes=1)


def test_a_home_that_learned_alone_is_told_so(alone, capsys):
    capsys.readouterr()
    assert play(alone, "--pad", "none", "--episodes", "1") == 0
    assert "has learned to drive alone" in " ".join(capsys.readouterr().out.split())
