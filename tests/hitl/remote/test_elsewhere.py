"""A trainer on another machine is no missing trainer: in the window, the commands and the pages of a worker's home."""

import io
import json
import os
import time
from types import SimpleNamespace

import pytest

from data.errors import DeviceError
from data.recording.recorder import Recorder
from hitl.cli import main
from hitl.commands.train import _server_said
from hitl.home import Home
from hitl.pages.reading import trainer_of
from hitl.remote import child
from hitl.remote.elsewhere import FAR, FarTrainer, far_trainer, keep_link, link_of, told_to_workers, trains_elsewhere
from hitl.remote.link import Access, free_port
from hitl.remote.outbox import Outbox
from hitl.remote.reach import FIRST_S, Reach
from hitl.screens.trainer_state import HeartbeatReader, far_state
from takeover_ui.view import TrainerState
from tests.hitl.remote.test_reach import Nobody
from tests.support.recorded import drive, session_info
from tests.support.workers import carry, record
from trainer.daemon.control import trainer_lock
from trainer.daemon.heartbeat import Heartbeat, read_heartbeat, write_heartbeat


def beat(**more):
    return Heartbeat(at=time.time(), ticks=time.monotonic(), **more)


@pytest.fixture
def sent(worker, inbox):
    outbox = Outbox(worker, "one")
    record(worker)
    carry(outbox, inbox)
    outbox.close()
    return worker


def test_what_the_trainer_tells_is_kept_by_the_worker(tmp_path, worker):
    assert told_to_workers(tmp_path) == {}
    write_heartbeat(tmp_path, beat(state="training", detail="on 5 laps", updates=17))
    FarTrainer(worker.root).heard({"kind": "state", "beat": told_to_workers(tmp_path)}, 0.0)
    far = far_trainer(worker.root)
    assert (far.doing, far.updates) == ("training on 5 laps", 17)
    assert far_state(far) == TrainerState(alive=True, far=True)
    write_heartbeat(tmp_path, beat(state="waiting", steps_missing=401))
    FarTrainer(worker.root).heard({"kind": "state", "beat": told_to_workers(tmp_path)}, 2.0)
    assert far_state(far_trainer(worker.root)) == TrainerState(True, far=True, doing="waits", missing=401)
    assert read_heartbeat(worker.root) is None, "it is no trainer of this home"


@pytest.mark.parametrize("told", [None, [], {}, {"state": 5, "detail": None, "updates": "many"}, {"updates": -3}])
def test_an_earlier_trainer_or_nonsense_says_that_it_is_there_and_no_more(worker, told):
    FarTrainer(worker.root).heard({"kind": "state", "beat": told}, 0.0)
    far = far_trainer(worker.root)
    assert (far.doing, far.updates) == ("", 0)
    assert far_state(far).alive


def test_a_trainer_that_is_silent_or_has_ended_is_not_at_work(worker):
    assert far_state(None) == TrainerState(alive=False, far=True)
    assert not far_state(Heartbeat(at=time.time() - 60.0, state="training")).alive
    assert not far_state(beat(state="stopped")).alive


def test_the_window_of_a_worker_follows_the_trainer_elsewhere(worker):
    write_heartbeat(worker.root, beat(state="training"), FAR)
    with HeartbeatReader(worker.root, 0.01, far=True) as reader:
        end = time.monotonic() + 5.0
        while reader.newest is None and time.monotonic() < end:
            time.sleep(0.01)
        assert reader.newest == TrainerState(alive=True, far=True)


def test_commands_in_a_workers_home_name_no_trainer_here(sent, capsys):
    home = ["--home", str(sent.root)]
    assert main(home) == 0
    said = capsys.readouterr().out
    assert "on another machine; nothing has been heard of it yet" in said
    assert "hitl train" not in said
    assert "`hitl worker" in said
    assert main(["train", "status", *home]) == 1
    assert "hitl train` starts one" not in capsys.readouterr().out
    write_heartbeat(sent.root, beat(state="training", updates=17_796), FAR)
    assert main(home) == 0
    assert "on another machine: training; 17,796 updates" in capsys.readouterr().out
    assert main(["train", "status", *home]) == 0
    assert "on another machine: training; 17,796 updates" in capsys.readouterr().out
    for verb in ("pause", "resume", "stop"):
        assert main(["train", verb, *home]) == 7
        assert "on another machine: type this there" in capsys.readouterr().err
    assert "another machine" in trainer_of(sent.store_path).said


