"""A home from another person brings code along and names it in its settings: it is run only where the command line names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from data.errors import InputFileError, UsageError
from data.recording.recorder import Recorder
from hitl.agents.own_code import check_env, import_last_here, named_agent
from hitl.cli import main
from hitl.home import Home
from hitl.last_driven import as_last_time
from hitl.settings import load
from tests.support.recorded import drive, session_info

CODE = (
    "from pathlib import Path\n(Path(__file__).parent / 'marker').mkdir()\nimport gymnasium\n"
    "def agent(observation):\n    return 0\n"
    "gymnasium.register('{name}-v0', entry_point='gymnasium.envs.classic_control:PendulumEnv')\n"
)
NAME = "brought_along"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with code in it, in which one stands."""
    (tmp_path / "friend").mkdir()
    (tmp_path / "friend" / f"{NAME}.py").write_text(CODE.format(name="Brought"))
    monkeypatch.chdir(tmp_path / "friend")
    torch.jit.script(torch.nn.Linear(3, 1)).save(str(tmp_path / "friend" / "agent.ts"))
    before = set(sys.modules)
    yield Home(tmp_path / "friend")
    for name in set(sys.modules) - before:
        if name.split(".")[0] in (NAME, "friend", "mine"):
            del sys.modules[name]


def set_to(home, section, key, value):
    (home.root / "settings.toml").write_text(f"[{section}]\n{key} = '{value}'\n")


@pytest.mark.parametrize("use", [f"{NAME}:agent", "agent.ts", "./agent.ts", "{whole}/agent.ts", "{whole}/../friend/agent.ts"])
def test_an_agent_in_the_home_is_refused_where_settings_name_it(home, use, capsys):
    use = use.format(whole=home.root)
    set_to(home, "agent", "use", use)
    for command in (["eval"], ["play", "--headless", "--pad", "scripted"]):
        assert main([*command, "--home", str(home.root)]) == 3
        said = capsys.readouterr().err
        assert "lies in this home folder, which may come from another person" in said
        assert f"--agent {use}" in said
    assert not (home.root / "marker").exists()
    typed = load(home, over={"agent": {"use": use}})
    assert named_agent(home, typed).use == use
    assert named_agent(home, load(home, over={"agent": {"use": "none"}})).use == "none"


@pytest.mark.parametrize("command", [["eval"], ["play", "--headless", "--pad", "scripted"], ["worker", "--headless", "--no-tls"]])
def test_a_game_in_the_home_is_refused_where_settings_name_it(home, command, capsys):
    env = f"gym:{NAME}:Brought-v0"
    set_to(home, "play", "env", env)
    assert main([*command, "--home", str(home.root)]) == 2
    said = capsys.readouterr().err
    assert f"--env {env}" in said
    assert "it is run only where you name it" in said
    assert not (home.root / "marker").exists()


def test_no_way_round_by_links_and_folders(home, monkeypatch):
    outside = home.root.parent
    (outside / "link.ts").symlink_to(home.root / "agent.ts")
    (outside / "linked.py").symlink_to(home.root / f"{NAME}.py")
    (outside / "way").symlink_to(home.root, target_is_directory=True)
    (home.root / "out.ts").symlink_to(outside / "real.ts")
    (outside / "real.ts").write_bytes((home.root / "agent.ts").read_bytes())
    monkeypatch.chdir(outside)
    agents = ("link.ts", "way/agent.ts", "friend/out.ts", "linked:agent", f"friend.{NAME}:agent", f"way.{NAME}:agent")
    for use in agents:
        set_to(home, "agent", "use", use)
        for root in (home.root, outside / "way"):
            with pytest.raises(InputFileError, match="lies in this home"):
                named_agent(Home(root), load(Home(root)))
    for package in ("linked", f"friend.{NAME}", f"way.{NAME}"):
        set_to(home, "play", "env", f"gym:{package}:Brought-v0")
        with pytest.raises(UsageError, match="lies in this home"):
            as_last_time(home, load(home))
    assert not (home.root / "marker").exists()


