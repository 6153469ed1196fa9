"""Who is not let in, or through whose connection nothing comes any more: what is said, and that it heals."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest

from hitl.home import Home
from hitl.remote.child import Child
from hitl.remote.elsewhere import FAR
from hitl.remote.keys import make_keys
from hitl.remote.link import Access, access, free_port
from tests.hitl.remote.test_processes import starting, until
from tests.support.workers import record

pytestmark = [pytest.mark.realtime, pytest.mark.skipif(sys.platform == "win32", reason="processes are ended by signals here")]
IMPATIENT = "import hitl.remote.link as link; link.DEAD_S = 9.0; from hitl.remote.child import main; main()"


@pytest.fixture
def server(tmp_path):
    port = free_port()
    make_keys(tmp_path / "keys")
    with starting(tmp_path) as start:
        running = start("server", "--home", tmp_path, "--port", port, name="server")
        assert until(lambda: "listens" in running.log.read_text())
        yield port


def said_by(role, home, to, **more):
    said = []
    return Child(role, home.root, to, said.append, **more), said


def test_a_second_trainer_hears_that_there_is_one_and_takes_its_place(tmp_path, server):
    to = access("127.0.0.1", server, tmp_path / "keys")
    first, heard = said_by("receive", Home(tmp_path / "t1"), to)
    assert until(lambda: "Connected to the server." in heard)
    second, said = said_by("receive", Home(tmp_path / "t2"), to)
    try:
        assert until(lambda: said, 20.0)
        assert said[0].startswith("Another trainer is connected to the server at 127.0.0.1")
        first.close()
        assert until(lambda: "Connected to the server." in said, 20.0), said
    finally:
        first.close()
        second.close()
    assert not [text for text in said if "Lost the connection" in text]


def test_a_foreign_certificate_is_told_from_a_wrong_password(tmp_path, server):
    make_keys(tmp_path / "foreign")
    to = access("127.0.0.1", server, tmp_path / "foreign")
    child, said = said_by("forward", Home(tmp_path / "w"), to, name="w", everything=False)
    try:
        assert until(lambda: said, 20.0)
        assert "another certificate than certificate.pem" in said[0]
    finally:
        child.close()


class Wire:
    """A cable between two machines that can be cut without either of them being told."""

    def __init__(self, to):
        self._to, self.cut = to, threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, far = self._listening.accept()[0], socket.create_connection(("127.0.0.1", self._to))
                cut = self.cut  # of the connections until then
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other, cut), daemon=True).start()

    def _carry(self, one, other, cut):
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                if not cut.is_set():
                    other.sendall(data)
            if not cut.is_set():
                other.close()

    def cut_now(self):
        self.cut.set()
        self.cut = threading.Event()

    def close(self):
        self._listening.close()


def test_a_connection_that_dies_without_a_word_is_told_of_and_made_anew(tmp_path, server):
    wire = Wire(server)
    to = access("127.0.0.1", server, tmp_path / "keys")
    trainer, heard = said_by("receive", Home(tmp_path / "t"), to)
    assert until(lambda: "Connected to the server." in heard)
    setup = {"role": "forward", "home": str(tmp_path / "w"), "name": "w", "everything": False}
    setup["access"] = asdict(Access("127.0.0.1", wire.port, to.password, to.keys))
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said = []
    threading.Thread(target=lambda: said.extend(iter(process.stdout.readline, "")), daemon=True).start()
    try:
        process.stdin.write(json.dumps(setup, default=str) + "\n")
        process.stdin.flush()
        assert until(lambda: any("answers" in text for text in said)), said
        wire.cut_now()
        assert until(lambda: len(said) > 1, 30.0)
        assert "no trainer" not in said[1], "it was said that the server answers"
        assert until(lambda: any("The trainer answers" in text for text in said[2:]), 30.0), said
    finally:
        _, errors = process.communicate(timeout=30)
        trainer.close()
        wire.close()
    assert "storing message" not in errors, "what tlspyo logs is not for the player"


def test_nothing_of_what_tlspyo_logs_is_shown_when_the_server_dies(tmp_path):
    port = free_port()
    with starting(tmp_path) as start:
        running = start("server", "--home", tmp_path, "--port", port, name="server")
        assert until(lambda: "listens" in running.log.read_text())
        trainer, heard = said_by("receive", Home(tmp_path / "t"), Access(port=port))
        assert until(lambda: "Connected to the server." in heard)
        setup = {"role": "forward", "home": str(tmp_path / "w"), "name": "w", "everything": False}
        setup["access"] = asdict(Access(port=port))
        with (tmp_path / "errors").open("w") as errors:
            worker = subprocess.Popen(
                [sys.executable, "-m", "hitl.remote.child"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, text=True,
            )  # fmt: skip
        worker.stdin.write(json.dumps(setup) + "\n")
        worker.stdin.flush()
        assert until(lambda: (tmp_path / "w" / FAR).exists()), "the trainer answers"
        running.kill()
        record(Home(tmp_path / "w"), episodes=4)  # what is driven until it is known that nobody answers
        time.sleep(3.0)
        worker.communicate(timeout=40)
        trainer.close()
    assert (tmp_path / "errors").read_text() == ""
