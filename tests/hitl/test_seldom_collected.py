"""The command line's own process spends little on looking for garbage; a program that only calls it stays as it was."""

import atexit
import gc
import sys

import pytest

from hitl import cli, processes


@pytest.fixture
def collector():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    atexit.unregister(processes._collect_once)


def test_garbage_is_looked_for_seldom_in_the_command_lines_own_process_alone(collector, monkeypatch, capsys):
    monkeypatch.setattr(cli, "prepare_children", lambda: None)  # the environment is this process's own
    monkeypatch.setattr(sys, "argv", ["hitl", "--version"])
    at_the_end = []
    monkeypatch.setattr(processes.atexit, "register", at_the_end.append)
    gc.set_threshold(700)
    assert cli.main(["--version"]) == 0
    assert gc.get_threshold()[0] == 700
    assert at_the_end == []
    assert cli.main() == 0
    assert gc.get_threshold()[0] >= 10_000
    assert at_the_end == [processes._collect_once]
    assert "hitl" in capsys.readouterr().out
