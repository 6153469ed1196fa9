"""A game that is not opened unasked is asked for by name: none is driven in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.last_driven import as_last_time
from hitl.settings import load
from tests.support.recorded import drive, session_info

ENV = "gym:odd_games:Odd-v0"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    with Recorder(tmp_path / "store.sqlite", session_info(env=ENV, track="Odd-v0")) as recorder:
        drive(recorder)
    return Home(tmp_path)


@pytest.mark.parametrize("words", [["play", "--headless", "--pad", "none", "--episodes", "1"], ["eval", "--agent", "none"]])
def test_it_must_be_named_and_nothing_is_driven(home: Home, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--home", str(home.root)]) == 2
    told = capsys.readouterr().err
    assert f"add --env {ENV}" in told
    with Store(home.store_path) as store:
        assert len(store.sessions()) == 1


def test_one_that_is_set_or_another_track_is_driven(home: Home) -> None:
    typed = load(home, "play", over={"play": {"track": "esses"}})
    assert as_last_time(home, typed).play.env == "box2d"
    (home.root / "settings.toml").write_text(f'[play]\nenv = "{ENV}"\n')
    assert as_last_time(home, load(home, "play")).play.env == ENV


def test_the_settings_open_all_the_same(home: Home) -> None:
    assert as_last_time(home, load(home, "play"), asks=False).play.env == "box2d"
