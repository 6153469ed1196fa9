"""In a game without a road: somebody's agent is helped before it has taught ours all that it does, and goes on teaching."""

from __future__ import annotations

import shutil

import pytest

from data.store import Store
from hitl.agents.beside import beside_policy
from hitl.agents.keeping import teacher
from hitl.cli import main
from hitl.drivers.human import HumanSide
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import AgentSettings
from tests.support.daemon_runs import train
from trainer.checkpoints.files import load
from trainer.presets import PRESETS

ENV = "gym:Pendulum-v1"
SMALL = PRESETS["plain"].with_values(
    hidden=16, batch_size=32, utd=0.5, warmup_steps=20, lr_actor=3e-3, frozen_teaches=True, frozen_bound=0.3
)


class Helper(HumanSide):
    """Takes over for a second in each drive."""

    name = "helper"
    ticks = 0

    def begin(self) -> None:
        self.ticks = 0

    def read(self, info):
        self.ticks += 1
        return (PadState(gas=1.0), "scripted") if 40 <= self.ticks < 60 else (PadState(), "")


@pytest.fixture(scope="module")
def wanted(archives):
    return AgentSettings(use=str(archives.folder / "ddpg.zip"))


def play(home, wanted, drives):
    played = ["play", "--home", str(home.root), "--env", ENV, "--headless", "--pad", "none"]
    assert main([*played, "--agent", wanted.use, "--episodes", str(drives)]) == 0


def learn(home, wanted, insisted=frozenset(), **changes):
    said = set()
    config = SMALL.with_values(**changes)
    train(home.root, None, config, said, teacher_of=lambda names: teacher(home, wanted, *names), insisted=insisted)
    with Store(home.store_path, read_only=True) as store:
        return load(home.checkpoints / store.checkpoints()[0].name)[1], said


@pytest.fixture(scope="module")
def helped(tmp_path_factory, wanted):
    """A home in which the agent drove four times, was helped twice, and ours learned from that."""
    home = Home(tmp_path_factory.mktemp("early") / "home")
    play(home, wanted, 4)
    with SessionSetup(home, SessionOptions(env=ENV), policy=beside_policy(wanted, home), human=lambda track: Helper()) as rig:
        for seed in range(2):
            rig.session.episode("drive", seed=seed)
        assert rig.written()
    with Store(home.store_path) as store:
        assert store.label([segment.id for segment in store.segments(kind="takeover")], verdict="star")
    meta, said = learn(home, wanted, frozen_bound=0.0)
    assert not meta.drives_alone
    assert any(text.endswith("known after five of its drives without help; at 0 apart ours drives") for text in said)
    return home


@pytest.fixture
def home(helped, tmp_path):
    copy = Home(tmp_path / "home")
    shutil.copytree(helped.root, copy.root)
    return copy


def test_help_that_comes_early_does_not_end_the_teaching(home, wanted):
    play(home, wanted, 2)
    meta, _ = learn(home, wanted)
    assert meta.drives_alone
    with Store(home.store_path, read_only=True) as store:
        told = [message for _, _, kind, message in store.events() if kind == "taught"]
    assert len(told) == 1
    assert "from now on it drives" in told[0]
    with SessionSetup(home, SessionOptions(env=ENV), policy=beside_policy(wanted, home)) as rig:
        rig.policy.begin_episode()
        assert rig.policy.full_name.endswith(", taught by ddpg.zip")
    play(home, wanted, 2)
    with Store(home.store_path, read_only=True) as store:
        drive = store.steps(store.episodes()[-1])
    theirs = teacher(home, wanted, ("a", "b", "c"), ("x",))(drive.observation, drive.executed)
    assert (drive.proposed != theirs).any(1).all(), "ours drives (and with noise)"


@pytest.mark.parametrize("form", ["pt", "zip"])
def test_while_the_agent_drives_there_is_nothing_to_export(home, tmp_path, capsys, form):
    assert main(["export", "agent", str(tmp_path / f"better.{form}"), "--home", str(home.root)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "your agent still drives, and not ours" in said
    assert "at least five drives of your agent without help" in said
    assert not list(tmp_path.glob("better.*"))


def test_where_it_takes_over_in_places_it_is_all_that_goes_out(home, wanted, tmp_path, capsys):
    play(home, wanted, 1)
    meta, _ = learn(home, wanted, insisted=frozenset({"frozen_teaches"}), frozen_teaches=False)
    assert list(meta.zones) == ["Pendulum-v1"]
    capsys.readouterr()
    assert main(["export", "agent", str(tmp_path / "ours.pt"), "--home", str(home.root)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "3 numbers in, 1 out" in said, "there are no metres in a game without a road"


@pytest.mark.parametrize("form", ["pt", "zip"])
def test_before_the_first_help_in_places_there_is_nothing_to_export(wanted, tmp_path, capsys, form):
    home = Home(tmp_path / "unhelped")
    play(home, wanted, 1)
    learn(home, wanted, insisted=frozenset({"frozen_teaches"}), frozen_teaches=False)
    capsys.readouterr()
    assert main(["export", "agent", str(tmp_path / f"better.{form}"), "--home", str(home.root)]) == 2
    assert "has not learned to take over anywhere yet" in " ".join(capsys.readouterr().err.split())
