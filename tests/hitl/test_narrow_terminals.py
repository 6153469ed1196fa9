"""In a narrow terminal a list leaves out what matters least, cuts nothing, and keeps what is typed: the number."""

import pytest

from hitl.cli import main
from hitl.console import USUAL, console, fitting
from tests.support import sample_stores


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("home")
    sample_stores.fill(root / "store.sqlite")
    return root


@pytest.mark.parametrize("columns", [25, 30, 40, 50, 60, 70, 80, 100, 140])
def test_segments_keep_their_number_and_every_letter(home, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["segments", "--home", str(home)]) == 0
    out = capsys.readouterr().out
    head = next(line for line in out.splitlines() if " id " in line)
    assert max(map(len, out.splitlines())) <= columns
    for column, cell in (("verdict", "unreviewed"), ("kind", "takeover"), ("outcome", "cleared"), ("session", " 1 ")):
        assert column not in head.split() or cell in out


@pytest.mark.parametrize("columns", ["0", "1", "99999999", "none"])
@pytest.mark.parametrize("command", ["segments", "tracks", "corners", "checkpoints"])
def test_a_width_that_makes_no_sense_counts_as_the_usual_one(home, columns, command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    assert console().width == USUAL
    main([command, "--home", str(home)])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines()), default=80) > 40


@pytest.mark.parametrize(("command", "typed"), [("corners", "hairpin"), ("tracks", "decreasing"), ("checkpoints", "")])
@pytest.mark.parametrize("columns", [45, 60, 80])
def test_the_other_lists_keep_what_is_typed(home, columns, command, typed, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    main([command, "--home", str(home)])
    table = capsys.readouterr().out
    assert typed in table


def test_what_matters_least_goes_first_and_only_as_much_as_must():
    widths = {"id": 2, "when": 10, "verdict": 8}
    assert fitting(40, widths, ("when", "verdict")) == ["id", "when", "verdict"]
    assert fitting(20, widths, ("when", "verdict")) == ["id", "verdict"]
    assert fitting(1, widths, ("when", "verdict")) == ["id"]
