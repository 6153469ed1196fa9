import os
from pathlib import Path

import pytest

from data.files.paths import private_folder
from hitl.cli import main


@pytest.mark.parametrize("command", ["segments", "diagnose", "corners", "report", "store info", "store check", "doctor", "eval"])
@pytest.mark.parametrize("kind", ["file", "loop"])
def test_a_home_that_is_no_folder_is_named_in_a_sentence(tmp_path, capsys, command, kind):
    home = tmp_path / "home"
    if kind == "file":
        home.write_text("")
    elif os.name == "nt":
        pytest.skip("links need a right of their own there")
    else:
        home.symlink_to(tmp_path / "other")
        (tmp_path / "other").symlink_to(home)
    assert main([*command.split(), "--home", str(home)]) == 4
    said = capsys.readouterr().err
    assert "'home'" in said
    assert "--home DIR" in said


def test_a_user_that_does_not_exist_has_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["play", "--home", "~nosuchuser/rl", "--headless", "--pad", "none", "--episodes", "1"]) == 2
    assert "no user of that name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("platform", "mode"), [("win32", 0o777), ("linux", 0o700)])
def test_a_home_that_an_administrator_s_console_makes_is_the_user_s_on_windows(tmp_path, monkeypatch, platform, mode):
    """There, Python makes of the mode 0700 a folder that only its owner opens: the administrators."""
    asked = []
    monkeypatch.setattr("data.files.paths.sys.platform", platform)
    monkeypatch.setattr(Path, "mkdir", lambda self, mode=0o777, **more: asked.append(mode))
    private_folder(tmp_path / "home")
    assert asked == [mode]
