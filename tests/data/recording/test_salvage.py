"""A damaged store is no dead end: the check says what to type, and that brings in what can be read."""

import os
import re
import shlex

import pytest

from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from hitl.home import Home
from tests.support.recorded import drive, session_info


def damage(path, kind):
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    if kind == "cut":
        data = data[: (pages - 4) * 4096]
    elif kind == "end":
        data[-3 * 4096 :] = os.urandom(3 * 4096)
    else:
        begin = pages // 2 * 4096
        data[begin : begin + 20_000] = bytes(20_000) if kind == "zeros" else os.urandom(20_000)
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["zeros", "noise", "end", "cut"])
def test_what_the_check_of_a_damaged_store_says_saves_what_can_be_read(tmp_path, kind, capsys):
    home = Home(tmp_path / "my home").create()
    for _ in range(4):
        with Recorder(home.store_path, session_info()) as recorder:
            for _ in range(10):
                drive(recorder, steps=50)
    with Store(home.store_path) as store:
        episodes, steps = store.info().episodes, store.count_steps()
    damage(home.store_path, kind)
    before = home.store_path.read_bytes()
    capsys.readouterr()
    assert main(["store", "check", "--home", str(home.root)]) in (1, 4)
    said = "".join(capsys.readouterr())
    (command,) = re.findall("`hitl (import .*?)`", said)
    assert main(shlex.split(command)) == 0
    assert "is damaged: what can still be read of it came in" in capsys.readouterr().out
    assert home.store_path.read_bytes() == before
    with Store(tmp_path / "my home-saved" / "store.sqlite") as saved:
        assert saved.check() == []
        assert saved.info().episodes > 0.5 * episodes
        assert saved.count_steps() > 0.5 * steps
    if kind != "cut":
        assert main(["store", "recover", "--home", str(home.root)]) in (1, 4)
        assert "`hitl import" in "".join(capsys.readouterr())


def test_of_what_was_damaged_everywhere_nothing_is_said_to_have_come(tmp_path, capsys):
    home = Home(tmp_path / "home").create()
    with Store(home.store_path):
        pass
    data = home.store_path.read_bytes()
    home.store_path.write_bytes(data[:16] + os.urandom(len(data) - 16))
    assert main(["import", str(home.store_path), "--home", str(tmp_path / "new")]) in (3, 4)
    assert "came in" not in capsys.readouterr().out
