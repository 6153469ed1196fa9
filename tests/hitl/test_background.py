"""A trainer that is started in the background: when it counts as begun, whatever process it is in the end."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.errors import TrainingError
from hitl import cli, processes, trainer_process
from hitl.home import Home
from hitl.trainer_process import TrainerProcess
from tests.support.places import ROOT
from trainer.daemon import control
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat, write_heartbeat

BEGINS = """
import os, sys, time
from pathlib import Path
from trainer.daemon.heartbeat import TOKEN, Heartbeat, write_heartbeat
time.sleep(float(sys.argv[1]))
write_heartbeat(Path(sys.argv[2]), Heartbeat(pid=os.getpid() + 1, token=os.environ[TOKEN], state=sys.argv[3]))
time.sleep(float(sys.argv[4]))
print("It is over.")
"""


def start(monkeypatch: pytest.MonkeyPatch, home: Path, *words: str) -> TrainerProcess:
    """Start something that stands for a trainer: it waits, writes a heartbeat in the given state, and lives on for a while."""
    wait, state, live = words
    child = [sys.executable, "-c", BEGINS, wait, str(home), state, live]
    monkeypatch.setattr(trainer_process, "command", lambda *_: child)
    return TrainerProcess(Home(home), detached=True)


@pytest.mark.realtime
def test_its_own_heartbeat_is_waited_for_as_long_as_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_process, "START_S", 0.1)
    texts: list[str] = []
    trainer = start(monkeypatch, tmp_path, "0.5", "starting", "30")
    try:
        # The newest heartbeat, but of another trainer: one that was just stopped.
        write_heartbeat(tmp_path, Heartbeat(state="training", at=time.time() + 60, ticks=time.monotonic() + 60))
        trainer.wait_for_heartbeat(texts.append)
        assert trainer.alive
    finally:
        trainer._process.kill()
        trainer._process.wait()
    assert [text.startswith("The trainer is still starting") for text in texts] == [True]
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.token == trainer._token


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_one_that_ends_at_once_has_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    trainer = start(monkeypatch, tmp_path, "0", state, "0.1")
    with pytest.raises(TrainingError, match=r"ended at once: It is over\."):
        trainer.wait_for_heartbeat()


def test_one_whose_log_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "trainer.log").mkdir()
    with pytest.raises(TrainingError, match=r"trainer.log cannot be written in the home folder '.*' \("):
        TrainerProcess(Home(tmp_path), detached=True)


def test_on_a_full_disk_that_is_why_it_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = start(monkeypatch, tmp_path, "0", "failed", "0")
    trainer._process.wait()
    monkeypatch.setattr(trainer, "_log", tmp_path / "none")
    assert trainer.last_line() == "it said nothing."
    monkeypatch.setattr(trainer_process, "disk_is_full", lambda folder: True)
    assert "the disk is full" in trainer.last_line()


@pytest.mark.realtime
def test_on_a_full_disk_no_heartbeat_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_process, "FULL_S", 0.1)
    monkeypatch.setattr(trainer_process, "disk_is_full", lambda folder: True)
    texts: list[str] = []
    trainer = start(monkeypatch, tmp_path, "30", "starting", "0")
    try:
        with control.trainer_lock(tmp_path / "store.sqlite"):
            trainer.wait_for_heartbeat(texts.append)
    finally:
        trainer._process.kill()
        trainer._process.wait()
    assert [text.startswith("The disk is full: the trainer is at work") for text in texts] == [True]


@pytest.mark.realtime
@pytest.mark.skipif(sys.platform == "win32", reason="process ids differ there anyway")
def test_a_trainer_whose_process_id_is_another_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a virtual environment on Windows, whose python.exe only starts the interpreter."""
    monkeypatch.setenv("WINVENV", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "support" / "windows"))
    home = ["--home", str(tmp_path)]
    assert cli.main(["train", "--background", *home]) == 0
    try:
        beat = read_heartbeat(tmp_path)
        assert beat is not None
        assert beat.pid > 1_000_000, "the rule is kept by the child"
    finally:
        assert cli.main(["train", "stop", *home]) == 0


PARENT = """
import os, signal, sys
from pathlib import Path
from hitl.home import Home
from hitl import trainer_process
if sys.argv[2:]:
    from types import SimpleNamespace
    trainer_process.sys = SimpleNamespace(platform=sys.argv[2])
trainer = trainer_process.TrainerProcess(Home(Path(sys.argv[1])).create(), "--quiet")
trainer.wait_for_heartbeat()
print(os.getsid(trainer._process.pid) == trainer._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.realtime
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere terminals have no share of their own")
@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_one_beside_a_session_has_its_own_share_of_the_machine_and_ends_with_it(tmp_path: Path, platform: str) -> None:
    run = subprocess.run([sys.executable, "-c", PARENT, str(tmp_path), platform], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.split() == [str(platform == "linux")], run.stderr
    until = time.monotonic() + 30
    while control.running(tmp_path / "store.sqlite"):
        assert time.monotonic() < until, "it goes on without its parent"
        time.sleep(0.05)
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.state == "stopped"  # as it ends when it is asked to, with all written


def test_on_windows_no_window_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    for number, name in enumerate(("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP", "DETACHED_PROCESS")):
        monkeypatch.setattr(subprocess, name, 1 << number, raising=False)
    # Together with DETACHED_PROCESS, Windows ignores CREATE_NO_WINDOW.
    assert processes.apart() == {"creationflags": 0b011}
