"""What a session shows of the trainer: the newest heartbeat, read beside the ticks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hitl.home import Home
from hitl.screens.session_screen import SessionScreen
from hitl.screens.trainer_state import HeartbeatReader, trainer_state
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from takeover_ui.view import View
from takeover_ui.window.options import WindowOptions
from trainer.daemon.heartbeat import Heartbeat, write_heartbeat

pytestmark = pytest.mark.realtime


def beat(**values: object) -> Heartbeat:
    return Heartbeat(**{"at": time.time(), "state": "training", "updates": 70} | values)  # type: ignore[arg-type]


FOUND = {"finding": "The critic does not tell actions apart.", "finding_title": "the critic ignores actions"}


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_finding_is_shown_while_it_holds_and_the_trainer_lives() -> None:
    assert trainer_state(beat(**FOUND)).finding_title == "the critic ignores actions"
    assert trainer_state(beat()).finding_title == ""
    assert trainer_state(None).alive is False
    over = beat(**FOUND)
    over.state = "stopped"
    assert trainer_state(over).finding_title == ""
    silent = beat(**FOUND)
    silent.at -= 60
    assert not trainer_state(silent).alive


def test_the_reader_follows_the_file(tmp_path: Path) -> None:
    with HeartbeatReader(tmp_path, every_s=0.01) as reader:
        until(lambda: reader.newest is not None)
        write_heartbeat(tmp_path, beat(**FOUND))
        until(lambda: reader.newest is not None and reader.newest.finding_title != "")
        write_heartbeat(tmp_path, beat())
        until(lambda: reader.newest is not None and reader.newest.finding_title == "")
        (tmp_path / "trainer.json").write_text("{")
        until(lambda: reader.newest is not None and not reader.newest.alive)


def test_a_trainer_that_learns_nothing_is_not_said_to_learn(tmp_path: Path) -> None:
    assert trainer_state(beat()).doing == "learns"
    waiting = trainer_state(beat(state="waiting", steps_missing=401))
    assert (waiting.doing, waiting.missing) == ("waits", 401)
    assert [trainer_state(beat(state=name)).doing for name in ("starting", "idle", "paused")] == ["starts", "rests", "paused"]
    write_heartbeat(tmp_path, beat(state="idle"))
    with HeartbeatReader(tmp_path, every_s=0.01) as reader:
        until(lambda: reader.newest is not None and reader.newest.doing == "rests")
        write_heartbeat(tmp_path, beat(state="idle", updates=78))
        until(lambda: reader.newest is not None and reader.newest.doing == "learns")  # it rests between two chunks only


def test_no_tick_waits_for_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session drives on, and shows what it last knew, while the file cannot be read."""
    hangs, asked = threading.Event(), threading.Event()

    def read(root: Path) -> Heartbeat:
        if asked.is_set():
            hangs.wait(30)
        asked.set()
        return beat(**FOUND)

    monkeypatch.setattr("hitl.screens.trainer_state.read_heartbeat", read)
    shown: list[View] = []
    watch = SessionScreen(SimpleNamespace(send=shown.append, options=WindowOptions()))  # type: ignore[arg-type]
    with SessionSetup(Home(tmp_path), SessionOptions(), watch=watch) as rig, HeartbeatReader(tmp_path, every_s=0.0) as reader:
        until(lambda: reader.newest is not None)
        watch.begin(rig, reader)
        rig.session.episode("drive", seed=1)
        hangs.set()
    assert len(shown) > 20
    assert {v.trainer.finding_title for v in shown if v.trainer} == {"the critic ignores actions"}
