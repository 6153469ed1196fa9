"""Two sessions in one home at the same time: allowed, and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.screens.beforehand import others_driving
from hitl.session.playing import live
from hitl.session.setup import SessionSetup
from tests.support.recorded import drive, session_info


def test_a_second_session_says_that_another_one_drives_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path).create()
    line = ["play", "--home", str(home.root), "--headless", "--pad", "none", "--episodes", "1"]
    with Recorder(home.store_path, session_info()) as recorder:
        drive(recorder)
        assert recorder.flush(10.0)
        with Store(home.store_path) as store:
            assert store.driving_now() == [recorder.session_id]
        assert main(line) == 0
        assert f"Session {recorder.session_id} drives in this home now" in capsys.readouterr().out
    with Store(home.store_path) as store:
        assert store.driving_now() == []
        assert sum(e.length > 0 for e in store.episodes()) == 2  # both are there
    assert main(line) == 0
    assert "drives in this home" not in capsys.readouterr().out


def test_one_that_only_shows_its_last_screen_does_not_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[list[str]] = []

    def shows(rig: SessionSetup, *_: object) -> str:
        with Store(rig.home.store_path) as store:
            assert [e.length > 0 for e in store.episodes()] == [True]  # all of it is there
        others.append(others_driving(rig.home))
        return ""

    monkeypatch.setattr(live, "tell_ending", shows)
    line = ["play", "--home", str(tmp_path), "--headless", "--pad", "none", "--episodes", "1", "--record", str(tmp_path / "kept")]
    assert main(line) == 0
    assert others == [[]]
    assert list((tmp_path / "kept").rglob("session.json"))


def test_a_session_on_another_machine_is_not_said_to_be_here(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    with Store(home.store_path) as store:
        number = store.start_session(session_info(), "worker anna 0123abcd")
        far = f"Session {number} is driven on another machine now: both are recorded here, for one trainer."
        assert others_driving(home) == [far]
        store.end_session(number)
        number = store.start_session(session_info())
        assert f"Session {number} drives in this home now" in others_driving(home)[0]
        store.end_session(number)


def test_one_that_was_killed_does_not_drive(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    with Store(home.store_path) as store:
        number = store.start_session(session_info())
        assert store.driving_now() == [number]
        store._live.pop(number).release()  # as the system does it with a process that dies
        assert store.driving_now() == []
        other = store.start_session(session_info(kind="evaluation"))  # by which the agent is only looked at
        assert store.driving_now() == []
        store.end_session(other)