def test_a_home_that_trains_itself_is_not_taken_for_a_workers(sent):
    assert trains_elsewhere(sent)
    write_heartbeat(sent.root, beat(state="failed", problem="It could not begin."))
    assert trains_elsewhere(sent), "it was only tried"
    write_heartbeat(sent.root, Heartbeat(at=time.time() + 5.0, state="stopped", updates=3))
    assert not trains_elsewhere(sent), "its own trainer was the last one"
    os.utime(sent.root / "worker.json", (time.time() + 60, time.time() + 60))
    assert trains_elsewhere(sent), "and then it was a worker's again"
    with trainer_lock(sent.store_path):
        assert not trains_elsewhere(sent)


def test_the_trainers_status_tells_of_its_server(tmp_path, capsys):
    reach = Reach(Nobody(), Access(port=free_port()), "", "Connected.", 0.0, tmp_path)
    reach.news(False, 1.0)
    assert link_of(tmp_path) is None, "it may answer yet"
    reach.news(False, FIRST_S)
    reached, why = link_of(tmp_path)
    assert (reached, why[:15]) == (False, "No answer from ")
    with trainer_lock(tmp_path / "store.sqlite"):
        write_heartbeat(tmp_path, beat(state="waiting"))
        assert main(["train", "status", "--home", str(tmp_path)]) == 0
        assert "No answer from 127.0.0.1" in capsys.readouterr().out
        reach.news(True, FIRST_S + 1)
        main(["train", "status", "--home", str(tmp_path)])
        assert "connected" in capsys.readouterr().out


def test_a_trainer_in_the_background_says_whether_it_reaches_its_server(tmp_path, monkeypatch, capsys):
    started = SimpleNamespace(wait_for_heartbeat=lambda tell: keep_link(tmp_path, False, "No answer from 10.77.0.9:55555."))
    monkeypatch.setattr("hitl.trainer_process.TrainerProcess", lambda *words, **more: started)
    keep_link(tmp_path, True, "")  # of the trainer before
    assert main(["train", "--background", "--from-server", "--home", str(tmp_path)]) == 0
    assert "No answer from 10.77.0.9:55555." in capsys.readouterr().out


def test_what_the_servers_side_failed_with_is_told_by_a_trainer_in_the_background(tmp_path, monkeypatch, capsys):
    def refused(*_):
        raise DeviceError("Several machines need the package tlspyo: `hitl train --from-server` waits for it.")

    setup = {"role": "receive", "home": str(tmp_path), "access": {"host": "127.0.0.1", "port": 9, "password": "x", "keys": None}}
    monkeypatch.setattr("hitl.remote.link.run_endpoint", refused)
    monkeypatch.setattr(child.sys, "stdin", io.StringIO(json.dumps(setup) + "\n"))
    monkeypatch.setattr(child.os, "_exit", lambda status: None)
    child.main()
    capsys.readouterr()
    assert _server_said(Home(tmp_path)) == "Several machines need the package tlspyo: `hitl train --from-server` waits for it."


def test_to_send_what_waits_makes_no_worker_s_home_of_one_that_never_was(tmp_path, capsys):
    for home in (tmp_path / "home", tmp_path / "none"):
        if home.name == "home":
            with Recorder(home / "store.sqlite", session_info()) as recorder:
                drive(recorder)
        before = sorted(home.rglob("*"))
        assert main(["worker", "--send-only", "--home", str(home)]) == 2
        assert "Nothing waits to be sent" in capsys.readouterr().err
        assert sorted(home.rglob("*")) == before
