"""An agent of somebody's own teaches ours, which then drives everywhere: by the commands that are typed."""

from __future__ import annotations

import json
import shutil
import sqlite3

import numpy as np
import pytest

from data.errors import InputFileError
from data.store import Store
from hitl.agents.beside import beside_policy
from hitl.agents.keeping import teacher
from hitl.cli import main
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import AgentSettings
from tests.support.daemon_runs import train
from trainer.checkpoints.files import load
from trainer.daemon.daemon import ALONE, Daemon
from trainer.daemon.wish import Wish
from trainer.presets import PRESETS

AGENT, OTHER = "tests.support.straight:drive", "tests.support.straight:slowly"
WANTED = AgentSettings(use=AGENT)
SMALL = PRESETS["hitl"].with_values(
    hidden=16, batch_size=16, utd=0.5, warmup_steps=20, lr_actor=1e-3, frozen_teaches=True, frozen_bound=0.2
)


@pytest.fixture(scope="module", autouse=True)
def _looked_at_often():
    """Whether the two agree is looked at after every few updates, for few are done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.learner.teaching.EVERY", 25)
        yield


def play(home, *more):
    return main(["play", "--home", str(home.root), "--headless", "--pad", "none", *more])


def learn(home, config=SMALL, **wish):
    train(home.root, None, config, teacher_of=lambda names: teacher(home, WANTED, *names), **wish)
    with Store(home.store_path, read_only=True) as store:
        return load(home.checkpoints / store.checkpoints()[0].name)[1]


def newest_actions(home):
    with sqlite3.connect(home.store_path) as db:
        found = db.execute("SELECT proposed FROM steps WHERE episode_id = (SELECT max(id) FROM episodes)").fetchall()
    return np.array([np.frombuffer(proposed, np.float32) for (proposed,) in found])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which the agent drove six times, and ours has learned what it does."""
    home = Home(tmp_path_factory.mktemp("taught") / "home")
    assert play(home, "--agent", AGENT, "--episodes", "6") == 0
    assert not learn(home, SMALL.with_values(frozen_bound=0.0)).drives_alone
    assert play(home, "--agent", AGENT, "--episodes", "1") == 0
    assert {tuple(action) for action in newest_actions(home)} == {(0.5, 0.0)}, "until they agree, the agent itself drives"
    meta = learn(home, SMALL)
    assert meta.drives_alone
    assert meta.teacher == AGENT
    return home


def test_ours_drives_everywhere_once_it_does_what_the_agent_does(home):
    assert play(home, "--agent", AGENT, "--episodes", "2") == 0  # the second is without noise
    did = newest_actions(home)
    assert (did != np.array([0.5, 0.0], np.float32)).any(1).all(), "ours is not the agent, to the bit"
    assert np.abs(did - (0.5, 0.0)).mean() < 0.3
    with SessionSetup(home, SessionOptions(), policy=beside_policy(WANTED, home)) as rig:
        rig.policy.begin_episode()
        assert rig.policy.name == ""
        assert any("drives in its place" in notice for notice in rig.policy.notices)
        assert rig.policy.full_name.endswith(f", taught by {AGENT}")


def test_it_drives_without_the_agent_too(home):
    with SessionSetup(home, SessionOptions()) as rig:
        rig.policy.pin("latest")
        assert rig.policy.problem == ""


def test_the_agent_that_taught_is_known_after_ours_has_driven_without_it(home, tmp_path):
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    assert play(copy, "--episodes", "1") == 0
    with Store(copy.store_path, read_only=True) as store:
        assert store.newest_agent() is None
    with pytest.raises(InputFileError, match="is run only where it is named"):  # it is a program; others are opened
        teacher(copy, AgentSettings(), ("a",), ("b",))


