"""A home is a worker's or that of a trainer with workers, not both at once: each would send back what comes from the other."""

import sqlite3

import pytest

from data.recording.session_lock import LiveLock
from hitl.cli import main
from hitl.remote.child import _unusable
from hitl.remote.link import free_port


@pytest.mark.parametrize(
    ("lock", "args", "said"),
    [
        ("receives", ("worker", "--headless", "--pad", "none", "--episodes", "1"), "with `hitl worker --home DIR`"),
        ("receives", ("worker", "--send-only"), "with `hitl worker --home DIR`"),
        ("sends", ("train", "--from-server"), "with `hitl train --from-server --home DIR`"),
        ("sends", ("train", "--from-server", "--background"), "From this home a worker sends"),
    ],
)
def test_the_second_is_refused_at_its_start(worker, capsys, lock, args, said):
    other = LiveLock(worker.store_path, lock)
    assert other.acquire()
    try:
        assert main([*args, "--home", str(worker.root), "--port", str(free_port())]) == 2
    finally:
        other.release()
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith(("hitl: In this home", "hitl: From this home")), "in the command's own words"
    assert not (worker.root / "trainer.log").exists()
    assert f"`hitl train --home {worker.root}` do the same in one home." in err
    assert not (worker.root / "worker.json").exists()
    assert not list(worker.root.glob("store.sqlite.live-*"))


def test_a_home_that_cannot_be_written_is_told_in_a_sentence(worker):
    command = "`hitl worker --send-only --no-tls --home there`"
    said = _unusable(worker, OSError(28, "No space left on device"), command)
    assert said.startswith(f"The home folder '{worker.root.name}' cannot be used (No space left on device): what was sent ")
    assert said.endswith(f"Make room or make it writable. {command} sends the rest then.")
    assert "(unable to open database file): what arrives" in _unusable(
        worker, sqlite3.OperationalError("unable to open database file"), ""
    )
