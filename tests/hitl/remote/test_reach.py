"""A side that does not answer is told of, with the reason: also where it never answered, and at the end by the exit status."""

import socket
from types import SimpleNamespace

import pytest

from hitl.cli import main
from hitl.home import Home
from hitl.remote.forward import forward
from hitl.remote.link import Access, free_port
from hitl.remote.outbox import Outbox, unsent_steps
from hitl.remote.reach import AGAIN_S, FIRST_S, Reach
from tests.support.workers import carry, record


class Nobody:
    """An endpoint that is connected to nothing."""

    def __init__(self, connected=False):
        link = SimpleNamespace(get_state=lambda: "ALIVE") if connected else None
        self._client = SimpleNamespace(to_server=link)

    def receive_all(self):
        return []

    def notify(self, groups):
        pass

    def produce(self, message, group):
        pass


def reach(port, *, connected=False, keys=None, other="trainer"):
    return Reach(Nobody(connected), Access(port=port, keys=keys), other, "It answers.", 0.0)


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_who_never_answers_is_told_of_soon_and_once():
    looked_at = reach(free_port())
    assert looked_at.news(False, 1.0) == ""
    assert "No answer from 127.0.0.1:" in looked_at.news(False, FIRST_S)
    assert looked_at.news(False, FIRST_S + 1) == ""
    assert looked_at.news(False, FIRST_S + AGAIN_S) == "", "it is still so"
    assert looked_at.news(True, 40.0) == "It answers."
    assert looked_at.news(True, 41.0) == ""
    assert "No answer from" in looked_at.news(False, 42.0), "it was there, so this is known at once"


def test_the_reason_tells_keys_from_a_trainer_and_from_no_server(listening, tmp_path):
    assert "does not let this one in" in reach(listening).news(False, FIRST_S)
    assert "--no-tls" in reach(listening, keys=tmp_path).news(False, FIRST_S)
    assert "no trainer: is `hitl train --from-server` running?" in reach(listening, connected=True).news(False, FIRST_S)
    assert reach(listening, connected=True, other="").news(False, FIRST_S) == ""


def test_another_reason_is_news(listening):
    looked_at = reach(listening)
    assert looked_at.news(False, FIRST_S)
    looked_at._endpoint = Nobody(connected=True)
    assert "no trainer" in looked_at.news(False, FIRST_S + AGAIN_S)


def test_what_waits_is_counted_and_not_called_arrived(worker, inbox, monkeypatch):
    monkeypatch.setattr("hitl.remote.reach.FIRST_S", 0.0)
    Outbox(worker, "one").close()
    record(worker)
    said, now = [], iter(range(1000))
    monkeypatch.setattr("hitl.remote.forward.time", SimpleNamespace(monotonic=lambda: float(next(now)), sleep=lambda s: None))
    to = Access(port=free_port())
    assert forward(Nobody(), worker, "one", lambda: True, said.append, to=to, everything=False) is False
    assert f"No answer from 127.0.0.1:{to.port}" in said[0]
    assert "60 steps wait here" in said[0]
    assert said[1] == "0 steps have arrived; 60 steps wait here: `hitl worker --send-only` sends the rest."
    outbox = Outbox(worker, "one")
    carry(outbox, inbox)
    assert outbox.unsent() == 0


def test_hitl_alone_says_what_is_unsent(worker, inbox, capsys):
    outbox = Outbox(worker, "one")
    record(worker)
    assert main(["--home", str(worker.root)]) == 0
    out = capsys.readouterr().out
    assert "60 steps wait here" in out
    assert "Next: `hitl worker --send-only" in out
    carry(outbox, inbox)
    main(["--home", str(worker.root)])
    assert "wait here" not in capsys.readouterr().out


def test_a_home_that_was_never_a_workers_has_nothing_to_send(worker):
    record(worker)
    outbox = Outbox(Home(worker.root), "one")
    (worker.root / "worker.json").unlink()
    assert unsent_steps(worker, outbox._connect()) == 0
