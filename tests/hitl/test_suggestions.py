"""Whoever mistypes a name is told the nearest one that there is."""

import pytest

from data.recording.recorder import Recorder
from hitl.cli import main
from tests.support.recorded import drive, session_info


@pytest.fixture
def home(tmp_path):
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, 40, (5, 25), "hairpin")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("ply", "play"),
        ("play --practise hairpin", "--practice"),
        ("play --gating=tuch", "touch"),
        ("play --pad scriptd --headless --episodes 1", "scripted"),
        ("train stauts", "status"),
        ("train --backround", "--background"),
        ("train --preset hittl --fresh", "hitl"),
        ("train --set learnalpha=true --fresh", "learn_alpha"),
        ("train --log wndb", "wandb"),
        ("config show --set gama=0.9", "gamma"),
        ("store info --jsn", "--json"),
        ("store chek", "check"),
        ("line recrod", "record"),
        ("eval --env trackmaina", "trackmania"),
        ("play --env box2 --headless --pad none --episodes 1", "box2d"),
        ("play --track defualt --headless --pad none --episodes 1", "default"),
        ("play --practice harpin --headless --pad none --episodes 1", "hairpin"),
        ("play --only-corner harpin --headless --pad none --episodes 1", "hairpin"),
        ("play --pad scripted --corners harpin --headless --episodes 1", "hairpin"),
        ("export minari out --corner harpin", "hairpin"),
        ("worker --sendonly", "--send-only"),
    ],
)
def test_the_nearest_name(home, words, meant, capsys, monkeypatch):
    monkeypatch.chdir(home)
    name, *rest = words.split()
    try:
        code = main([name, "--home", str(home), *rest] if name not in ("store", "line", "config", "ply") else [name, *rest])
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr()
    assert code
    assert f"Did you mean '{meant}'?" in " ".join((said.out + said.err).split())


def test_a_filter_that_fits_nothing(home, capsys):
    assert main(["segments", "--home", str(home), "--corner", "harpin"]) == 2
    assert "Did you mean 'hairpin'?" in capsys.readouterr().err
    assert main(["segments", "--home", str(home), "--corner", "hairpin", "--kind", "lap"]) == 0
    assert "Did you mean" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "text", "meant"),
    [
        ("settings.toml", "[takeovers]\n", "takeover"),
        ("settings.toml", "[takeover]\nmod = 'hold'\n", "takeover.mode"),
        ("settings.toml", "[pad]\nuse = 'keybord'\n", "keyboard"),
    ],
)
def test_the_nearest_setting(tmp_path, file, text, meant, capsys):
    (tmp_path / file).write_text(text)
    assert main(["play", "--home", str(tmp_path), "--headless", "--pad", "sdl", "--episodes", "1"]) == 3
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


def test_an_option_is_written_out(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["play", "--home", str(tmp_path), "--headl"])
    assert "Did you mean '--headless'?" in capsys.readouterr().err
