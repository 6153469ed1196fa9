"""Who knows the password may send anything: it is left out, in a sentence, and sending and receiving go on."""

import contextlib

import pytest

from data.exchange.unpickle import Holder
from hitl.home import Home
from hitl.remote import forward as forwarding
from hitl.remote import receive as receiving
from hitl.remote.codec import decode, encode
from hitl.remote.forward import forward, is_missing
from hitl.remote.link import Access
from hitl.remote.outbox import Outbox
from hitl.remote.receive import Inbox, receive
from hitl.remote.wire import Unreadable, WorkerGreeting
from tests.support.workers import everything, record, state_of

DATA = {"kind": "data", "worker": "w1", "name": "x", "run": "r", "seq": 1, "base": 0}
TO_TRAINERS = [
    {}, {"kind": "data"}, {"kind": "want"}, {"kind": ["data"]}, {"kind": {"a": 1}, "worker": "w"}, {"kind": "want", "worker": 5},
    DATA | {"worker": {"a": 1}}, DATA | {"worker": (("a",), ["b"])}, DATA | {"worker": "w" * 201}, DATA | {"run": 5},
    DATA | {"seq": 10**39, "base": 10**38}, DATA | {"base": 1e308}, DATA | {"base": float("inf")}, DATA | {"base": -1},
    DATA | {"received": 5}, DATA | {"session": 5}, DATA | {"name": {"a": 1}}, Holder("b", {"memory": 5}), Holder("b", {}),
    Holder("b", {"memory": [5, (1, 2), None]}), Unreadable("a test"), WorkerGreeting("w" * 201, "x"), 5, None, "text", b"bytes",
]  # fmt: skip
STATE = {"kind": "state", "acks": {}, "weights": "", "trainer": "t", "has": {}}
TO_WORKERS = [
    {}, {"kind": "state"}, STATE | {"acks": 5}, STATE | {"has": 5}, STATE | {"weights": 5}, STATE | {"weights": "x" * 201},
    STATE | {"weights": "ä" * 200 + ".safetensors"}, STATE | {"trainer": 5}, STATE | {"trouble": {"a": 1}}, STATE | {"beat": 5},
    {"kind": "weights"}, {"kind": "weights", "name": {"a": 1}, "data": 5}, {"kind": "weights", "name": "a.safetensors"},
    {"kind": "weights", "name": "ä" * 180 + ".safetensors", "data": b"x"},
    {"kind": "weights", "name": "../../a.safetensors", "data": 5}, {"kind": ["weights"]},
]  # fmt: skip


class Endpoint:
    """Hands out one message at each look, then none."""

    def __init__(self, messages):
        self.waiting, self.sent = list(messages), []

    def receive_all(self):
        return [self.waiting.pop(0)] if self.waiting else []

    def notify(self, groups):
        pass

    def produce(self, message, group):
        self.sent.append(message)

    def send_object(self, message, to):
        self.sent.append(message)


@pytest.fixture
def alone(monkeypatch):
    """Nothing is connected, and nobody looks why."""
    for module in (forwarding, receiving):
        monkeypatch.setattr(module, "connection", lambda endpoint: endpoint)
        monkeypatch.setattr(module, "POLL_S", 0.0)
        monkeypatch.setattr(module, "Reach", lambda *given: type("", (), {"news": lambda self, alive, now: ""})())


def test_a_trainer_goes_on_after_whatever_comes(worker, tmp_path, alone, monkeypatch):
    monkeypatch.setattr(receiving, "STATE_S", 0.0)
    home, said = Home(tmp_path / "trainer").create(), []
    outbox = Outbox(worker, "anna\x1b]0;x\x07\n")
    record(worker)
    data = [decode(encode(message)) for message in iter(outbox.next, None)]  # as to an earlier trainer, which tells nothing
    endpoint = Endpoint([*TO_TRAINERS, *data])
    receive(endpoint, home, lambda: not endpoint.waiting, said.append, to=Access())
    assert everything(home.store_path) == everything(worker.store_path)
    assert len([text for text in said if "left out" in text]) > 15
    assert "Worker 'anna?]0;x?' has connected." in said
    assert all(text.isprintable() for text in said), said
    for state in endpoint.sent:
        assert decode(encode(state)) == decode(encode(dict(state)))
        assert all(0 <= seq < 2**63 for seq in state["acks"].values())


@pytest.mark.parametrize("own", [5, {"sessions": "x"}, {"sessions": -1}, {"step": "3"}, (1,)])
def test_a_worker_goes_on_after_whatever_comes(worker, inbox, alone, monkeypatch, own):
    outbox, said = Outbox(worker, "one"), []
    monkeypatch.setattr(forwarding, "_outbox", lambda *given: outbox)
    monkeypatch.setattr(forwarding, "ASK_S", 0.0)
    record(worker)
    bad = [*TO_WORKERS, STATE | {"has": {outbox.worker: own}}, STATE | {"acks": {outbox.run: "5"}}]
    endpoint = Endpoint([*bad, *bad, state_of(inbox, outbox)])

    class Trainer:
        def __call__(self):
            for message in [m for m in endpoint.sent if isinstance(m, dict) and m.get("kind") == "data"]:
                inbox.take(decode(encode(message)))
                endpoint.waiting.append(state_of(inbox, outbox))
            endpoint.sent.clear()
            return not endpoint.waiting

    assert forward(endpoint, worker, "one", Trainer(), said.append, to=Access(), everything=False)
    assert everything(inbox.path) == everything(worker.store_path)
    left = [text for text in said if "left out" in text]
    assert 4 < len(left) == len(set(left)), "each is said once"
    assert all(text.isprintable() for text in said), said


def test_weights_of_an_impossible_name_are_missing(worker):
    assert is_missing(worker, "ä" * 200)


def test_a_name_is_stored_as_it_may_be_shown(worker, tmp_path):
    outbox = Outbox(worker, "a\x1b[31m\nb")
    record(worker)
    with contextlib.closing(Inbox(Home(tmp_path / "t").create())) as inbox:
        inbox.take(decode(encode(outbox.next())))
        source = inbox._conn.execute("SELECT source FROM sessions").fetchone()[0]
    assert source == f"worker a?[31m b {outbox.worker[:8]}"
