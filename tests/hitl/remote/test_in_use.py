"""``worker.json`` while another program has it open: sending goes on, nothing is forgotten, and who ended early is told of."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.errors import InputFileError
from hitl.cli import main
from hitl.commands import play
from hitl.home import Home
from hitl.remote import child, forward, outbox
from hitl.remote.link import free_port
from hitl.remote.outbox import Outbox
from hitl.remote.receive import Inbox
from tests.support.in_use import in_use
from tests.support.workers import carry, everything, record


def test_what_cannot_be_noted_is_noted_later(worker: Home, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "SAVE_AGAIN_S", 0.0)
    file = worker.root / "worker.json"
    sender = Outbox(worker, "one")
    before = file.read_bytes()
    record(worker)
    with in_use(file):
        carry(sender, inbox)
        assert len(sender.said) == 1
        assert "worker.json (another program has it open): close that program" in sender.said[0]
    assert file.read_bytes() == before
    again = Outbox(worker, None)
    assert again.next() is not None, "it is sent twice"
    assert sender.next() is None
    assert json.loads(file.read_bytes())["marks"]["step"] == 60
    assert everything(inbox.path) == everything(worker.store_path)


def test_who_cannot_read_it_is_no_other_worker(worker: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    file, said = worker.root / "worker.json", list[str]()
    Outbox(worker, "one").close()
    before = file.read_bytes()
    with in_use(file):
        with pytest.raises(InputFileError, match="close that program"):
            Outbox(worker, "one")
        with pytest.raises(InputFileError):
            forward._outbox(worker, "one", False, lambda: True, said.append)
    assert file.read_bytes() == before
    held = in_use(file)
    held.__enter__()
    monkeypatch.setattr(forward, "time", SimpleNamespace(sleep=lambda seconds: held.__exit__(None, None, None)))
    assert forward._outbox(worker, "one", False, lambda: False, said.append).name == "one"
    assert len(said) == 1
    assert "will be sent as soon as it can be read" in said[0]


@pytest.mark.parametrize("ended", [0, child.UNSENT, 1, 3])
def test_a_sender_that_ended_early_is_told_of_at_the_end(
    worker: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ended: int
) -> None:
    Outbox(worker, "one").close()

    def playing(argv: list[str], **more: Any) -> int:
        record(worker)
        return 0

    made = SimpleNamespace(process=SimpleNamespace(returncode=ended), close=lambda: None)
    monkeypatch.setattr(child, "Child", lambda *words, **more: made)
    monkeypatch.setattr(play, "main", playing)
    early = ended not in (0, child.UNSENT)
    assert main(["worker", "--home", str(worker.root), "--port", "7", "--headless"]) == (child.UNSENT if early else 0)
    said = "Sending ended before the session did, and 60 steps wait here: " \
           f"`hitl worker --send-only --port 7 --home {worker.root}` sends the rest.\n"  # fmt: skip
    assert capsys.readouterr().out == (said if early else "")


def test_a_fault_is_a_sentence(worker: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def end(status: int) -> None:
        raise SystemExit(status)

    def fails(to: object, group: str, work: Callable[[Any], None]) -> None:
        raise RuntimeError("so what")

    access = {"host": "127.0.0.1", "port": free_port(), "password": "x" * 12, "keys": None}
    setup = {"role": "forward", "home": str(worker.root), "access": access, "name": None, "everything": False}
    lines = iter([json.dumps(setup) + "\n"])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(readline=lambda: next(lines), read=lambda n: ""))
    monkeypatch.setattr(child.os, "_exit", end)
    monkeypatch.setattr("hitl.remote.link.run_endpoint", fails)
    with pytest.raises(SystemExit) as left:
        child.main()
    assert left.value.code == 1
    out = capsys.readouterr()
    assert out.out.startswith("hitl: Sending has ended by a fault of hitl (RuntimeError: so what; ")
    assert out.err == ""
    assert not list(Path(worker.root).glob("*.live-*"))
