"""Commands called by a script, ``hitl.cli.main([…])``: the process goes on as it was before."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from data.exchange.merge import Summary
from data.recording.recorder import Recorder
from hitl import cli
from hitl.processes import as_guest, is_guest, stop_on_signal
from tests.support.places import ROOT
from tests.support.recorded import drive as recorded
from tests.support.recorded import session_info
from trainer.daemon.heartbeat import read_heartbeat

TRAIN = ["train", "--quiet", "--set", "hidden=16", "--set", "batch_size=8"]
PLAY = ["play", "--headless", "--pad", "none", "--env", "box2d", "--episodes", "1"]
SCRIPT = """
import json, os, signal, sys, threading
from pathlib import Path
{first}
from hitl.cli import main

home, words = Path(sys.argv[1]), json.loads(sys.argv[2])

def found():
    import torch
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    return {{
        "signals": [repr(signal.getsignal(getattr(signal, name))).partition(" at ")[0] for name in names],
        "threads": torch.get_num_threads(),
        "nice": os.nice(0) if hasattr(os, "nice") else 0,
        "SDL": {{k: v for k, v in os.environ.items() if k in ("SDL_VIDEODRIVER", "SDL_NO_SIGNAL_HANDLERS")}},
    }}

def stop():
    from trainer.daemon import control
    from trainer.daemon.heartbeat import read_heartbeat
    import time
    while (beat := read_heartbeat(home)) is None or not beat.online_steps:
        time.sleep(0.05)
    control.ask(home, control.STOP)

before = {expected}
if words[0] == "train":
    threading.Thread(target=stop, daemon=True).start()
status = main([*words, "--home", str(home)])
print(json.dumps([status, before, found()]))
"""


def drive(path):
    with Recorder(path, session_info()) as recorder:
        recorded(recorder, 40, (5, 25), "hairpin")


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize("words", [TRAIN, PLAY])
def test_a_process_that_calls_a_command_stays_as_it_was(words, loaded, tmp_path):
    if words is TRAIN:
        drive(tmp_path / "store.sqlite")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SDL_")}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    first, expected = ("import torch", "found()") if loaded else ("", "None")
    script = SCRIPT.format(first=first, expected=expected)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), json.dumps(words)], env=environment, capture_output=True, text=True,
        cwd=tmp_path, timeout=40, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    status, before, after = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert after["threads"] == 2
    assert after["SDL"] == {}
    assert after["signals"][0].startswith("<built-in function default_int_handler")
    if before is not None:
        assert after == before


def test_handlers_are_put_back_also_after_an_error():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError), as_guest():  # noqa: PT012
        assert is_guest()
        stop_on_signal()
        signal.raise_signal(signal.SIGINT)  # the second one would interrupt: another handler than that of the first
        raise RuntimeError
    assert not is_guest()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_trainer_of_a_thread_is_stopped_by_its_command(tmp_path):
    drive(tmp_path / "store.sqlite")
    home, ended = ["--home", str(tmp_path)], []
    thread = threading.Thread(target=lambda: ended.append(cli.main([*TRAIN, *home])))
    thread.start()
    deadline = time.monotonic() + 30
    while thread.is_alive() and ((beat := read_heartbeat(tmp_path)) is None or not beat.online_steps):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert thread.is_alive(), ended
    assert cli.main(["train", "stop", *home]) == 0
    thread.join(60)
    assert ended == [0]


def test_a_folder_is_watched_on_a_thread_too(tmp_path, monkeypatch):
    looked, ended, folder = [], [], tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setattr("data.exchange.watch_folder.watch", lambda *_, **__: looked.append(1) or Summary())
    words = ["import", str(folder), "--watch", "--home", str(tmp_path / "home")]
    thread = threading.Thread(target=lambda: ended.append(cli.main(words)))
    thread.start()
    thread.join(30)
    assert (looked, ended) == ([1], [0])
