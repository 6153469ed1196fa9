"""`hitl train stop`: what it waits for, what came of it, and how to end a trainer that does not answer."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.recording.session_lock import live_path
from data.store import Store
from hitl.cli import main
from hitl.pages.reading import trainer_of
from hitl.screens.training import stopping
from takeover_ui.pages.texts import ENGLISH
from tests.support.daemon_runs import wait_for
from trainer.daemon import control
from trainer.daemon.heartbeat import Heartbeat, write_heartbeat

IDLE = "(every update for what was driven is done)"
Ends = Callable[[Heartbeat | None, float], None]


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Ends]:
    """Something that holds a trainer's lock until it is asked to stop, and leaves a heartbeat after so many seconds."""
    threads = []

    def work(last: Heartbeat | None, after_s: float) -> None:
        with control.trainer_lock(tmp_path / "store.sqlite"):
            wait_for(lambda: control.asked(tmp_path, control.STOP))
            time.sleep(after_s)
            if last is not None:
                write_heartbeat(tmp_path, last)

    def begin(last: Heartbeat | None, after_s: float = 0.0) -> None:
        threads.append(threading.Thread(target=work, args=(last, after_s)))
        threads[0].start()
        wait_for(lambda: control.running(tmp_path / "store.sqlite"))

    yield begin
    threads[0].join()


def stop(home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["train", "stop", "--home", str(home)])
    said = capsys.readouterr()
    return code, said.out + said.err


def stopped(**values: object) -> Heartbeat:
    return Heartbeat(pid=os.getpid(), state="stopped", updates=500, checkpoint="a", **values)  # type: ignore[arg-type]


def test_a_last_checkpoint_is_only_said_to_be_written_where_it_is(
    tmp_path: Path, trainer: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer(stopped())
    assert stop(tmp_path, capsys) == (0, "The trainer has written its last checkpoint and stopped.\n")


def test_what_is_in_no_checkpoint_is_named_with_the_reason(
    tmp_path: Path, trainer: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer(stopped(unsaved=180, problem="The disk is full."))
    text = "The trainer has stopped, but 180 updates are in no checkpoint. The disk is full. "
    text += f"`hitl train --home {tmp_path}` makes them again.\n"
    assert stop(tmp_path, capsys) == (7, f"hitl: {text}")
    assert main(["train", "status", "--home", str(tmp_path)]) == 1
    assert capsys.readouterr().out == text, "not that it was killed"


@pytest.mark.parametrize("last", [None, Heartbeat(pid=1, state="stopped"), Heartbeat(pid=1, state="training")])
def test_one_that_could_not_say_that_it_ends_is_not_said_to_have_written_anything(
    tmp_path: Path, trainer: Ends, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, last: Heartbeat | None
) -> None:
    monkeypatch.setattr(stopping, "disk_is_full", lambda folder: True)
    trainer(last)
    code, text = stop(tmp_path, capsys)
    assert code == 7
    assert "did not say whether it wrote its last checkpoint. The disk is full" in text


@pytest.mark.parametrize("known", [True, False])
def test_what_takes_long_is_explained_and_at_the_end_the_process_is_named(
    tmp_path: Path, trainer: Ends, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(stopping, "SLOW_S", 0.1)
    monkeypatch.setattr(stopping, "STOP_S", 0.4)
    write_heartbeat(tmp_path, Heartbeat(pid=7, state="training", at=time.time() - 60, ticks=time.monotonic() - 60))
    trainer(None, 1.5)
    if not known:  # of an earlier version
        live_path(tmp_path / "store.sqlite", "trainer").write_bytes(b"")
    code, text = stop(tmp_path, capsys)
    assert code == 7
    assert text.count("Waiting up to") == 1
    assert "last heard of about 1 minute ago" in text
    me = os.getpid()
    assert (f"(process {me})" in text) == known
    assert (re.search(f"`(kill -9|taskkill /F /PID) {me}` ends it at once", text) is not None) == known
    assert ("End its process by hand" in text) != known


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is looked at in /proc")
def test_a_suspended_trainer_is_named_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal
    import subprocess

    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        try:
            assert stopping._wakes(process.pid) == ""
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: stopping._wakes(process.pid) == f"It is suspended: `kill -CONT {process.pid}` lets it go on.")
            monkeypatch.setattr(control, "process", lambda store: process.pid)
            told_where_one_looks(tmp_path, process.pid, capsys)
        finally:
            process.kill()
    assert stopping._wakes(process.pid) == ""


def told_where_one_looks(home: Path, process: int, capsys: pytest.CaptureFixture[str]) -> None:
    Store(home / "store.sqlite").close()
    for of in (process, process + 1):  # the second: it was suspended before its first beat
        write_heartbeat(home, Heartbeat(pid=of, state="idle", detail=IDLE, updates=500, at=time.time(), ticks=time.monotonic()))
        with control.trainer_lock(home / "store.sqlite"):
            for words in ([], ["train", "status"]):
                assert main([*words, "--home", str(home)]) == 0
                text = " ".join(capsys.readouterr().out.split())
                assert "suspended" in text
                assert f"`kill -CONT {process}` lets it go on" in text
                assert IDLE not in text


def test_what_a_silent_trainer_said_last_is_not_told_as_if_it_were_new(
    tmp_path: Path, trainer: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    ago = {"at": time.time() - 40, "ticks": time.monotonic() - 40}
    write_heartbeat(tmp_path, Heartbeat(pid=os.getpid(), state="idle", detail=IDLE, updates=500, online_steps=9, **ago))
    Store(tmp_path / "store.sqlite").close()
    trainer(stopped())
    try:
        for words in ([], ["train", "status"]):
            assert main([*words, "--home", str(tmp_path)]) == 0
            text = " ".join(capsys.readouterr().out.split())
            assert "silent: nothing was heard of it for about 40 seconds" in text
            assert re.search("(updates 500|500 updates) when it was last heard of", text)
            assert IDLE not in text
            assert "of what was driven" not in text
        page = trainer_of(tmp_path / "store.sqlite")
        assert "last heard of 4" in page.said
        assert not {ENGLISH["beat_speed"], ENGLISH["beat_behind"]} & {name for name, _ in page.facts}
    finally:
        control.ask(tmp_path, control.STOP)


@pytest.mark.parametrize("word", ["stop", "pause"])
def test_where_it_cannot_be_asked_that_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(control, "ask", full)
    with control.trainer_lock(tmp_path / "store.sqlite"):
        assert main(["train", word, "--home", str(tmp_path)]) == 7
    assert "(the disk is full): make room on it." in capsys.readouterr().err
