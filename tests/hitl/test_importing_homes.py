"""Whole homes come in: each by its folder, several by what the program says, and with a word about what is not in their store."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from data.connect import now
from data.recording.operations import BeginEpisode
from data.recording.recorder import Recorder
from data.recording.spill_file import SpillFile
from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.last_driven import as_last_time, goes_on_with
from hitl.settings import load
from tests.support.recorded import drive, session_info


@pytest.fixture
def school(tmp_path: Path) -> Path:
    """A folder of two homes, with what else a home may hold."""
    for name in ("Anna K", "Ben"):
        home = Home(tmp_path / "my school" / name).create()
        with Recorder(home.store_path, session_info()) as recorder:
            drive(recorder)
        (home.root / "track.npz").touch()
        (home.root / "reward.pkl").touch()
    return tmp_path / "my school"


@pytest.fixture
def here(tmp_path: Path) -> list[str]:
    return ["--home", str(tmp_path / "here")]


def test_a_home_comes_in_by_its_folder(school: Path, here: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(school / "Anna K"), *here]) == 0
    assert capsys.readouterr().out.lstrip().startswith("1 episode with 20 steps")
    assert main(["import", "--kind", "store", str(school / "Ben"), *here]) == 0
    assert capsys.readouterr().out.lstrip().startswith("1 episode with 20 steps")


def test_what_is_said_of_a_folder_of_homes_works_as_it_is_typed(
    school: Path, here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(school), *here]) == 3
    said = capsys.readouterr().err
    assert "my school is no home itself but holds 2 homes" in said
    command = said.split("`")[1]
    assert f'hitl import "{school / "Anna K"}" "{school / "Ben"}" --home' in command
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out.lstrip().startswith("2 episodes with 40 steps")


def spilled(home: Path) -> Path:
    """The spill file of a session that drove while its store could not be written, and died."""
    spill = SpillFile(home / "store.sqlite", "0" * 32, session_info(), now())
    spill.write([BeginEpisode(0, "drive", None, None, now())])
    spill.close()
    return spill.paths[0]


def test_what_waits_beside_a_store_is_told_where_its_content_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "a home"
    with Recorder(Home(home).create().store_path, session_info()) as recorder:
        drive(recorder)
    spilled(home)
    waits = f"1 spill file waits beside the store: what was driven then is not in it yet. `hitl store recover --home \"{home}\"`"
    assert main(["--home", str(home)]) == 0
    assert waits in capsys.readouterr().out
    for command in (["segments"], ["segments", "--ids"], ["checkpoints"]):
        assert main([*command, "--home", str(home)]) == 0
        assert waits in capsys.readouterr().err
    assert main(["store", "info", "--home", str(home)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("1 spill file waits") == 1
    assert main(["store", "recover", "--home", str(home)]) == 0
    capsys.readouterr()
    assert main(["segments", "--home", str(home)]) == 0
    assert "spill file" not in capsys.readouterr().err


@pytest.mark.parametrize("copied", [False, True])
def test_a_home_with_drives_that_wait_beside_its_store_says_what_to_type(
    school: Path, here: list[str], copied: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    home = school / "Anna K"
    left = spilled(home)
    if copied:
        home, left = shutil.copytree(home, school / "copy of Anna"), school / "copy of Anna" / left.name
    bring = ["import", str(home), *here]
    assert main(bring) == 0
    said = capsys.readouterr().out
    assert "Note: 1 spill file waits beside store.sqlite to be read back" in said
    command = said.split("`")[1]
    assert main(["store", "check", "--home", str(home)]) == 1
    assert "1 spill file waits to be read back" in capsys.readouterr().out
    assert main(shlex.split(command)[1:]) == 0
    assert not left.exists()
    capsys.readouterr()
    assert main(bring) == 0
    said = capsys.readouterr().out
    assert said.lstrip().startswith("1 episode with")
    assert "Note" not in said


@pytest.mark.parametrize("other", ["another.sqlite", "another.db"])
def test_the_files_of_another_store_in_the_folder_are_left_to_it(school: Path, other: str) -> None:
    home = school / "Ben"
    left = spilled(home)
    left.rename(home / left.name.replace(left.name[11:27], "f" * 16))
    with Store(home / other) as store:
        assert store.recover() == []
    with Store(home / "store.sqlite") as store:
        assert store.recover() == []


def test_an_import_says_what_is_driven_next(school: Path, here: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with Recorder(Home(school / "Ben").store_path, session_info(env="gym:Pendulum-v1", track="Pendulum-v1")) as recorder:
        drive(recorder)
    assert main(["import", str(school / "Ben"), *here]) == 0
    said = capsys.readouterr().out
    assert "Nothing was driven in this home itself, so the newest drive that came in decides what comes next" in said
    assert f"`hitl play --home {here[1]}` goes on with gym:Pendulum-v1." in said
    home = Home(school / "Anna K")
    assert main(["import", str(school / "Ben"), "--home", str(home.root)]) == 0
    said = capsys.readouterr().out
    assert f'What was driven in this home itself decides what comes next: `hitl play --home "{home.root}"` goes on with' in said
    assert as_last_time(home, load(home, "play")).play.env == "box2d"
    assert main(["import", str(school / "Ben"), "--home", str(home.root)]) == 0
    assert "goes on with" not in capsys.readouterr().out, "nothing came in"
    (home.root / "settings.toml").write_text('[play]\nenv = "box2d"\n')
    with Store(home.store_path) as store:
        assert goes_on_with(home, store) == ""


def test_what_cannot_be_learned_from_is_told_with_commands_that_do_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`hitl play` alone goes on with the game that was driven last."""
    own, other = tmp_path / "own", tmp_path / "other"
    with Recorder(Home(own).create().store_path, session_info()) as recorder:
        drive(recorder)
    pendulum = session_info(env="gym:Pendulum-v1", track="Pendulum-v1", observation_names=("cos", "sin", "speed", "more"))
    with Recorder(Home(other).create().store_path, pendulum) as recorder:
        drive(recorder)
    assert main(["import", str(other), "--home", str(own)]) == 0
    assert (
        f"(`hitl play --env gym:Pendulum-v1 --home {own}`, then `hitl train --fresh --home {own}`)" in capsys.readouterr().out
    )