def test_the_users_own_code_goes_on_working_from_settings(home, monkeypatch):
    outside = home.root.parent
    (outside / "mine.py").write_text(CODE.format(name="Mine"))
    (outside / "mine.ts").write_bytes((home.root / "agent.ts").read_bytes())
    monkeypatch.chdir(outside)
    agents = ("mine:agent", "mine.ts", str(outside / "mine.ts"), "gymnasium:make", "best", "pad:x", "nowhere:agent", "not.there")
    for use in agents:
        set_to(home, "agent", "use", use)
        assert named_agent(home, load(home)).use == use
    assert not (outside / "marker").exists()  # nothing was imported to find that out
    for env in ("gym:mine:Mine-v0", "gym:nowhere:Mine-v0", "gym:Pendulum-v1", "box2d"):
        set_to(home, "play", "env", env)
        check_env(home, load(home))
    assert import_last_here("mine").agent(0) == 0
    assert (outside / "marker").exists()


def test_an_installed_module_finds_nothing_in_the_current_folder(home, tmp_path, monkeypatch):
    (tmp_path / "installed").mkdir()
    tried = f"try:\n    import {NAME}\nexcept ImportError:\n    {NAME} = None\n"
    (tmp_path / "installed" / "friend_of_many.py").write_text(tried)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    assert getattr(import_last_here("friend_of_many"), NAME) is None
    assert not (home.root / "marker").exists()


def test_a_home_as_the_current_folder_is_no_place_for_modules(home):
    (home.root / "settings.toml").write_text("")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    env["PYTHONPATH"] = str(Path(__file__).resolve().parents[3])
    code = "import runpy, sys; sys.argv = ['hitl', '--version']\ntry:\n    runpy.run_module('hitl', run_name='__main__')\n"
    code += f"except SystemExit:\n    pass\ntry:\n    import {NAME}\nexcept ImportError:\n    print('not found')\n"
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys\nsys.path[0] = os.getcwd()\n{code}"], env=env, capture_output=True, text=True
    )
    assert "not found" in done.stdout, done.stderr


def test_a_checkpoint_is_no_program_by_its_name(home, monkeypatch):
    from hitl.agents.opening import file_of

    class Record:
        name = "../agent.ts"

    monkeypatch.setattr("hitl.drivers.policy.find_checkpoint", lambda home, which: Record)
    home.checkpoints.mkdir()
    set_to(home, "agent", "use", "best")
    with pytest.raises(Exception, match="is not the name of a checkpoint"):
        file_of(load(home).agent, home)


def test_what_was_driven_last_is_not_said_to_be_set_for_good_where_that_is_refused(home):
    with Recorder(home.create().store_path, session_info(env=f"gym:{NAME}:Brought-v0", track="Brought-v0")) as recorder:
        drive(recorder)
    with pytest.raises(UsageError, match=rf"add --env gym:{NAME}:Brought-v0\.$"):
        as_last_time(home, load(home))


def test_a_module_that_was_named_finds_what_lies_beside_it_also_later(tmp_path):
    """A project of several files, in a folder that has become a home: one imports another as it drives, one is named as text."""
    (tmp_path / "store.sqlite").touch()
    (tmp_path / "gains.py").write_text("GAIN = 0.5\n")
    (tmp_path / "lazy.py").write_text("def drive(observation):\n    from gains import GAIN\n    return [GAIN]\n")
    (tmp_path / "hills.py").write_text(
        "from gymnasium.envs.classic_control import PendulumEnv\nclass Hills(PendulumEnv):\n    pass\n"
    )
    (tmp_path / "envs.py").write_text(
        "import gymnasium\ngymnasium.register('Hills-v0', entry_point='hills:Hills', max_episode_steps=20)\n"
    )
    command = ["eval", "--env", "gym:envs:Hills-v0", "--agent", "lazy:drive", "--home", "runs", "--episodes", "1"]
    run = subprocess.run([sys.executable, "-m", "hitl", *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
