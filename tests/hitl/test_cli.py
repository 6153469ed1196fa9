"""The command line itself: help, mistyped commands, readers that go away, tracks, counted things."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from data import errors
from data.recording.recorder import Recorder
from data.words import number_of
from hitl import cli
from hitl.home import Home
from tests.support.in_use import refusal
from tests.support.places import ROOT
from tests.support.recorded import drive, session_info


def test_help_of_a_command_is_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["help", "tracks"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("usage: hitl tracks")
    assert cli.main(["help"]) == 0
    assert "tracks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("trcks", "tracks"), ("hepl", "help"), ("Report", "report"), ("checkpoint", "checkpoints"), ("status", "train status")],
)
def test_a_mistyped_command_gets_a_suggestion(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([typed]) == 2
    assert capsys.readouterr().err.rstrip().endswith(f"Did you mean '{meant}'?")


def test_a_file_in_use_of_which_no_one_has_thought_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(argv: list[str]) -> int:
        raise refusal(Path("home") / "trainer.log")

    monkeypatch.setattr("hitl.commands.tracks.main", fails)
    assert cli.main(["tracks"]) == 3
    said = "hitl: trainer.log cannot be used (another program has it open): close that program.\n"
    assert capsys.readouterr().err == said
    with pytest.raises(PermissionError):
        cli.main(["tracks", "--debug"])


def test_a_reader_that_goes_away_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, it is an invalid argument."""
    read, write = os.pipe()
    real = os.fstat
    at = {"fd": write}
    monkeypatch.setattr(errors, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(os, "fstat", lambda fd: real(at["fd"] if fd == 1 else fd))
    monkeypatch.setattr(os, "dup2", lambda *fds: None)
    raised = OSError(22, "Invalid argument")

    def run(words: list[str]) -> int:
        raise raised

    monkeypatch.setattr(cli, "_run", run)
    assert cli.main(["segments"]) == 0
    with open(os.devnull, "rb") as nowhere:
        at["fd"] = nowhere.fileno()
        with pytest.raises(OSError, match="Invalid argument"):
            cli.main(["segments"])  # printed to no pipe
        at["fd"] = write
        raised = OSError(22, "Invalid argument", "a<b")
        with pytest.raises(OSError, match="a<b"):
            cli.main(["segments"])  # of a file
    os.close(read)
    os.close(write)


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
@pytest.mark.parametrize("words", [["--help"], ["tracks"], ["tracks", "--help"]])
def test_a_reader_that_goes_away_is_no_error(words: list[str], tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        result = subprocess.run(
            [sys.executable, "-m", "hitl", *words],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "HITL_HOME": str(tmp_path)},
        )
    assert (result.returncode, result.stderr) == (0, "")


def test_tracks_lists_what_comes_with_hitl_and_what_was_driven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hitl.session.setup import SessionSetup
    from hitl.session_options import SessionOptions

    home = Home(tmp_path / "home")
    assert cli.main(["tracks", "--home", str(home.root), "--json"]) == 0
    before = {row["track"]: row for row in json.loads(capsys.readouterr().out)}
    assert before["default"]["corners"] == ["hairpin"]
    assert {row["drives"] for row in before.values()} == {0}
    assert not home.root.exists()
    track = tmp_path / "mine.toml"
    track.write_text('name = "mine"\nwidth = 30\nsegments = [{straight = 40}]')
    with SessionSetup(home, SessionOptions(track=str(track))) as rig:
        rig.session.episode("drive", seed=0)
    assert cli.main(["tracks", "--home", str(home.root), "--json"]) == 0
    after = {row["track"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(after) == {*before, "mine"}
    assert (after["mine"]["drives"], after["mine"]["length_m"]) == (1, pytest.approx(40.0, abs=1.0))
    assert cli.main(["tracks", "--home", str(home.root)]) == 0
    assert "mine" in capsys.readouterr().out


def test_one_thing_is_not_several() -> None:
    assert [number_of(n, "takeover") for n in (0, 1, 2, 1234)] == ["0 takeovers", "1 takeover", "2 takeovers", "1,234 takeovers"]
    assert [number_of(n, "try", "tries") for n in (1, 2)] == ["1 try", "2 tries"]


def test_the_obvious_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that is missing is the one that changes nothing, and a word alone is what it can only mean."""
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, 40, (5, 25), "hairpin")
        drive(recorder, 40, (5, 25), "chicane")
    home = ["--home", str(tmp_path)]

    def says(*words: str) -> str:
        assert cli.main([*words, *home]) == 0
        return " ".join(capsys.readouterr().out.split())

    assert "2 takeovers" in says("store")
    assert "gamma" in says("config")
    assert "1 of 1 segment changed" in says("label", "star", "2")
    assert "1 segment, 1.0 s in all: 1 star." in says("segments", "chicane")
    for words in (["segments", "chicane", "hairpin"], ["segments", "chicane", "--corner", "hairpin"], ["tracks", "default"]):
        with pytest.raises(SystemExit) as left:
            cli.main([*words, *home])
        assert left.value.code == 2
        assert "unrecognized arguments" in capsys.readouterr().err
    assert cli.main(["label", "goood", "2", *home]) == 2
    assert "Did you mean 'good'?" in capsys.readouterr().err
    assert cli.main(["version"]) == 0


def test_every_exit_status_is_documented() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)}
    known = {kind.exit_code for kind in (errors.HitlError, *errors.HitlError.__subclasses__())}
    assert described == known | {0, 130}


@pytest.mark.skipif(sys.platform == "win32", reason="a device of Linux that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--help", "play --help", "keys --help", "tracks --home none", "tracks --json --home none"])
def test_standard_output_on_a_full_disk_is_told_in_a_sentence(tmp_path: Path, words: str, unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hitl", *words.split()], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False, env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "HITL_HOME": str(tmp_path)},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("hitl: What was printed could not be written (No space left on device), ")
    assert done.stderr.count("\n") == 1


def test_another_error_of_the_system_is_not_taken_for_one_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(words: list[str]) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hitl.cli._run", fail)
    with pytest.raises(OSError, match="No space"):
        cli.main(["tracks"])
