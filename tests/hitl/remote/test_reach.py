"""A side that does not answer is told of, with the reason: also where it never answered, and at the end by the exit status."""

import socket
from types import SimpleNamespace

import pytest

from data.store import Store
from hitl.cli import main
from hitl.commands.worker import _rest_by
from hitl.home import Home
from hitl.remote.forward import forward
from hitl.remote.link import Access, free_port
from hitl.remote.outbox import Outbox, unsent_steps
from hitl.remote.reach import AGAIN_S, FIRST_S, Reach
from tests.support.workers import carry, record


class Nobody:
    """An endpoint that is connected to nothing."""

    def __init__(self, connected=False, silent_s=0.0, refused=""):
        link = SimpleNamespace(get_state=lambda: "ALIVE", accepted=True, silent_s=lambda: silent_s) if connected else None
        self._client = SimpleNamespace(to_server=link, refused=refused)

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


@pytest.mark.parametrize(
    ("refused", "said"),
    [("full", "Another trainer is connected"), ("password", "refuses the password"), ("certificate", "another certificate")],
)
def test_the_reason_tells_what_the_server_did(listening, tmp_path, refused, said):
    looked_at = reach(listening, keys=tmp_path, other="")
    looked_at._endpoint = Nobody(refused=refused)
    assert said in looked_at.news(False, FIRST_S)


def test_a_connection_through_which_nothing_comes_is_no_answer(listening):
    looked_at = reach(listening)
    looked_at._endpoint = Nobody(connected=True, silent_s=5.0)
    assert "Nothing comes through" in looked_at.news(False, FIRST_S)
    looked_at = reach(free_port())
    looked_at._endpoint = Nobody(connected=True, silent_s=5.0)
    assert "No answer from" in looked_at.news(False, FIRST_S)


def test_keys_are_not_blamed_while_a_server_that_was_there_comes_back(listening):
    looked_at = reach(listening)
    looked_at.news(True, 1.0)
    assert looked_at.news(False, 2.0) == "", "it answers again, and lets this one in the next moment"
    assert "does not let this one in" in looked_at.news(False, 2.0 + FIRST_S), "or it does not"


def test_another_reason_is_news(listening):
    looked_at = reach(listening)
    assert looked_at.news(False, FIRST_S)
    looked_at._endpoint = Nobody(connected=True)
    assert "no trainer" in looked_at.news(False, FIRST_S + AGAIN_S)


@pytest.fixture
def send(worker, monkeypatch):
    """Give a function that sends to nobody what a worker has, and returns whether nothing is left and what was said."""
    monkeypatch.setattr("hitl.remote.reach.FIRST_S", 0.0)

    def sending(**more):
        said, now = [], iter(range(1000))
        clock = SimpleNamespace(monotonic=lambda: float(next(now)), sleep=lambda s: None)
        monkeypatch.setattr("hitl.remote.forward.time", clock)
        to = Access(port=free_port())
        return forward(Nobody(), worker, "one", lambda: True, said.append, to=to, everything=False, **more), said

    return sending


def test_what_waits_is_counted_and_not_called_arrived(worker, inbox, send):
    Outbox(worker, "one").close()
    record(worker)
    whole, said = send(rest_by="`hitl worker --send-only --port 3`")
    assert not whole
    assert "No answer from 127.0.0.1:" in said[0]
    assert "wait" not in said[0]
    assert said[1] == "0 steps have arrived; 60 steps wait here: `hitl worker --send-only --port 3` sends the rest."
    outbox = Outbox(worker, "one")
    carry(outbox, inbox)
    assert outbox.unsent() == 0
    with Store(worker.store_path) as store:
        store.label([1], verdict="bad")
    whole, said = send()
    assert not whole
    assert said[1] == "0 steps have arrived; reviews or ends of drives wait here: `hitl worker --send-only` sends them."


@pytest.mark.parametrize("recorded", [False, True])
def test_where_nothing_waits_nothing_is_said_to_wait(worker, send, recorded):
    if recorded:
        record(worker)  # before it was a worker's
    whole, said = send()
    assert whole
    assert ["wait" in line for line in said] == [False, True], "it is said once"
    assert said[1] == "0 steps have arrived; nothing waits here to be sent."


def test_the_command_that_sends_the_rest_names_what_it_needs(tmp_path):
    args = SimpleNamespace(server="10.77.0.1", port=55555, keys=tmp_path / "my keys", no_tls=False, home=tmp_path / "w")
    assert _rest_by(args) == (
        f'`hitl worker --send-only --server 10.77.0.1 --keys "{tmp_path / "my keys"}" --home {tmp_path / "w"}`'
    )
    args = SimpleNamespace(server="127.0.0.1", port=3, keys=None, no_tls=True, home=None)
    assert _rest_by(args) == "`hitl worker --send-only --port 3 --no-tls`"


def test_a_workers_name_is_remembered_once_it_was_given(worker):
    nameless = Outbox(worker, None)
    assert nameless.name == nameless.worker[:8] != socket.gethostname()
    assert Outbox(worker, "anna").name == "anna"
    assert Outbox(worker, None).name == "anna"
    assert Outbox(worker, "ben").name == "ben"
    assert Outbox(worker, None).name == "ben"


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