def test_another_agent_that_is_named_later_has_not_taught_it(home, tmp_path, capsys):
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    with Store(copy.store_path, read_only=True) as store:
        ours = store.checkpoints()[0].name
    other = ["eval", "--home", str(copy.root), "--agent", OTHER, "--episodes", "1"]
    capsys.readouterr()
    assert main(other) == 0
    assert f"{ours}, taught by {AGENT} (" in " ".join(capsys.readouterr().out.split())
    assert main([*other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == f"{ours}, taught by {AGENT}"
    assert play(copy, "--agent", OTHER, "--episodes", "1") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Ours was taught by '{AGENT}' and drives, not '{OTHER}': add --agent-alone" in said
    assert learn(copy, SMALL).teacher == AGENT


def test_one_that_is_only_evaluated_does_not_become_the_teacher(home, tmp_path):
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    assert main(["eval", "--home", str(copy.root), "--agent", OTHER, "--agent-alone", "--episodes", "1"]) == 0
    with pytest.raises(InputFileError, match=f"'{AGENT}' is a program, and is run only where it is named"):
        teacher(copy, AgentSettings(), ("a",), ("b",))


def test_it_goes_out_as_a_program_of_its_own(home, tmp_path):
    assert main(["export", "agent", str(tmp_path / "ours.pt"), "--home", str(home.root)]) == 0
    assert (tmp_path / "ours.pt").is_file()


def test_nothing_is_held_out_any_more_once_it_drives(home, tmp_path):
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    gates = train(copy.root, None, SMALL, teacher_of=lambda names: teacher(copy, WANTED, *names)).training.replay.demos.gates
    assert gates.everywhere
    assert not gates._held_out


def test_it_goes_on_as_it_was_whatever_preset_is_named(home):
    assert play(home, "--agent", AGENT, "--episodes", "1") == 0
    meta = learn(home, SMALL.with_values(frozen_teaches=False))
    assert meta.config["frozen_teaches"]
    assert meta.drives_alone


def test_back_beside_it_where_that_is_asked_for(home, tmp_path):
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    assert play(copy, "--agent", AGENT, "--episodes", "1") == 0
    meta = learn(copy, SMALL.with_values(frozen_teaches=False), insisted=frozenset({"frozen_teaches"}))
    assert not meta.drives_alone
    assert meta.zones_on("default") == []


@pytest.mark.parametrize("said", [False, True])
def test_an_agent_that_can_be_asked_teaches_unless_the_player_says_otherwise(tmp_path, capsys, said):
    plain, insisted = SMALL.with_values(frozen_teaches=False), frozenset({"frozen_teaches"} if said else ())
    fresh = Home(tmp_path / "fresh")
    assert play(fresh, "--agent", AGENT, "--episodes", "2") == 0
    meta = learn(fresh, plain, insisted=insisted)
    assert (meta.config["frozen_agent"], meta.config["frozen_teaches"]) == (True, not said)


def test_one_that_cannot_be_asked_is_helped_in_places_and_that_is_said(tmp_path, capsys):
    fresh = Home(tmp_path / "fresh")
    assert play(fresh, "--agent", AGENT, "--episodes", "2") == 0
    train(
        fresh.root, None, SMALL.with_values(frozen_teaches=False),
        teacher_of=lambda names: teacher(fresh, AgentSettings(), *names),
    )  # fmt: skip
    with Store(fresh.store_path, read_only=True) as store:
        config = load(fresh.checkpoints / store.checkpoints()[0].name)[1].config
        told = [message for (message,) in store.conn.execute("SELECT message FROM events")]
    assert (config["frozen_agent"], config["frozen_teaches"]) == (True, False)
    assert any("is run only where it is named" in text and "in places" in text for text in told)


def test_a_network_with_a_memory_learns_alone_and_that_is_said(tmp_path):
    fresh = Home(tmp_path / "fresh")
    assert play(fresh, "--agent", AGENT, "--episodes", "1") == 0
    said = []
    daemon = Daemon(fresh.root, Wish.of({"network": "recurrent", "rnn_size": 6, "hidden": 8}), say=said.append)
    daemon.stop = lambda: daemon.training is not None
    daemon.run()
    assert not daemon.training.config.frozen_agent
    with Store(fresh.store_path, read_only=True) as store:
        told = [(level, message) for _, level, kind, message in store.events() if kind == "beside"]
    assert told == [("warning", ALONE)]
    assert said.count(ALONE) == 1


def test_a_script_is_taught_as_well(home, tmp_path):
    from hitl import SymmetricReplay

    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    for file in copy.checkpoints.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(InputFileError, match="is run only where it is named"):
        SymmetricReplay(copy.root, config=SMALL, frozen_agent=True)
    (copy.root / "settings.toml").write_text(f'[agent]\nuse = "{AGENT}"\n')
    with SymmetricReplay(copy.root, config=SMALL, frozen_agent=True) as replay:
        learner = replay.learner()
        for batch in replay.batches(learner):
            learner.update(batch)
        assert learner.drives_everywhere
        saved = load(replay.save(learner))[1]
    assert saved.drives_alone
    assert saved.teacher == AGENT


def test_a_lap_that_comes_just_then_does_not_take_the_wheel_back(home, tmp_path):
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.root, copy.root)
    daemon = Daemon(copy.root, Wish(SMALL, fresh=True))
    daemon.teacher_of = lambda names: teacher(copy, WANTED, *names)
    daemon.stop = lambda: daemon.training is not None and daemon.training.learner.drives_everywhere
    daemon.run()
    before = daemon.training.learner.updates
    assert play(copy, "--pad", "scripted", "--lap", "--episodes", "1") == 0
    said = set()
    learner = train(copy.root, None, SMALL, said, teacher_of=daemon.teacher_of).training.learner
    assert learner.updates > before
    assert not any("before the first drive" in text for text in said)
    assert learner.clones_until == 0
    assert 0.0 < learner.q_weight <= SMALL.q_after_laps


def test_without_an_agent_there_is_none_to_ask(tmp_path):
    home = Home(tmp_path / "home")
    assert main(["play", "--home", str(home.root), "--headless", "--pad", "scripted", "--episodes", "1"]) == 0
    with pytest.raises(InputFileError, match="none can teach"):
        teacher(home, AgentSettings(), ("a",), ("b",))


@pytest.mark.parametrize("preset", [{}, {"preset": "hitl"}], ids=["no preset", "a preset"])
def test_what_is_set_in_the_home_counts_with_a_preset_named_beside_it_too(preset):
    where = {"road": True, "beside": True, "teaches": True}
    assert Wish.of(preset).config_where(**where).frozen_teaches
    assert not Wish.of({**preset, "frozen_teaches": False}).config_where(**where).frozen_teaches
